"""Loading, verifying, ranking and reproducing results.

If these break, a result that was changed by hand is believed, or a control or half a run is ranked.
"""

import gzip
import json

import pytest

from slmlib.core import io
from slmlib.core.io import DataError
from slmlib.evaluation import results, run
from slmlib.evaluation.results import PREDICTIONS


def write(task, tmp_path, name: str, right: int, *, control=False, limit=None):
    """A run of a toy task whose first answers are right; a model's unless it is a control."""
    samples = {sample.id: i for i, sample in enumerate(task.load("test"))}
    oracle = task.controls["oracle"]

    def answer(sample, messages):
        return oracle(sample, messages) if samples[sample.id] < right else "none"

    task.more[name] = answer
    path = run.evaluate(task, model=name, limit=limit, out=tmp_path / "results")
    if not control:
        record = json.loads(path.read_text())
        record["model"] |= {"source": "wheel", "weights_sha256": "ab" * 32, "parameters": 1_500_000}
        io.write_json(path, record)
    return path


@pytest.fixture
def path(toy_task, tmp_path):
    """A sound result on disk: 8 cases, 5 right."""
    return write(toy_task, tmp_path, "model-a", 5)


def change(path, **parts):
    """Change places of a result file, their keys joined by `__`."""
    record = json.loads(path.read_text())
    for place, value in parts.items():
        *parents, last = place.split("__")
        item = record
        for key in parents:
            item = item[key]
        item[last] = value
    io.write_json(path, record)


def refusal(path) -> str:
    """The message with which a result is refused; it names the file and the fix."""
    with pytest.raises(DataError) as caught:
        results.load(path)
    message = str(caught.value)
    assert path.stem in message and "git checkout" in message
    return message


def test_sound_result_has_its_fields_as_attributes(path):
    result = results.load(path)
    assert (result.task, result.split, result.model["name"]) == ("toy", "test", "model-a")
    assert (result.n, result.right, result.complete, result.control) == (8, 5, True, False)
    assert len(result.rows) == 8 and "Exact 62.5 %" in repr(result)
    assert result.failures_by_count() == [("unreadable", 3)]
    with pytest.raises(AttributeError, match="a result has no 'colour'"):
        result.colour  # noqa: B018


def test_changed_result_is_refused(path):
    scores = {"exact": {"mean": 1, "low": 0, "high": 1, "n": 8}}
    sound = path.read_bytes()
    for parts, message in (
        ({"metrics__exact__mean": 0.75}, "metrics.exact.mean is 0.75, its predictions give 0.625"),
        ({"metrics__exact__high": 0.64}, "the interval of metrics.exact"),
        ({"by_slice__size__large__share__low": 0.95}, "the interval of by_slice.size.large.share"),
        ({"metrics__fields__mean": 0.5}, "fields.mean is 0.5, its predictions give 0.625"),
        ({"metrics__share__n": 7}, "metrics.share.n is 7"),
        ({"by_slice__size__small__exact__mean": 0.5}, "by_slice.size.small.exact.mean is 0.5"),
        ({"by_slice__size": {}}, "by_slice.size.small.exact.n is None"),
        ({"by_slice__colour": {"red": scores}}, "by_slice.colour.red.exact.n is 8"),
        ({"metrics__fake": scores["exact"]}, "metrics.fake.n is 8, its predictions give None"),
        ({"failures": {"unreadable": 2}}, "failures.unreadable is 2, its predictions give 3"),
        ({"failures": {"unreadable": 3, "wrong": 1}}, "failures.wrong is 1"),
        ({"dataset__n": 4}, "one prediction per case"),
        ({"run": "other"}, "named after its run"),
        ({"throughput": {}}, "result.schema.json"),
        ({"decoding__mode": "beam"}, "result.schema.json"),
    ):
        path.write_bytes(sound)
        change(path, **parts)
        assert message in refusal(path), parts
    path.write_text("{")
    assert "not readable as JSON" in refusal(path)


def test_changed_predictions_are_refused(path):
    file = path.with_suffix(PREDICTIONS)
    sound = io.read_jsonl(file)
    for index, parts, message in (
        (1, {"scores": {"exact": 1.0, "share": 0.9}}, "metrics.share.mean"),
        (3, {"scores": {"exact": 1.0}}, "'toy-test-3' has no share"),
        (0, {"failure": "wrong"}, "either right or has a failure class"),
        (6, {"failure": None}, "either right or has a failure class"),
        (2, {"id": "toy-test-1"}, "'toy-test-1' occurs twice"),
        (2, {"slices": {"size": "huge"}}, "by_slice.size.small.exact.n is 4"),
        (2, {"turns": []}, f"{PREDICTIONS}:3: $.turns"),
        (7, {"failure": "bored"}, "failures of toy are unreadable, wrong, error"),
    ):
        rows = list(sound)
        rows[index] = rows[index] | parts
        io.write_jsonl(file, rows)
        assert message in refusal(path), parts
    for rows, message in ((sound[:-1], "metrics.exact.n is 8"), ([], "0 predictions for 8 cases")):
        io.write_jsonl(file, rows)
        assert message in refusal(path)


