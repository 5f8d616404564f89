"""Numbers for prose: would break if a page quoted a number that no run gave, or lost one.

The published ones are compared with a new analysis in `pipeline/test_notebooks.py`.
"""

import pytest
import yaml
from toy_results import predictions, write_run

from slmlib.evaluation import results
from slmlib.report import leaderboard, variables
from slmlib.tasks.base import NamedComparison


def test_two_runs_cannot_have_one_name(toy_task, tmp_path):
    for run, model in (("a", "toy-1"), ("b", "toy.1")):
        write_run(tmp_path, predictions(3), run=run, model=model)
    rows = leaderboard.boards(results.load_all(tmp_path), toy_task)
    with pytest.raises(ValueError, match="a and b would both be"):
        variables.variables(toy_task, rows, [])


class Report:
    comparisons = {  # noqa: RUF012
        "there": NamedComparison("test", "exact", "toy_1m", "rules"),
        "back": NamedComparison("test", "share", "rules", "toy_1m"),
        "nowhere": NamedComparison("test", "exact", "toy_1m", "no_such_run"),
    }

    def data_numbers(self):
        return {"cases": 8}

    def run_numbers(self, samples, rows):
        return {"samples": len(samples), "rows": len(rows)}


def test_a_task_adds_its_own_numbers_and_named_comparisons(toy_task, rows, runs, monkeypatch):
    monkeypatch.setattr(type(toy_task), "report", Report())
    block = variables.variables(toy_task, rows, runs)
    assert block["data"] == {"cases": 8}
    assert block["test"]["rules"]["rows"] == 20 and block["test"]["rules"]["samples"] == 8
    assert set(block["compare"]) == {"there", "back"}
    assert block["compare"]["there"]["difference"].startswith("+15.0 [")
    assert block["compare"]["back"]["difference"].startswith("−0.075 [")


def test_each_task_has_a_block_of_its_own(toy_task, rows, runs, tmp_path):
    """Writing one leaves the others, removes what is of no task, and gives the same bytes again."""
    block = variables.variables(toy_task, rows, runs)
    assert "part_1m" not in block["test"]  # incomplete
    path = tmp_path / "_variables.yml"
    path.write_text("toylabels: {a: 1\N{NO-BREAK SPACE}%}\ngone: {b: 2}\n")
    variables.write(path, toy_task, block)
    text = path.read_text("utf-8")
    assert "40.0\N{NO-BREAK SPACE}%" in text and "40.0 %" not in text
    read = yaml.safe_load(text.replace("\N{NO-BREAK SPACE}", " "))
    assert read == {"toy": block, "toylabels": {"a": "1 %"}}
    variables.write(path, toy_task, block)
    assert path.read_text("utf-8") == text
