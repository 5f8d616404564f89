"""Reading, doubting, ranking and comparing results; the published tables and numbers.

If these break, a result that was changed by hand is believed, a control or half a run is ranked, or
a model's output becomes markup on the site.
"""

import dataclasses
import gzip
import html
import json
import re
from dataclasses import asdict

import pypandoc
import pytest
import yaml
from toy_results import PREDICTIONS, SHA, prediction, predictions, result, write_all, write_run

from slmlib.core import io, tables
from slmlib.core.io import DataError
from slmlib.evaluation import results, stats
from slmlib.tasks import base as tasks
from slmlib.tasks.base import Sample

MANIFEST = {
    "name": "edgejson",
    "version": "1.0.0",
    "counts": {
        "train": {"cases": 8, "tier": {}, "group": {"a": 4, "b": 4}, "register": {"chat": 8}},
        "test": {
            "cases": 5,
            "tier": {"simple": 2, "medium": 2, "complex": 1},
            "group": {"b": 2, "c": 3},
            "register": {"chat": 4, "log": 1},
        },
        "test_unseen": {"cases": 2, "tier": {}, "group": {"d": 2}, "register": {"chat": 2}},
    },
    "files": {"schemas/a.json": {}, "schemas/b.json": {}, "schemas/c.json": {}, "test.jsonl": {}},
}
GROUPS = {f"case-{i:03d}": f"schema-{i % 10}" for i in range(20)}


@pytest.fixture
def path(tmp_path):
    """A sound result on disk: 20 cases, 8 right."""
    return write_run(tmp_path, predictions(8), run="toy-1")


@pytest.fixture
def rows(tmp_path):
    write_all(tmp_path)
    return results.leaderboard(results.load_all(tmp_path, "edgejson"), GROUPS)


def change(path, **parts):
    """Change a result file: `{"metrics.json_exact.mean": 0.9}`, dots as `__`."""
    record = json.loads(path.read_text())
    for place, value in parts.items():
        *parents, last = place.split("__")
        item = record
        for key in parents:
            item = item[key]
        item[last] = value
    io.write_json(path, record)


def refusal(path):
    """The message with which a result is refused; it names the file and the fix."""
    with pytest.raises(DataError) as caught:
        results.load(path)
    message = str(caught.value)
    assert path.stem in message
    assert "git checkout" in message
    return message


def test_sound_result_has_its_parts_as_attributes(path):
    found = results.load(path)
    assert (found.run, found.task, found.split, found.model["name"]) == (
        "toy-1",
        "edgejson",
        "test",
        "toy-1m",
    )
    assert (found.n, found.right, found.complete, found.control) == (20, 8, True, False)
    assert len(found.predictions()) == 20
    assert sum(found.scores("json_exact").values()) == 8
    assert repr(found) == "Result(toy-1: JSONExact 40.0 % [21.9, 61.3])"


@pytest.mark.parametrize(
    ("parts", "rule"),
    [
        ({"metrics__json_exact__mean": 0.45}, "metrics.json_exact.mean is 0.45, its predictions give 0.4"),
        ({"metrics__json_exact__high": 0.5}, "the interval of json_exact in metrics"),
        ({"by_tier__medium__field_f1__low": 0.95}, "the interval of field_f1 in medium"),
        ({"metrics__field_f1__n": 19}, "metrics.field_f1.n is 19"),
        ({"metrics__schema_compliance__mean": 1.5}, "result.schema.json"),
        ({"by_tier__complex__json_exact": asdict(stats.wilson(6, 6))}, "in by_tier do not add up"),
        ({"by_group__order__json_exact": asdict(stats.wilson(5, 5))}, "in by_group do not add up"),
        ({"failures": {"miscopied": 11}}, "failures are"),
        ({"failures": {"miscopied": 11, "omitted": 1}}, "failures are"),
        ({"dataset__n": 10}, "one prediction a case"),
        ({"run": "other"}, "named after its run"),
        ({"throughput": {}}, "result.schema.json"),
    ],
)
def test_changed_result_is_refused(path, parts, rule):
    change(path, **parts)
    assert rule in refusal(path)


