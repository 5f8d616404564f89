"""Fine-tuning from a recipe: LoRA, QLoRA or all weights, on transformers' Trainer with peft.

    python -m slmlib.training.sft gpu --prepare    compose and pack its cases, where no GPU is needed
    python -m slmlib.training.sft gpu              train; a run that was stopped goes on

The loss is that of the answers alone, summed over a step and divided by its tokens. Cases that share their
question's beginning are packed behind it (`packing`), so a step's batches are single sequences. The order
of the packs is fixed by the seed, and a checkpoint holds all that a step depends on: a run that was killed
goes on from its last whole checkpoint and ends in the weights of an unbroken one, on one CPU to the bit.
A checkpoint appears by one rename with the hashes of its files; a torn one is told apart and skipped. The
course of a run is kept beside the checkpoints, so that it can be prepared where no GPU is; other code makes
it anew.
"""

import argparse
import errno
import hashlib
import json
import math
import os
import shlex
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from itertools import compress
from pathlib import Path

import numpy as np
from safetensors import SafetensorError

from slmlib.core import checkpoints, io, machine, paths, progress
from slmlib.engines import base as engines
from slmlib.engines.transformers import NO_MEMORY
from slmlib.models import registry as models
from slmlib.tasks import base as tasks
from slmlib.tasks.edgejson import training_data
from slmlib.tasks.edgejson.training_data import Lesson, Mixture
from slmlib.training import clock, packing, recipes
from slmlib.training.packing import Pack, Question
from slmlib.training.recipes import Recipe

VERSION = "1"  # of how lessons become weights; a new one makes a run another run
RECORD = models.TRAINING
COURSE, COURSE_OF, VALIDATION = "course", "course.json", "validation.json"
WARM, ESTIMATED = 3, 10  # steps of warming up, and those after which time and energy are estimated
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class TrainingError(RuntimeError):
    """A run that cannot go on: says why, what is kept, and how to go on."""


class Diverged(TrainingError):
    """A loss or a gradient that is no number: the same run would end there again."""


@dataclass(frozen=True)
class Course:
    """What a run learns from, in order.

    Attributes:
        packs: the training sequences.
        sizes: lessons, cases and schemas in them.
        left_out: cases that are longer than a pack, or than the model reads.
        shortest: tokens of the shortest case, of those left out too.
        saved: share of the tokens that packing saves.
    """

    packs: list[Pack]
    sizes: dict[str, int]
    left_out: int
    shortest: int
    saved: float

    @property
    def sha256(self) -> str:
        """Of what is learnt, in its order."""
        found = hashlib.sha256()
        for pack in self.packs:
            found.update(np.asarray(pack.tokens, dtype=np.uint32).tobytes() + repr(pack.trees).encode())
        return found.hexdigest()


def train(
    recipe: str | Recipe, *, out: Path | None = None, until: int | None = None, command: str = ""
) -> Path:
    """Train a model, or go on where the same run was stopped.

    Args:
        recipe: a recipe, or the name of one.
        out: folder of training runs, `runs/training` if not given.
        until: stop after this step, as a kill would, with a checkpoint: for tests and long runs in parts;
            0 makes the course alone, which takes a CPU and no GPU.
        command: what calls this, for the message that says how to go on.

    Returns:
        The folder of the run: `model/` (the adapter, or all weights), `training.json`, `tensorboard/`.

    Raises:
        DataError, ModelError: files that are missing or were changed.
        UnknownName: the recipe's model is not in the registry.
        Busy: another process is training this.
        TrainingError: the run cannot go on; what is done is kept.
    """
    recipe = recipe if isinstance(recipe, Recipe) else recipes.load(recipe)
    folder = (out or paths.RUNS / "training") / run_name(recipe)
    if (folder / RECORD).exists():
        return folder
    command = command or f"the same call, train({recipe.name!r}, …)"
    with _explained(recipe, folder, command), clock.alone(folder):
        _Run(recipe, folder).go(until)
    return folder


