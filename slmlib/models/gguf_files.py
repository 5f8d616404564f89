"""GGUF files with other types of number: all matrices in one type, or llama.cpp's mixture Q4_K_M.

One type is written by the `gguf` package. For K-quants, which it only reads, the rows are rounded by ggml
itself, in the library that the wheel of llama.cpp holds. Q4_K_M has four bits for most matrices, and six for
the output and for half of the value and down projections. K-quants come in blocks of 256 numbers: narrower
rows take Q5_0 and Q8_0 instead, as in llama.cpp, and so do most matrices of SmolLM2-135M (576 wide).
Vectors stay fp32. Q4_K_M_I is Q4_K_M whose rounding errors are weighed by how large the inputs of each column
are on training texts: llama.cpp's importance matrix.
"""

import ctypes
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

FILE_TYPES = {
    "f16": "MOSTLY_F16",
    "q8_0": "MOSTLY_Q8_0",
    "q4_1": "MOSTLY_Q4_1",
    "q4_k_m": "MOSTLY_Q4_K_M",
    "q4_k_m_i": "MOSTLY_Q4_K_M",
}
WEIGHED = ("q4_k_m_i",)  # kinds whose rounding is weighed by `importance`
VERSION = 2  # of how files are made; a new one makes them anew
BLOCK = 256  # numbers that share a scale in K-quants
NARROW = {"Q4_K": "Q5_0", "Q6_K": "Q8_0"}  # what rows take that are no multiple of it
MORE_BITS = ("attn_v.weight", "ffn_down.weight")


def kind_of(path: Path) -> str:
    """What the matrices of a GGUF file are in, as the file says: "q4_k_m", "f16"."""
    import gguf

    field = gguf.GGUFReader(path).fields.get("general.file_type")
    return (
        gguf.LlamaFileType(field.contents()).name.partition("_")[2].lower() if field else "unknown"
    )


def cache_bytes(path: Path) -> int:
    """Bytes of keys and values that a token takes in llama.cpp's cache, which is in F16."""
    import gguf

    fields = gguf.GGUFReader(path).fields
    kind = fields["general.architecture"].contents()

    def size(name: str, default: int | None = None) -> int:
        field = fields.get(f"{kind}.{name}")
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
    """Copy a GGUF file with its matrices as another type; vectors stay fp32.

    Args:
        source: a GGUF file of any type.
        out: the file to write.
        kind: one of `FILE_TYPES`.
        weights: a folder of safetensors whose weights replace those of the file, which gives the rest: for a
            model that was trained from it.
        weighed: the importance of each matrix's columns, by its name in GGUF, for the kinds in `WEIGHED`.

    Raises:
        ValueError: the folder lacks one of the file's tensors, or has it in another shape.
    """
    import gguf
    import numpy as np

    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(out, reader.fields["general.architecture"].contents())
    _copy_fields(reader, writer, kind)
    shapes = {tensor.name: tuple(int(size) for size in tensor.shape) for tensor in reader.tensors}
    types = mixture(shapes) if kind.startswith("q4_k_m") else dict.fromkeys(shapes, kind.upper())
    replaced = {} if weights is None else replacements(reader, weights)
    for tensor in reader.tensors:
        if weights is None:
            values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        else:
            values = _replaced(replaced, tensor)
        if values.ndim < 2:
            writer.add_tensor(tensor.name, values)
        else:
            wanted = gguf.GGMLQuantizationType[types[tensor.name]]
            rounded = _rounded(values, wanted, (weighed or {}).get(tensor.name))
            writer.add_tensor(tensor.name, rounded, raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _copy_fields(reader, writer, kind: str) -> None:
    """What a GGUF file says beside its tensors, with another type of file."""
    import gguf

    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":  # the writer's own
            continue
        value, kinds = field.contents(), field.types
        if name == "general.file_type":
            value = gguf.LlamaFileType[FILE_TYPES[kind]].value
        of_array = kinds[-1] if kinds[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, kinds[0], of_array)


def kept(origin: Path, whole: Path, rounded: Path) -> float:
    """How much of what a model learnt is left after rounding: 1 is all of it, 0 a model like its origin.

    The learnt difference is that of the layers' matrices between `whole` and `origin`; the rounded file's
    difference to the origin is projected on it. Rounding to the very grid on which the origin's weights lie
    loses what is small beside its steps.

    Args:
        origin: GGUF file that the training started from.
        whole: the trained model in a type that loses next to nothing, such as F16.
        rounded: the trained model in the type in question.
    """
    import gguf
    import numpy as np

    def matrices(path: Path) -> dict:
        tensors = gguf.GGUFReader(path).tensors
        return {t.name: t for t in tensors if t.name.startswith("blk.") and len(t.shape) > 1}

    def values(tensor) -> np.ndarray:
        return gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)

    before, learnt, left = (matrices(path) for path in (origin, whole, rounded))
    shared = total = 0.0
    for name, tensor in before.items():
        start = values(tensor)
        change = values(learnt[name]) - start
        shared += float(((values(left[name]) - start) * change).sum())
        total += float((change * change).sum())
    return shared / total


def _names(reader) -> tuple[str, object]:
    """The architecture of a file, and gguf's map from other libraries' names of its tensors."""
    import gguf

    kind = reader.fields["general.architecture"].contents()
    layers = int(reader.fields[f"{kind}.block_count"].contents())
    architecture = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == kind)
    return kind, gguf.get_tensor_name_map(architecture, layers)


