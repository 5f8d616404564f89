"""Two toy tasks go all the way: would break if shared code knew only tasks of one kind."""

from itertools import product

import pytest
import toy

from slmlib.engines import launch
from slmlib.evaluation import metrics, rescore, results, run


@pytest.fixture(params=["toylabels", "toytools"])
def task(request, toy_tasks):
    return toy_tasks[request.param]


def evaluate(task, tmp_path, **options):
    return results.load(run.evaluate(task, out=tmp_path / "results", **options))


def test_controls_are_scored_and_sliced(toy_tasks, tmp_path):
    labels = toy_tasks["toylabels"]
    oracle, majority = (evaluate(labels, tmp_path, model=name) for name in ("oracle", "majority"))
    assert oracle.metrics["macro_f1"]["mean"] == oracle.metrics["accuracy"]["mean"] == 1
    # two of eight are out of scope: F1 of "none" is 4/10 and that of the other three labels is 0
    assert majority.metrics["macro_f1"]["mean"] == pytest.approx(0.1)
    assert majority.by_slice["scope"]["out"]["accuracy"]["mean"] == 1
    assert majority.failures == {"wrong_label": 6}
    tools = toy_tasks["toytools"]
    oracle = evaluate(tools, tmp_path, model="oracle")
    assert oracle.metrics["success"]["mean"] == 1
    assert [len(row["turns"]) for row in oracle.rows] == [2, 2, 2, 2]


def test_environment_answers_between_the_turns(toy_tasks, tmp_path):
    """The second turn sees the tool's result; the state is scored, not the spelling."""
    task, seen = toy_tasks["toytools"], {}
    answers = task.controls["oracle"]

    def spy(sample, messages):
        seen[sample.id, len(messages)] = [message["role"] for message in messages]
        text = answers(sample, messages)
        return text.replace(": ", ":  ") if messages[-1]["role"] == "user" else text

    task.more["oracle"] = spy
    result = evaluate(task, tmp_path, model="oracle")
    assert result.metrics["success"]["mean"] == 1
    assert seen["toytools-test-0", 4] == ["system", "user", "assistant", "tool"]


@pytest.mark.model
def test_real_model_runs_in_every_engine_that_can(task, tmp_path):
    """Free and constrained; what is constrained can only be an answer of the task."""
    ran, options = 0, {"model": "smollm2-135m-instruct", "batch_size": 4}
    for engine, mode in product(launch.LOCAL, ("free", "constrained")):
        try:
            result = evaluate(task, tmp_path, engine=engine, decoding=mode, **options)
        except launch.UnsupportedConstraint as refusal:
            assert engine in str(refusal) and "Use:" in str(refusal)
            continue
        ran += 1
        assert result.n == len(task.load("test")) and not result.unanswered, (engine, mode)
        firsts = [row["turns"][0]["completion"] for row in result.rows]
        if mode == "constrained" and task.name == "toylabels":
            assert set(firsts) <= set(toy.LABELS), (engine, firsts)
            assert "not_a_label" not in result.failures
        if mode == "constrained" and task.name == "toytools":
            calls = [text for text in firsts if text.startswith("<tool_call>")]
            assert all('"set_temperature"' in text for text in calls), (engine, firsts)
    assert ran >= 5, "most engines hold most constraints"


def test_results_are_ranked_compared_reproduced_and_scored_again(task, tmp_path):
    board = results.leaderboard(evaluate(task, tmp_path, model=name) for name in task.controls)
    assert {row.place for row in board} == {"control"}
    assert board[0].result.model["name"] == "oracle"
    best, worst = board[0].result, board[-1].result
    change = metrics.difference(task.ranking_metric, best.rows, worst.rows)
    assert change.mean > 0 and change.low <= change.mean <= change.high and 0 < change.p <= 1
    same = results.reproduce(best, best)
    assert same.same_text == same.same_scores == same.n
    assert task.ranking_metric.title in same._repr_markdown_()
    again = rescore.rescore(best.path)
    assert not again.changed and "no metric moved" in again.text()