def run_name(recipe: Recipe) -> str:
    """The recipe's name and seed, ended by a hash of the recipe, its model and its data; and of the
    precision, where it is left to the machine."""
    base, data = models.trainable(recipe["model"]), tasks.get("edgejson").manifest()["files"]["train.jsonl"]
    deciding = [VERSION, recipe.sha256, models.fingerprint(base), data["sha256"]]
    deciding += [_precision("auto")] if recipe["precision"] == "auto" else []
    digest = hashlib.sha256(json.dumps(deciding).encode()).hexdigest()[:8]
    return f"{recipe.name.replace('/', '-')}-{recipe['seed']}-{digest}"


# --- what is learnt ---------------------------------------------------------------------------


def sample(recipe: Recipe, cases: int = 80) -> Recipe:
    """The recipe over a few of its cases, twice each in lessons of their own, to look at."""
    data, published = recipe["data"], len(tasks.get("edgejson").load("train"))
    few = {
        "train": min(data["train"], cases / published),
        "extended": min(data["extended"], cases),
        "passes": 2,
    }
    return replace(recipe, settings={**recipe.settings, "data": {**data, **few}})


def mixture(recipe: Recipe) -> Mixture:
    """The recipe's data, as the task takes them."""
    return Mixture(**{**recipe["data"], "registers": tuple(recipe["data"]["registers"])})


def course(recipe: Recipe, vocabulary: models.Vocabulary) -> Course:
    """The packs of a recipe; a case that is longer than a pack or the context is left out, never cut."""
    batch, wanted = recipe["batch"], mixture(recipe)
    limit = min(batch["tokens"], vocabulary.context)
    with progress.bar(total=wanted.extended, desc="cases", unit="case") as bar:
        lessons = training_data.lessons(wanted, seed=recipe["seed"], size=batch["lesson"], step=bar.update)
    learnt, told, lengths = [], [], []
    for lesson in progress.bar(lessons, desc="tokens", unit="lesson"):
        asked = questions(lesson, vocabulary.tokenizer)
        fits = [len(question) <= limit for question in asked]
        lengths += map(len, asked)
        if any(fits):
            learnt.append(replace(lesson, examples=tuple(compress(lesson.examples, fits))))
            told.append(list(compress(asked, fits)))
    packs = list(packing.pack(told, limit=batch["tokens"]))
    alone = sum(length for length in lengths if length <= limit)
    return Course(
        packs,
        training_data.sizes(learnt),
        left_out=sum(length > limit for length in lengths),
        shortest=min(lengths, default=0),
        saved=1 - sum(map(len, packs)) / alone if alone else 0.0,
    )


def kept_course(recipe: Recipe, vocabulary: models.Vocabulary, folder: Path) -> Course:
    """The course of a run, made if its folder has none that is whole and of this code."""
    place, code = folder / COURSE, machine.code()
    if checkpoints.intact(place):
        told = io.read_json(place / "told.json")
        if told.pop("code", None) == code:
            return Course(packing.load(place / "packs.safetensors"), **told)
        print("the library has changed since the cases were composed, so they are composed again", flush=True)
    made = course(recipe, vocabulary)
    if made.packs:
        with checkpoints.whole_folder(place) as scratch:
            packing.save(made.packs, scratch / "packs.safetensors")
            told = {f.name: getattr(made, f.name) for f in fields(Course) if f.name != "packs"}
            io.write_json(scratch / "told.json", {**told, "code": code})
            checkpoints.vouch(scratch)
    return made


def questions(lesson: Lesson, tokenizer) -> list[Question]:
    """A lesson in tokens; an answer ends with the token that ends a turn."""
    return [
        _question(example.id, lesson.prompt.messages(example), answer, tokenizer)
        for example, answer in zip(lesson.examples, lesson.answers(), strict=True)
    ]


def _question(name: str, messages, answer: str, tokenizer) -> Question:
    prompt = engines.prompt_tokens(tokenizer, messages)
    told = tokenizer(answer, add_special_tokens=False)["input_ids"]
    return Question(name, prompt, [*told, tokenizer.eos_token_id])


