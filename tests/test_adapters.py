"""Published models: would break if what others load were not what was trained and measured."""

import json
import shutil

import pytest
import toy_model
import yaml
from toy_results import predictions, write_run

from slmlib import adapters, contracts, models, paths, recipes, results, train
from slmlib.models import ModelError

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
def trained(tmp_path_factory):
    """Finished toy runs by method, and the folder of published adapters."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLMBENCH_MODELS", str(folder / "models"))
        toy = toy_model.write()
        patch.setenv("SLMBENCH_CACHE", str(folder / "cache"))
        patch.setitem(models.MODELS, toy.name, toy)
        patch.setattr(paths, "ADAPTERS", folder / "adapters")
        patch.setattr(paths, "RUNS", folder / "runs")
        found = {}
        for method in ("lora", "full"):
            (folder / f"{method}.yaml").write_text(yaml.safe_dump(RECIPE | {"method": method}))
            recipe = recipes.load(method, folder=folder)
            found[method] = train.train(recipe, out=folder / "runs" / "quick" / "training")
        yield found


def logits(network):
    import torch

    with torch.inference_mode():
        return network(torch.arange(5, 25)[None]).logits


def test_a_published_adapter_is_what_was_trained(trained):
    """Plain peft loads it over the origin; the merged weights answer alike, but for the rounding to bf16."""
    import torch
    from peft import PeftModel

    published = adapters.publish(trained["lora"], "toy-json")
    assert (published / adapters.ADAPTER).stat().st_size < adapters.LARGEST
    config = contracts.read_json(published / adapters.CONFIG)
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
        adapters.publish(trained["full"], name, rank=rank)
    lost = {name: float((change(name) - whole).norm() / whole.norm()) for name in ("toy-all", "toy-one")}
    assert lost["toy-all"] < 0.02 < lost["toy-one"] < 1
    assert contracts.read_json(paths.ADAPTERS / "toy-one" / models.TRAINING)["published_as"]


def test_trained_models_are_models_by_name(trained):
    adapters.publish(trained["lora"], "toy-json")
    assert {"toy-json", trained["lora"].name, trained["full"].name} <= set(models.names())
    model = models.get("toy-json")
    assert (model.origin, model.source, model.licence) == ("toy-1m", "trained:toy-1m", "Apache-2.0")
    assert models.fingerprint(model) != models.fingerprint(models.get("toy-1m"))
    with pytest.raises(ModelError, match="comes as safetensors"):
        models.gguf(model, "q8_0")


def test_a_run_whose_weights_changed_is_not_published(trained, tmp_path):
    import shutil

    run = shutil.copytree(trained["lora"], tmp_path / "run")
    weights = run / "model" / adapters.ADAPTER
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(contracts.DataError, match="changed since"):
        adapters.publish(run, "toy-torn")
    assert not (paths.ADAPTERS / "toy-torn").exists()


def test_an_adapter_that_is_too_large_is_refused(trained, monkeypatch):
    monkeypatch.setattr(adapters, "LARGEST", 1000)
    with pytest.raises(ModelError, match="Take a lower rank"):
        adapters.publish(trained["lora"], "toy-large")


def test_the_card_says_what_it_was_trained_on(trained):
    published = adapters.publish(trained["lora"], "toy-json")
    text = (published / adapters.CARD).read_text("utf-8")
    record = contracts.read_json(published / models.TRAINING)
    for told in ("24 from the published split", record["weights"][adapters.ADAPTER], "Extractor(", "kWh"):
        assert told in text
    front = yaml.safe_load(text.split("---")[1])
    assert front["base_model"] == "toy/toy-1m" and front["license"] == "apache-2.0"


def test_the_card_says_what_files_keep(trained):
    """Where they were measured: a model whose origin has no GGUF file has none."""
    record = contracts.read_json(adapters.publish(trained["lora"], "toy-json") / models.TRAINING)
    assert "| q4\\_1 | 13 % |" in adapters.card("toy-json", record, (), {"q4_1": 0.134})
    assert adapters.write_rounding("toy-json") == {} and "GGUF files" not in adapters.card("x", record, ())


def test_cards_show_the_published_results(trained, tmp_path):
    """Of the model itself, and of no other."""
    published = adapters.publish(trained["lora"], "toy-json")
    for name, right in (("toy-json", 7), ("another-1m", 9)):
        write_run(tmp_path, predictions(right), run=f"{name}-test", model=name)
    assert published / adapters.CARD in adapters.write_cards(results.load_all(tmp_path))
    text = (published / adapters.CARD).read_text("utf-8")
    assert "35.0 % [" in text and "45.0 %" not in text and "None are published yet" not in text


def test_export_writes_merged_weights(trained, tmp_path):
    adapters.publish(trained["lora"], "toy-json")
    (merged,) = adapters.export("toy-json", tmp_path, kinds=())
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {p.name for p in merged.iterdir()}
    with pytest.raises(ModelError, match="was not trained here"):
        adapters.export("toy-1m", tmp_path)


def test_everything_but_the_upload_is_done(trained):
    """The hub cannot be had in a test; what would be sent is."""

    class Hub:
        def create_repo(self, repository, **_):
            self.repository = repository

        def upload_folder(self, *, repo_id, folder_path, **_):
            self.sent = sorted(path.name for path in folder_path.iterdir())
            return f"https://hub/{repo_id}"

    published, hub = adapters.publish(trained["lora"], "toy-json"), Hub()
    assert adapters.push("toy-json", "owner/toy", api=hub) == "https://hub/owner/toy"
    assert hub.sent == ["README.md", "adapter_config.json", "adapter_model.safetensors", "training.json"]
    (published / adapters.CONFIG).unlink()
    with pytest.raises(contracts.DataError, match=r"adapter_config.json is missing. Publish the run again"):
        adapters.push("toy-json", "owner/toy", api=hub)


def test_no_pickle_is_published_or_kept(trained):
    adapters.publish(trained["lora"], "toy-json")
    kept = [p.name for p in (*paths.ADAPTERS.rglob("*"), *trained["lora"].rglob("*")) if p.is_file()]
    assert not [name for name in kept if name.endswith((".bin", ".pt", ".pth", ".pkl"))]
    assert json.loads((paths.ADAPTERS / "toy-json" / adapters.CONFIG).read_text())["target_modules"]


# --- files that are not what they were --------------------------------------------------------


def test_a_changed_adapter_is_not_merged(trained):
    weights = adapters.publish(trained["lora"], "toy-changed") / adapters.ADAPTER
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ModelError, match=r"safetensors: sha256 .* names .* torn or another.*`git checkout`"):
        models.load("toy-changed")
    weights.unlink()
    with pytest.raises(ModelError, match=r"safetensors: missing, where training\.json names"):
        models.load("toy-changed")


def test_an_adapter_is_not_merged_into_other_weights(trained):
    record = adapters.publish(trained["lora"], "toy-moved") / models.TRAINING
    made = contracts.read_json(record)
    contracts.write_json(record, made | {"base": made["base"] | {"sha256": "0" * 64}})
    with pytest.raises(ModelError, match=r"was trained over weights of toy-1m with the sha256 000000000000…"):
        models.load("toy-moved")


def test_a_model_whose_base_is_gone_is_told(trained, monkeypatch):
    adapters.publish(trained["lora"], "toy-json")
    monkeypatch.delitem(models.MODELS, "toy-1m")
    with pytest.raises(ModelError, match=r"training.json: was trained over toy-1m, which is not in the reg"):
        models.names()


def test_what_a_killed_publish_left_is_no_model_and_goes_with_the_next(trained):
    left = paths.ADAPTERS / ".toy-left-99999"
    shutil.copytree(adapters.publish(trained["lora"], "toy-left"), left)
    assert left.name not in models.trained()
    adapters.publish(trained["lora"], "toy-left")
    assert not left.exists()
