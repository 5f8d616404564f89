"""A run: one model, task, split, prompt, decoding and engine, resumable, measured, written down.

Each finished case is appended to a journal at once. A run that was stopped, by whatever means, goes on
with the cases that are left. In fp32 it ends in the predictions of an unbroken one but for numerical ties;
in fewer bits the cases under way beside a case can move its last bits, so that more may differ.
"""

import errno
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from slmlib.core import io, machine, paths, progress
from slmlib.core.names import choose
from slmlib.core.resume_log import Journal
from slmlib.engines import base as engines
from slmlib.engines import constraints as grammars
from slmlib.engines.base import TIMEOUT, Completion, Engine, Request
from slmlib.engines.control import Control
from slmlib.evaluation import stats
from slmlib.models import registry as models
from slmlib.tasks import base as tasks
from slmlib.tasks.base import Sample, Task
from slmlib.tasks.edgejson import scoring
from slmlib.tasks.edgejson.scoring import Score


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run; says what is kept and how to go on."""


SAME = ("packages", "machine", "code")  # of the environment, where a run would give the same again


@dataclass(frozen=True)
class Plan:
    """A run before it starts: what is asked, of whom, and how. `settings` name it."""

    task: Task
    examples: list[Sample]
    requests: list[Request]
    settings: dict
    engine: Callable[[], Engine]  # loads the model when called
    folder: Path

    @property
    def name(self) -> str:
        """A readable name, ended by the hash of all settings."""
        model, split = self.settings["model"]["name"], self.settings["split"]
        digest = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:8]
        stem = f"{model}-{split}-{self.settings['decoding']['mode']}".lower().replace("_", "-")
        return f"{stem}-{digest}"

    @property
    def journal(self) -> Path:
        return self.folder / f"{self.name}.partial.jsonl"


def evaluate(
    task: str | Task = "edgejson",
    *,
    model: str,
    split: str = "test",
    prompt: str | None = None,
    decoding: str = "free",
    engine: str = "auto",
    dtype: str = "auto",
    batch_size: int = 32,
    endpoint: str = "",
    timeout: float = TIMEOUT,
    limit: int | None = None,
    out: Path | None = None,
) -> Path:
    """Evaluate a model on a split and write result and predictions; go on where a run stopped.

    A run that is finished is not made again where code, packages and machine are still the same and every
    case was answered.

    Args:
        task: a task, or the name of one, such as "edgejson".
        model: name of a registered model, or of a control: "no-op", "oracle", "rules"; with the engine
            "openai" any name that its server knows.
        split: a split of the task.
        prompt: name of one of the task's prompts; if not given the usual one for this way of decoding, or
            for a model that was trained here the one that it was trained on.
        decoding: "free", or "schema": only what is valid under the case's schema can be written.
        engine: name of an engine, or "auto": openvino, or transformers on a GPU and for a model that has no
            GGUF file; controls need none.
        dtype: a type of the engine, such as "float32" or "bfloat16"; "auto" is its default, or for
            transformers the faster one here.
        batch_size: cases under way at once; part of the run's identity, as it moves low-order bits.
        endpoint: address of the server, for the engine "openai".
        timeout: seconds for one answer of a server.
        limit: only the first so many cases; such a run is incomplete and never ranked.
        out: folder of results, `runs/results` if not given; files go into its subfolder `task`.

    Returns:
        The path of the result's JSON file; the predictions lie beside it.

    Raises:
        UnknownName: a name that does not exist; the message lists the valid ones.
        DataError, ModelError: files that are missing or were changed.
    """
    started, clock, surroundings = datetime.now(UTC), time.perf_counter(), machine.environment()
    task = task if isinstance(task, Task) else tasks.get(task)
    plan = prepare(
        task,
        model=model,
        split=split,
        prompt=prompt or models.usual_prompt(task, model, choose("decoding", decoding, engines.DECODINGS)),
        decoding=decoding,
        engine=engine,
        dtype=dtype,
        batch_size=batch_size,
        endpoint=endpoint,
        timeout=timeout,
        limit=limit,
        out=out or paths.RUNS / "results",
    )
    path = plan.folder / f"{plan.name}.json"
    if _stands(path, surroundings):
        print(f"{path.stem} is finished, by the same code on this machine. To make it again, delete {path}")
        return path
    begun_with = plan.settings | {part: surroundings[part] for part in SAME}
    with _explained(plan), Journal(plan.journal, begun_with) as journal:
        earlier, engine_used = journal.seconds, plan.engine()
        completions = _complete(plan, engine_used, journal)
        scores = [
            plan.task.score(e, c.text, c.finish) for e, c in zip(plan.examples, completions, strict=True)
        ]
        record = _result(plan, engine_used.describe(), completions, scores, journal.seconds)
        record |= {
            "environment": surroundings,
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(earlier + time.perf_counter() - clock, 3),
        }
        rows = [_prediction(c, s) for c, s in zip(completions, scores, strict=True)]
        write(path, record, rows)
        journal.discard()
    return path


def publish(path: Path, *, folder: Path = paths.RESULTS) -> Path:
    """Copy a complete run and its predictions to the published results.

    A published run of the same model, split, prompt, decoding, engine and dtype is replaced.

    Returns:
        The path of the published result.

    Raises:
        ValueError: the run covers only a part of its split, or it lost cases that the published one has.
    """
    record = io.read_json(path)
    if record["metrics"]["json_exact"]["n"] != record["dataset"]["n"]:
        raise ValueError(f"{path}: not all cases of {record['split']} were run; publish a run of all cases")
    older = _of_its_kind(record, folder / record["task"])
    for other in older:
        if _unanswered(record) > _unanswered(io.read_json(other)):
            raise ValueError(
                f"{path}: {_unanswered(record)} cases got no answer from the engine, more than in {other}, "
                "which stays. The result says why; mend that and run it again."
            )
    target = copy(path, folder / record["task"])
    for other in older:
        if other != target:
            other.unlink(missing_ok=True)
            other.with_suffix(".predictions.jsonl.gz").unlink(missing_ok=True)
    return target


def _unanswered(record: Mapping) -> int:
    return record["failures"].get("error", 0)


def _of_its_kind(record: Mapping, folder: Path) -> list[Path]:
    """Published results that a run would take the place of, that of the same name among them."""
    found = []
    for path in sorted(folder.glob("*.json")):
        with suppress(io.DataError):  # another run may replace its own older one meanwhile
            found += [path] if _published_as(io.read_json(path)) == _published_as(record) else []
    return found


def _stands(path: Path, surroundings: Mapping) -> bool:
    """Whether a result need not be made again; a control costs nothing, a server may run another model."""
    try:
        record = io.read_json(path)
        same = all(record["environment"][part] == surroundings[part] for part in SAME)
        answered = "error" not in record["failures"] and path.with_suffix(".predictions.jsonl.gz").exists()
        return same and answered and record["model"]["source"] not in ("control", "server")
    except (OSError, KeyError, io.DataError):
        return False


def copy(path: Path, folder: Path) -> Path:
    """Copy a result and its predictions, the result last; returns where it is now."""
    for part in (path.with_suffix(".predictions.jsonl.gz"), path):
        io.write_bytes(folder / part.name, part.read_bytes())
    return folder / path.name


def _published_as(record: Mapping) -> tuple:
    names = (record[part]["name"] for part in ("model", "prompt", "engine"))
    how = record["decoding"]["mode"], record["engine"].get("dtype")
    return (record["task"], record["split"], *how, *names)


# --- planning ---------------------------------------------------------------------------------


def prepare(
    task: Task, *, model, split, prompt, decoding, engine, dtype, batch_size, limit, out: Path, **server
) -> Plan:
    """Check every name and derive the run's settings; loads data, but no model."""
    if engine != "openai":  # a server may know any name
        choose("model", model, models.names())
    choose("decoding", decoding, engines.DECODINGS)
    choose("engine", engine, ("auto", *engines.ENGINES))
    choose(f"prompt of {task.name}", prompt, task.prompts)
    if engine == "openai" and not task.prompts[prompt].chat:
        raise ValueError(
            f"a server applies its chat template to every prompt, also to {prompt}. Take another."
        )
    if (limit is not None and limit < 1) or batch_size < 1:
        raise ValueError(f"limit and batch_size must be at least 1, got {limit} and {batch_size}")
    examples = task.load(split, limit=limit)
    chosen = task.prompts[prompt]
    requests = [engines.request(task, example, chosen, decoding) for example in examples]
    settings = {
        "task": task.name,
        "split": split,
        "dataset": _dataset(task, split),
        "model": _model(model, engine),
        "prompt": {"name": prompt, "sha256": chosen.sha256},
        "decoding": {
            "mode": decoding,
            "max_new_tokens": task.max_new_tokens,
            "stop": task.stop,
            "method": "greedy",
            **({"grammar": grammars.VERSION} if decoding == "schema" else {}),
        },
        "engine": _engine_settings(model, engine, dtype, batch_size),
        "limit": limit,
    }
    start = _engine(task, examples, settings, server)
    return Plan(task, examples, requests, settings, start, out / task.name)