def _validation(recipe: Recipe, tokenizer) -> list[Pack]:
    """Cases of `val` in the usual words, one in a pack: what the loss is measured on."""
    task, prompt = tasks.get("edgejson"), training_data.prompt_for(mixture(recipe))
    asked = [
        _question(e.id, task.prompts[prompt].messages(e), training_data.answer(e.target), tokenizer)
        for e in task.load("val", limit=recipe["evaluation"]["loss"])
    ]
    return [pack for q in asked for pack in packing.pack([[q]], limit=max(len(q), 1))]


# --- one run ----------------------------------------------------------------------------------


class _Run:
    """A recipe on its way to weights."""

    def __init__(self, recipe: Recipe, folder: Path):
        self.recipe, self.folder = recipe, folder
        self.vocabulary = models.vocabulary(recipe["model"])
        self.precision = _precision(recipe["precision"])

    def go(self, until: int | None) -> None:
        from transformers import set_seed
        from transformers.utils import logging

        logging.disable_progress_bar()
        self.course = kept_course(self.recipe, self.vocabulary, self.folder)
        if not self.course.packs:
            most, shortest = self.recipe["batch"]["tokens"], self.course.shortest
            why = (
                f"the shortest has {shortest} tokens, batch.tokens is {most}. Set that higher"
                if shortest
                else "its data choose none. Set data.train or data.extended above 0, or more data.registers"
            )
            raise TrainingError(f"the recipe {self.recipe.name} leaves no case to train on: {why}.")
        if until == 0:
            return
        set_seed(self.recipe["seed"])
        network = _network(self.recipe)
        trainer = _trainer(self, network, until)
        checkpoints.sweep(self.folder / "checkpoints")
        checkpoint = checkpoints.latest(self.folder / "checkpoints")
        if checkpoint is not None:
            self._require_its_course(checkpoint)
            print(f"going on from {checkpoint.name} of {trainer.steps}", flush=True)
            trainer.go_on_from(checkpoint)
        with trainer.clock, trainer.stop:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if trainer.stop.asked:
            raise KeyboardInterrupt
        if trainer.state.global_step == trainer.steps:
            self._finish(trainer)

    def _require_its_course(self, checkpoint: Path) -> None:
        """Weights that learnt from other cases would end as no recipe says."""
        known = checkpoint / COURSE_OF
        if not known.exists() or io.read_json(known)["sha256"] != self.course.sha256:
            raise TrainingError(
                f"{checkpoint} has learnt from other cases than this version of the library composes. Go "
                f"back to the version that wrote it, or remove {self.folder} to start anew."
            )

    def measured(self) -> dict[str, dict]:
        """What was measured on `val`, by step; kept apart from checkpoints, so that it is done once."""
        kept = self.folder / VALIDATION
        return io.read_json(kept) if kept.exists() else {}

    def keep_measured(self, step: int, found: dict) -> None:
        """Add what was measured after a step."""
        numbers = {name.removeprefix("eval_"): value for name, value in found.items()}
        io.write_json(self.folder / VALIDATION, {**self.measured(), str(step): numbers})

    def _finish(self, trainer) -> None:
        """Save the model and, last, the record that says that the run is whole."""
        with checkpoints.whole_folder(self.folder / "model") as scratch:
            trainer.model.save_pretrained(scratch)
            self.vocabulary.tokenizer.save_pretrained(scratch)
        io.write_json(self.folder / RECORD, self._record(trainer))
        for rest in ("checkpoints", COURSE):
            shutil.rmtree(self.folder / rest, ignore_errors=True)
        (self.folder / VALIDATION).unlink(missing_ok=True)

    def _record(self, trainer) -> dict:
        base, clock, budget = models.get(self.recipe["model"]), trainer.clock, self.recipe["budget"]
        history = trainer.state.log_history
        weights = sorted((self.folder / "model").glob("*.safetensors"))
        return {
            "run": self.folder.name,
            "version": VERSION,
            "recipe": {"name": self.recipe.name, **self.recipe.settings},
            "base": {"name": base.name, "hub": base.base, "sha256": models.fingerprint(base)},
            "data": {
                "manifest_sha256": io.sha256(tasks.get("edgejson").folder / "manifest.json"),
                **self.course.sizes,
                "left_out": self.course.left_out,
                "course_sha256": self.course.sha256,
                "tokens": sum(map(len, self.course.packs)),
                "saved_by_packing": round(self.course.saved, 4),
            },
            "weights": {path.name: io.sha256(path) for path in weights},
            "steps": trainer.state.global_step,
            "precision": self.precision,
            "prompt": training_data.prompt_for(mixture(self.recipe)),
            "loss": [_numbers(line, "loss", "learning_rate") for line in history if "loss" in line],
            "validation": [{"step": int(step), **found} for step, found in self.measured().items()],
            "estimated": clock.foreseen,
            "seconds": round(clock.seconds, 1),
            "seconds_of_evaluation": round(clock.aside, 1),
            "tokens_per_second": round(clock.tokens / (clock.seconds - clock.aside), 1),
            "packs_together": trainer.together,
            "peak_memory_bytes": clock.peak,
            "within_budget": clock.seconds <= 60 * budget["minutes"]
            and clock.peak <= 1e9 * budget["memory_gb"] * trainer.together,
            "joules": round(clock.joules),
            "energy": clock.source,
            "environment": machine.environment(),
        }


