"""GGUF files in other precisions: all matrices in one type, or llama.cpp's mixture Q4_K_M.

Single types are written by the package `gguf`. K-quants, which it can only read, are quantised by
ggml itself, in the library inside the wheel of llama.cpp. Q4_K_M uses four bits for most matrices,
and six for the output and for half of the value and down projections. K-quants come in blocks of
256 numbers; narrower rows use Q5_0 and Q8_0 instead, as in llama.cpp, and so do most matrices of
SmolLM2-135M (576 wide). Vectors stay fp32. Q4_K_M_I is Q4_K_M whose quantisation errors are
weighted by the mean squared input of each column on training texts: llama.cpp's importance matrix.
"""

import ctypes
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFReader

FILE_TYPES = {
    "f16": "MOSTLY_F16",
    "q8_0": "MOSTLY_Q8_0",
    "q4_1": "MOSTLY_Q4_1",
    "q4_k_m": "MOSTLY_Q4_K_M",
    "q4_k_m_i": "MOSTLY_Q4_K_M",
}
WEIGHED = ("q4_k_m_i",)  # types that are quantised by importance
VERSION = 2  # of how files are made; a new one makes cached files again
BLOCK = 256  # numbers that share a scale in K-quants
NARROW = {"Q4_K": "Q5_0", "Q6_K": "Q8_0"}  # types of rows whose width is not a multiple of it
MORE_BITS = ("attn_v.weight", "ffn_down.weight")


def file_type(path: Path) -> str:
    """Precision of the matrices of a GGUF file, as the file says: "q4_k_m", "f16"."""
    field = GGUFReader(path).fields.get("general.file_type")
    if field is None:
        return "unknown"
    return gguf.LlamaFileType(field.contents()).name.partition("_")[2].lower()


def cache_bytes(path: Path) -> int:
    """Bytes per token of llama.cpp's KV cache in F16, for the model of a GGUF file."""
    fields = GGUFReader(path).fields
    prefix = fields["general.architecture"].contents()

    def size(name: str, default: int = 0) -> int:
        field = fields.get(f"{prefix}.{name}")
        return int(field.contents()) if field else default

    heads = size("attention.head_count")
    width = size("attention.key_length", size("embedding_length") // heads)
    return 2 * 2 * size("block_count") * size("attention.head_count_kv", heads) * width


def requantise(
    source: Path,
    out: Path,
    kind: str,
    *,
    weights: Path | None = None,
    weighed: Mapping | None = None,
) -> None:
    """Copy a GGUF file with its matrices in another type; vectors stay fp32.

    Args:
        source: a GGUF file of any type.
        out: the file to write.
        kind: one of `FILE_TYPES`.
        weights: a folder of safetensors whose weights replace those of the file, for a model that
            was trained from it.
        weighed: importance of the columns of each matrix, by its name in GGUF, for the types
            `WEIGHED`.

    Raises:
        ValueError: the folder lacks one of the file's tensors, or has it in another shape.
    """
    reader = GGUFReader(source)
    writer = gguf.GGUFWriter(out, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":  # written by the writer
            continue
        value, types = field.contents(), field.types
        if name == "general.file_type":
            value = gguf.LlamaFileType[FILE_TYPES[kind]].value
        item_type = types[-1] if types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, types[0], item_type)
    shapes = {tensor.name: tuple(int(size) for size in tensor.shape) for tensor in reader.tensors}
    chosen = mixture(shapes) if kind.startswith("q4_k_m") else dict.fromkeys(shapes, kind.upper())
    replaced = {} if weights is None else _read_folder(reader, weights)
    for tensor in reader.tensors:
        if weights is None:
            values = _values(tensor)
        else:
            values, shape = replaced.get(tensor.name), shapes[tensor.name][::-1]
            if values is None or values.shape != shape:
                state = "are missing" if values is None else f"have the shape {values.shape}"
                raise ValueError(f"the weights of {tensor.name} {state}; the file has {shape}")
        if values.ndim < 2:
            writer.add_tensor(tensor.name, values)
        else:
            to = GGMLQuantizationType[chosen[tensor.name]]
            data = quantise(values, to, (weighed or {}).get(tensor.name))
            writer.add_tensor(tensor.name, data, raw_dtype=to)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _values(tensor) -> np.ndarray:
    return gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)


