"""Supervised fine-tuning from a recipe: LoRA, QLoRA or all weights, in a plain PyTorch loop.

The loss is that of the answers alone. Samples that share the beginning of their prompts are
packed behind it (`packing`), in an order that the seed fixes. A checkpoint contains everything that
a step depends on: a run that was killed resumes from its last intact checkpoint and ends in the
weights of an unbroken run, on one CPU to the bit. The training set is kept beside the checkpoints,
so that it can be prepared on a machine without a GPU.
"""

import argparse
import errno
import hashlib
import json
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from slmlib.core import io, paths, progress
from slmlib.core.names import choose
from slmlib.core.optional import require
from slmlib.models import registry, weights
from slmlib.models.registry import RECORD
from slmlib.training import checkpoints, recipes, training_set
from slmlib.training.clock import GracefulStop
from slmlib.training.recipes import Recipe
from slmlib.training.trainer import VERSION, Diverged, Trainer, TrainingError, precision

OUT_OF_MEMORY = "not enough memory", "can't allocate memory", "out of memory"
DISK_FULL = "No space left", "file write failed", "iostream error"  # the last two are PyTorch's


def train(
    recipe: str | Recipe, *, out: Path | None = None, until: int | None = None, command: str = ""
) -> Path:
    """Train a model, or resume the same run where it was stopped.

    Args:
        recipe: a recipe, or the name of one.
        out: folder of training runs, `runs/training` by default.
        until: stop after this step with a checkpoint, for long runs in parts; 0 only prepares the
            training set, which needs no GPU.
        command: what calls this, for the message that says how to go on.

    Returns:
        The run's folder: `model/` (adapter or all weights), `training.json`, `tensorboard/`.

    Raises:
        DataError, ModelError: files that are missing or were changed.
        UnknownName: the recipe's model is not in the registry.
        Busy: another process is training this.
        TrainingError: the run cannot go on; finished work is kept.
    """
    recipe = recipe if isinstance(recipe, Recipe) else recipes.load(recipe)
    folder = (out or paths.RUNS / "training") / run_name(recipe)
    if (folder / RECORD).exists():
        return folder
    command = command or f"the same call, train({recipe.name!r}, …)"
    with _explained(recipe, folder, command), io.lock(folder / ".lock", what=folder.name):
        vocabulary = weights.vocabulary(recipe["model"])
        data = training_set.load_or_build(recipe, vocabulary, folder)
        if not data.packs:
            longest = recipe["batch"]["tokens"]
            reason = (
                f"the shortest has {data.shortest} tokens, batch.tokens is {longest}. Raise it"
                if data.shortest
                else "its `data` selects none. Select more"
            )
            raise TrainingError(f"{recipe.name} leaves no sample to train on: {reason}.")
        if until != 0:
            _run(recipe, folder, lambda: Trainer(recipe, folder, data, vocabulary), until)
    return folder


def run_name(recipe: Recipe) -> str:
    """The recipe's name and seed, and a hash of all that the weights depend on."""
    base = registry.MODELS[choose("model to train", recipe["model"], registry.MODELS)]
    parts = [VERSION, recipe.sha256, weights.fingerprint(base)]
    parts += training_set.datasets(recipe).values()
    parts += [precision(recipe)] if recipe["precision"] == "auto" else []
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]
    return f"{recipe.name.replace('/', '-')}-{recipe['seed']}-{digest}"


def _run(recipe: Recipe, folder: Path, start: Callable[[], Trainer], until: int | None) -> None:
    """The training loop."""
    from transformers import set_seed
    from transformers.utils import logging

    logging.disable_progress_bar()
    set_seed(recipe["seed"])
    trainer = start()
    set_seed(recipe["seed"])
    done, steps = trainer.resume(), trainer.steps
    with ExitStack() as stack:
        stop, clock = stack.enter_context(GracefulStop()), stack.enter_context(trainer.clock)
        options = {"total": steps, "initial": done, "unit": "step", "desc": folder.name}
        bar, log = stack.enter_context(progress.bar(**options)), _logger(folder, stack)
        while True:
            if trainer.evaluation_due(done) and not stop.requested:
                trainer.save(done)  # the evaluation may take minutes
                row = trainer.evaluate(done)
                log("validation", {"loss": row["loss"]}, done)
                bar.write(f"validation loss after {done} steps: {row['loss']:.3f}")
                for task, scores in row.get("tasks", {}).items():
                    log(task, scores, done)
            if done in (steps, until) or stop.requested:
                break
            row = trainer.learn(done)
            done += 1
            log("train", {key: row[key] for key in ("loss", "learning_rate")}, done)
            bar.set_postfix_str(f"loss {row['loss']:.3f}, {clock.speed:.0f} tok/s")
            bar.update()
            if clock.extrapolate(done, steps):
                minutes, kwh = clock.estimate["seconds"] / 60, clock.estimate["joules"] / 3.6e6
                bar.write(f"estimate without evaluations: {minutes:.1f} minutes, {kwh:.3f} kWh")
            if done % recipe["checkpoints"]["every"] == 0 or done == until or stop.requested:
                trainer.save(done)
    if done == steps and not trainer.evaluation_due(done):
        trainer.finish()
    elif stop.requested:
        raise KeyboardInterrupt