def _numbers(line: dict, *names: str) -> dict:
    return {name: line[name] for name in ("step", *names) if name in line}


def _precision(wanted: str) -> str:
    return engines.resolve_dtype("auto") if wanted == "auto" else wanted


def _network(recipe: Recipe):
    """The network with the weights to train."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    held = "nf4" if recipe["method"] == "qlora" else "float32"
    network = models.load(recipe["model"], dtype=held, device=device).network
    packing.prepare(network)
    if device == "cuda":
        packing.compile_layers(network)
    if recipe["method"] == "full":
        return network.train()
    from peft import LoraConfig, get_peft_model

    lora = recipe["lora"]
    config = LoraConfig(
        r=lora["rank"],
        lora_alpha=lora["alpha"],
        lora_dropout=lora["dropout"],
        target_modules=list(lora["targets"]),
        task_type="CAUSAL_LM",
    )
    for module in network.modules():
        # else an evaluation packs the weights for kernels of some CPUs, which training is not made for
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of transformers about how peft asks it
        return get_peft_model(network, config)


def _trainer(run: _Run, network, until: int | None):
    """A Trainer over the packs, in their order."""
    recipe, packs, together = run.recipe, run.course.packs, _together(run.recipe, network)
    steps = math.ceil(len(packs) / recipe["batch"]["packs"])
    sequences = [packing.joined(packs[i : i + together]) for i in range(0, len(packs), together)]
    arguments = _arguments(run, steps, accumulated=min(recipe["batch"]["packs"] // together, len(sequences)))
    # what is compiled wants inputs of one size; on a CPU nothing is, and padding would be computed
    length = 0 if arguments.use_cpu else packing.filled(together * recipe["batch"]["tokens"])
    return _trainer_class()(run, network, arguments, sequences, steps, together, length, until)


def _arguments(run: _Run, steps: int, *, accumulated: int):
    """The recipe as Trainer wants it; what it reports, moves or drops by itself is off."""
    import torch
    from transformers import TrainingArguments

    recipe, optimiser = run.recipe, run.recipe["optimiser"]
    return TrainingArguments(
        output_dir=str(run.folder / "checkpoints"),
        num_train_epochs=1,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=accumulated,
        train_sampling_strategy="sequential",
        learning_rate=optimiser["rate"],
        lr_scheduler_type=optimiser["schedule"],
        warmup_steps=math.ceil(optimiser["warmup"] * steps),
        weight_decay=optimiser["weight_decay"],
        max_grad_norm=optimiser["clip"],
        optim="adamw_torch",
        bf16=run.precision == "bfloat16",
        use_cpu=not torch.cuda.is_available(),
        seed=recipe["seed"],
        save_strategy="steps",
        save_steps=recipe["checkpoints"]["every"],
        eval_strategy="steps",
        eval_steps=recipe["evaluation"]["every"],
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )


HELD = 145  # bytes of GPU memory a token, by layer and place of the hidden state: 138 were measured


def _together(recipe: Recipe, network) -> int:
    """How many packs of a step go through a GPU as one sequence, by the memory it has in all: kernels of few
    tokens take less time than it takes to start them."""
    import torch

    if not torch.cuda.is_available():
        return 1
    config = network.config
    size = HELD * config.num_hidden_layers * config.hidden_size * recipe["batch"]["tokens"]
    most, packs = max(1, torch.cuda.mem_get_info()[1] // size), recipe["batch"]["packs"]
    return max(count for count in range(1, packs + 1) if packs % count == 0 and count <= most)


def _trainer_class():
    """Trainer's subclass, made when it is needed: transformers takes seconds to import."""
    import torch
    from transformers import PrinterCallback, Trainer, TrainerCallback

    class PackTrainer(Trainer):
        """Trains on packs, saves whole checkpoints, and measures loss and answers on `val`."""

        loss_is_scaled_for_ga = True

        def __init__(self, run: _Run, network, arguments, sequences, steps, together, length, until):
            self.run, self.steps, self.together, self.length = run, steps, together, length
            self.clock, self.stop, self.saved = clock.Clock(), clock.Stop(), -1
            self.scratch: Path | None = None
            validation = _validation(run.recipe, run.vocabulary.tokenizer)
            super().__init__(
                network,
                arguments,
                data_collator=lambda packs: packing.inputs(packs[0], length=self.length),
                train_dataset=sequences,
                eval_dataset=validation,
                callbacks=[_reporter(TrainerCallback, self, until), *_loggers(run.folder)],
            )
            self.remove_callback(PrinterCallback)

        # the loss of a step is that of all its answers' tokens alike, whichever packs they are in
        def _get_num_items_in_batch(self, batch_samples, device):
            return torch.tensor(sum(len(batch["labels"]) for batch in batch_samples), device=device)

        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            total = packing.loss(model, inputs)
            self.require_finite("loss", total)
            self.clock.tokens += inputs["size"]
            return total / num_items_in_batch

        def require_finite(self, what: str, value) -> None:
            if not torch.isfinite(value):
                raise Diverged(f"the {what} is {value.item()} {self._place}.")

        @property
        def _place(self) -> str:
            step = self.state.global_step
            return f"at step {step + 1}" if self.model.training else f"after step {step}"

        def go_on_from(self, checkpoint: Path) -> None:
            """Read what Trainer does not, and measure first what was to be measured there and was not."""
            self.clock.load(checkpoint)
            self.saved = checkpoints.step(checkpoint)
            due = self.saved % self.args.eval_steps == 0 or self.saved == self.steps
            self.args.eval_on_start = due and str(self.saved) not in self.run.measured()

        def evaluate(self, *_, **__):
            self._save_checkpoint(self.model, None)  # it may take minutes, and what is learnt is safe first
            with self.clock.set_aside():
                measured = _measured(self)
            self.run.keep_measured(self.state.global_step, measured)
            self.log(measured)
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, measured)
            self.control.should_training_stop |= self.stop.asked
            return measured

        def _get_output_dir(self, trial=None):
            return str(self.scratch or self.args.output_dir)

        def _save_checkpoint(self, model, trial):
            if self.saved == self.state.global_step:
                return
            name = f"checkpoint-{self.state.global_step}"
            target = Path(self.args.output_dir) / name
            with checkpoints.whole_folder(target) as scratch:
                self.scratch = scratch.parent / f"{scratch.name}-parts"
                try:
                    super()._save_checkpoint(model, trial)
                    for part in (self.scratch / name).iterdir():
                        os.replace(part, scratch / part.name)
                finally:
                    shutil.rmtree(self.scratch, ignore_errors=True)
                    self.scratch = None
                (scratch / "training_args.bin").unlink(missing_ok=True)  # a pickle that nothing reads
                self.clock.save(scratch)
                io.write_json(scratch / COURSE_OF, {"sha256": self.run.course.sha256})
                checkpoints.vouch(scratch)
            self.saved = self.state.global_step
            checkpoints.keep_newest(target.parent, self.run.recipe["checkpoints"]["keep"])

    return PackTrainer


