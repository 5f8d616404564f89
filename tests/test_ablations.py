"""Ablations: would break if a row were compared with another base, or stood without its results."""

import pytest
from toy_results import predictions, write_run

from slmlib import ablations, contracts, plots, recipes, stats

GROUPS = {f"case-{i:03d}": f"g{i % 5}" for i in range(20)}


@pytest.fixture
def folder(tmp_path):
    """A base and two recipes, each with its record and a result on both splits."""
    for name, right in (("base", 10), ("again", 11), ("whole", 15)):
        run = f"ablations-{name}-1-0123abcd"
        record = {"run": run, "recipe": {"about": f"About {name}."}, "seconds": 840.0}
        record["data"] = {"cases": 400, "tokens": 167_280}
        contracts.write_json(tmp_path / "training" / f"{name}.json", record)
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
    assert base["Difference"] == "–" and base["Tokens"] == "167 k" and base["Minutes"] == "14"
    assert again["What differs"] == "About again" and again["JSONExact, test"].startswith("55.0 %")
    assert whole["Difference"].startswith("+0.125 [")


def test_a_difference_is_of_the_same_cases(folder):
    found = ablations.load_all(folder)
    change = ablations.changes(found, "test", "json_exact", GROUPS)["whole"]
    scores = [[one.runs["test"].scores("json_exact")[name] for name in GROUPS] for one in found[::2]]
    expected = stats.paired_cluster_bootstrap(*reversed(scores), list(GROUPS.values()))
    assert change["mean"] == pytest.approx(0.25) and change["low"] == pytest.approx(expected.low)
    ax = plots.plot_differences(ablations.changes(found, "test", groups=GROUPS), beside="base")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["again", "whole"]


def test_a_record_without_its_results_is_refused(folder):
    for path in folder.glob("edgejson/ablations-whole*"):
        path.unlink()
    with pytest.raises(
        contracts.DataError, match=r"no result of ablations-whole.* on test, test_unseen. Run"
    ):
        ablations.load_all(folder)


def test_every_ablation_differs_from_the_base_in_one_thing():
    """Beside what names it: one part of the settings."""
    base = recipes.load(ablations.PREFIX + ablations.BASE).settings
    for name in ablations.names()[1:]:
        other = recipes.load(ablations.PREFIX + name).settings
        differing = {key for key in other if other[key] != base[key]} - {"about"}
        assert len(differing - {"optimiser"}) == 1, name  # all weights want a lower rate than LoRA
