"""The closing report of `make quick`: scores beside the published ones, steps, the site.

Would break if a run that differs from the published one looked as if it agreed.
"""

import pytest
from toy_results import predictions, write_run

from slmlib.core.io import DataError
from slmlib.pipeline import summary

BENCHMARK = "s\th:m:s\tmax_rss\tmax_vms\n{}\t0:00:01\t{}\t-\n"


@pytest.fixture
def folders(tmp_path, toy_task):
    (tmp_path / "runs/quick/benchmarks").mkdir(parents=True)
    return {"runs": tmp_path / "runs", "published": tmp_path / "published"}


def write_both(folders, mine, published):
    path = write_run(folders["runs"] / "quick" / "results", mine, run="toy-1", speed=25.0)
    write_run(folders["published"], published, run="toy-1", speed=50.0)
    return folders["published"] / path.relative_to(folders["runs"] / "quick" / "results")


def test_runs_stand_side_by_side_and_differences_are_named(folders):
    write_both(folders, predictions(8), predictions(8))
    text = summary.report("quick", **folders)
    line = next(line for line in text.splitlines() if line.startswith("toy-1m"))
    for shown in ("40.0 % | 40.0 %", "0.700 | 0.700", "20/20", "25.0 | 50.0"):
        assert shown in line
    assert "Different" not in text
    mine = predictions(8)
    mine[4]["turns"][0]["completion"] = "other"
    path = write_both(folders, mine, predictions(8))
    rows = predictions(3, n=10)
    write_run(folders["runs"] / "quick" / "results", rows, run="toy-2", model="new", n=20)
    text = summary.report("quick", **folders)
    assert "19/20" in text and "Different: case-004." in text
    line = next(line for line in text.splitlines() if line.startswith("new (10 of 20 cases)"))
    assert "30.0 % | –" in line and "not published" in line
    path.write_text(path.read_text().replace('"mean": 0.4', '"mean": 0.9', 1))
    with pytest.raises(DataError, match="predictions give"):
        summary.report("quick", **folders)


def test_steps_are_added_up_and_the_largest_memory_is_named(folders):
    text = summary.report("quick", **folders)
    assert "No results" in text and "No step has been timed" in text
    folder = folders["runs"] / "quick" / "benchmarks"
    (folder / "01_generate.tsv").write_text(BENCHMARK.format("1.5000", "210.55"))
    (folder / "02_evaluate-toy.tsv").write_text(BENCHMARK.format("60.25", "2048.4"))
    (folder / "05_site.tsv").write_text(BENCHMARK.format("0.1", "-"))
    text = summary.report("quick", **folders)
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert lines["02_evaluate-toy"][1:] == ["60.2", "2,048"]
    assert lines["total,"][-2:] == ["61.9", "2,048"]
    (folder / "x.tsv").write_text("nothing\n")
    with pytest.raises(DataError, match=r"x\.tsv: not a benchmark file"):
        summary.report("quick", **folders)
