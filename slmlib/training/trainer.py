"""The state of a training run: optimiser steps, evaluations, checkpoints, and its record."""

import math
import shutil
import warnings
from pathlib import Path

from slmlib.core import io, machine
from slmlib.engines import launch
from slmlib.evaluation import metrics
from slmlib.evaluation import run as evaluation
from slmlib.models import registry, weights
from slmlib.models.registry import RECORD
from slmlib.tasks import base as tasks
from slmlib.training import packing, training_set
from slmlib.training.clock import EVALUATION, TRAINING, Clock
from slmlib.training.packing import Pack
from slmlib.training.recipes import Recipe
from slmlib.training.training_set import TrainingSet

VERSION = "1"  # of how a training set becomes weights; a new one makes every run another run
STATE, ABOUT, EVALUATIONS = "state.safetensors", "state.json", "validation.json"
MOMENTS = "exp_avg", "exp_avg_sq"  # AdamW's state of each parameter, besides the step
BYTES_PER_TOKEN = 145  # of GPU memory, per layer and hidden dimension; 138 were measured


class TrainingError(RuntimeError):
    """A run that cannot go on; the message names the reason, what is kept, and how to go on."""


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest intact checkpoint of a run; a damaged one is reported and skipped."""
    for checkpoint in _checkpoints(folder):
        fault = io.folder_fault(checkpoint)
        if fault is None:
            return checkpoint
        print(f"{checkpoint.name} is skipped: {fault}", flush=True)
    return None


def _checkpoints(folder: Path) -> list[Path]:
    """The folders `checkpoint-<step>` of a run, the newest first."""
    paths = folder.glob("checkpoints/checkpoint-*")
    by_step = {path.name.rpartition("-")[2]: path for path in paths}
    steps = sorted((int(step) for step in by_step if step.isdecimal()), reverse=True)
    return [by_step[str(step)] for step in steps]


class Trainer:
    """A run between two steps: network, optimiser, clock, losses and evaluations so far."""

    def __init__(self, recipe: Recipe, folder: Path, data: TrainingSet, vocabulary):
        import torch

        self.recipe, self.folder, self.data, self.vocabulary = recipe, folder, data, vocabulary
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.precision = precision(recipe)
        self.network = load_network(recipe, self.device)
        self.trained = {n: p for n, p in self.network.named_parameters() if p.requires_grad}
        matrices = [p for p in self.trained.values() if p.ndim > 1]
        vectors = [p for p in self.trained.values() if p.ndim < 2]
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        decay = recipe["optimiser"]["weight_decay"]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=decay)
        self.steps = math.ceil(len(data.packs) / recipe["batch"]["packs"])
        self.packs_at_once = packs_at_once(recipe, self.network)
        self.validation = training_set.validation(recipe, vocabulary.tokenizer)
        self.clock, self.losses, self.saved = Clock(), [], -1
        evaluations = folder / EVALUATIONS  # a file of their own, so that no kill makes them again
        self.evaluations = io.read_json(evaluations) if evaluations.exists() else {}

    def learn(self, step: int) -> dict[str, float]:
        """Take one optimiser step, counted from 0; returns its loss and learning rate.

        The loss is the weighted mean over all answer tokens of the step, in whichever packs.
        """
        import torch

        size, optimiser = self.recipe["batch"]["packs"], self.recipe["optimiser"]
        packs, where = self.data.packs[step * size : (step + 1) * size], f"at step {step + 1}"
        weight, total = sum(pack.weight for pack in packs), 0.0
        self.network.train()
        for i in range(0, len(packs), self.packs_at_once):
            sequence = packing.join(packs[i : i + self.packs_at_once])
            loss = self._loss(sequence) / weight
            _require_finite("loss", loss.item(), where)
            loss.backward()
            total = total + loss.detach()
            self.clock.tokens += len(sequence)
        norm = torch.nn.utils.clip_grad_norm_(self.trained.values(), optimiser["clip"])
        _require_finite("gradient", norm.item(), where)
        rate = learning_rate(optimiser, step, self.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.losses.append({"step": step + 1, "loss": total.item(), "learning_rate": rate})
        return self.losses[-1]

    def _loss(self, pack: Pack):
        import torch

        length = 0
        if self.device == "cuda":  # where compiled layers need inputs of one size
            length = max(self.packs_at_once * self.recipe["batch"]["tokens"], len(pack))
        batch = packing.inputs(pack, length=length)
        batch = {k: v.to(self.device) if torch.is_tensor(v) else v for k, v in batch.items()}
        with torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bfloat16"):
            return packing.loss(self.network, batch)

    def evaluation_due(self, step: int) -> bool:
        """Return whether an evaluation is due after a step."""
        regular = step > 0 and step % self.recipe["evaluation"]["every"] == 0
        return (regular or step == self.steps) and str(step) not in self.evaluations

    def evaluate(self, step: int) -> dict:
        """Measure the loss and the board metrics of each task on the first validation samples."""
        import torch

        self.network.eval()
        with self.clock.evaluating(), torch.no_grad():
            losses = [self._loss(pack).item() for pack in self.validation]
            loss = sum(losses) / sum(pack.weight for pack in self.validation)
            _require_finite("validation loss", loss, f"after step {step}")
            row = {"loss": loss}
            if count := self.recipe["evaluation"]["answers"]:
                with torch.compiler.set_stance("force_eager"):  # else compiled for each length
                    row |= {"answers": count, "tasks": self._scores(count)}
        self.evaluations[str(step)] = row
        io.write_json(self.folder / EVALUATIONS, self.evaluations)
        return row

    def _scores(self, count: int) -> dict[str, dict[str, float]]:
        """Board metrics of unconstrained answers, by task."""
        from slmlib.engines.transformers import Transformers

        peft = hasattr(self.network, "get_base_model")
        network = self.network.get_base_model() if peft else self.network
        origin = registry.get(self.recipe["model"])
        loaded = weights.Loaded(origin, network, self.vocabulary, "float32")
        scores = {}
        for name, mix in self.recipe["data"].items():
            task = tasks.get(name)
            prompt, splits = task.prompts[task.training.prompt(mix)], task.split_names("val")
            samples = [sample for split in splits for sample in task.load(split, limit=count)]
            engine = Transformers(loaded, batch_size=len(samples))
            rows = [
                {"group": c.sample.group, **evaluation.graded(task.score(c.sample, c.transcript()))}
                for c in evaluation.complete(task, samples, prompt, engine)
            ]
            estimates = {metric.name: metrics.estimate(metric, rows) for metric in task.board}
            scores[name] = {key: float(each.mean) for key, each in estimates.items() if each}
        return scores

    def save(self, step: int) -> None:
        """Write the checkpoint after a step, if it is not there yet, and remove old ones."""
        import torch
        from safetensors.torch import save_file

        if self.saved == step:
            return
        tensors = {"random.cpu": torch.get_rng_state()}
        if self.device == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        for name, parameter in self.trained.items():
            state = self.optimiser.state[parameter]
            tensors[f"weight.{name}"] = parameter.detach().contiguous()
            tensors |= {f"{moment}.{name}": state[moment].contiguous() for moment in MOMENTS}
        about = {"packs_sha256": self.data.sha256, "clock": self.clock.state()}
        with io.atomic_folder(self.folder / "checkpoints" / f"checkpoint-{step}") as scratch:
            save_file(tensors, scratch / STATE)
            io.write_json(scratch / ABOUT, about | {"losses": self.losses})
            io.write_manifest(scratch)
        self.saved = step
        for old in _checkpoints(self.folder)[self.recipe["checkpoints"]["keep"] :]:
            shutil.rmtree(old, ignore_errors=True)

    def resume(self) -> int:
        """Restore the newest intact checkpoint; returns the number of steps that are done."""
        import torch
        from safetensors.torch import load_file

        checkpoint = latest_checkpoint(self.folder)
        if checkpoint is None:
            return 0
        step, about = int(checkpoint.name.rpartition("-")[2]), io.read_json(checkpoint / ABOUT)
        if about["packs_sha256"] != self.data.sha256:
            raise TrainingError(
                f"{checkpoint} was trained on other samples than this version of the library "
                f"generates. Return to the version that wrote it, or remove {self.folder} to start "
                "again."
            )
        tensors = load_file(checkpoint / STATE)
        for name, parameter in self.trained.items():
            parameter.data.copy_(tensors[f"weight.{name}"])
            moments = {moment: tensors[f"{moment}.{name}"].to(self.device) for moment in MOMENTS}
            self.optimiser.state[parameter] = {"step": torch.tensor(float(step)), **moments}
        torch.set_rng_state(tensors["random.cpu"])
        if self.device == "cuda":
            torch.cuda.set_rng_state(tensors["random.cuda"])
        self.clock.restore(about["clock"])
        self.losses, self.saved = about["losses"], step
        print(f"resuming from {checkpoint.name} of {self.steps}", flush=True)
        return step

    def finish(self) -> None:
        """Save the model and, last, the record, which marks the run as finished."""
        with io.atomic_folder(self.folder / "model") as scratch:
            self.network.save_pretrained(scratch)
            self.vocabulary.tokenizer.save_pretrained(scratch)
        io.write_json(self.folder / RECORD, self._record())
        shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)
        for rest in (training_set.FILE, EVALUATIONS):
            (self.folder / rest).unlink(missing_ok=True)

    def _record(self) -> dict:
        recipe, data, clock, budget = self.recipe, self.data, self.clock, self.recipe["budget"]
        base = registry.get(recipe["model"])
        seconds, mixes = sum(clock.seconds.values()), recipe["data"].items()
        files = sorted((self.folder / "model").glob("*.safetensors"))
        memory = 1e9 * budget["memory_gb"] * self.packs_at_once
        return {
            "run": self.folder.name,
            "version": VERSION,
            "recipe": {"name": recipe.name, **recipe.settings},
            "base": {"name": base.name, "hub": base.base, "sha256": weights.fingerprint(base)},
            "data": {
                "datasets": training_set.datasets(recipe),
                "packs_sha256": data.sha256,
                "groups": data.groups,
                "cases": data.cases,
                "left_out": data.left_out,
                "tokens": sum(map(len, data.packs)),
                "saved_by_packing": round(data.saved, 4),
                "tasks": data.tasks,
            },
            "weights": {path.name: io.sha256(path) for path in files},
            "steps": self.steps,
            "precision": self.precision,
            "prompts": {name: tasks.get(name).training.prompt(mix) for name, mix in mixes},
            "loss": self.losses,
            "validation": [{"step": int(s), **row} for s, row in self.evaluations.items()],
            "estimated": clock.estimate,
            "seconds": round(seconds, 1),
            "seconds_of_evaluation": round(clock.seconds[EVALUATION], 1),
            "tokens_per_second": round(clock.tokens / clock.seconds[TRAINING], 1),
            "packs_together": self.packs_at_once,
            "peak_memory_bytes": clock.peak,
            "within_budget": seconds <= 60 * budget["minutes"] and clock.peak <= memory,
            "joules": round(sum(clock.joules.values())),
            "energy": clock.source,
            "environment": machine.environment(),
        }


def precision(recipe: Recipe) -> str:
    """The precision of matrix products; the machine decides "auto"."""
    return launch.resolve_dtype(recipe["precision"])


def learning_rate(optimiser: dict, step: int, steps: int) -> float:
    """The learning rate of a step, counted from 0: linear warm-up, then the schedule."""
    warmup = math.ceil(optimiser["warmup"] * steps)
    if step < warmup:
        factor = step / warmup
    elif optimiser["schedule"] == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
    elif optimiser["schedule"] == "linear":
        factor = (steps - step) / max(1, steps - warmup)
    else:
        factor = 1.0
    return optimiser["learning_rate"] * factor


def load_network(recipe: Recipe, device: str):
    """Load the network with the weights to train, ready to read packs."""
    dtype = "nf4" if recipe["method"] == "qlora" else "float32"
    network = weights.load(recipe["model"], dtype=dtype, device=device).network
    packing.prepare(network)
    if device == "cuda":
        packing.compile_layers(network)
    if recipe["method"] == "full":
        return network
    from peft import LoraConfig, get_peft_model

    lora = recipe["lora"]
    shape = {"r": lora["rank"], "lora_alpha": lora["alpha"], "target_modules": lora["targets"]}
    config = LoraConfig(**shape, lora_dropout=lora["dropout"], task_type="CAUSAL_LM")
    for module in network.modules():
        # else evaluating repacks NF4 weights for CPU kernels that have no backward pass
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # transformers', about how peft calls it
        return get_peft_model(network, config)


def packs_at_once(recipe: Recipe, network) -> int:
    """The number of packs that go through a GPU as one sequence, by the size of its memory.

    Kernels over few tokens take less time than launching them.
    """
    import torch

    if not torch.cuda.is_available():
        return 1
    pack = network.config.num_hidden_layers * network.config.hidden_size * BYTES_PER_TOKEN
    limit = max(1, torch.cuda.mem_get_info()[1] // (pack * recipe["batch"]["tokens"]))
    packs = recipe["batch"]["packs"]
    return max(count for count in range(1, packs + 1) if packs % count == 0 and count <= limit)


def _require_finite(what: str, value: float, where: str) -> None:
    if not math.isfinite(value):
        raise TrainingError(
            f"the {what} is {value} {where}. The same run would end there again: set a lower "
            "optimiser.learning_rate or a longer optimiser.warmup in the recipe, which is another "
            "run."
        )
