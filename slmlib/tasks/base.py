"""The contract of a task: samples, prompts, metrics, environments and scores.

A task is a package `slmlib.tasks.<name>` whose module `task` holds `TASK`, an instance of `Task`.
It is found by its name, so that a new task touches no shared module: whatever differs between tasks
(metrics, slices, splits, failure classes, prompts, constraints, controls) is declared by the task.
"""

import hashlib
import html
import importlib
import importlib.util
import json
import pkgutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from slmlib.core import io, paths
from slmlib.core.names import choose
from slmlib.core.tables import NONE, Table
from slmlib.engines.base import Choice, Completion, Constraint, Message, Request, Stop, Tool

Estimate = Mapping[str, float]  # mean, low, high; in `Metric` None is printed as a dash
MODES = ("free", "constrained")
UNANSWERED = "error"  # failure class of a case that the engine could not complete


@dataclass(frozen=True)
class Sample:
    """One case: a row of `data/<task>/<split>.jsonl`, checked by `sample.schema.json` beside it."""

    id: str  # unique over all splits
    task: str
    split: str
    group: str  # the cluster of statistics; cases of one group resemble each other
    slices: Mapping[str, str]  # by which results are broken down, such as {"tier": "simple"}
    input: Mapping[str, Any]  # what the model is given
    target: Any  # the right answer
    meta: Mapping[str, Any]  # everything else, such as evidence


@dataclass(frozen=True)
class Split:
    """A split of a task; `about` says what it asks of a model."""

    name: str
    role: Literal["train", "val", "test"]
    about: str = ""


@dataclass(frozen=True)
class Slice:
    """A way to break results down."""

    name: str  # in samples
    title: str
    values: tuple[str, ...] = ()  # in order of display

    def ordered(self, values: Collection[str]) -> list[str]:
        """Values in order of display; those that are not listed follow in alphabetical order."""
        others = sorted(set(values) - set(self.values))
        return [value for value in self.values if value in values] + others


@dataclass(frozen=True)
class Metric:
    """A metric: how its value comes from the scores of cases, and how it is printed.

    A proportion is the mean of scores that are 0 or 1, a mean that of other scores, a ratio the sum
    of numerators over that of denominators, and a macro the mean over classes of such ratios: with
    numerators 2·TP and denominators 2·TP + FP + FN it is macro-F1, with hits and cases it is
    balanced accuracy. Ratios and macros read `Score.counts`, the others `Score.scores`.
    """

    name: str  # key in results
    title: str
    kind: Literal["proportion", "mean", "ratio", "macro"]
    about: str = ""  # one sentence for readers
    board: bool = True  # is it a column of the leaderboard?

    @property
    def percent(self) -> bool:
        """True if values are printed in per cent, not as fractions."""
        return self.kind == "proportion"

    @property
    def counted(self) -> bool:
        """True if the metric reads `Score.counts`."""
        return self.kind in ("ratio", "macro")

    def number(self, value: float, *, unit: bool = True) -> str:
        """A value as printed: `3.0 %` or `0.312`."""
        if not self.percent:
            return f"{value:.3f}"
        return f"{100 * value:.1f}" + (" %" if unit else "")

    def span(self, interval: Estimate | None) -> str:
        """An interval in prose: `1.0–8.5 %` or `0.283–0.351`."""
        if not interval:
            return NONE
        return f"{self.number(interval['low'], unit=False)}–{self.number(interval['high'])}"

    def estimate(self, interval: Estimate | None) -> str:
        """A mean with its interval in a table: `3.0 % [1.0, 8.5]`."""
        if not interval:
            return NONE
        low, high = (self.number(interval[end], unit=False) for end in ("low", "high"))
        return f"{self.number(interval['mean'])} [{low}, {high}]"

    def signed(self, value: float) -> str:
        """A difference without unit: `−2.1` (percentage points) or `−0.021`."""
        return "−" * (value < 0) + "+" * (value > 0) + self.number(abs(value), unit=False)

    def difference(self, interval: Estimate | None) -> str:
        """A difference with its interval: `+2.0 [−1.1, +5.1]`; in points for proportions."""
        if not interval:
            return NONE
        mean, low, high = (self.signed(interval[end]) for end in ("mean", "low", "high"))
        return f"{mean} [{low}, {high}]"


