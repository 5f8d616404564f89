"""A run: one model, task, split, prompt, decoding and engine; resumable, measured, written down.

Turns are completed in rounds: the first turn of every sample, then the second of those whose
environment goes on, and so forth. Each finished turn is appended to a resume log at once, so a run
that was stopped, by whatever means, goes on with the turns that are left. In fp32 it ends in the
predictions of an unbroken run except for numerical ties; in lower precision the samples decoded
beside a sample can move its last bits, so that more may differ.
"""

import errno
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from slmlib import tasks
from slmlib.core import io, machine, paths, progress
from slmlib.core.names import choose
from slmlib.core.resume_log import ResumeLog
from slmlib.engines import chat, constraints, launch
from slmlib.engines.base import Completion, Engine, Message, UnsupportedConstraint
from slmlib.engines.control import Control
from slmlib.evaluation import metrics
from slmlib.evaluation.results import PREDICTION, PREDICTIONS, RESULT
from slmlib.models import gguf_files, registry, weights
from slmlib.tasks.base import MODES, UNANSWERED, Prompt, Sample, Score, Task, Transcript

CALIBRATION = 60  # samples on which importance is measured


@dataclass(frozen=True)
class Plan:
    """A run before it starts; its name is derived from `settings`."""

    task: Task
    samples: list[Sample]
    prompt: Prompt
    settings: dict
    engine: Callable[[], Engine]  # loads the model when called
    folder: Path

    @property
    def name(self) -> str:
        """A readable name that ends in the hash of all settings."""
        return run_name(self.settings)

    @property
    def log(self) -> Path:
        """The resume log."""
        return self.folder / f"{self.name}.partial.jsonl"


def run_name(record: Mapping) -> str:
    """The name of a run, derived from its settings or from its result, which contains them."""
    model, engine = record["model"], record["engine"]
    settings = {key: record[key] for key in ("task", "split", "limit", "prompt", "decoding")}
    settings["dataset"] = record["dataset"]["sha256"]
    settings["model"] = {k: model[k] for k in ("name", "source", "weights_sha256", "adapter")}
    settings["engine"] = {k: engine.get(k) for k in ("name", "dtype", "batch_size")}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    name = f"{model['name']}-{record['split']}-{record['decoding']['mode']}-{digest}"
    return name.lower().replace("_", "-").replace("/", "-")


