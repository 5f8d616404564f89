"""Board, model pages and cards on toy results: nothing a model wrote is obeyed, nothing is shown unrun."""

import dataclasses
import re

import pytest
import toy_results
import yaml

from slmlib.core import tables
from slmlib.evaluation import comparisons, results
from slmlib.models import registry as models
from slmlib.pipeline import preview
from slmlib.report import pages

HOSTILE = "<script>alert(1)</script> {{< include /etc/passwd >}} ``` </details> $x$ <img src=x onerror=y>"


class Case:
    """A case as the pages need one."""

    def __init__(self, name):
        self.id, self.tier = name, "simple"
        self.input = {"text": "Ann is 31.", "schema": {"properties": {"a": {"type": "integer"}}}}
        self.target, self.meta = {"a": 1}, {"register": "email"}


@pytest.fixture
def material(tmp_path):
    toy_results.write_all(tmp_path)
    rows = toy_results.predictions(6, completion=HOSTILE)
    toy_results.write_run(tmp_path, rows, run="toy-1m-test-schema-1", mode="schema")
    runs = results.load_all(tmp_path, "edgejson")
    groups = {row["id"]: row["id"] for run in runs for row in run.predictions()}
    board = results.leaderboard(comparisons.standing(runs), groups)
    return pages.Material(board, runs, [], {"test": [Case(name) for name in sorted(groups)]})


def test_the_board_has_a_line_for_each_run(material):
    table = pages.board_table(material.rows)
    lines = [dict(zip(table.header, map(str, row), strict=True)) for row in table.rows]
    assert len(lines) == len(material.rows)
    first = next(line for line in lines if line["Model"] == "toy-1m" and line["Decoding"] == "free")
    assert first["Class"] == "NLM" and first["Size"] == "1.5M" and first["Split"] == "test"
    assert first["Failures"] == "miscopied 60 %" and first["tok/s"] == "50.0"
    controls = [line for line in lines if line["Rank"] == "control"]
    assert {line["Class"] for line in controls} == {"control"} and len(controls) == 3


@pytest.mark.parametrize(("features", "shown"), [([], "0.20 / 0.40"), (["avx2"], "–")])
def test_the_time_of_an_answer_is_that_of_the_run_s_machine(material, features, shown):
    """A CPU of the same name with other instructions is another machine."""
    run = next(row.result for row in material.rows if row.result.label == "toy-1m")
    machine = run.environment["machine"] | {"features": features}
    found = {
        "model": "toy-1m",
        "decoding": "free",
        "engine": {part: run.engine[part] for part in ("name", "dtype")},
        "prompt": run.prompt["name"],
        "latency_p50": 0.2,
        "latency_p95": 0.4,
        "environment": {"machine": machine},
    }
    table = pages.board_table(material.rows, [found])
    lines = [dict(zip(table.header, map(str, row), strict=True)) for row in table.rows]
    line = next(line for line in lines if line["Model"] == "toy-1m" and line["Decoding"] == "free")
    assert line["Answer p50/p95, s"] == shown


def test_models_lead_to_their_pages_and_controls_do_not(material):
    written = pages.model_pages(material)
    links = [row[1] for row in pages.board_table(material.rows).rows]
    leading = {link.href for link in links if isinstance(link, tables.Link)}
    assert {f"/site/models/{name}" for name in written} <= leading
    assert not any(str(link) in models.CONTROLS for link in links if isinstance(link, tables.Link))
    assert 'href="/site/models/toy-1m.html"' in pages.board_table(material.rows).html()  # in a notebook


def test_an_incomplete_run_has_no_page(material):
    assert set(pages.model_pages(material)) == {"toy-1m.qmd", "script-alert-1-script-x.qmd"}


def test_a_page_says_what_is_needed_to_doubt_and_repeat_it(material):
    page = pages.model_pages(material)["toy-1m.qmd"]
    front = yaml.safe_load(page.split("---\n")[1])
    assert front["title"] == "toy-1m" and front["description"]
    for heading in ("Scores", "By tier", "By schema", "How answers fail", "Speed", "Provenance", "Reproduce"):
        assert f"\n## {heading}\n" in page
    assert toy_results.SHA in page and "/data/results/edgejson/toy-1m-test-free-1.json" in page
    commands = [line for line in page.splitlines() if line.startswith(".venv/bin/papermill")]
    assert len(commands) == 2 and all("-p model toy-1m" in line for line in commands)