def test_damaged_predictions_are_refused(path):
    file = path.with_suffix(PREDICTIONS)
    data = file.read_bytes()
    middle = len(data) // 2
    flipped = bytes(255 - b for b in data[middle : middle + 8])
    for damaged in (data[:middle], data[:middle] + flipped + data[middle + 8 :], b"", b"not gzip"):
        file.write_bytes(damaged)
        refusal(path)
    lines = gzip.decompress(data).splitlines(keepends=True)
    file.write_bytes(gzip.compress(b"".join([*lines[:4], lines[4][:30] + b"\n", *lines[5:]])))
    assert f"{PREDICTIONS}:5: not JSON" in refusal(path)
    file.unlink()
    assert "No such file" in refusal(path)


def test_display_escapes_what_models_and_submitters_wrote(path):
    change(path, engine__name="<b>&$x$", run=path.stem)
    result = results.load(path)
    assert "<b>" not in result._repr_html_() and "&lt;b&gt;" in result._repr_html_()
    assert "<b>" not in result._repr_markdown_()


# --- ranking ----------------------------------------------------------------------------------


def test_models_are_ranked_controls_and_incomplete_runs_are_not(toy_task, tmp_path):
    paths = [
        write(toy_task, tmp_path, "good", 8),
        write(toy_task, tmp_path, "bad", 0),
        write(toy_task, tmp_path, "part", 4, limit=4),
        write(toy_task, tmp_path, "oracle", 8, control=True),
    ]
    runs = [results.load(path) for path in paths]
    rows = results.leaderboard(runs)
    assert [row.result.model["name"] for row in rows] == ["good", "bad", "oracle", "part"]
    # eight cases of two groups cannot tell models apart, however they differ
    assert [row.place for row in rows] == ["1–2", "1–2", "control", "incomplete"]
    assert [row.place for row in results.leaderboard(reversed(runs))] == [row.place for row in rows]


def test_ranks_part_where_the_groups_show_a_difference(toy_task, tmp_path):
    rows = toy_task.build()
    for i, row in enumerate(rows["test"]):
        row["group"] = f"person-{i}"  # each case its own group: 2^-8 is below 5 %
    toy_task.write(rows, toy_task.folder)
    paths = [write(toy_task, tmp_path, name, right) for name, right in (("good", 8), ("bad", 0))]
    board = results.leaderboard(results.load(path) for path in paths)
    assert [row.place for row in board] == ["1", "2"]


def test_macro_metric_ranks_its_board(toy_tasks, tmp_path):
    task = toy_tasks["toylabels"]
    paths = [write(task, tmp_path, name, right) for name, right in (("few", 2), ("all", 8))]
    board = results.leaderboard(results.load(path) for path in paths)
    assert [row.result.model["name"] for row in board] == ["all", "few"]


def test_runs_of_different_cases_are_not_ranked(toy_tasks, tmp_path):
    runs = [
        results.load(write(toy_tasks["toy"], tmp_path, "a", 3)),
        results.load(write(toy_tasks["toylabels"], tmp_path, "b", 3)),
    ]
    with pytest.raises(ValueError, match="different cases and cannot be compared"):
        results.leaderboard(runs)
    with pytest.raises(ValueError, match="different cases"):
        results.reproduce(*runs)
    assert results.leaderboard([]) == []


# --- reproducing ------------------------------------------------------------------------------


def test_reproduction_counts_and_names_the_cases_that_differ(toy_task, tmp_path):
    mine = results.load(write(toy_task, tmp_path / "mine", "a", 5))
    published = results.load(write(toy_task, tmp_path / "published", "a", 7))
    found = results.reproduce(mine, published)
    assert (found.same_text, found.same_scores, found.n) == (6, 6, 8)
    assert found.differ == ("toy-test-5", "toy-test-6")
    assert "6/8 cases have the same completion" in found.note() and "toy-test-5" in found.note()
    part = results.load(write(toy_task, tmp_path / "part", "a", 5, limit=3))
    assert results.reproduce(part, published).differ == tuple(f"toy-test-{i}" for i in range(3, 8))