def evaluate(task: str | Task, **options) -> Path:
    """Evaluate a model on a split and write the result and its predictions.

    A run that was stopped is resumed. A finished one is not repeated if its code, packages and
    machine are the same and every sample was answered.

    Args:
        task: a task, or the name of one.
        options: those of `prepare`; `model` is required.

    Returns:
        The path of the result's JSON file; the predictions are beside it.

    Raises:
        UnknownName: a name that does not exist; the message lists the valid ones.
        DataError, ModelError: files that are missing or were changed.
        UnsupportedConstraint: the engine cannot enforce the task's constraint.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    plan = prepare(task, **options)
    environment = _environment(plan)
    path = plan.folder / f"{plan.name}.json"
    if _is_current(path, environment):
        print(f"{path} is finished, by the same code on this machine. Delete it to repeat the run.")
        return path
    settings = plan.settings
    depends_on = settings | _deciding(environment, settings["engine"]["name"])
    with _explained(plan), ResumeLog(plan.log, depends_on) as log:
        earlier, engine, asked = log.seconds, plan.engine(), plan.prompt
        mode = settings["decoding"]["mode"]
        conversations = complete(plan.task, plan.samples, asked, engine, mode=mode, log=log)
        rows = [_row(plan.task, conversation) for conversation in conversations]
        turns = [turn for row in rows for turn in row["turns"]]
        tokens_in, tokens_out = (sum(t[key] for t in turns) for key in ("tokens_in", "tokens_out"))
        record = {
            "run": plan.name,
            **{key: settings[key] for key in ("task", "split", "dataset", "model")},
            "engine": engine.describe(),
            **{key: settings[key] for key in ("prompt", "decoding", "limit")},
            **metrics.judge(plan.task, rows),
            "throughput": {
                "cases_per_second": round(len(rows) / log.seconds, 3),
                "tokens_per_second": round(tokens_out / log.seconds, 1),
                "tokens_in": tokens_in,
                "tokens_out": tokens_out,
                "generation_seconds": round(log.seconds, 3),
                "peak_memory_bytes": machine.peak_memory(),
            },
            "environment": environment,
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(earlier + time.perf_counter() - clock, 3),
        }
        write(path, record, rows)
        log.discard()
    return path


def publish(path: Path, *, folder: Path | None = None) -> Path:
    """Copy a complete run and its predictions to the published results; returns the copy.

    A published run of the same model, split, prompt, decoding, engine and dtype is replaced, unless
    fewer of its samples are unanswered.

    Raises:
        ValueError: the run is not of all samples, or must not replace a published one.
        NoRepository: no clone of the repository to publish in.
    """
    if folder is None:
        paths.repository("publishing a result")
    record = io.read_json(path)
    folder = (folder or paths.RESULTS) / record["task"]
    if record["limit"] is not None:
        raise ValueError(
            f"{path}: only {record['limit']} cases of {record['split']} were run; run all of them"
        )

    def key(other: Mapping) -> tuple:
        names = (other[part]["name"] for part in ("model", "prompt", "engine"))
        return (other["split"], other["decoding"]["mode"], other["engine"].get("dtype"), *names)

    replaced = []
    for other in sorted(folder.glob("*.json")):
        with suppress(io.DataError):  # another process may be replacing its own older run
            published = io.read_json(other)
            if key(published) == key(record):
                replaced.append(other)
                lost, before = (r["failures"].get(UNANSWERED, 0) for r in (record, published))
                if lost > before:
                    raise ValueError(
                        f"{path}: {lost} cases got no answer from the engine, {before} in {other}, "
                        "which stays. The result says why; fix that and run it again."
                    )
    target = copy(path, folder)
    for other in replaced:
        if other != target:
            other.unlink(missing_ok=True)
            other.with_suffix(PREDICTIONS).unlink(missing_ok=True)
    return target


def copy(path: Path, folder: Path) -> Path:
    """Copy a result and its predictions, the result last; returns the copy."""
    for part in (path.with_suffix(PREDICTIONS), path):
        io.write_bytes(folder / part.name, part.read_bytes())
    return folder / path.name


def _is_current(path: Path, environment: Mapping) -> bool:
    """Return whether a finished result can be kept. Controls and servers always run again."""
    try:
        record = io.read_json(path)
        engine = record["engine"]["name"]
        same = _deciding(record["environment"], engine) == _deciding(environment, engine)
        answered = UNANSWERED not in record["failures"] and path.with_suffix(PREDICTIONS).exists()
        return same and answered and record["model"]["source"] not in ("control", "server")
    except (OSError, KeyError, io.DataError):
        return False


# --- planning ---------------------------------------------------------------------------------


def prepare(
    task: str | Task,
    *,
    model: str,
    split: str = "",
    prompt: str | None = None,
    decoding: str = "free",
    engine: str = "auto",
    dtype: str = "auto",
    batch_size: int = 32,
    limit: int | None = None,
    out: Path | None = None,
    endpoint: str = "",
    timeout: float = launch.TIMEOUT,
    threads: int | None = None,
    reuse: bool = True,
) -> Plan:
    """Check every name and derive the run's settings; loads data, but no model.

    Args:
        task: a task, or the name of one.
        model: name of a registered model, or of one of the task's controls; with the engine
            "openai" any name that its server knows.
        split: a split of the task; the one that ranks by default.
        prompt: one of the task's prompts; by default the task's own for this decoding, or the one
            in which the model was trained.
        decoding: "free", or "constrained": only completions that satisfy the sample's constraint.
        engine: name of an engine, or "auto": openvino, or transformers on a GPU and for models
            without a GGUF file; controls need none.
        dtype: a type of the engine, such as "float32"; "auto" is its default, or for transformers
            the faster one on this machine.
        batch_size: samples decoded at once; part of the run's identity, as it moves low-order bits.
        limit: only the first so many samples; such a run is incomplete and never ranked.
        out: folder of results, `runs/results` by default; files go into its subfolder `<task>`.
        endpoint, timeout, threads, reuse: those of `launch.start`.
    """
    task = task if isinstance(task, Task) else tasks.get(task)
    choose("decoding", decoding, MODES)
    choose("engine", engine, ("auto", *launch.ENGINES))
    if engine != "openai":  # a server may know any name
        choose("model", model, [*registry.names(), *task.controls])
    prompt = prompt or default_prompt(task, model, decoding)
    asked = task.prompts[choose(f"prompt of {task.name}", prompt, task.prompts)]
    if engine == "openai" and not asked.chat:
        raise ValueError(
            f"a server applies its chat template to every prompt, so {prompt} cannot be used"
        )
    if (limit is not None and limit < 1) or batch_size < 1:
        raise ValueError(f"limit and batch_size must be at least 1, got {limit} and {batch_size}")
    split = split or task.ranking_split
    samples, manifest = task.load(split, limit=limit), task.manifest()
    file = manifest["files"][f"{split}.jsonl"]
    decoded = {"mode": decoding, "max_new_tokens": task.max_new_tokens, "stop": task.stop}
    settings = {
        "task": task.name,
        "split": split,
        "dataset": {
            "name": manifest["name"],
            "version": manifest["version"],
            "sha256": file["sha256"],
            "n": file["rows"],
        },
        "model": _model(task, model, engine),
        "prompt": {"name": prompt, "sha256": asked.sha256},
        "decoding": decoded | {"method": "greedy"},
        "limit": limit if limit is not None and limit < file["rows"] else None,
    }
    if model in task.controls:
        settings["engine"] = {"name": "control", "dtype": None, "batch_size": 1}
        samples_by_id = {sample.id: sample for sample in samples}

        def start() -> Engine:
            answer = task.controls[model]
            return Control(lambda request: answer(samples_by_id[request.id], request.messages))

    else:
        if engine != "openai":
            engine = launch.resolve(engine, gguf=weights.has_gguf(registry.get(model)))
        dtype = launch.resolve_dtype(dtype, engine=engine)
        settings["engine"] = {"name": engine, "dtype": dtype, "batch_size": batch_size}
        for sample in samples:
            request = task.request(sample, asked, decoding)
            if request.constraint is None and decoding == "constrained":
                raise UnsupportedConstraint(
                    f"{task.name} has no constraint for {sample.id}. Use: decoding free."
                )
            launch.require_support(engine, request.constraint, request.want_scores)
        if decoding == "constrained":
            settings["decoding"]["grammar"] = constraints.VERSION

        def start() -> Engine:
            if engine == "llamacpp" and dtype in gguf_files.WEIGHED:
                gguf(model, dtype, task)
            options = {"endpoint": endpoint, "timeout": timeout, "threads": threads, "reuse": reuse}
            return launch.start(engine, model, dtype=dtype, batch_size=batch_size, **options)

    return Plan(task, samples, asked, settings, start, (out or paths.RUNS / "results") / task.name)


def gguf(model: str, kind: str, task: Task | None = None) -> Path:
    """A model as a GGUF file; importance is measured on questions and right answers.

    Args:
        model: name of a model.
        kind: one of `gguf_files.FILE_TYPES`.
        task: the task whose training split is read, for a model that was not trained here; a
            trained model is calibrated on the tasks of its training.
    """
    known = registry.get(model)
    prompts = known.prompts or ({task.name: task.default_prompt("constrained")} if task else {})

    def tokens() -> Iterator[list[int]]:
        tokenizer = weights.vocabulary(model).tokenizer
        for name, prompt in prompts.items():
            of = task if task and task.name == name else tasks.get(name)
            asked = of.prompts[prompt]
            for sample in of.load(of.split_names("train")[0], limit=CALIBRATION):
                answer = tokenizer(of.calibration(sample), add_special_tokens=False)["input_ids"]
                messages = asked.messages(sample)
                yield chat.prompt_tokens(tokenizer, messages, chat=asked.chat) + answer

    return weights.gguf(known, kind, calibration=tokens if prompts else None)


def default_prompt(task: Task, model: str, decoding: str) -> str:
    """Name of the prompt of a run if none is given: that of the model's training, or the task's."""
    trained = registry.trained().get(model)
    if trained is not None and task.name in trained.prompts:
        return trained.prompts[task.name]
    return task.default_prompt(decoding)


def _model(task: Task, name: str, engine: str) -> dict:
    """The `model` block of a result."""
    unknown = {"revision": None, "weights_sha256": None}
    if name in task.controls:
        return {"name": name, "source": "control", **unknown, "parameters": 0, "adapter": None}
    if engine == "openai":  # the weights of a server are unknown
        size = registry.MODELS[name].parameters if name in registry.MODELS else 0
        return {"name": name, "source": "server", **unknown, "parameters": size, "adapter": None}
    model = registry.get(name)
    origin = registry.get(model.origin) if model.origin else model
    return {
        "name": name,
        "source": origin.source,
        "revision": origin.revision,
        "weights_sha256": weights.fingerprint(origin),
        "parameters": model.parameters,
        "adapter": weights.fingerprint(model) if model.origin else None,
    }


def _environment(plan: Plan) -> dict:
    """Packages, machine, commit, and the hash of the code that decides completions."""
    name, task = plan.settings["engine"]["name"], plan.task
    common = ("base", "chat", "constraints", "sequences", "stopping", f"{name}*")
    code = machine.code_sha256(
        *(f"engines/{part}.py" for part in common),
        "models/*.py",
        "tasks/base.py",
        *(f"tasks/{task.name}/{module}" for module in task.completion_modules),
    )
    return machine.environment() | {"code": code}


def _deciding(environment: Mapping, engine: str) -> dict:
    """Parts of an environment that must match for a run to be resumed, or a result to be kept."""
    packages = {*launch.packages(engine), "torch", "transformers", "tokenizers", "numpy", "peft"}
    versions = {k: v for k, v in environment["packages"].items() if k in packages}
    decides = {"machine": environment["machine"], "code": environment.get("code")}
    return {"packages": versions} | decides


# --- running ----------------------------------------------------------------------------------


class Conversation:
    """A sample under way: its messages so far, the completions in them, and what answers them."""

    def __init__(self, task: Task, sample: Sample, prompt: Prompt):
        self.sample, self.prompt = sample, prompt
        self.messages: list[Message] = prompt.messages(sample)
        self.completions: list[Completion] = []
        self._environment, self._turns_left = task.environment(sample, prompt), task.max_turns

    @property
    def over(self) -> bool:
        """True if there is nothing left to complete."""
        return self._turns_left == 0

    def take(self, completion: Completion) -> None:
        """Add a completion and what the environment says to it."""
        self.completions.append(completion)
        self._turns_left -= 1
        following = None
        if self._environment is not None and completion.finish != "error":
            following = self._environment.step(self.prompt.read(self.sample, completion.text))
        if following is None:
            self.messages.append({"role": "assistant", "content": completion.text})
            self._turns_left = 0
        else:
            self.messages += following

    def transcript(self) -> Transcript:
        """The conversation so far."""
        answers = [self.prompt.read(self.sample, c.text) for c in self.completions]
        return Transcript(self.messages, self.completions, answers)


def complete(
    task: Task,
    samples: Sequence[Sample],
    prompt: Prompt,
    engine: Engine,
    *,
    mode: str = "free",
    log: ResumeLog | None = None,
) -> list[Conversation]:
    """Complete the turns of samples, except for those in a resume log; in the samples' order."""
    conversations = {sample.id: Conversation(task, sample, prompt) for sample in samples}
    recorded = sorted(log.done.items(), key=lambda item: item[0][1]) if log else []
    for (name, _), record in recorded:
        conversations[name].take(Completion(**record))
    done = sum(c.over for c in conversations.values())
    bar = progress.bar(total=len(conversations), initial=done, unit="case", desc="cases")
    tokens = progress.Tokens(bar)
    for turn in range(task.max_turns):
        unfinished = (
            c for c in conversations.values() if not c.over and len(c.completions) == turn
        )
        requests = [task.request(c.sample, prompt, mode, c.messages) for c in unfinished]
        for batch in engine.batches(requests) if requests else ():
            last = time.perf_counter()
            for completion in engine.generate(batch, tokens):
                last, before = time.perf_counter(), last
                if log is not None:
                    log.add((completion.id, turn), asdict(completion), last - before)
                conversations[completion.id].take(completion)
                bar.update(conversations[completion.id].over)
    bar.close()
    return list(conversations.values())