def mixture(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """The type of each matrix in Q4_K_M, by name.

    Six bits go to the output and to half of the value and down projections: the first and last
    eighth of the layers, and every third between. (Older files count the layers in the order of
    their names.)

    Args:
        shapes: of every tensor, by its name in GGUF; the first size is the width of a row.
    """
    output = "output.weight" if "output.weight" in shapes else "token_embd.weight"
    places = {name: re.match(r"blk\.(\d+)\.(.+)", name) for name in shapes}
    layers = 1 + max((int(place[1]) for place in places.values() if place), default=0)
    eighth, types = layers // 8, {}
    for name, (width, *rest) in shapes.items():
        if not rest:
            continue
        six = name == output
        if places[name] and places[name][2] in MORE_BITS:
            layer = int(places[name][1])
            six = layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2
        types[name] = "Q6_K" if six else "Q4_K"
        if width % BLOCK:
            types[name] = NARROW[types[name]]
    return types


def _read_folder(reader: GGUFReader, folder: Path) -> dict[str, np.ndarray]:
    """Weights of a folder of safetensors by their names in GGUF, in fp32, in llama.cpp's order."""
    from safetensors import safe_open

    architecture, names = _names(reader)
    heads = int(reader.fields[f"{architecture}.attention.head_count"].contents())
    shared = reader.fields.get(f"{architecture}.attention.head_count_kv")
    rotated = {"attn_q.weight": heads, "attn_k.weight": int(shared.contents()) if shared else heads}
    weights = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "np") as file:
            for name in file.keys():  # noqa: SIM118  safe_open is not a mapping
                known = names.get_name(name, try_suffixes=(".weight", ".bias")) or name
                values = file.get_tensor(name).astype(np.float32)
                part = known.rpartition("blk.")[2].partition(".")[2]
                if architecture == "llama" and part in rotated:
                    # in llama.cpp the two halves of a rotation alternate
                    rows, width = values.shape
                    halves = values.reshape(rotated[part], 2, rows // rotated[part] // 2, width)
                    values = halves.swapaxes(1, 2).reshape(rows, width)
                weights[known] = values
    return weights


def _names(reader: GGUFReader) -> tuple[str, gguf.TensorNameMap]:
    """Architecture of a file, and gguf's map from other libraries' tensor names to its own."""
    architecture = reader.fields["general.architecture"].contents()
    layers = int(reader.fields[f"{architecture}.block_count"].contents())
    key = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    return architecture, gguf.get_tensor_name_map(key, layers)


def update_kept(origin: Path, trained: Path, quantised: Path) -> float:
    """Fraction of a trained update that quantisation keeps: 1 is all, 0 a model like its origin.

    The update is the difference of the layers' matrices between `trained` and `origin`; the
    difference of the quantised file to the origin is projected on it. Changes smaller than a
    quantisation step are lost, above all on the origin's own grid.

    Args:
        origin: GGUF file that the training started from.
        trained: the trained model in a type that loses next to nothing, such as F16.
        quantised: the trained model in the type in question.
    """
    files = []
    for path in (origin, trained, quantised):
        tensors = GGUFReader(path).tensors
        files.append({t.name: t for t in tensors if t.name.startswith("blk.") and len(t.shape) > 1})
    shared = total = 0.0
    for name in files[0]:
        start, full, rest = (_values(file[name]).astype(np.float64) for file in files)
        shared += float(((rest - start) * (full - start)).sum())
        total += float(((full - start) ** 2).sum())
    return shared / total


def importance(source: Path, network, sequences: Iterable[Sequence[int]]) -> dict[str, np.ndarray]:
    """Importance matrix: mean squared input of each column of the layers' matrices.

    Args:
        source: a GGUF file of the model, for its names.
        network: the model in transformers.
        sequences: tokens of texts like those that the model will see.

    Returns:
        By the name of the matrix in GGUF: (columns,) in fp32.
    """
    import torch

    sums, count, hooks = {}, 0, []

    def watch(name: str):
        def hook(module, inputs) -> None:
            squares = inputs[0].detach().float().square().flatten(0, -2).sum(0)
            sums[name] = sums.get(name, 0) + squares

        return hook

    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Linear) and ".layers." in name:
            hooks.append(module.register_forward_pre_hook(watch(name)))
    with torch.inference_mode():
        for tokens in sequences:
            network.base_model(torch.tensor([tokens]).to(network.device))
            count += len(tokens)
    for hook in hooks:
        hook.remove()
    _, names = _names(GGUFReader(source))
    known = {name: names.get_name(f"{name}.weight", try_suffixes=(".weight",)) for name in sums}
    return {known[name]: (total / count).cpu().numpy() for name, total in sums.items()}


def quantise(
    weights: np.ndarray, kind: GGMLQuantizationType, weighed: np.ndarray | None = None
) -> np.ndarray:
    """Quantise a matrix of (rows, columns) in fp32 to (rows, bytes per row).

    `weighed`, (columns,), says how much an error in each column counts.
    """
    if weighed is None:
        try:
            return gguf.quantize(weights, kind)
        except NotImplementedError:  # K-quants
            pass
    block, size = gguf.GGML_QUANT_SIZES[kind]
    rows, width = weights.shape
    weights = np.ascontiguousarray(weights)
    out = np.empty((rows, width // block * size), np.uint8)
    pointer = None
    if weighed is not None:
        weighed = np.ascontiguousarray(weighed, np.float32)
        if weighed.shape != (width,):
            raise ValueError(f"{weighed.shape[0]} weights of importance for {width} columns")
        pointer = weighed.ctypes.data
    written = _ggml_quantize_chunk()(
        kind.value, weights.ctypes.data, out.ctypes.data, 0, rows, width, pointer
    )
    if written != out.nbytes:
        raise RuntimeError(f"ggml wrote {written} bytes of {kind.name}, {out.nbytes} were expected")
    return out


@cache
def _ggml_quantize_chunk():
    """ggml's own function, in the library of the wheel that runs llama.cpp."""
    import xllamacpp

    try:
        function = ctypes.CDLL(xllamacpp.xllamacpp.__file__).ggml_quantize_chunk
    except AttributeError:
        raise RuntimeError(
            "this version of xllamacpp does not export ggml_quantize_chunk, by which K-quants are "
            "written. Install the version of requirements.lock."
        ) from None
    pointer, size = ctypes.c_void_p, ctypes.c_int64
    function.restype = ctypes.c_size_t
    function.argtypes = [ctypes.c_int, pointer, pointer, size, size, size, pointer]
    return function