def test_mean_that_is_no_number_is_refused(path):
    path.write_text(path.read_text().replace('"mean": 0.7', '"mean": NaN', 1))
    assert "metrics.field_f1.mean is nan" in refusal(path)


def test_result_without_jsonexact_is_refused(tmp_path):
    path = write_run(tmp_path, predictions(8), run="toy-1")
    record = json.loads(path.read_text())
    del record["metrics"]["json_exact"]
    io.write_json(path, record)
    assert "every result has JSONExact" in refusal(path)


def rewrite(path, rows):
    io.write_jsonl(path.with_name(path.stem + PREDICTIONS), rows)


def test_removed_prediction_is_refused(path):
    rewrite(path, predictions(8)[:-1])
    assert "has 19 rows" in refusal(path)


def test_doubled_prediction_is_refused(path):
    rewrite(path, [*predictions(8)[:-1], predictions(8)[0]])
    assert "'case-000' occurs twice" in refusal(path)


def test_changed_score_is_refused(path):
    rows = predictions(8)
    rows[1]["scores"]["field_f1"] = 0.9
    rewrite(path, rows)
    assert "metrics.field_f1.mean" in refusal(path)


def test_missing_score_is_refused(path):
    rows = predictions(8)
    del rows[3]["scores"]["schema_compliance"]
    rewrite(path, rows)
    assert "'case-003' has no score schema_compliance" in refusal(path)


def test_right_case_with_a_failure_class_is_refused(tmp_path):
    rows = predictions(8)
    rows[0]["failure"], rows[2]["failure"] = rows[2]["failure"], rows[0]["failure"]
    assert "either right or has a failure class" in refusal(write_run(tmp_path, rows, run="toy-1"))


def test_missing_predictions_are_refused(path):
    path.with_name(path.stem + PREDICTIONS).unlink()
    assert "missing" in refusal(path)


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "text"])
def test_torn_predictions_are_refused(path, harm):
    file = path.with_name(path.stem + PREDICTIONS)
    data = file.read_bytes()
    middle = len(data) // 2
    flipped = bytes(255 - b for b in data[middle : middle + 8])
    harms = {
        "cut": data[:middle],
        "flip": data[:middle] + flipped + data[middle + 8 :],
        "empty": b"",
        "text": b"not gzip",
    }
    file.write_bytes(harms[harm])
    refusal(path)


def test_bad_line_is_refused_with_its_number(path):
    lines = "".join(json.dumps(row) + "\n" for row in predictions(8)).splitlines(keepends=True)
    lines[4] = lines[4][:30] + "\n"
    path.with_name(path.stem + PREDICTIONS).write_bytes(gzip.compress("".join(lines).encode()))
    assert f"{PREDICTIONS}:5" in refusal(path)


def test_row_that_breaks_the_contract_is_refused_with_its_number(path):
    rows = predictions(8)
    rows[2]["finish"] = "bored"
    rewrite(path, rows)
    message = refusal(path)
    assert f"{PREDICTIONS}:3" in message
    assert "bored" in message


def test_result_that_is_no_json_is_refused(path):
    path.write_text("{")
    refusal(path)


def test_load_all_finds_every_task_or_one(tmp_path):
    write_all(tmp_path)
    assert len(results.load_all(tmp_path)) == len(results.load_all(tmp_path, "edgejson")) == 6
    assert results.load_all(tmp_path, "edgeintent") == results.load_all(tmp_path / "nothing") == []


def test_only_complete_models_are_ranked(rows):
    places = {row.label: row.place for row in rows}
    assert places["toy-1m"] == "1"
    assert {places[name] for name in ("no-op", "oracle", "rules")} == {"control"}
    assert places["part-1m"] == "incomplete"
    assert [row.label for row in rows[2:5]] == ["oracle", "rules", "no-op"]


def test_models_that_the_cases_cannot_tell_apart_are_tied(tmp_path):
    write_run(tmp_path, predictions(18), run="good", model="good")
    write_run(tmp_path, predictions(17), run="nearly", model="nearly")
    write_run(tmp_path, predictions(1), run="bad", model="bad")
    place = {row.label: row.place for row in results.leaderboard(results.load_all(tmp_path), GROUPS)}
    assert place["good"] == place["nearly"] == "1–2"
    assert place["bad"] == "3"