@dataclass(frozen=True)
class Score:
    """The score of one case.

    The counts of a ratio are [numerator, denominator], those of a macro {class: the same}.
    """

    scores: Mapping[str, float]  # by metric, 0 to 1; for proportions 0 or 1
    counts: Mapping[str, Any] = field(default_factory=dict)
    failure: str | None = None  # the failure class; None for a right case


@dataclass(frozen=True)
class Transcript:
    """A finished conversation."""

    messages: Sequence[Message]  # everything that was said, tool results included
    completions: Sequence[Completion]  # as the model wrote them
    answers: Sequence[str]  # the completions as the prompt reads them: what is scored

    @property
    def last(self) -> Completion:
        return self.completions[-1]


class Environment(Protocol):
    """The world that answers a model between its turns; it must be deterministic."""

    def step(self, answer: str) -> Sequence[Message] | None:
        """The messages from the model's answer to what it is to answer next; None at the end."""


@dataclass(frozen=True)
class Prompt:
    """A prompt template."""

    name: str  # key in `Task.prompts`
    system: str  # system message; empty for none
    user: str  # template of the user message, filled by `str.format_map`
    fill: Callable[[Sample], Mapping[str, str]]  # fields of the template
    shots: tuple[tuple[str, str], ...] = ()  # worked examples before the sample: question, answer
    chat: bool = True  # in the model's chat template? Otherwise the contents follow one another
    tools: Callable[[Sample], Sequence[Tool]] = lambda sample: ()  # that the model is shown
    read: Callable[[Sample, str], str] = lambda sample, text: text  # completion → canonical answer
    form: str = ""  # in which answers are written and `read`; empty for the canonical one

    def messages(self, sample: Sample) -> list[Message]:
        """Chat messages that ask a sample."""
        turns = [("system", self.system)] if self.system else []
        for question, answer in self.shots:
            turns += [("user", question), ("assistant", answer)]
        turns.append(("user", self.user.format_map(self.fill(sample))))
        return [{"role": role, "content": content} for role, content in turns]

    @property
    def sha256(self) -> str:
        """Hash of wording and form; what fills and reads it is code (`Task.completion_modules`)."""
        parts = [self.system, self.user, self.shots, *([] if self.chat else ["no chat template"])]
        parts += [self.form] if self.form else []
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class TrainingSample:
    """One example to learn from: a conversation and the answer that completes it.

    Samples of one group follow each other and share the beginning of their prompts, which packing
    then holds once. With `weights` (start, end, weight in the loss), what lies in no stretch is
    read and not learned, such as what a program writes; without, every token counts 1.
    """

    sample: Sample  # the case as it is asked: its schema or tools may be varied
    messages: Sequence[Message]
    answer: str  # without the end token
    group: str
    tools: Sequence[Tool] = ()
    chat: bool = True  # as of a prompt
    weights: Sequence[tuple[int, int, float]] | None = None  # stretches of the answer to learn


class TrainingData(Protocol):
    """A task's training material: what a recipe's `data` chooses, as training samples."""

    schema: Mapping[str, Any]  # JSON Schema of the task's part of a recipe's `data`, with defaults
    card: Path  # a template: the sections summary, library, example, note, data, limits of a card

    def samples(
        self, mix: Mapping, *, seed: int, group_size: int, on_sample: Callable[[], object]
    ) -> Iterator[TrainingSample]:
        """Training samples in order; the same mix and seed give the same samples."""

    def examples(self, samples: Iterable[Sample], mix: Mapping) -> Iterator[TrainingSample]:
        """Samples of a split as they are prompted in the evaluation, with their right answers."""

    def describe(self, samples: Collection[TrainingSample]) -> dict[str, int]:
        """Counts for the record of a training, such as cases by source."""

    def facts(self, mix: Mapping, counts: Mapping[str, int]) -> dict[str, object]:
        """Facts about a training on this task as printed, for the model card and for variables."""

    def texts(self, mix: Mapping) -> dict[str, str]:
        """Texts of the model card that depend on the mix."""

    def size(self, mix: Mapping) -> int:
        """Number of samples that will be generated (not read from a split), for a progress bar."""

    def prompt(self, mix: Mapping) -> str:
        """Name of the prompt in which a model trained on this mix is evaluated."""


@dataclass(frozen=True)
class Check:
    """The verdict of a check of a data set: how many things it looked at, and what failed."""

    name: str
    count: int
    failures: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.failures