def _dataset(task: Task, split: str) -> dict:
    manifest = task.manifest()
    file = manifest["files"][f"{split}.jsonl"]
    return {
        "name": manifest["name"],
        "version": manifest["version"],
        "sha256": file["sha256"],
        "n": file["rows"],
    }


def _model(name: str, engine: str) -> dict:
    blank = {"revision": None, "weights_sha256": None, "adapter": None}
    if name in models.CONTROLS:
        return {"name": name, "source": "control", "parameters": 0, **blank}
    if engine == "openai":  # nobody can say which weights a server has
        known = models.MODELS.get(name)
        return {"name": name, "source": "server", "parameters": known.parameters if known else 0, **blank}
    model = models.get(name)
    origin = models.get(model.origin) if model.origin else model
    return {
        "name": name,
        "source": origin.source,
        "revision": origin.revision,
        "weights_sha256": models.fingerprint(origin),
        "parameters": model.parameters,
        "adapter": models.fingerprint(model) if model.origin else None,
    }


def _engine_settings(model: str, engine: str, dtype: str, batch_size: int) -> dict:
    if model in models.CONTROLS:
        return {"name": "control"}
    if engine != "openai":
        engine = engines.resolve(engine, gguf=models.has_gguf(models.get(model)))
    return {
        "name": engine,
        "dtype": engines.resolve_dtype(dtype, engine=engine),
        "batch_size": batch_size,
    }