def test_order_of_the_files_does_not_move_the_leaderboard(tmp_path, rows):
    found = results.load_all(tmp_path)
    again = results.leaderboard(list(reversed(found)), GROUPS)
    assert [(row.label, row.place) for row in again] == [(row.label, row.place) for row in rows]


def test_results_of_different_cases_are_not_ranked_together(tmp_path):
    write_run(tmp_path, predictions(8), run="a")
    other = write_run(tmp_path, predictions(8), run="b")
    change(other, dataset__sha256="cd" * 32)
    with pytest.raises(ValueError, match="different cases"):
        results.leaderboard(results.load_all(tmp_path))


def test_cases_of_one_group_count_as_one_cluster(tmp_path):
    """Six cases more, all of one group, show nothing about other groups."""
    write_run(tmp_path, [prediction(name, right=True) for name in GROUPS], run="good", model="good")
    worse = [prediction(name, right=i >= 6) for i, name in enumerate(GROUPS)]
    write_run(tmp_path, worse, run="worse", model="worse")
    apart = {name: name for name in GROUPS}
    together = apart | dict.fromkeys(list(GROUPS)[:6], "one")
    found = results.load_all(tmp_path)
    ranks = [[row.place for row in results.leaderboard(found, groups)] for groups in (apart, together)]
    assert ranks == [["1", "2"], ["1–2", "1–2"]]


CASES = [
    Sample(name, "edgejson", "test", group, "simple", {"text": "x"}, {}, {"noise": [f"kind-{i % 2}"]})
    for i, (name, group) in enumerate(GROUPS.items())
]


def test_differences_come_with_interval_adjusted_p_and_detectable_effect(tmp_path):
    """What a difference means must stand beside it, with the sign of first minus second."""
    write_run(tmp_path, predictions(18), run="good", model="good")
    write_run(tmp_path, predictions(1), run="bad", model="bad")
    found = {result.label: result for result in results.load_all(tmp_path)}
    table = results.differences_table([found["good"], found["bad"]], CASES)
    (line,) = table.rows
    assert line[0] == "good − bad"
    assert line[1].startswith("+85.0 % [+") and float(line[2].lstrip("< ")) < 0.01
    assert 0 < float(line[5].split()[0]) <= 100
    (turned,) = results.differences_table([found["bad"], found["good"]], CASES).rows
    assert turned[1].startswith("−85.0 % [−")


def test_equal_runs_do_not_differ(tmp_path):
    """No difference, no evidence: p is one, and the table does not fail on columns without variance."""
    write_run(tmp_path, predictions(0), run="one", model="one")
    write_run(tmp_path, predictions(0), run="two", model="two")
    (line,) = results.differences_table(results.load_all(tmp_path), CASES).rows
    assert line[1].startswith("0.0 %") and line[2] == "1.000"


def test_a_trained_model_is_compared_with_all_others_that_decode_alike(tmp_path):
    write_run(tmp_path, predictions(18), run="tuned", model="tuned", adapter=SHA)
    write_run(tmp_path, predictions(9), run="base", model="base")
    write_run(tmp_path, predictions(12), run="base-schema", model="base", mode="schema")
    write_run(tmp_path, predictions(2), run="rules", model="rules", control=True)
    found = sorted(results.load_all(tmp_path), key=lambda r: r.label)
    table = results.training_table(found, {"test": CASES})
    assert [row[:3] for row in table.rows] == [("test", "free", "base"), ("test", "free", "rules")]
    assert [row[3].split()[0] for row in table.rows] == ["+45.0", "+80.0"]
    assert results.training_table([result for result in found if not result.tuned], {"test": CASES}) is None
    write_run(tmp_path, predictions(18), run="another", model="another", adapter=SHA)
    found = sorted(results.load_all(tmp_path), key=lambda r: r.label)
    assert [row[2] for row in results.training_table(found, {"test": CASES}).rows] == ["another"] * 2 + [
        "tuned"
    ] * 2


