"""Tasks: load examples, build the prompt, parse and score, the same for all three.

A task is a subpackage of `slmlib` with a module `task` that holds `TASK`; it is found by
name, so a new task touches no shared module. Everything else here is what runs share:
the example row, the prompt and its hash, and reading a data set that its manifest vouches for.
"""

import hashlib
import importlib
import importlib.util
import json
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slmlib import tasks
from slmlib.core import io, paths
from slmlib.core.names import choose
from slmlib.tasks.edgejson.scoring import Parsed, Score

Message = dict[str, str]  # {"role": "system" | "user" | "assistant", "content": ...}


@dataclass(frozen=True)
class Sample:
    """One case, as in a row of `data/<task>/<split>.jsonl` (`data/example.schema.json`)."""

    id: str
    task: str
    split: str
    group: str  # the cluster for statistics: schema, intent or function
    tier: str  # simple, medium or complex
    input: Mapping[str, Any]
    target: Any
    meta: Mapping[str, Any]


@dataclass(frozen=True)
class Prompt:
    """A prompt by name; `fill` turns an example into the fields of the user template.

    `shots` are worked examples, as pairs of a question and its answer, asked before the example. Without
    `chat` the messages reach the model as they are, one after the other, outside of its chat template.
    """

    name: str
    system: str
    user: str
    fill: Callable[[Sample], Mapping[str, str]]
    shots: tuple[tuple[str, str], ...] = ()
    chat: bool = True

    def messages(self, example: Sample) -> list[Message]:
        """Chat messages for one example; the engine applies the model's chat template."""
        system = [("system", self.system)] if self.system else []
        shots = [turn for shot in self.shots for turn in zip(("user", "assistant"), shot, strict=True)]
        turns = [*system, *shots, ("user", self.user.format_map(self.fill(example)))]
        return [{"role": role, "content": content} for role, content in turns]

    @property
    def sha256(self) -> str:
        """Hash of the wording: it changes when, and only when, the prompt does."""
        parts = [self.system, self.user, self.shots, *([] if self.chat else ["no chat template"])]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Task:
    """What a benchmark task is: where its examples are, how to ask, and how to judge.

    `score(example, completion, finish)` never raises, whatever the completion.
    `usual` names the prompt of each way of decoding where none is asked for; such runs are ranked. A model
    that was trained here is asked as it was trained, in the prompt `trained`, whichever the decoding.
    `metrics` maps a score's name to how its mean is estimated: "proportion" (clustered Wilson) or
    "mean" (cluster bootstrap by group). `ratios` are sums over all cases: a name, and what turns a
    score's counts into numerator and denominator. `rules` and `oracle` write the completions of
    the rule-based and the perfect control.
    """

    name: str
    title: str
    version: str
    splits: tuple[str, ...]
    prompts: Mapping[str, Prompt]
    usual: Mapping[str, str]  # decoding mode -> name of a prompt
    metrics: Mapping[str, str]  # the first ranks the leaderboard
    max_new_tokens: int
    stop: str  # "json": a completion ends with its first JSON value; "none": with the end token
    parse: Callable[[str], Parsed]
    score: Callable[[Sample, str, str], Score]
    rules: Callable[[Sample], str]
    oracle: Callable[[Sample], str]
    ratios: Mapping[str, Callable[[Mapping[str, int]], tuple[int, int]]] = field(default_factory=dict)
    trained: str = ""  # name of a prompt

    @property
    def folder(self) -> Path:
        return paths.DATA / self.name

    def usual_prompt(self, decoding: str, *, trained: bool = False) -> str:
        """The prompt in which a model is asked if no other is named."""
        return self.trained if trained and self.trained else self.usual[decoding]

    def manifest(self) -> dict:
        """Counts, seeds, versions and file hashes of the published data set."""
        return io.read_json(self.folder / "manifest.json")

    def load(self, split: str = "test", *, limit: int | None = None) -> list[Sample]:
        """Examples of a split in file order, checked against the manifest's hash.

        Raises:
            UnknownName: no such split.
            DataError: the file is missing, was changed, or a row breaks the contract.
        """
        choose(f"split of {self.name}", split, self.splits)
        path = self.folder / f"{split}.jsonl"
        fix = f"Restore it: git checkout {path}, or remake the data with notebooks/01_generate.ipynb."
        io.verify_sha256(path, self.manifest()["files"][path.name]["sha256"], fix=fix)
        rows = io.read_jsonl(path, schema=io.EXAMPLE)
        return [Sample(**row) for row in rows[:limit]]


def names() -> list[str]:
    """Names of all tasks: the subpackages of `slmlib` that have a module `task`."""
    packages = [m.name for m in pkgutil.iter_modules(tasks.__path__) if m.ispkg]
    return [p for p in packages if importlib.util.find_spec(f"slmlib.tasks.{p}.task")]


def get(name: str) -> Task:
    """The task of this name.

    Raises:
        UnknownName: there is none; the message lists the tasks.
    """
    choose("task", name, names())
    return importlib.import_module(f"slmlib.tasks.{name}.task").TASK
