"""Supervised fine-tuning from a recipe: LoRA, QLoRA or all weights, in a plain PyTorch loop.

The loss is that of the answers alone. Samples that share the beginning of their prompts are
packed after it (`packing`), in an order that the seed fixes. A checkpoint contains everything that
a step depends on: a run that was killed resumes from its last intact checkpoint and ends in the
weights of an unbroken run, on one CPU to the bit. The training set is kept beside the checkpoints,
so that it can be prepared on a machine without a GPU.
"""

import argparse
import hashlib
import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from slmlib.core import io, paths, progress
from slmlib.core.names import choose
from slmlib.core.optional import require
from slmlib.models import registry, weights
from slmlib.models.registry import RECORD
from slmlib.training import recipes, trainer, training_set
from slmlib.training.clock import stop_requests
from slmlib.training.recipes import Recipe
from slmlib.training.trainer import Trainer, TrainingError

OUT_OF_MEMORY = "not enough memory", "can't allocate memory", "out of memory"
DISK_FULL = "No space left", "Disk quota exceeded"


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
            raise TrainingError(
                f"{recipe.name} leaves no sample to train on: {data.left_out} are longer than "
                f"batch.tokens, {longest}. Raise it, or select more in `data`."
            )
        if until != 0:
            _run(recipe, folder, data, vocabulary, until)
    return folder


def run_name(recipe: Recipe) -> str:
    """The recipe's name and seed, and a hash of all that the weights depend on."""
    base = registry.MODELS[choose("model to train", recipe["model"], registry.MODELS)]
    parts = [trainer.VERSION, recipe.sha256, weights.fingerprint(base)]
    parts += training_set.datasets(recipe).values()
    parts += [trainer.precision(recipe)] if recipe["precision"] == "auto" else []
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]
    return f"{recipe.name.replace('/', '-')}-{recipe['seed']}-{digest}"


def _run(recipe: Recipe, folder: Path, data, vocabulary, until: int | None) -> None:
    """The training loop."""
    require("tensorboard", extra="train")
    from torch.utils.tensorboard import SummaryWriter
    from transformers import set_seed
    from transformers.utils import logging

    def log(group: str, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            writer.add_scalar(f"{group}/{name}", value, step)

    logging.disable_progress_bar()
    set_seed(recipe["seed"])
    state = Trainer(recipe, folder, data, vocabulary)
    set_seed(recipe["seed"])
    done, steps = state.resume(), state.steps
    with (
        stop_requests() as stop,
        state.clock as clock,
        progress.bar(total=steps, initial=done, unit="step", desc=folder.name) as bar,
        SummaryWriter(str(folder / "tensorboard")) as writer,
    ):
        while True:
            if state.evaluation_due(done) and not stop.is_set():
                state.save(done)  # the evaluation may take minutes
                row = state.evaluate(done)
                log("validation", {"loss": row["loss"]}, done)
                bar.write(f"validation loss after {done} steps: {row['loss']:.3f}")
                for task, scores in row.get("tasks", {}).items():
                    log(task, scores, done)
            if done in (steps, until) or stop.is_set():
                break
            row = state.learn(done)
            done += 1
            log("train", {key: row[key] for key in ("loss", "learning_rate")}, done)
            bar.set_postfix_str(f"loss {row['loss']:.3f}")
            bar.update()
            if clock.extrapolate(done, steps):
                minutes, kwh = clock.estimate["seconds"] / 60, clock.estimate["joules"] / 3.6e6
                bar.write(f"estimate without evaluations: {minutes:.1f} minutes, {kwh:.3f} kWh")
            if done % recipe["checkpoints"]["every"] == 0 or done == until or stop.is_set():
                state.save(done)
    if done == steps and not state.evaluation_due(done):
        state.finish()
    elif stop.is_set():
        raise KeyboardInterrupt


# --- what can go wrong ------------------------------------------------------------------------


@contextmanager
def _explained(recipe: Recipe, folder: Path, command: str) -> Iterator[None]:
    """Turn what stops a run into one message: why, what is kept, and how to go on."""
    try:
        yield
    except TrainingError:
        raise
    except (KeyboardInterrupt, MemoryError, RuntimeError, OSError, SafetensorError) as error:
        reason = _reason(error, recipe)
        if reason is None:
            raise
        checkpoint = None
        with suppress(OSError):
            checkpoint = trainer.latest_checkpoint(folder)
        advice = "No checkpoint was written yet. To start again"
        if checkpoint is not None:
            advice = f"{checkpoint} is kept. To resume from it"
        raise TrainingError(f"{reason} {advice}: {command}") from error


def _reason(error: BaseException, recipe: Recipe) -> str | None:
    """Why a run stopped, if a user can fix it."""
    text = str(error)
    if isinstance(error, KeyboardInterrupt):
        return "stopped."
    if isinstance(error, MemoryError) or any(words in text for words in OUT_OF_MEMORY):
        return (
            "out of memory. Free some and resume, or set batch.tokens of the recipe below "
            f"{recipe['batch']['tokens']} and raise batch.packs by the same factor, which is "
            "another run."
        )
    if any(words in text for words in DISK_FULL):
        return "no space left on the disk. Free some."
    return None


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
    if options.prepare:
        words.append("--prepare")
    command = shlex.join(map(str, words))
    print(train(recipe, out=options.out, until=0 if options.prepare else None, command=command))
