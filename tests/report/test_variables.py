"""Numbers for prose: would break if a page quoted a number that no run gave, or lost one."""

import pytest
import yaml
from toy_results import predictions, write_run

from slmlib.evaluation import results
from slmlib.report import leaderboard, variables
from slmlib.tasks.base import NamedComparison


@pytest.fixture
def block(toy_task, rows, runs):
    return variables.variables(toy_task, rows, runs)


def test_numbers_are_ready_to_print(block):
    free = block["test"]["toy_1m"]
    expected = {
        **{"exact": "40.0 %", "exact_ci": "21.9–61.3 %", "share": "0.700", "n": 20, "wrong_n": 12},
        **{"top_failure": "wrong value", "top_failure_n": 12, "size_small_n": 10},
    }
    assert {name: free[name] for name in expected} == expected
    assert free["size_small_exact_ci"].endswith(" %")
    assert block["failures"]["test"]["toy_1m"] == {"unreadable": 0, "wrong": 12, "error": 0}
    assert "toy_1m_constrained" in block["test"] and "part_1m" not in block["test"]
    assert block["environment"]["cpu"] == "Toy CPU"


def test_the_leader_is_the_first_of_the_board_and_the_next_another_model(block):
    board = {"models": 2, "runs": 3, "published": 7, "updated": "2 January 2026"}
    assert block["board"].items() >= board.items()
    assert block["leader"]["name"] == "toy-1m" and block["leader"]["decoding"] == "unconstrained"
    assert block["next"]["name"] != "toy-1m"


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


def test_each_task_has_a_block_of_its_own(toy_task, block, tmp_path):
    """Writing one leaves the others, removes what is of no task, and gives the same bytes again."""
    path = tmp_path / "_variables.yml"
    path.write_text("toylabels: {a: 1\N{NO-BREAK SPACE}%}\ngone: {b: 2}\n")
    variables.write(path, toy_task, block)
    text = path.read_text("utf-8")
    assert "40.0\N{NO-BREAK SPACE}%" in text and "40.0 %" not in text
    read = yaml.safe_load(text.replace("\N{NO-BREAK SPACE}", " "))
    assert read == {"toy": block, "toylabels": {"a": "1 %"}}
    variables.write(path, toy_task, block)
    assert path.read_text("utf-8") == text
