"""Board, model pages and cards: would break if something a model wrote were obeyed."""

import dataclasses
import re

import pytest
import toy_results
import yaml
from toy_results import predictions

from slmlib.core import io, paths, tables
from slmlib.evaluation import results, run
from slmlib.pipeline import site
from slmlib.report import leaderboard, pages, variables


def lines(table) -> list[dict[str, str]]:
    return [dict(zip(table.header, map(str, row), strict=True)) for row in table.rows]


@pytest.fixture
def written(toy_task, rows, runs, monkeypatch):
    """The pages of the models; the runs' cases are those of the data, repeated."""
    samples = toy_task.load("test")
    names = [row["id"] for row in predictions(0)]
    many = [dataclasses.replace(samples[i % 8], id=name) for i, name in enumerate(names)]

    def render(self, sample, row, *, model):
        return tables.fence(row["turns"][0]["completion"])

    monkeypatch.setattr(type(toy_task), "load", lambda self, split: many)
    monkeypatch.setattr(type(toy_task), "render", render)
    return pages.model_pages(rows, runs)


def test_the_board_has_a_line_for_each_run_and_the_ranking_split_first(toy_task, tmp_path):
    for split in ("test", "val"):
        toy_results.write_run(tmp_path, predictions(8), run=f"a-{split}", split=split)
    toy_results.write_run(tmp_path, predictions(5), run="c", model="rules", control=True)
    task = type("Two", (type(toy_task),), {"split_names": lambda self, *roles: ["val", "test"]})()
    rows = leaderboard.boards(results.load_all(tmp_path), task)
    first, control, last = lines(leaderboard.board_table(rows))
    assert (first["Split"], control["Split"], last["Split"]) == ("test", "test", "val")
    assert first["Class"] == "NLM" and first["Size"] == "1.5M" and first["tok/s"] == "50.0"
    assert first["Failures"] == "wrong value 60 %" and first["Decoding"] == "free"
    assert control["Class"] == control["Rank"] == "control" and control["Decoding"] == "–"
    assert leaderboard.board_table(leaderboard.boards([], toy_task)).rows == ()


def test_latency_is_that_of_the_run_s_machine(rows):
    """A CPU of the same name with other instructions is another machine."""
    run = next(row.result for row in rows if row.result.label == "toy-1m")
    for features, shown in (([], "0.20 / 0.40"), (["avx2"], "–")):
        profile = {
            "model": "toy-1m",
            "decoding": "free",
            "engine": run.engine,
            "prompt": run.prompt["name"],
            "latency_p50": 0.2,
            "latency_p95": 0.4,
            "environment": {"machine": run.environment["machine"] | {"features": features}},
        }
        table = lines(leaderboard.board_table(rows, [profile]))
        line = next(x for x in table if x["Model"] == "toy-1m" and x["Decoding"] == "free")
        assert line["Answer p50/p95, s"] == shown


def test_models_link_to_their_pages_and_controls_do_not(rows, written):
    assert set(written) == {"models/toy-1m.qmd", "models/script-alert-1-script-x.qmd"}
    cells = [row[1] for row in leaderboard.board_table(rows).rows]
    links = {cell.href for cell in cells if isinstance(cell, tables.Link)}
    assert {f"/site/toy/{name}" for name in written} <= links
    assert {str(cell) for cell in cells if isinstance(cell, str)} == {"no-op", "oracle", "rules"}


def test_a_page_has_what_is_needed_to_check_and_repeat_its_runs(written):
    page = written["models/toy-1m.qmd"]
    front = yaml.safe_load(page.split("---\n")[1])
    assert front["title"] == "toy-1m on Toy" and front["description"]
    assert toy_results.SHA in page and "/data/results/toy/toy-1m-test-free-1.json" in page
    command = r"^\.venv/bin/slmbench notebook .*-p task toy -p model toy-1m"
    assert len(re.findall(command, page, re.MULTILINE)) == 2
    assert "| test | free | small | 10 |" in page  # a slice, with its number of cases
    assert re.search(r"\| group-0 \| \d/4 \| \d\.\d{3} \| \d/4 \| \d\.\d{3} \|", page)


