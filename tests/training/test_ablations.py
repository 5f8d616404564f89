"""Ablations: would break if one was compared with another baseline, or lacked its results."""

from pathlib import Path

import pytest
import toy
import yaml
from toy_results import predictions, write_run
from toy_training import RECIPE

from slmlib.core import io, machine
from slmlib.tasks import base as tasks
from slmlib.training import ablations, recipes, sft

SPLITS = {"val": 8, "test": 5}
RECIPES = {  # name -> what it starts from
    "base": "", "again": "base", "whole": "base", "extended": "base", "few": "extended",
    "large": "", "large-plain": "large",
}  # fmt: skip
TASK = toy.TASK


@pytest.fixture
def folder(home, tmp_path, monkeypatch):
    """Recipes of the toy task, and three of them with a record and a result on both splits."""
    monkeypatch.setattr(recipes, "FOLDER", tmp_path / "recipes")
    here = tmp_path / "recipes" / "toy" / "ablations"
    here.mkdir(parents=True)
    here.with_suffix(".yaml").write_text(yaml.safe_dump({"splits": SPLITS}))
    for seed, (name, parent) in enumerate(RECIPES.items()):
        origin = {"from": f"toy/ablations/{parent}"} if parent else RECIPE
        text = yaml.safe_dump({**origin, "about": f"About {name}.", "seed": seed})
        (here / f"{name}.yaml").write_text(text)
    results = tmp_path / "results" / "ablations"
    for name, right in (("base", 10), ("again", 11), ("whole", 15)):
        publish(results, name, right)
    return results


def publish(folder, name: str, right: int) -> None:
    """Write the record and the results of an ablation."""
    run = f"toy-ablations-{name}-1-0123abcd"
    recipe = {"name": f"toy/ablations/{name}", "about": f"About {name}."}
    io.write_json(folder / "training" / f"{name}.json", {"run": run, "recipe": recipe})
    for split in SPLITS:
        options = {"run": f"{run}-{split}", "model": run, "split": split}
        path = write_run(folder.parent, predictions(right), **options)
        for file in path.parent.glob(f"{run}-{split}.*"):
            file.rename(folder / file.name)


def test_each_ablation_has_its_baseline_and_results(folder):
    """Families stand together."""
    loaded = ablations.load_all(TASK, folder)
    assert [(each.name, each.beside, each.about) for each in loaded] == [
        ("base", "", "About base"), ("again", "base", "About again"),
        ("whole", "base", "About whole"),
    ]  # fmt: skip
    assert loaded[2].pair == "whole – base"
    assert all(each.runs.keys() == SPLITS.keys() for each in loaded)
    assert loaded[2].runs["test"].right == 15
    for name in ("few", "extended", "large", "large-plain"):
        publish(folder, name, 12)
    loaded = ablations.load_all(TASK, folder)
    names = ["base", "again", "extended", "few", "whole", "large", "large-plain"]
    assert [each.name for each in loaded] == names and loaded[3].beside == "extended"
    assert ablations.names("toy") == [f"toy/ablations/{name}" for name in names]


def test_records_and_results_need_each_other(folder):
    record = (folder / "training" / "whole.json").rename(folder / "whole.kept")
    with pytest.raises(
        io.DataError, match=r"whole-1-0123abcd-\*: has no training record in .*Remove"
    ):
        ablations.load_all(TASK, folder)
    record.rename(folder / "training" / "whole.json")
    for path in folder.glob("toy-ablations-whole*"):
        path.unlink()
    with pytest.raises(
        io.DataError, match=r"no result of toy-ablations-whole-1-.* on test, val\. Run"
    ):
        ablations.load_all(TASK, folder)


def test_finished_work_is_not_repeated(folder, tmp_path, monkeypatch):
    """A toy network, trained and evaluated; a changed recipe replaces what was published."""
    name, out = "toy/ablations/base", tmp_path / "runs" / "full"
    monkeypatch.setattr(tasks.paths, "RUNS", tmp_path / "runs")
    for path in (*folder.glob("*.json"), *folder.glob("*.gz"), *folder.glob("training/*")):
        path.unlink()
    ablations.make(name, out=out, folder=folder)
    (made,) = ablations.load_all(TASK, folder)
    assert {split: run.n for split, run in made.runs.items()} == SPLITS
    assert {run.prompt["name"] for run in made.runs.values()} == {"plain"}
    with monkeypatch.context() as patch:
        patch.delattr(sft, "train")
        ablations.make(name, out=out, folder=folder)
    path = folder / "training" / "base.json"
    io.write_json(path, io.read_json(path) | {"seconds": -1})
    ablations.make(name, out=out, folder=folder, again=True)
    assert io.read_json(path)["seconds"] > 0
    recipe = recipes.FOLDER / f"{name}.yaml"
    recipe.write_text(recipe.read_text() + "optimiser: {clip: 0.5}\n")
    ablations.make(name, out=out, folder=folder)
    (again,) = ablations.load_all(TASK, folder)
    assert again.record["run"] != made.record["run"]
    assert not list(folder.glob(f"{made.record['run']}*"))


def test_a_record_is_current_only_with_its_recipe_data_and_base(monkeypatch):
    """All published ones are; keys that did not exist when they were made have their defaults."""
    monkeypatch.setattr(tasks.paths, "DATA", tasks.paths.ROOT / "data")
    for name in ablations.names("edgejson"):
        path = tasks.get("edgejson").results / "ablations" / "training" / f"{Path(name).name}.json"
        record, recipe = io.read_json(path), recipes.load(name)
        assert ablations.is_current(record, recipe), name
    for change in (
        {"version": "0"},
        {"recipe": {**record["recipe"], "seed": 77}},
        {"base": {**record["base"], "sha256": "0" * 64}},
        {"data": {**record["data"], "datasets": {"edgejson": "0" * 64}}},
    ):
        assert not ablations.is_current({**record, **change}, recipe), change


def test_bfloat16_recipes_need_a_gpu(monkeypatch):
    made = []
    monkeypatch.setattr(ablations, "make", lambda recipe, again: made.append(recipe))
    for gpu in (False, True):
        made.clear()
        monkeypatch.setattr(machine, "has_gpu", lambda gpu=gpu: gpu)
        ablations.main([])
        assert ("edgejson/ablations/large" in made) == gpu and "edgejson/ablations/base" in made


def test_every_published_ablation_differs_in_one_thing():
    """Or in two that belong together, such as rank and alpha; method and learning rate."""

    def flat(name: str) -> dict:
        settings = dict(recipes.load(name).settings)
        settings["data"] = settings["data"]["edgejson"]
        parts = ((k, v if isinstance(v, dict) else {"": v}) for k, v in settings.items())
        return {f"{key}.{k}".rstrip("."): v for key, part in parts for k, v in part.items()}

    for name in ablations.names("edgejson"):
        for parent in recipes.lineage(name)[-2:-1]:
            before, after = flat(parent), flat(name)
            changed = {key for key, value in after.items() if value != before[key]} - {"about"}
            groups = {key.partition(".")[0] for key in changed} - {"method", "optimiser"}
            assert 1 <= len(changed) <= 2 and len(groups) <= 1, (name, changed)