@contextmanager
def _explained(plan: Plan):
    """Turn a full disk or Ctrl-C into one message that says what is kept and how to go on."""
    again = "Start the same command again to go on with the cases that are left."
    try:
        yield
    except KeyboardInterrupt:
        message = f"{plan.name} stopped; finished cases are kept in {plan.log}. {again}"
        raise KeyboardInterrupt(message) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        why = f"no space left for {plan.folder}; finished cases are kept. Free some space. {again}"
        raise OSError(error.errno, why) from error


# --- writing ----------------------------------------------------------------------------------


def write(path: Path, record: dict, rows: list[dict]) -> None:
    """Write a result and its predictions, checked, each whole or not at all; the result last."""
    for row in rows:
        io.check(row, PREDICTION, where=f"{path.stem}, case {row['id']}")
    io.check(record, RESULT, where=path.stem)
    io.write_jsonl(path.with_suffix(PREDICTIONS), rows)
    io.write_json(path, record)


def _row(task: Task, conversation: Conversation) -> dict:
    """The prediction row of a sample; scored as it is written, so that it can be scored again."""
    sample, turns = conversation.sample, []
    for completion in conversation.completions:
        turn = {
            "completion": completion.text,
            "finish": completion.finish,
            "tokens_in": completion.tokens_in,
            "tokens_out": completion.tokens_out,
            "seconds": round(completion.seconds, 4),
        }
        if completion.error:
            turn["error"] = completion.error
        if completion.label_logprobs:
            turn["label_logprobs"] = {k: round(v, 4) for k, v in completion.label_logprobs.items()}
        turns.append(turn)
    row = {"id": sample.id, "group": sample.group, "slices": dict(sample.slices), "turns": turns}
    return row | graded(task.score(sample, replay(task, sample, conversation.prompt, turns)))


def replay(task: Task, sample: Sample, prompt: Prompt, turns: Sequence[Mapping]) -> Transcript:
    """The transcript of a prediction: its completions, answered by a fresh environment."""
    conversation = Conversation(task, sample, prompt)
    for turn in turns:
        # as `_row` writes them; files may hold more
        fields = ("finish", "tokens_in", "tokens_out", "seconds", "error", "label_logprobs")
        given = {field: turn[field] for field in fields if field in turn}
        completion = Completion(sample.id, turn["completion"], first_token_seconds=0.0, **given)
        conversation.take(completion)
    return conversation.transcript()


def graded(score: Score) -> dict:
    """The part of a prediction row that follows from its score."""
    return {"failure": score.failure, "scores": dict(score.scores), "counts": dict(score.counts)}
