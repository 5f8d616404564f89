"""Ablations: would break if a row were compared with another base, or stood without its results."""

import json
import shutil

import pytest
import toy_model
import yaml
from toy_results import predictions, write_run

from slmlib.core import io, paths
from slmlib.evaluation import stats
from slmlib.models import registry as models
from slmlib.report import plots
from slmlib.training import ablations, recipes

GROUPS = {f"case-{i:03d}": f"g{i % 5}" for i in range(20)}


@pytest.fixture
def folder(tmp_path):
    """A base and two recipes, each with its record and a result on both splits."""
    for name, right in (("base", 10), ("again", 11), ("whole", 15)):
        run = f"ablations-{name}-1-0123abcd"
        record = {"run": run, "recipe": {"about": f"About {name}."}, "seconds": 840.0}
        record["data"] = {"cases": 4000}
        io.write_json(tmp_path / "training" / f"{name}.json", record)
        for split in ablations.CASES:
            write_run(tmp_path, predictions(right), run=f"{run}-{split}", model=run, split=split)
    return tmp_path


def test_each_row_is_compared_with_the_base(folder):
    found = ablations.load_all(folder)
    assert [one.name for one in found] == ["base", "again", "whole"]
    base, again, whole = (
        dict(zip(ablations.table(found, GROUPS).header, row, strict=True))
        for row in ablations.table(found, GROUPS).rows
    )
    assert base["Difference"] == base["p"] == "–" and whole["Cases"] == "4,000"
    assert again["What differs"] == "About again" and again["JSONExact, test"].startswith("55.0 %")
    assert whole["Difference"].startswith("+0.125 [")
    assert (base["Beside"], whole["Beside"]) == ("–", "base")


def test_a_difference_is_of_the_same_cases(folder):
    found = ablations.load_all(folder)
    change = ablations.changes(found, "test", "json_exact", GROUPS)["whole"]
    scores = [[one.runs["test"].scores("json_exact")[name] for name in GROUPS] for one in found[::2]]
    expected = stats.paired_cluster_bootstrap(*reversed(scores), list(GROUPS.values()))
    assert change["mean"] == pytest.approx(0.25) and change["low"] == pytest.approx(expected.low)
    series = {split: ablations.changes(found, split, groups=GROUPS) for split in ablations.CASES}
    ax = plots.plot_differences(series)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["again", "whole"]
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == list(ablations.CASES)
    means = [one["mean"] for changed in series.values() for one in changed.values()]
    drawn = [x for line in ax.lines if line.get_marker() in ("o", "s") for x in line.get_xdata()]
    assert drawn == pytest.approx(means)


def test_differences_are_adjusted_for_how_many_there_are(folder):
    """Two here: the smaller p is doubled."""
    found = ablations.load_all(folder)
    changes = ablations.changes(found, "test", "json_exact", GROUPS)
    scores = {one.name: [one.runs["test"].scores("json_exact")[name] for name in GROUPS] for one in found}
    groups = list(GROUPS.values())
    raw = {name: stats.paired_cluster_test(scores[name], scores["base"], groups) for name in changes}
    assert raw["whole"] < raw["again"] and changes["whole"]["p"] == pytest.approx(2 * raw["whole"])


def test_a_recipe_is_compared_with_the_one_that_it_starts_from(folder):
    """`few-registers` with `extended`; and with none while that one is not made."""
    shutil.copy(folder / "training" / "whole.json", folder / "training" / "few-registers.json")
    assert "few-registers" not in ablations.changes(ablations.load_all(folder), "test", groups=GROUPS)
    shutil.copy(folder / "training" / "again.json", folder / "training" / "extended.json")
    changes = ablations.changes(ablations.load_all(folder), "test", groups=GROUPS)
    assert changes["few-registers"]["mean"] == pytest.approx(0.1) and changes["extended"]["mean"] < 0.05


def test_families_stand_together(folder):
    """`few-registers` is of `extended`, which is of `base`; `large` begins another family."""
    for new in ("few-registers", "extended", "large", "large-all-fields"):
        shutil.copy(folder / "training" / "again.json", folder / "training" / f"{new}.json")
    names = [one.name for one in ablations.load_all(folder)]
    assert names == ["base", "again", "extended", "few-registers", "whole", "large", "large-all-fields"]
    assert [name for name in ablations.names() if name in names] == names


def test_a_record_without_its_results_is_refused(folder):
    for path in folder.glob("edgejson/ablations-whole*"):
        path.unlink()
    with pytest.raises(io.DataError, match=r"no result of ablations-whole.* on test, test_unseen. Run"):
        ablations.load_all(folder)


def test_a_result_of_no_training_is_refused(folder):
    write_run(folder, predictions(10), run="ablations-old-1-76543210-test", model="ablations-old-1-76543210")
    with pytest.raises(io.DataError, match=r"ablations-old-1-76543210-\*: its training has no record"):
        ablations.load_all(folder)


