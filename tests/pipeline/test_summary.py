"""The report at the end of `make quick`: scores beside the published ones, steps, where the site is.

If these break, a run that differs from the published one looks as if it agreed, or the report hides
that there is nothing to compare.
"""

import pytest
from toy_results import predictions, write_run

from slmlib.core.io import DataError
from slmlib.pipeline import summary

BENCHMARK = "s\th:m:s\tmax_rss\tmax_vms\n{}\t0:00:01\t{}\t-\n"


@pytest.fixture
def folders(tmp_path):
    return {"runs": tmp_path / "runs", "published": tmp_path / "published"}


def write_both(folders, mine, published):
    write_run(folders["runs"] / "quick" / "results", mine, run="toy-1", speed=25.0)
    write_run(folders["published"], published, run="toy-1", speed=50.0)


def test_agreeing_runs_stand_side_by_side(folders):
    write_both(folders, predictions(8), predictions(8))
    text = summary.report(**folders)
    line = next(line for line in text.splitlines() if line.startswith("toy-1m"))
    for shown in ("40.0 % | 40.0 %", "0.700 | 0.700", "100.0 % | 100.0 %", "20/20", "25.0 | 50.0"):
        assert shown in line
    assert "Different" not in text


def test_cases_that_differ_are_named(folders):
    mine = predictions(8)
    mine[4]["completion"] = "other"
    write_both(folders, mine, predictions(8))
    text = summary.report(**folders)
    assert "19/20" in text
    assert "Different: case-004." in text


def test_run_without_a_published_twin_says_so(folders):
    write_run(folders["runs"] / "quick" / "results", predictions(8), run="toy-2")
    text = summary.report(**folders)
    assert "toy-2 (all cases) is not published" in text
    assert "40.0 % | –" in text


def test_nothing_to_report_is_said(folders):
    text = summary.report(**folders)
    assert "no results" in text
    assert "No step has been timed" in text


def test_changed_published_result_is_refused(folders):
    write_both(folders, predictions(8), predictions(8))
    path = folders["published"] / "edgejson" / "toy-1.json"
    path.write_text(path.read_text().replace('"mean": 0.4', '"mean": 0.9', 1))
    with pytest.raises(DataError, match="predictions give"):
        summary.report(**folders)


def test_steps_are_added_up_and_the_largest_memory_is_named(folders):
    folder = folders["runs"] / "quick" / "benchmarks"
    folder.mkdir(parents=True)
    (folder / "01_generate.tsv").write_text(BENCHMARK.format("1.5000", "210.55"))
    (folder / "02_evaluate-toy.tsv").write_text(BENCHMARK.format("60.25", "2048.4"))
    (folder / "05_site.tsv").write_text(BENCHMARK.format("0.1", "-"))
    lines = {line.split()[0]: line.split() for line in summary.report(**folders).splitlines() if line.strip()}
    assert lines["02_evaluate-toy"][1:] == ["60.2", "2,048"]
    assert lines["total,"][-2:] == ["61.9", "2,048"]


def test_broken_benchmark_file_is_refused(folders):
    folder = folders["runs"] / "quick" / "benchmarks"
    folder.mkdir(parents=True)
    (folder / "x.tsv").write_text("nothing\n")
    with pytest.raises(DataError, match=r"x\.tsv: no Snakemake benchmark"):
        summary.report(**folders)


def test_main_prints_and_returns_an_exit_code(monkeypatch, capsys):
    monkeypatch.setattr(summary, "report", lambda profile: f"report of {profile}\n")
    assert summary.main([]) == 0
    assert capsys.readouterr().out == "report of quick\n"

    def refuse(profile):
        raise DataError("x.json: changed. Fix: git checkout x.json")

    monkeypatch.setattr(summary, "report", refuse)
    assert summary.main(["full"]) == 1
    assert capsys.readouterr().err == "error: x.json: changed. Fix: git checkout x.json\n"