def _engine(task: Task, examples: list[Sample], settings: dict, server: dict) -> Callable[[], Engine]:
    name, wanted = settings["model"]["name"], settings["engine"]
    if name in models.CONTROLS:
        write = {"no-op": lambda example: "", "oracle": task.oracle, "rules": task.rules}[name]
        return lambda: Control({e.id: write(e) for e in examples})
    sizes = {"dtype": wanted["dtype"], "batch_size": wanted["batch_size"]}
    return lambda: engines.start(wanted["name"], name, **sizes, **server)


# --- running ----------------------------------------------------------------------------------


def _complete(plan: Plan, engine: Engine, journal: Journal) -> list[Completion]:
    """Answer what the journal does not hold yet; completions in the order of the examples."""
    found = {name: Completion(**record) for name, record in journal.done.items()}
    bar = progress.bar(total=len(plan.requests), initial=len(found), unit="case", desc=plan.name)
    tokens = progress.Tokens(bar)
    for batch in engine.batches([request for request in plan.requests if request.id not in found]):
        last = time.perf_counter()
        for completion in engine.generate(batch, tokens):
            last, before = time.perf_counter(), last
            found[completion.id] = completion
            journal.case(completion.id, asdict(completion), last - before)
            bar.update()
    bar.close()
    return [found[example.id] for example in plan.examples]