def test_splits_stand_beside_each_other(tmp_path):
    """A split that a model was not run on shows a dash, never a number."""
    write_run(tmp_path, predictions(10), run="a-test", model="a")
    write_run(tmp_path, predictions(5), run="a-noisy", model="a", split="test_noisy")
    write_run(tmp_path, predictions(5), run="b-test", model="b")
    table = results.splits_table(sorted(results.load_all(tmp_path), key=lambda r: (r.split, r.label)))
    assert table.header == ("Model", "Metric", "test", "test_noisy")
    cells = {(row[0], row[1]): row[2:] for row in table.rows}
    assert cells["a", "JSONExact"][0].startswith("50.0 %") and cells["a", "JSONExact"][1].startswith("25.0 %")
    assert cells["b", "JSONExact"][1] == "–"


def test_a_split_is_divided_by_what_its_cases_say(tmp_path):
    """Parts are those of the examples, and their means those of their cases."""
    rows = [prediction(name, right=i % 2 == 0) for i, name in enumerate(GROUPS)]
    write_run(tmp_path, rows, run="a", model="a")
    table = results.breakdown_table(results.load_all(tmp_path), CASES, lambda e: e.meta["noise"][0])
    assert table.header == ("Model", "Metric", "kind-0 (10)", "kind-1 (10)")
    assert table.rows[0][2].startswith("100.0 %") and table.rows[0][3].startswith("0.0 %")


def example_runs(folder):
    """Two toy models with a prediction for each example of the test split; the examples."""
    examples = tasks.get("edgejson").load("test")
    digest = tasks.get("edgejson").manifest()["files"]["test.jsonl"]["sha256"]
    for run, right in (("a", 60), ("b", 50)):
        rows = [prediction(example.id, right=i < right) for i, example in enumerate(examples)]
        change(write_run(folder, rows, run=run, model=run), dataset__sha256=digest)
    return examples


def test_groups_come_from_the_examples_of_the_task(tmp_path, monkeypatch):
    groups = {example.id: example.group for example in example_runs(tmp_path)}
    seen, tie_groups = [], stats.tie_groups
    monkeypatch.setattr(stats, "tie_groups", lambda *given: seen.append(given[1]) or tie_groups(*given))
    rows = results.leaderboard(results.load_all(tmp_path))
    assert [row.label for row in rows] == ["a", "b"]
    assert seen == [[groups[name] for name in sorted(groups)]]


def test_models_are_not_ranked_with_other_data(tmp_path):
    write_run(tmp_path, predictions(8), run="a", model="a")
    assert results.leaderboard(results.load_all(tmp_path))[0].rank == 1  # one model needs no groups
    write_run(tmp_path, predictions(7), run="b", model="b")
    found = results.load_all(tmp_path)
    with pytest.raises(DataError, match="its cases are of data abababababab"):
        results.leaderboard(found)
    with pytest.raises(DataError, match="'case-000' has no group"):
        results.leaderboard(found, {})


def test_leaderboard_of_nothing_is_empty():
    assert results.leaderboard([]) == []


def test_leaderboard_table_escapes_hostile_names(rows):
    text, page = results.leaderboard_table(rows), results.leaderboard_table(rows, format="html")
    assert "<script" not in text + page
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;\|\$x\$" in text
    assert "40.0 % [21.9, 61.3]" in text
    assert "0.700 [0.600, 0.800]" in text
    with pytest.raises(ValueError, match="Valid: markdown, html"):
        results.leaderboard_table(rows, format="pdf")


def test_every_line_of_a_markdown_table_has_as_many_cells(rows):
    lines = results.leaderboard_table(rows).replace(r"\|", "").splitlines()
    assert len({line.count("|") for line in lines}) == 1


def test_cases_without_an_answer_are_told(tmp_path):
    """A server that died in the middle is not a bad model: the result and the leaderboard say so."""
    rows = predictions(10)
    for row in [row for row in rows if row["failure"]][:3]:
        row |= {"completion": "", "finish": "error", "failure": "error", "error": "the server has <gone>"}
    write_run(tmp_path, rows, run="a-died", halvings=1, halved_after="std::bad_alloc")
    (found,) = results.load_all(tmp_path)
    told = "3 of 20 cases could not be answered and count as wrong: the server has &lt;gone&gt;"
    assert told in found._repr_markdown_()
    assert "fewer at once after: std::bad_alloc" in found._repr_html_()
    assert "20, 3 unanswered" in results.leaderboard_table(results.leaderboard([found], GROUPS))