def _measured(trainer) -> dict:
    """Loss and scores on the fixed slices of `val`."""
    import torch

    network, total, count = trainer.model.eval(), 0.0, 0
    precise = torch.autocast(
        trainer.args.device.type, torch.bfloat16, enabled=trainer.run.precision == "bfloat16"
    )
    with torch.no_grad(), precise:
        for pack in trainer.eval_dataset:
            length = max(trainer.length, packing.filled(len(pack))) if trainer.length else 0
            batch = trainer._prepare_inputs(packing.inputs(pack, length=length))
            loss = packing.loss(network, batch)
            trainer.require_finite("validation loss", loss)
            total, count = total + loss.item(), count + pack.answered
        with torch.compiler.set_stance("force_eager"):  # each length of a text would be compiled anew
            answered = _answered(trainer.run, network)
    return {"eval_loss": total / count, **answered}


def _answered(run: _Run, network) -> dict:
    """JSONExact and FieldF1 of the network as it is, decoding freely."""
    from slmlib.engines.transformers import Transformers

    task = tasks.get("edgejson")
    examples = task.load("val", limit=run.recipe["evaluation"]["answers"])
    if not examples:
        return {}
    prompt = task.prompts[training_data.prompt_for(mixture(run.recipe))]
    inner = network.get_base_model() if hasattr(network, "get_base_model") else network
    loaded = models.Loaded(models.get(run.recipe["model"]), inner, run.vocabulary, "float32")
    engine = Transformers(loaded, batch_size=len(examples))
    asked = [engines.request(task, example, prompt) for example in examples]
    found = {c.id: c for batch in engine.batches(asked) for c in engine.generate(batch)}
    scores = [task.score(e, found[e.id].text, found[e.id].finish).scores for e in examples]
    means = {name: sum(s[name] for s in scores) / len(scores) for name in ("json_exact", "field_f1")}
    return {**{f"eval_{name}": value for name, value in means.items()}, "eval_answers": len(scores)}


