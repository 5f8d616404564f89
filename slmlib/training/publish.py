"""Publishing trained models: a small adapter with its card, merged weights, GGUF files, the hub.

    slmbench publish runs/full/training/edgejson-cpu-1-0123abcd cyclecore-mlm-135m-json
    slmbench export cyclecore-mlm-135m-json out/ --kinds q8_0 q4_k_m
    slmbench rounding cyclecore-mlm-135m-json
    slmbench push cyclecore-mlm-135m-json CycleCore/mlm-135m-json

A published adapter is LoRA in bf16, which plain `PeftModel.from_pretrained` loads over the base
model on the hub. A model all of whose weights were trained is published as a low-rank difference:
of all adapters of a rank it is the nearest to the difference of each matrix (Eckart and Young,
1936).
"""

import argparse
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from slmlib.core import io, paths
from slmlib.evaluation import run as evaluation
from slmlib.evaluation.results import Result
from slmlib.models import gguf_files, registry, weights
from slmlib.models.registry import ADAPTER, RECORD, ModelError
from slmlib.tasks import base as tasks
from slmlib.tasks.base import Task
from slmlib.training import model_card

LARGEST = 20_000_000  # bytes of a published weight file
CONFIG, CARD, ROUNDING = "adapter_config.json", "README.md", "rounding.json"
ROUNDED = ("q8_0", "q4_k_m", "q4_k_m_i", "q4_1")  # types of GGUF file whose rounding is measured


def publish(run: Path, name: str, *, rank: int = 32, replace: bool = False) -> Path:
    """Write the model of a training run to `data/adapters/<name>`: bf16 weights, record, card.

    A model of this name from the same recipe is replaced, together with what was measured of it.

    Args:
        run: folder of a finished training run.
        name: name of the published model.
        rank: rank of the difference, if all weights were trained.
        replace: whether a model of another recipe may be replaced, too.

    Raises:
        DataError: the run is not finished, or its weights are not those that its record names.
        ModelError: the name or the weights cannot be published.
    """
    import torch
    from safetensors.torch import load_file, save_file

    paths.repository("publishing a model")
    if not (run / RECORD).exists():
        fix = "Resume it with the command that started it; finished work is kept."
        raise io.DataError(f"{run}: not a finished training run, it has no {RECORD}. {fix}")
    record = io.read_json(run / RECORD)
    for file, digest in record["weights"].items():
        io.verify_sha256(run / "model" / file, digest, fix=f"Remove {run} and train it again.")
    require_name(name, record["recipe"]["name"], replace=replace)
    if record["recipe"]["method"] == "full":
        tensors, config = low_rank(run, rank)
        record["published_as"] = {"low_rank_difference": rank}
    else:
        tensors = load_file(run / "model" / ADAPTER)
        config = io.read_json(run / "model" / CONFIG)
    tensors = {key: t.to(torch.bfloat16).contiguous() for key, t in sorted(tensors.items())}
    config["target_modules"] = sorted(config["target_modules"])
    config |= {"inference_mode": True, "base_model_name_or_path": record["base"]["hub"]}
    target = paths.ADAPTERS / name
    with io.atomic_folder(target) as scratch:
        save_file(tensors, scratch / ADAPTER, metadata={"format": "pt"})
        size = (scratch / ADAPTER).stat().st_size
        if size >= LARGEST:
            raise ModelError(
                f"the adapter has {size / 1e6:.1f} MB; the limit for publishing is "
                f"{LARGEST / 1e6:.0f} MB. Choose a lower rank."
            )
        io.write_json(scratch / CONFIG, config)
        record["weights"] = {ADAPTER: io.sha256(scratch / ADAPTER)}
        io.write_json(scratch / RECORD, record)
        io.write_text(scratch / CARD, model_card.card(name, record, (), {}))
    return target