TOY_SITE = {
    "_quarto.yml": """
project: {type: website, output-dir: _site, render: [site/toy/models/*.qmd, paper/paper.qmd]}
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


def test_text_of_a_model_stays_text(written, tmp_path):
    page = written["models/toy-1m.qmd"]
    assert "alert(1)" in page and "{{<" not in page
    root = tmp_path / "site"
    for name, text in TOY_SITE.items():
        io.write_text(root / name, text)
    alone = {name: re.sub(r"\]\(/\S+\)", "](#)", text) for name, text in written.items()}
    pages.write(alone, root / "site/toy")
    built = site.build(tmp_path / "_site", root=root).parent / "site/toy/models"
    for name in ("toy-1m", "script-alert-1-script-x"):
        html = (built / f"{name}.html").read_text("utf-8")
        assert "&lt;script&gt;alert(1)" in html and "<script>alert" not in html
        assert "onerror=y>" not in html and "root:" not in html


def test_a_page_stays_in_its_folder_and_belongs_to_one_model(rows, runs):
    names = {"SmolLM2-135M": "smollm2-135m", "../../etc/passwd": "etc-passwd", "$": "model"}
    assert {name: leaderboard.slug(name) for name in names} == names
    first = rows[0].result
    twin = {**first.data, "model": {**first.model, "name": "TOY-1M"}}
    row = dataclasses.replace(rows[0], result=results.Result(twin, first.path))
    with pytest.raises(ValueError, match=r"share the page models/toy-1m\.qmd"):
        pages.model_pages([*rows, row], runs)


def test_pages_of_models_that_are_gone_are_removed(tmp_path):
    (tmp_path / "mine.qmd").write_text("written by hand")
    pages.write({"a.qmd": pages.MARK, "models/b.qmd": pages.MARK}, tmp_path)
    pages.write({"a.qmd": pages.MARK}, tmp_path)
    assert {path.name for path in tmp_path.rglob("*.qmd")} == {"a.qmd", "mine.qmd"}


def test_cards_of_the_data_and_of_models_trained_on_it_become_pages(toy_task, monkeypatch):
    monkeypatch.setattr(paths, "ADAPTERS", paths.DATA / "adapters")
    text = "---\nlicense: x\n---\n\n# Toy\n\n[Rows](toy.jsonl), [the web](https://a.b).\n"
    io.write_text(toy_task.folder / "README.md", text)
    for name, task in (("mine", "toy"), ("other", "another-task")):
        io.write_json(paths.ADAPTERS / name / "training.json", {"prompts": {task: "plain"}})
        io.write_text(paths.ADAPTERS / name / "README.md", f"# {name}\n\nTrained.\n")
    cards = pages.card_pages(toy_task)
    assert set(cards) == {"data-card.qmd", "models/card-mine.qmd"}
    data = cards["data-card.qmd"]
    assert "blob/main/data/toy/toy.jsonl)" in data and "](https://a.b)" in data
    assert "# Toy\n" not in data and "license" not in data
    assert "[mine: model card](/site/toy/models/card-mine.qmd)" in pages.cards_list(toy_task)


@pytest.mark.parametrize("name", ["toylabels", "toytools"])
def test_tasks_of_other_shapes_have_pages_and_numbers(toy_tasks, tmp_path, name):
    """Two "models" answer as controls do; notebook 04 makes figures and tables of these tasks."""
    task = toy_tasks[name]
    for control in task.controls:
        path = run.evaluate(task, model=control, out=tmp_path)
        record, rows = io.read_json(path), results.load(path).rows
        record["run"] = record["model"]["name"] = f"{control}-1m"
        record["model"] |= {"source": "wheel", "parameters": 10**6}
        run.write(path.with_name(f"{record['run']}.json"), record, rows)
    runs = results.load_all(tmp_path, name)
    rows = leaderboard.boards(runs, task)
    assert len(pages.model_pages(rows, runs)) == len(task.controls)
    block = variables.variables(task, rows, runs)
    assert block["leader"][task.ranking_metric.name] == task.ranking_metric.number(1.0)