def _reporter(base, trainer, until: int | None):
    """A progress bar with loss, speed and time left; and no step by a gradient that is no number."""
    from torch.nn.utils import get_total_norm

    class Reporter(base):
        def on_train_begin(self, args, state, control, **_):
            bar = {"total": trainer.steps, "initial": state.global_step, "unit": "step"}
            self.bar = progress.bar(desc=trainer.run.folder.name, **bar)

        def on_log(self, args, state, control, logs=None, **_):
            if "loss" in (logs or {}):
                self.bar.set_postfix_str(f"loss {logs['loss']:.3f}, {trainer.clock.speed:.0f} tok/s")
            if "eval_loss" in (logs or {}):
                right = (
                    f", JSONExact {100 * logs['eval_json_exact']:.0f} %" if "eval_json_exact" in logs else ""
                )
                self.bar.write(f"step {state.global_step}: validation loss {logs['eval_loss']:.3f}{right}")

        def on_pre_optimizer_step(self, args, state, control, model=None, **_):
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            trainer.require_finite("gradient", get_total_norm(gradients))

        def on_step_end(self, args, state, control, **_):
            self.bar.update()
            if state.global_step == WARM < trainer.steps:
                trainer.clock.warmed_up(WARM)
            if state.global_step == min(ESTIMATED, trainer.steps):
                self.bar.write(_estimate(trainer))
            control.should_evaluate |= state.global_step == trainer.steps
            if trainer.stop.asked:
                control.should_evaluate = False  # it is the first thing when the run goes on
            if trainer.stop.asked or (until is not None and state.global_step >= until):
                control.should_save = control.should_training_stop = True

        def on_train_end(self, args, state, control, **_):
            self.bar.close()

    return Reporter()