def require_name(name: str, recipe: str, *, replace: bool = False) -> None:
    """Refuse a name by which a model of a recipe cannot be published; one name is one model."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        rule = "Use lowercase letters, digits, '.', '_' and '-'."
        raise ModelError(f"{name!r} is not a valid model name. {rule}")
    if name in registry.MODELS or any(name in tasks.get(task).controls for task in tasks.names()):
        raise ModelError(f"{name} is a registered model or a control. Publish by another name.")
    before = paths.ADAPTERS / name / RECORD
    theirs = io.read_json(before)["recipe"]["name"] if before.exists() else recipe
    if theirs != recipe and not replace:
        raise ModelError(
            f"{before.parent} contains a model of the recipe {theirs}; this run is of {recipe}. "
            "Publish by another name, or replace it with `--replace`, in Python `replace=True`."
        )


def low_rank(run: Path, rank: int) -> tuple[dict, dict]:
    """A full fine-tune as LoRA: for each matrix of the layers, the best difference of a rank.

    Vectors and embeddings keep the values of the base model.

    Returns:
        Tensors by peft's names, and the configuration; `lora_B @ lora_A` is the difference.
    """
    import torch
    from peft import LoraConfig
    from safetensors.torch import load_file
    from torch.nn.functional import pad

    origin = weights.load_origin(run.name, io.read_json(run / RECORD))
    before = dict(origin.network.named_parameters())
    tensors, targets = {}, set()
    for file in sorted((run / "model").glob("*.safetensors")):
        for name, weight in load_file(file).items():
            if weight.ndim != 2 or ".layers." not in name:
                continue
            u, s, v = torch.linalg.svd(weight.float() - before[name].detach(), full_matrices=False)
            root, missing = s[:rank].sqrt(), (0, max(0, rank - len(s)))  # a matrix may have fewer
            stem = name.removesuffix(".weight")
            key = f"base_model.model.{stem}"
            tensors[f"{key}.lora_A.weight"] = pad(root[:, None] * v[:rank], (0, 0, *missing))
            tensors[f"{key}.lora_B.weight"] = pad(u[:, :rank] * root, missing)
            targets.add(stem.rpartition(".")[2])
    shape = {"r": rank, "lora_alpha": rank, "target_modules": sorted(targets)}
    config = LoraConfig(**shape, task_type="CAUSAL_LM").to_dict() | shape
    return tensors, json.loads(json.dumps(config, default=str))


def write_cards(results: Sequence[Result]) -> list[Path]:
    """Rewrite the card of every published model with its published results; returns the cards."""
    cards = []
    for path in registry.published():
        name, record = path.parent.name, _intact_record(path.parent)
        own = [result for result in results if result.model["name"] == name and result.complete]
        cards.append(path.with_name(CARD))
        io.write_text(cards[-1], model_card.card(name, record, own, rounding(path.parent)))
    return cards


def numbers(task: Task) -> dict[str, dict]:
    """Facts about the training of each published model of a task, for `_variables.yml`."""
    facts = {}
    for path in registry.published():
        record = io.read_json(path)
        if task.name in record["recipe"]["data"]:
            shares = rounding(path.parent).items()
            facts[re.sub(r"\W", "_", path.parent.name)] = {
                **model_card.facts(record),
                **model_card.task_facts(task, record),
                **{f"kept_{kind}": f"{100 * share:.0f} %" for kind, share in shares},
            }
    return facts


# --- other forms ------------------------------------------------------------------------------


def _intact_record(folder: Path) -> dict:
    """The record of a published adapter, whose weights must be those that it names."""
    record, path = io.read_json(folder / RECORD), folder / ADAPTER
    fix = f"Restore it: git checkout {path}, or publish its run again."
    io.verify_sha256(path, record["weights"][ADAPTER], fix=fix)
    return record


def rounding(folder: Path) -> dict[str, float]:
    """Share of the training that each type of GGUF file of a published adapter keeps."""
    if not (folder / ROUNDING).exists():
        return {}
    measured = io.read_json(folder / ROUNDING)
    fix = f"Measure it again: slmbench rounding {folder.name}"
    io.verify_sha256(folder / ADAPTER, measured["weights"], fix=fix)
    return measured["kept"]


def write_rounding(name: str) -> dict[str, float]:
    """Measure how much of a published model's training its GGUF files keep; written to its folder.

    Returns:
        The share by type of file; nothing for a model whose base has no GGUF file.
    """
    model, folder, shares = registry.get(name), paths.ADAPTERS / name, {}
    if weights.has_gguf(model):
        origin, exact = weights.find(registry.get(model.origin)), evaluation.gguf(name, "f16")
        for kind in ROUNDED:
            share = gguf_files.update_kept(origin, exact, evaluation.gguf(name, kind))
            shares[kind] = round(share, 4)
        io.write_json(folder / ROUNDING, {"weights": io.sha256(folder / ADAPTER), "kept": shares})
    return shares


def export(name: str, out: Path, *, kinds: Sequence[str] = ("q8_0", "q4_k_m")) -> list[Path]:
    """Write merged safetensors and GGUF files of a trained model.

    Args:
        name: name of the model.
        out: a folder, made if missing.
        kinds: types of GGUF file, from `gguf_files.FILE_TYPES`.

    Returns:
        The folder of safetensors, and the GGUF files in the order of `kinds`.
    """
    model = registry.get(name)
    if not model.origin:
        raise ModelError(f"{name} was not trained here; there is nothing to merge.")
    files = [out / name]
    manifest = shutil.ignore_patterns(io.FOLDER_MANIFEST)
    shutil.copytree(weights.converted(model), files[0], dirs_exist_ok=True, ignore=manifest)
    for kind in kinds:
        files.append(out / f"{name}.{kind}.gguf")
        shutil.copyfile(evaluation.gguf(name, kind), files[-1])
    return files


def push(name: str, repository: str, *, api=None) -> str:
    """Upload a published adapter to the hub, with the token in HF_TOKEN or of `hf auth login`.

    Args:
        name: a folder of `data/adapters`.
        repository: "owner/name" on the hub.
        api: the client, `huggingface_hub.HfApi()` by default.

    Returns:
        The address of the upload.
    """
    from httpx2 import HTTPError
    from huggingface_hub import HfApi

    folder, api = paths.ADAPTERS / name, api or HfApi()
    message = f"{name}, run {_intact_record(folder)['run']}"
    options = {"repo_id": repository, "folder_path": folder, "commit_message": message}
    try:
        api.create_repo(repository, exist_ok=True)
        return str(api.upload_folder(**options))
    except (OSError, ValueError, HTTPError) as error:
        raise ModelError(
            f"{repository} was not uploaded: {type(error).__name__}: {error}. Check the network "
            "and that HF_TOKEN has write access, and push again."
        ) from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Publish, export or push a trained model, or measure what quantisation keeps of it."""
    parser = argparse.ArgumentParser(prog="slmbench", description=main.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("publish", help="copy a trained adapter to data/adapters")
    command.add_argument("run", type=Path, help="folder of a finished training")
    command.add_argument("name", help="of the model in data/adapters")
    command.add_argument(
        "--rank",
        type=int,
        default=32,
        help="rank of the adapter that approximates a full fine-tune",
    )
    command.add_argument(
        "--replace",
        action="store_true",
        help="replace a model even if it comes from another recipe",
    )
    command = commands.add_parser("export", help="write merged safetensors and GGUF files")
    command.add_argument("name", help="of the model in data/adapters")
    command.add_argument("out", type=Path, help="folder to write to")
    kinds = {"default": ["q8_0", "q4_k_m"], "choices": sorted(gguf_files.FILE_TYPES)}
    command.add_argument("--kinds", nargs="*", **kinds, help="types of GGUF files")
    command = commands.add_parser("rounding", help="measure what quantisation keeps")
    command.add_argument("name", help="of the model in data/adapters")
    command = commands.add_parser("push", help="upload an adapter to the Hugging Face hub")
    command.add_argument("name", help="of the model in data/adapters")
    command.add_argument("repository", help="its name on the hub: OWNER/NAME")
    given = parser.parse_args(arguments)
    match given.command:
        case "publish":
            print(publish(given.run, given.name, rank=given.rank, replace=given.replace))
        case "export":
            print(*export(given.name, given.out, kinds=given.kinds), sep="\n")
        case "rounding":
            for kind, share in write_rounding(given.name).items():
                print(f"{kind} keeps {share:.3f}")
        case "push":
            print(push(given.name, given.repository))