def importance(source: Path, network, sequences: Iterable[Sequence[int]]) -> dict:
    """How much the columns of each matrix of the layers count: the mean square of their inputs.

    Args:
        source: a GGUF file of the model, for its names.
        network: the model in transformers.
        sequences: tokens of texts like those that it will meet.

    Returns:
        (columns,) in fp32 by the name of the matrix in GGUF.
    """
    import gguf
    import torch

    _, names = _names(gguf.GGUFReader(source))
    sums: dict[str, object] = {}

    def watch(name: str):
        def seen(_, given) -> None:
            sums[name] = sums.get(name, 0) + given[0].detach().float().square().flatten(0, -2).sum(
                0
            )

        return seen

    layers = [
        (n, m)
        for n, m in network.named_modules()
        if isinstance(m, torch.nn.Linear) and ".layers." in n
    ]
    hooks = [module.register_forward_pre_hook(watch(name)) for name, module in layers]
    count = 0
    with torch.inference_mode():
        for tokens in sequences:
            network.base_model(torch.tensor([tokens]).to(network.device))
            count += len(tokens)
    for hook in hooks:
        hook.remove()
    known = {name: names.get_name(f"{name}.weight", try_suffixes=(".weight",)) for name in sums}
    return {known[name]: (total / count).cpu().numpy() for name, total in sums.items()}


def replacements(reader, folder: Path) -> dict:
    """The weights of a folder of safetensors by their names in GGUF, in fp32, rows ordered as there."""
    import numpy as np
    from safetensors import safe_open

    kind, names = _names(reader)
    heads = int(reader.fields[f"{kind}.attention.head_count"].contents())
    shared = reader.fields.get(f"{kind}.attention.head_count_kv")
    turned = {"attn_q.weight": heads, "attn_k.weight": int(shared.contents()) if shared else heads}
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "np") as file:
            for name in file.keys():  # noqa: SIM118  safe_open is no mapping
                known = names.get_name(name, try_suffixes=(".weight", ".bias"))
                values = file.get_tensor(name).astype(np.float32)
                part = (known or name).rpartition("blk.")[2].partition(".")[2]
                if kind == "llama" and part in turned:
                    values = _interleaved(values, turned[part])
                found[known or name] = values
    return found


def _interleaved(weights, heads: int):
    """Rows of a query or key matrix in llama.cpp's order, where the two halves of a rotation alternate."""
    rows, width = weights.shape
    return weights.reshape(heads, 2, rows // heads // 2, width).swapaxes(1, 2).reshape(rows, width)


def _replaced(found: dict, tensor):
    """The new values of a tensor of the file."""
    shape = tuple(int(size) for size in reversed(tensor.shape))
    values = found.get(tensor.name)
    if values is None or values.shape != shape:
        had = "are missing" if values is None else f"have the shape {values.shape}"
        raise ValueError(f"the weights of {tensor.name} {had}; the file has {shape}")
    return values


def mixture(shapes: dict[str, tuple[int, ...]]) -> dict[str, str]:
    """The type of each matrix in Q4_K_M, by name.

    Args:
        shapes: of every tensor, by its name in GGUF; rows are as wide as the first size.
    """
    output = "output.weight" if "output.weight" in shapes else "token_embd.weight"
    layers = 1 + max((int(found[1]) for found in map(_LAYER.match, shapes) if found), default=0)

    def kind(name: str, width: int) -> str:
        found = _LAYER.match(name)
        six = name == output or (
            found and found[2] in MORE_BITS and _gets_more(int(found[1]), layers)
        )
        chosen = "Q6_K" if six else "Q4_K"
        return NARROW[chosen] if width % BLOCK else chosen

    return {name: kind(name, shape[0]) for name, shape in shapes.items() if len(shape) > 1}


_LAYER = re.compile(r"blk\.(\d+)\.(.+)")


def _gets_more(layer: int, layers: int) -> bool:
    """The first and the last eighth of the layers, and every third between them.

    Older files count the layers in the order of their names, in which 10 follows 1.
    """
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def _rounded(weights, kind, weighed=None):
    """A matrix of fp32 as the bytes of another type, (rows, bytes a row).

    `weighed`: (columns,), how much an error in each column counts; only ggml heeds it.
    """
    import gguf

    if weighed is not None:
        return _by_ggml(weights, kind, weighed)
    try:
        return gguf.quantize(weights, kind)
    except NotImplementedError:
        return _by_ggml(weights, kind)


def _by_ggml(weights, kind, weighed=None):
    import gguf
    import numpy as np

    block, size = gguf.GGML_QUANT_SIZES[kind]
    rows, width = weights.shape
    weights = np.ascontiguousarray(weights)
    out = np.empty((rows, width // block * size), np.uint8)
    weighed = None if weighed is None else np.ascontiguousarray(weighed, np.float32)
    if weighed is not None and weighed.shape != (width,):
        raise ValueError(f"{width} columns have {weighed.shape[0]} weights")
    pointer = None if weighed is None else weighed.ctypes.data
    written = _ggml().ggml_quantize_chunk(
        kind.value, weights.ctypes.data, out.ctypes.data, 0, rows, width, pointer
    )
    if written != out.nbytes:
        raise RuntimeError(
            f"ggml wrote {written} bytes of {kind.name} where {out.nbytes} were expected"
        )
    return out


@cache
def _ggml() -> ctypes.CDLL:
    """ggml's own functions, in the library of the wheel that runs llama.cpp."""
    import xllamacpp

    library = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk.argtypes = [
        ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p,
    ]  # fmt: skip
    return library