def test_what_a_model_wrote_is_text(material, tmp_path):
    page = pages.model_pages(material)["toy-1m.qmd"]
    assert "alert(1)" in page and "{{<" not in page
    root = tmp_path / "site"
    for name, text in TOY_SITE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    alone = {name: re.sub(r"\]\(/\S+\)", "](#)", text) for name, text in pages.model_pages(material).items()}
    pages.write(alone, root / "site/models")
    built = preview.build(tmp_path / "_site", root=root).parent / "site/models"
    for name in ("toy-1m", "script-alert-1-script-x"):
        html = (built / f"{name}.html").read_text("utf-8")
        assert "&lt;script&gt;alert(1)" in html and "<script>alert" not in html
        assert "onerror=y>" not in html.replace("onerror=y&gt;", "") and "root:" not in html


TOY_SITE = {
    "_quarto.yml": """
project: {type: website, output-dir: _site, render: [site/models/*.qmd, paper/paper.qmd]}
website: {title: Toy, site-url: https://example.org, search: false}
format: {html: {theme: default}}
""",
    "_variables.yml": "{}\n",
    "paper/paper.qmd": """---
title: T
date: 2026-01-02
abstract: A.
format: {typst: {papersize: a4}}
---

# One
""",
}


@pytest.mark.parametrize(
    ("name", "file"),
    [("SmolLM2-135M", "smollm2-135m"), ("../../etc/passwd", "etc-passwd"), ("$", "model"), ("a|b", "a-b")],
)
def test_a_file_name_stays_in_its_folder(name, file):
    assert pages.slug(name) == file


def test_two_models_cannot_share_a_page(material):
    twin = {**material.rows[0].result.data, "model": {**material.rows[0].result.model, "name": "TOY-1M"}}
    row = dataclasses.replace(
        material.rows[0], rank=1, result=results.Result(twin, material.rows[0].result.path)
    )
    with pytest.raises(ValueError, match=r"share the page toy-1m\.qmd"):
        pages.model_pages(dataclasses.replace(material, rows=[*material.rows, row]))


def test_what_was_not_run_has_no_numbers(material):
    table = pages.waiting_table(material.runs)
    assert {str(row[0]) for row in table.rows} == set(models.MODELS)
    assert table.header == ("Model", "Class", "Licence", "Chat template", "Weights")


def test_numbers_name_the_first_of_the_board(material):
    found = pages.numbers(material.rows, material.runs)
    assert found["board"] == {"models": 2, "runs": 3, "published": 7, "waiting": len(models.MODELS)}
    assert found["leader"]["name"] == "toy-1m" and found["leader"]["json_exact"] == "40.0 %"
    assert found["next"]["name"] != "toy-1m"


def test_long_answers_are_cut_and_say_so():
    shown = pages._clipped({"completion": "x" * 4000})["completion"]
    assert len(shown) < 1600 and shown.endswith("[2500 characters more]")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [('{"a": 1}', "right"), ('{"a": 2}', "wrong value"), ("{}", "omitted"), ("no", "omitted")],
)
def test_a_worked_case_is_graded_leaf_by_leaf(answer, outcome):
    row = toy_results.prediction("case-000", right=outcome == "right", completion=answer)
    shown, given = pages.graded(Case("c"), row), "–" if outcome == "omitted" else answer[6]
    assert f"| a | 1 | {given} | {outcome} |" in shown
    assert ("failure class: none" in shown) == (outcome == "right")


def test_pages_of_models_that_are_gone_are_taken_away(tmp_path):
    (tmp_path / "mine.qmd").write_text("written by hand")
    pages.write({"a.qmd": pages.MARK, "b.qmd": pages.MARK}, tmp_path)
    pages.write({"a.qmd": pages.MARK}, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a.qmd", "mine.qmd"}


def test_cards_appear_when_they_are_there(tmp_path):
    card = tmp_path / "data/toy/README.md"
    card.parent.mkdir(parents=True)
    card.write_text(
        "---\nlicense: x\n---\n\n# Toy\n\nSee [the rows](toy.jsonl) and [the web](https://a.b).\n"
    )
    assert "[Toy: data card](/site/models/card-toy.qmd)" in pages.cards_list(tmp_path)
    assert "has been published yet" in pages.cards_list(tmp_path)
    model = tmp_path / "data/adapters/Toy-MLM/README.md"
    model.parent.mkdir(parents=True)
    model.write_text("# Toy MLM\n\nTrained.\n")
    written = pages.card_pages(tmp_path)
    assert set(written) == {"card-toy.qmd", "card-toy-mlm.qmd"}
    toy = written["card-toy.qmd"]
    assert "blob/main/data/toy/toy.jsonl)" in toy and "](https://a.b)" in toy and "# Toy\n" not in toy
    assert "published yet" not in pages.cards_list(tmp_path)