@contextmanager
def _explained(plan: Plan):
    """Turn a full disk or Ctrl-C into one message that says what is kept and how to go on."""
    again = "Start the same command again to go on with the cases that are left."
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            f"{plan.name} stopped; finished cases are kept in {plan.journal}. {again}"
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            error.errno,
            f"no space left for {plan.folder}; finished cases are kept. Free some space. {again}",
        ) from error


# --- writing down -----------------------------------------------------------------------------


def write(path: Path, record: dict, rows: list[dict]) -> Path:
    """Write a result and its predictions, checked, each whole or not at all; the result comes last."""
    for row in rows:
        io.check(row, io.PREDICTION, where=f"{path.stem}, case {row['id']}")
    io.check(record, io.RESULT, where=path.stem)
    io.write_jsonl(path.with_suffix(".predictions.jsonl.gz"), rows)
    io.write_json(path, record)
    return path


def _prediction(completion: Completion, score: Score) -> dict:
    return {
        "id": completion.id,
        "completion": completion.text,
        "finish": completion.finish,
        **graded(score),
        "tokens_in": completion.tokens_in,
        "tokens_out": completion.tokens_out,
        "seconds": round(completion.seconds, 4),
        **({"error": completion.error} if completion.error else {}),
    }


def graded(score: Score) -> dict:
    """What a prediction says of its score."""
    scores = {name: round(value, 6) for name, value in score.scores.items()}
    return {"failure": score.failure, "scores": scores}


def _result(plan: Plan, engine: dict, completions, scores: list[Score], seconds: float) -> dict:
    chosen = plan.settings
    return {
        "run": plan.name,
        **{key: chosen[key] for key in ("task", "split", "dataset", "model")},
        "engine": engine,
        **{key: chosen[key] for key in ("prompt", "decoding")},
        **judged(plan.task, plan.examples, scores),
        "throughput": _throughput(completions, seconds),
    }


def judged(task: Task, examples: Sequence[Sample], scores: Sequence[Score]) -> dict:
    """What a result says of its scores, and the version of the scorer that gave them."""
    return {
        "scorer": {"version": scoring.VERSION},
        "metrics": summarise(task, examples, scores),
        "by_tier": _by(task, examples, scores, "tier"),
        "by_group": _by(task, examples, scores, "group"),
        "failures": dict(sorted(Counter(s.failure for s in scores if s.failure).items())),
    }


def summarise(task: Task, examples: Sequence[Sample], scores: Sequence[Score]) -> dict:
    """Each metric of the task with its 95 % interval: {metric: {mean, low, high, n}}."""
    groups = [example.group for example in examples]
    estimate = {
        "proportion": lambda values: stats.cluster_wilson(values, groups),
        "mean": lambda values: stats.cluster_bootstrap(values, groups),
    }
    metrics = {name: estimate[kind]([s.scores[name] for s in scores]) for name, kind in task.metrics.items()}
    for name, terms in task.ratios.items():
        numerators, denominators = zip(*(terms(s.counts) for s in scores), strict=True)
        metrics[name] = stats.cluster_bootstrap_ratio(numerators, denominators, groups)
    return {name: _rounded(interval) for name, interval in metrics.items()}


def _rounded(interval: stats.Interval) -> dict:
    low, mean, high = (round(float(x), 6) for x in (interval.low, interval.mean, interval.high))
    return {"mean": mean, "low": low, "high": high, "n": interval.n}


def _by(task: Task, examples: Sequence[Sample], scores: Sequence[Score], key: str) -> dict:
    parts: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        parts.setdefault(getattr(example, key), []).append(index)
    return {
        name: summarise(task, [examples[i] for i in part], [scores[i] for i in part])
        for name, part in sorted(parts.items())
    }


def _throughput(completions: Sequence[Completion], seconds: float) -> dict:
    tokens_in, tokens_out = (sum(getattr(c, key) for c in completions) for key in ("tokens_in", "tokens_out"))
    return {
        "cases_per_second": round(len(completions) / seconds, 3),
        "tokens_per_second": round(tokens_out / seconds, 1),
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "generation_seconds": round(seconds, 3),
        "peak_memory_bytes": machine.peak_memory(),
    }