def test_result_shows_itself_without_becoming_markup(tmp_path):
    found = results.load(write_run(tmp_path, predictions(8), run="toy-1", model="<img src=x>", n=30))
    page, text = found._repr_html_(), found._repr_markdown_()
    assert "<img" not in page + text
    for shown in (page, text):
        assert "40.0 %" in shown
        assert "incomplete: 20 of 30 cases" in shown
        assert "miscopied 12" in shown
        assert "50.0 tok/s" in shown


def test_equal_runs_agree_in_every_case(tmp_path, path):
    twin = results.load(write_run(tmp_path / "mine", predictions(8), run="toy-1"))
    comparison = results.compare(twin, results.load(path))
    assert (comparison.agree, comparison.same_scores, comparison.differ) == ("20/20", 20, ())
    assert "20/20 cases have the same completion" in comparison.text()


def test_comparison_names_the_cases_that_differ(tmp_path, path):
    rows = predictions(8)[:-1]  # one case is missing: it differs
    rows[0]["completion"] = "<b>other</b>"  # another answer, the same score
    rows[1]["scores"]["field_f1"] = 0.25  # the same answer, another score
    mine = results.load(write_run(tmp_path / "mine", rows, run="toy-1", n=20))
    comparison = results.compare(mine, results.load(path))
    assert (comparison.agree, comparison.same_scores) == ("18/20", 18)
    assert comparison.differ == ("case-000", "case-019")
    for shown in (comparison._repr_html_(), comparison._repr_markdown_(), comparison.text()):
        assert "case-019" in shown
        assert "published" in shown


def test_runs_of_different_data_are_not_compared(tmp_path, path):
    other = write_run(tmp_path / "mine", predictions(8), run="toy-1")
    change(other, dataset__sha256="cd" * 32)
    with pytest.raises(ValueError, match="different cases"):
        results.compare(results.load(other), results.load(path))


def test_tables_by_tier_by_failure_and_of_runs(rows):
    ranked = [row.result for row in rows if row.result.complete]
    assert "| toy-1m | JSONExact |" in results.tiers_table(ranked).markdown()
    failures = results.failures_table(ranked)
    assert failures.header == ("Model", "right", "no JSON", "omitted", "miscopied")
    assert ("toy-1m", "8", "0", "0", "12") in failures.rows
    runs = results.runs_table(ranked).markdown()
    assert "[toy-1m-test-free-1](/data/results/edgejson/toy-1m-test-free-1.predictions.jsonl.gz)" in runs
    assert "Toy CPU" in runs


def example(name, tier="simple", text="Ann is 31."):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    parts = {
        "input": {"text": text, "schema": schema},
        "target": {"a": 1},
        "meta": {"register": "chat", "evidence": {}},
    }
    return Sample(id=name, task="edgejson", split="test", group="order", tier=tier, **parts)


def test_example_is_the_simple_case_that_is_wrong_by_least(tmp_path):
    rows = predictions(8)
    wrong = [row["id"] for row in rows if row["failure"]]
    for row in rows:
        if row["id"] in wrong[:2]:
            row["scores"]["field_f1"] = 0.8
    found = results.load(write_run(tmp_path, rows, run="toy-1"))
    examples = [example(row["id"], "complex" if row["id"] == wrong[0] else "simple") for row in rows]
    chosen, row = results.example_case(found, reversed(examples))
    assert chosen.id == row["id"] == wrong[1]
    with pytest.raises(ValueError, match="no prediction for any"):
        results.example_case(found, [example("other")])


def test_example_is_one_in_which_people_talk_if_there_is_one(tmp_path):
    """A line of a log says little to a visitor."""
    rows = predictions(8)
    wrong = [row["id"] for row in rows if row["failure"]]
    rows[[row["id"] for row in rows].index(wrong[0])]["scores"]["field_f1"] = 0.9
    found = results.load(write_run(tmp_path, rows, run="toy-1"))
    examples = [example(row["id"]) for row in rows]
    silent = [dataclasses.replace(e, meta={"register": "log"}) if e.id == wrong[0] else e for e in examples]
    assert results.example_case(found, silent)[0].id == wrong[1]


