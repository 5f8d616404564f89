"""Quantised weights: would break if a file held other numbers or types than its name says."""

import gguf
import numpy as np
import pytest
from safetensors.numpy import save_file

from slmlib.models import gguf_files, registry, weights

WIDE, NARROW = 512, 96  # rows that K-quants can hold, and rows that they cannot
WIDTHS = {"attn_q": WIDE, "ffn_up": NARROW, "ffn_down": WIDE, "attn_v": NARROW}
SHAPES = {"token_embd.weight": (8, WIDE), "output_norm.weight": (WIDE,)} | {
    f"blk.{layer}.{name}.weight": (8, width) for layer in range(2) for name, width in WIDTHS.items()
}


@pytest.fixture
def source(tmp_path):
    """A file of two layers with weights drawn from a normal distribution."""
    draw = np.random.default_rng(7)
    writer = gguf.GGUFWriter(tmp_path / "toy.gguf", "llama")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_block_count(2)
    writer.add_head_count(2)
    writer.add_array("tokenizer.ggml.tokens", ["a", "b"])
    for name, shape in SHAPES.items():
        writer.add_tensor(name, draw.standard_normal(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tmp_path / "toy.gguf"


def tensors(path) -> dict:
    return {t.name: t for t in gguf.GGUFReader(path).tensors}


def values(tensor):
    return gguf.dequantize(tensor.data, tensor.tensor_type)


def test_quantised_weights_are_close_to_the_original(source, tmp_path):
    """Root mean square of what is lost, of weights of one; not nothing, or nothing was rounded."""
    out, before = tmp_path / "out.gguf", tensors(source)
    for kind, loss in {"f16": 3e-4, "q8_0": 0.006, "q4_1": 0.1, "q4_k_m": 0.08}.items():
        gguf_files.requantise(source, out, kind)
        after = tensors(out)
        assert gguf_files.file_type(out) == kind and before.keys() == after.keys()
        for name, tensor in after.items():
            lost = np.sqrt(np.mean((values(tensor) - values(before[name])) ** 2))
            assert (lost == 0) if name == "output_norm.weight" else (0 < lost < loss), (kind, name)
        fields = gguf.GGUFReader(out).fields
        assert fields["tokenizer.ggml.tokens"].contents() == ["a", "b"]


def test_mixture_is_written_as_planned(source, tmp_path):
    """K-quants where rows are wide enough, others where not; six bits where llama.cpp has them."""
    gguf_files.requantise(source, tmp_path / "out.gguf", "q4_k_m")
    types = {name: t.tensor_type.name for name, t in tensors(tmp_path / "out.gguf").items()}
    assert types["output_norm.weight"] == "F32" and types["token_embd.weight"] == "Q6_K"
    assert (types["blk.0.attn_q.weight"], types["blk.0.ffn_up.weight"]) == ("Q4_K", "Q5_0")
    assert (types["blk.0.ffn_down.weight"], types["blk.0.attn_v.weight"]) == ("Q4_K", "Q5_0")
    assert (types["blk.1.ffn_down.weight"], types["blk.1.attn_v.weight"]) == ("Q6_K", "Q8_0")


def test_six_bits_go_to_half_of_the_layers_and_to_the_output():
    """As in a file by Qwen2.5's makers: of 24 layers, the ends and every third between."""
    shapes = {f"blk.{layer}.ffn_down.weight": (WIDE, 8) for layer in range(24)}
    shapes |= {"token_embd.weight": (WIDE, 8), "output.weight": (WIDE, 8)}
    six = [name for name, kind in gguf_files.mixture(shapes).items() if kind == "Q6_K"]
    layers = [0, 1, 2, 5, 8, 11, 14, 17, 20, 21, 22, 23]
    assert six == [*(f"blk.{layer}.ffn_down.weight" for layer in layers), "output.weight"]


@pytest.mark.model
def test_trained_weights_replace_those_of_the_file(tmp_path):
    """Names and the order of rows are llama.cpp's: the origin's weights give the same file."""
    model = registry.get("smollm2-135m-instruct")
    plain, replaced = tmp_path / "plain.gguf", tmp_path / "replaced.gguf"
    gguf_files.requantise(weights.find(model), plain, "f16")
    gguf_files.requantise(weights.find(model), replaced, "f16", weights=weights.converted(model))
    assert plain.read_bytes() == replaced.read_bytes()
    # keys and values of 30 layers with three heads of 64, two bytes each
    assert gguf_files.cache_bytes(plain) == 2 * 2 * 30 * 3 * 64


def test_weights_of_another_model_are_refused(source, tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    save_file({"model.norm.weight": np.ones(3, np.float32)}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"weights of token_embd.weight are missing"):
        gguf_files.requantise(source, tmp_path / "out.gguf", "f16", weights=folder)


def test_fraction_of_the_update_that_quantisation_keeps(source, tmp_path):
    """All of it in F16; little where small changes are rounded to the grid that they began from."""
    origin, grown, draw = tmp_path / "origin.gguf", tmp_path / "grown", np.random.default_rng(8)
    gguf_files.requantise(source, origin, "q4_1")
    gguf_files.requantise(origin, grown, "f16")
    reader = gguf.GGUFReader(grown, "r+")
    for tensor in reader.tensors:
        if tensor.name.startswith("blk."):
            tensor.data[:] += draw.normal(0, 0.02, tensor.data.shape).astype(tensor.data.dtype)
    reader.data.flush()  # to the file
    kept = {}
    for kind in ("f16", "q8_0", "q4_1"):
        gguf_files.requantise(grown, tmp_path / kind, kind)
        kept[kind] = gguf_files.update_kept(origin, grown, tmp_path / kind)
    assert kept["f16"] == pytest.approx(1) and kept["q8_0"] > 0.9 and kept["q4_1"] < 0.5
    assert gguf_files.update_kept(origin, grown, origin) == 0


@pytest.mark.model
def test_importance_lowers_the_weighted_error(loaded):
    path = weights.find(registry.get("smollm2-135m-instruct"))
    measured = gguf_files.importance(path, loaded.network, [[1, 5, 9, 200, 7], [4, 4, 8]])
    matrices = {n: t for n, t in tensors(path).items() if n.startswith("blk.") and len(t.shape) > 1}
    shapes = {name: (int(tensor.shape[0]),) for name, tensor in matrices.items()}
    assert {name: columns.shape for name, columns in measured.items()} == shapes
    name, kind = "blk.3.ffn_down.weight", gguf.GGMLQuantizationType.Q4_K  # 1536 wide
    matrix, weighed = values(matrices[name]).astype(np.float32), measured[name]
    errors = []
    for given in (None, weighed):
        rounded = gguf.dequantize(gguf_files.quantise(matrix, kind, given), kind)
        errors.append(((rounded - matrix) ** 2 * weighed).sum())
    assert errors[1] < 0.95 * errors[0]