class Generator(Protocol):
    """The generator of a task's data set; a module with these functions is one."""

    def build(
        self, *, seed: int | None = None, on_case: Callable[[], object] = lambda: None
    ) -> dict[str, list[dict]]:
        """Rows of every split; the same seed gives the same rows. `on_case` is called for each."""

    def prove(self, rows: Mapping[str, list[dict]]) -> list[Check]:
        """Prove a data set sound: the verdict of every check."""

    def write(
        self, rows: Mapping[str, list[dict]], folder: Path, *, seed: int | None = None
    ) -> dict:
        """Write splits, manifest and what else the data set has; returns the manifest."""


@dataclass(frozen=True)
class NamedComparison:
    """A difference that prose quotes: the runs `a` minus `b` of a split, named as in variables."""

    split: str
    metric: str
    a: str
    b: str


class Report(Protocol):
    """Numbers for prose that only this task has, as printed, by the last part of the variable."""

    comparisons: Mapping[str, NamedComparison]

    def data_numbers(self) -> dict[str, object]:
        """Facts about the published data set."""

    def run_numbers(self, samples: Mapping[str, Sample], rows: Iterable[Mapping]) -> dict:
        """Facts about a run: samples by id, and the run's prediction rows."""


class Task(ABC):
    """A benchmark task: where its samples are, how to ask them, and how to score the answers.

    It has splits of all three roles, and among its controls an oracle. A model that was trained on
    the task is asked in the prompt that its training record names.
    """

    name: ClassVar[str]  # of its package, data folder and results folder
    title: ClassVar[str]
    about: ClassVar[str] = ""  # one sentence: what goes in, what comes out
    version: ClassVar[str]
    scorer_version: ClassVar[str]  # a new one makes published results be scored again
    splits: ClassVar[tuple[Split, ...]]  # in order of display
    ranking_split: ClassVar[str]  # ranks the board
    slices: ClassVar[tuple[Slice, ...]]  # at least one; the first is shown beside the means
    metrics: ClassVar[tuple[Metric, ...]]  # the first ranks the board
    failures: ClassVar[Mapping[str, str]]  # classes and titles; the first that applies is given
    prompts: ClassVar[Mapping[str, Prompt]]
    default_prompts: ClassVar[Mapping[str, str]]  # by decoding mode
    max_new_tokens: ClassVar[int]  # of one completion
    max_turns: ClassVar[int] = 1
    stop: ClassVar[Stop] = "eos"  # where a completion ends besides the end token
    want_scores: ClassVar[bool] = False  # of the labels of a `Choice`, in constrained decoding
    # Modules of its package that decide completions: a change begins half-done runs again.
    completion_modules: ClassVar[tuple[str, ...]] = ("task.py", "prompts.py")
    # Name and value of a slice: the cases whose latency is measured; None for all.
    timing_slice: ClassVar[tuple[str, str] | None] = None
    # The split whose published runs had the machine to themselves: its speeds are shown. By
    # default the ranking split.
    timed_split: ClassVar[str] = ""
    training: TrainingData | None = None
    generator: Generator | None = None
    report: Report | None = None

    @abstractmethod
    def score(self, sample: Sample, transcript: Transcript) -> Score:
        """Score a conversation; never raises, whatever the completions are."""

    def constraint(self, sample: Sample, prompt: Prompt) -> Constraint | None:
        """The constraint of a completion in constrained mode; None if there is none."""
        return None

    def environment(self, sample: Sample, prompt: Prompt) -> Environment | None:
        """The environment that answers the model between its turns; None for a task of one turn."""
        return None

    def show(self, sample: Sample) -> str:
        """A case as HTML: what the model is given, and the right answer."""
        pre = ""
        for part in (sample.input, sample.target):
            pre += f"<pre>{html.escape(json.dumps(part, ensure_ascii=False, indent=1))}</pre>\n"
        return pre

    @abstractmethod
    def render(self, sample: Sample, row: Mapping, *, model: str) -> str:
        """A case and a model's prediction of it as Markdown; model output is escaped."""

    def render_score(self, sample: Sample, row: Mapping) -> str:
        """The scoring of a prediction as Markdown; by default its scores and failure class."""
        scores = row["scores"]
        parts = [f"{m.title}: {m.number(scores[m.name])}" for m in self.board if m.name in scores]
        failure = self.failures[row["failure"]] if row["failure"] else "none"
        return f"{'; '.join([*parts, f'failure class: {failure}'])}.\n"

    def showcase(self, sample: Sample, row: Mapping) -> tuple:
        """Sort key for choosing one case to show; by default the first wrong one."""
        return (row["failure"] is None, sample.id)

    def breaks_constraint(self, row: Mapping) -> bool | None:
        """Return whether a completion breaks its constraint; None if the scores do not show it."""
        return None

    def calibration(self, sample: Sample) -> str:
        """The first answer that a model should write, for calibrating a quantisation."""
        messages = self.prompts[self.default_prompt("free")].messages(sample)
        return self.controls["oracle"](sample, messages)

    @property
    @abstractmethod
    def controls(self) -> dict[str, Callable[[Sample, Sequence[Message]], str]]:
        """Answers that need no model, by name: sample and conversation so far → the answer."""

    @property
    def folder(self) -> Path:
        """Folder of the task's data set."""
        return paths.DATA / self.name

    @property
    def results(self) -> Path:
        """Folder of the task's published results."""
        return paths.DATA / "results" / self.name

    @property
    def ranking_metric(self) -> Metric:
        """The metric that ranks the board."""
        return self.metrics[0]

    def metric(self, name: str) -> Metric:
        """A metric by name."""
        by_name = {metric.name: metric for metric in self.metrics}
        return by_name[choose(f"metric of {self.name}", name, by_name)]

    @property
    def speed_split(self) -> str:
        """The split whose speeds are shown."""
        return self.timed_split or self.ranking_split

    @property
    def board(self) -> tuple[Metric, ...]:
        """The metrics that are columns of the leaderboard."""
        return tuple(metric for metric in self.metrics if metric.board)

    def split_names(self, *roles: str) -> list[str]:
        """Names of the splits of these roles, in order of display; all by default."""
        return [split.name for split in self.splits if not roles or split.role in roles]

    def default_prompt(self, mode: str) -> str:
        """Name of the prompt in which a model is asked if no other is named."""
        return self.default_prompts[choose("decoding", mode, MODES)]

    def request(
        self, sample: Sample, prompt: Prompt, mode: str = "free", messages: Sequence[Message] = ()
    ) -> Request:
        """The request for the next turn of a sample; `messages` is the conversation so far."""
        constraint = self.constraint(sample, prompt) if mode == "constrained" else None
        return Request(
            sample.id,
            list(messages) or prompt.messages(sample),
            self.max_new_tokens,
            tools=tuple(prompt.tools(sample)),
            constraint=constraint,
            stop=self.stop,
            chat=prompt.chat,
            want_scores=self.want_scores and isinstance(constraint, Choice),
        )

    def score_text(self, sample: Sample, text: str) -> Score:
        """Score a single completion given as text."""
        completion = Completion(sample.id, text, "stop", 0, 0, 0.0, 0.0)
        return self.score(sample, Transcript((), (completion,), (text,)))

    def manifest(self) -> dict:
        """Counts, seeds, versions and file hashes of the published data set."""
        return io.read_json(self.folder / "manifest.json")

    def load(self, split: str, *, limit: int | None = None) -> list[Sample]:
        """Samples of a split in file order, checked against the manifest's hash and the row schema.

        Raises:
            DataError: the file is missing, was changed, or a row breaks the schema.
        """
        choose(f"split of {self.name}", split, self.split_names())
        path = self.folder / f"{split}.jsonl"
        fix = f"Restore it: git checkout {path}, or make it with notebooks/01_generate.ipynb."
        io.verify_sha256(path, self.manifest()["files"][path.name]["sha256"], fix=fix)
        schema = self.folder / "sample.schema.json"
        return [Sample(**row) for row in io.read_jsonl(path, schema=schema)[:limit]]

    def splits_table(self) -> Table:
        """The splits and what they ask of a model."""
        rows = [(split.name, split.role, split.about) for split in self.splits]
        return Table.of(["Split", "Role", "About"], rows)


REGISTERED: dict[str, Task] = {}  # tasks from outside this package, by name


def names() -> list[str]:
    """Names of all tasks: packages of `slmlib.tasks` with a module `task`, and registered ones."""
    folders = sys.modules[__package__].__path__
    children = [module.name for module in pkgutil.iter_modules(folders) if module.ispkg]
    packages = [name for name in children if importlib.util.find_spec(f"slmlib.tasks.{name}.task")]
    return [*packages, *REGISTERED]


def get(name: str) -> Task:
    """A task by name; an unknown one raises `UnknownName`, which lists the tasks."""
    if name in REGISTERED:
        return REGISTERED[name]
    choose("task", name, names())
    return importlib.import_module(f"slmlib.tasks.{name}.task").TASK