def _logger(folder: Path, stack: ExitStack) -> Callable[[str, dict, int], None]:
    """A function that logs values for TensorBoard and, if its key is set, Weights & Biases."""
    require("tensorboard", extra="train")
    from torch.utils.tensorboard import SummaryWriter

    if os.environ.get("WANDB_API_KEY"):
        try:
            import wandb

            # the id gives a run that was stopped one curve
            options = {"id": folder.name, "resume": "allow", "sync_tensorboard": True}
            stack.enter_context(wandb.init(**options))
        except ModuleNotFoundError:
            print("WANDB_API_KEY is set, but wandb is not installed: pip install wandb", flush=True)
    writer = stack.enter_context(SummaryWriter(str(folder / "tensorboard")))

    def log(group: str, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            writer.add_scalar(f"{group}/{name}", value, step)

    return log


# --- what can go wrong ------------------------------------------------------------------------


@contextmanager
def _explained(recipe: Recipe, folder: Path, command: str) -> Iterator[None]:
    """Turn what stops a run into one message: why, what is kept, and how to go on."""

    def kept() -> tuple[str, str]:
        checkpoint = None
        with suppress(OSError):
            checkpoint = checkpoints.latest(folder / "checkpoints")
        if checkpoint is None:
            return "No checkpoint was written yet.", f"To start again: {command}"
        return f"{checkpoint} is kept.", f"To resume from it: {command}"

    try:
        yield
    except KeyboardInterrupt:
        raise TrainingError(" ".join(("stopped.", *kept()))) from None
    except Diverged as error:
        raise Diverged(
            f"{error} {kept()[0]} The same run would end there again: set a lower "
            "optimiser.learning_rate or a longer optimiser.warmup in the recipe, which is another "
            f"run and starts anew: {command}"
        ) from None
    except (MemoryError, RuntimeError, OSError, SafetensorError) as error:
        reason = None if isinstance(error, TrainingError) else _reason(error, recipe)
        if reason is None:
            raise
        raise TrainingError(" ".join((reason, *kept()))) from error


def _reason(error: BaseException, recipe: Recipe) -> str | None:
    """Why a run stopped, if a user can fix it; PyTorch may hide the cause behind another error."""
    text = str(error)
    if isinstance(error, MemoryError) or any(words in text for words in OUT_OF_MEMORY):
        return (
            "out of memory. Free some and resume, or set batch.tokens of the recipe below "
            f"{recipe['batch']['tokens']} and raise batch.packs by the same factor, which is "
            "another run."
        )
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    if full or any(words in text for words in DISK_FULL):
        return "no space left on the disk, or it cannot be written to. Free some."
    return _reason(error.__context__, recipe) if error.__context__ else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Train a model from a recipe of data/recipes, or resume a run that was stopped."""
    parser = argparse.ArgumentParser(prog="slmbench train", description=main.__doc__)
    out, prepare = paths.RUNS / "full" / "training", "only build the training set, without a GPU"
    parser.add_argument("recipe", help=f"one of: {', '.join(recipes.names())}")
    parser.add_argument("--seed", type=int, help="replaces the recipe's own")
    parser.add_argument("--out", type=Path, default=out, help="folder of runs")
    parser.add_argument("--prepare", action="store_true", help=prepare)
    options = parser.parse_args(arguments)
    recipe = recipes.load(options.recipe, seed=options.seed)
    words = ["slmbench", "train", recipe.name, "--seed", recipe["seed"], "--out", options.out]
    command = shlex.join(map(str, [*words, *(["--prepare"] if options.prepare else [])]))
    print(train(recipe, out=options.out, until=0 if options.prepare else None, command=command))