def _estimate(trainer) -> str:
    """What the whole run is going to take, in words."""
    done = trainer.state.global_step
    trainer.clock.foresee(done, of=trainer.steps)
    whole, joules = trainer.clock.foreseen["seconds"] / 60, trainer.clock.foreseen["joules"]
    return f"estimated by {done} steps: {whole:.1f} minutes and {joules / 3.6e6:.3f} kWh, evaluations apart"


def _loggers(folder: Path) -> list:
    """TensorBoard, and Weights & Biases where its key is in the environment and its package installed."""
    from torch.utils.tensorboard import SummaryWriter
    from transformers import integrations

    found = [integrations.TensorBoardCallback(SummaryWriter(str(folder / "tensorboard")))]
    if os.environ.get("WANDB_API_KEY") and integrations.is_wandb_available():
        os.environ |= {"WANDB_RUN_ID": folder.name, "WANDB_RESUME": "allow"}  # one curve, if stopped too
        found.append(integrations.WandbCallback())
    elif os.environ.get("WANDB_API_KEY"):
        print("WANDB_API_KEY is set and wandb is not installed: pip install wandb", flush=True)
    return found


# --- what can go wrong ------------------------------------------------------------------------


@contextmanager
def _explained(recipe: Recipe, folder: Path, command: str) -> Iterator[None]:
    """Turn what stops a run into one message: why, what is kept, how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise TrainingError(f"stopped. {_kept(folder, command)}") from None
    except Diverged as error:
        raise Diverged(f"{error} {_kept(folder)} {_ANOTHER} {command}") from None
    except TrainingError:
        raise
    except (MemoryError, RuntimeError, OSError, SafetensorError) as error:
        why = _why(error, recipe)
        if why is None:
            raise
        raise TrainingError(f"{why} {_kept(folder, command)}") from error


_ANOTHER = (
    "The same run would end there again: set a lower optimiser.rate or a longer optimiser.warmup in the "
    "recipe, which is another run and starts anew:"
)


def _why(error: BaseException, recipe: Recipe) -> str | None:
    """What went wrong, for what a user can mend."""
    told = str(error)
    if isinstance(error, MemoryError) or any(words in told for words in NO_MEMORY):
        return (
            "out of memory. Free some and go on, or set batch.tokens of the recipe below "
            f"{recipe['batch']['tokens']} and batch.packs higher by the same factor, which is another run."
        )
    if getattr(error, "errno", None) in NO_SPACE or any(words in told for words in _FULL):
        return "no space left on the disk, or it takes no more writing. Free some."
    return _why(error.__context__, recipe) if error.__context__ else None


_FULL = "No space left", "file write failed", "iostream error"  # the last two are PyTorch's


def _kept(folder: Path, command: str = "") -> str:
    checkpoint = None
    with suppress(OSError):
        checkpoint = checkpoints.latest(folder / "checkpoints")
    kept = "No checkpoint was written yet." if checkpoint is None else f"{checkpoint} is kept."
    how = "To start again" if checkpoint is None else "To go on from it"
    return f"{kept} {how}: {command}" if command else kept


def main(arguments: list[str] | None = None) -> None:
    """Train a model from a recipe of data/recipes, or go on where that was stopped."""
    parser = argparse.ArgumentParser(prog="python -m slmlib.training.sft", description=main.__doc__)
    parser.add_argument("recipe", help=f"of: {', '.join(recipes.names())}")
    parser.add_argument("--seed", type=int, help="in place of the recipe's own")
    parser.add_argument("--out", type=Path, default=paths.RUNS / "full" / "training", help="folder of runs")
    parser.add_argument(
        "--prepare", action="store_true", help="make the course alone, for a machine with a GPU"
    )
    chosen = parser.parse_args(arguments)
    recipe = recipes.load(chosen.recipe, seed=chosen.seed)
    given = ["python", "-m", "slmlib.training.sft", recipe.name, "--seed", str(recipe["seed"]), "--out"]
    again = shlex.join([*given, str(chosen.out), *(["--prepare"] if chosen.prepare else [])])
    print(train(recipe, out=chosen.out, until=0 if chosen.prepare else None, command=again))


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