def test_what_was_made_is_not_made_again(tmp_path, monkeypatch):
    """A toy network, trained and asked for real; the second time nothing is trained or asked."""
    monkeypatch.setenv("SLMBENCH_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    model = toy_model.write()
    monkeypatch.setitem(models.MODELS, model.name, model)
    small = {"model": model.name, "data": {"train": 0.01}, "evaluation": {"answers": 0, "loss": 1}}
    (tmp_path / "ablations").mkdir()
    (tmp_path / "ablations" / "base.yaml").write_text(yaml.safe_dump({"about": "A toy."} | small))
    load = recipes.load
    monkeypatch.setattr(recipes, "load", lambda name: load(name, folder=tmp_path))
    monkeypatch.setattr(ablations, "CASES", {"test": 1, "test_unseen": 1})
    made = {"out": tmp_path / "runs" / "full", "folder": tmp_path / "kept"}
    ablations.make("base", **made)
    (found,) = ablations.load_all(tmp_path / "kept")
    assert found.about == "A toy" and {run.n for run in found.runs.values()} == {1}
    with monkeypatch.context() as patch:
        patch.delattr(ablations.train, "train")
        ablations.make("base", **made)
    kept = tmp_path / "kept" / "training" / "base.json"
    kept.write_text(json.dumps(io.read_json(kept) | {"seconds": -1}), "utf-8")
    ablations.make("base", **made, again=True)
    assert io.read_json(kept)["seconds"] > 0
    (tmp_path / "ablations" / "base.yaml").write_text(yaml.safe_dump({"about": "A toy.", "seed": 2} | small))
    ablations.make("base", **made)
    (again,) = ablations.load_all(tmp_path / "kept")
    assert again.record["run"] != found.record["run"]


def test_a_record_from_before_a_key_stands(record=ablations.FOLDER / "training" / "base.json"):
    """What a recipe could not say then is at its default; anything else that differs is another training."""
    made, recipe = io.read_json(record), recipes.load("ablations/base")
    old = {key: value for key, value in made["recipe"]["data"].items() if key not in ("partial", "reshaped")}
    made["recipe"]["data"] = old
    assert ablations._stands(made, recipe)
    assert not ablations._stands({**made, "version": "0"}, recipe)
    for part, changed in {
        "recipe": {**made["recipe"], "data": {**old, "partial": 0.5}},
        "base": {**made["base"], "sha256": "0" * 64},
        "data": {**made["data"], "manifest_sha256": "0" * 64},
    }.items():
        assert not ablations._stands({**made, part: changed}, recipe)


@pytest.mark.parametrize("here", [False, True])
def test_what_wants_a_gpu_is_begun_only_where_there_is_one(here, monkeypatch):
    monkeypatch.setattr(ablations.machine, "has_gpu", lambda: here)
    assert ("large" in ablations.suited()) == here and "base" in ablations.suited()


def test_a_driver_alone_is_no_gpu(tmp_path, monkeypatch):
    """With PyTorch's CPU build nothing would be trained on it. What is found is what PyTorch says."""
    import torch

    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ablations.machine.has_gpu() == torch.cuda.is_available()
    (tmp_path / "nvidia-smi").unlink()
    assert not ablations.machine.has_gpu()


DIFFERING = {
    "again": {"seed"},
    "blind": {"data.schema"},
    "extended": {"data.train", "data.extended"},  # as many cases
    "large-all-fields": {"data.partial"},
    "large-same-nesting": {"data.reshaped"},
    "full": {"method", "optimiser.rate"},  # all weights want a lower rate than LoRA
    "few-registers": {"data.registers"},
    "quarter": {"data.train", "data.passes"},  # as many steps
    "rank-8": {"lora.rank", "lora.alpha"},
    "rank-32": {"lora.rank", "lora.alpha"},
    "same-words": {"data.vary"},
    "whole": {"data.train"},
}


def test_every_ablation_differs_in_one_thing_from_the_one_it_starts_from():
    def flat(name: str) -> dict:
        settings = recipes.load(ablations.PREFIX + name).settings
        parts = ((k, v if isinstance(v, dict) else {"": v}) for k, v in settings.items() if k != "about")
        return {f"{key}.{inner}".rstrip("."): value for key, part in parts for inner, value in part.items()}

    found = {}
    starts = {n: recipes.starts_from(ablations.PREFIX + n) for n in ablations.names()}
    assert [name for name in starts if not starts[name]] == ["base", "large"]
    for name in filter(starts.get, starts):
        before = flat(starts[name].removeprefix(ablations.PREFIX))
        found[name] = {key for key, value in flat(name).items() if value != before[key]}
    assert found == DIFFERING


def test_a_model_is_asked_as_it_was_trained(tmp_path, monkeypatch):
    """One that was shown no schema is shown none."""
    asked = []

    class Asked(Exception):
        pass

    def evaluate(**options):
        asked.append(options["prompt"])
        raise Asked

    monkeypatch.setattr(ablations.train, "train", lambda *_, **__: tmp_path)
    monkeypatch.setattr(ablations.contracts, "read_json", lambda _: {})
    monkeypatch.setattr(ablations.evaluate, "evaluate", evaluate)
    for name in ("base", "blind"):
        with pytest.raises(Asked):
            ablations.make(name, out=tmp_path, folder=tmp_path)
    assert asked == ["zero-shot-schema", "zero-shot-text"]