def test_example_cannot_leave_its_code_block():
    hostile = "```\n<script>alert(1)</script>\n{{< include /etc/passwd >}}\n````"
    row = predictions(0, 1, completion=hostile)[0]
    page = results.example_markdown(example("case-000"), row, model="toy<b>")
    assert "`````text\n```\n<script>" in page
    assert "{{<" not in page
    assert "toy&lt;b&gt;" in page


def test_variables_are_strings_and_whole_numbers_ready_to_print(rows, tmp_path):
    ranked = [row.result for row in rows]
    values = results.variables(ranked, MANIFEST)
    toy = values["results"]["toy_1m"]
    assert (toy["n"], toy["json_exact"], toy["json_exact_ci"]) == (20, "40.0 %", "21.9–61.3 %")
    assert (toy["field_f1"], toy["tok_s"], toy["minutes"]) == ("0.700", "50.0", "1.5")
    assert (toy["top_failure"], toy["top_failure_n"]) == ("miscopied", 12)
    assert values["results"]["oracle"]["top_failure_n"] == 0
    assert "part_1m" not in values["results"]
    assert values["environment"]["cpu"] == "Toy CPU"
    data = values["edgejson"]
    assert (data["schemas"], data["designed"], data["composed"], data["unseen"]) == (4, 3, 1, 1)
    assert (data["registers"], data["cases"], data["train"], data["simple"]) == (2, 15, 8, 2)


def test_two_runs_cannot_be_quoted_by_one_name(tmp_path):
    write_run(tmp_path, predictions(8), run="a")
    write_run(tmp_path, predictions(7), run="b")
    with pytest.raises(ValueError, match="a and b would both be quoted as results"):
        results.variables(results.load_all(tmp_path), MANIFEST)


def test_variables_file_is_the_same_bytes_and_reads_back(rows, tmp_path):
    values = results.variables([row.result for row in rows], MANIFEST)
    one, two = tmp_path / "one.yml", tmp_path / "two.yml"
    results.write_variables(one, values)
    results.write_variables(two, json.loads(json.dumps(values)))
    assert one.read_bytes() == two.read_bytes()
    assert "40.0\N{NO-BREAK SPACE}%" in one.read_text("utf-8")
    assert yaml.safe_load(one.read_text("utf-8").replace("\N{NO-BREAK SPACE}", " ")) == values


def test_toy_result_keeps_the_contract():
    io.check(result(predictions(8), run="toy-1"), io.RESULT, where="toy")


@pytest.mark.parametrize(
    ("metric", "value", "shown"),
    [
        ("json_exact", {"mean": 0.03, "low": 0.0103, "high": 0.0845}, "3.0 % [1.0, 8.5]"),
        ("field_f1", {"mean": 0.3123, "low": 0.2, "high": 1.0}, "0.312 [0.200, 1.000]"),
        ("json_exact", {"mean": 1.0, "low": 0.963, "high": 1.0}, "100.0 % [96.3, 100.0]"),
    ],
)
def test_estimates_as_printed(metric, value, shown):
    assert tables.estimate(metric, value) == shown


def test_markdown_cells_stay_text():
    """Pandoc, which renders site and paper, reads each cell back as it was."""
    hostile = [
        "[x](https://evil)",
        "![x][y]",
        "*x* _y_",
        "<b>",
        "`x`",
        "{{< x >}}",
        "a|b",
        "[^1]",
        "$x$",
        "@doe",
    ]
    table = tables.Table.of(["A", "B"], [[text, "1"] for text in hostile])
    page = pypandoc.convert_text(table.markdown(), "html", format="markdown")
    cells = re.findall(r'<td style="text-align: left;">(.*)</td>', page)
    assert [html.unescape(cell) for cell in cells] == hostile


def test_terminal_escapes_do_not_reach_the_terminal():
    table = tables.Table.of(["Model"], [["\x1b[31mred\n\x07"]])
    assert table.text().isascii() is False
    assert "\x1b" not in table.text()
    assert len(table.text().splitlines()) == 3
