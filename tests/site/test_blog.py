"""Blog and home page: quoted cases and answers are real, snippets run, announcements fit.

A snippet that fails, or a case quoted from memory, is the first thing that a reader trips over.
"""

import gzip
import json
import re
import subprocess
import sys

import prose
import pytest

from slmlib import tasks
from slmlib.core import paths
from slmlib.tasks.edgejson import schemas

FOLDER = paths.ROOT / "site/blog"
POSTS = {path.stem: path for path in sorted((FOLDER / "posts").glob("*.qmd"))}


def blocks(post: str, language: str) -> list[str]:
    """The code blocks of a language in a post."""
    text = prose.source(POSTS[post])
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def answers(case: str, model: str = "") -> list[str]:
    """The answers of published runs of a model, or of all, to a case of `test`."""
    texts = []
    for path in sorted((paths.RESULTS / "edgejson").glob(f"{model}*-test-*.predictions.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = (json.loads(line) for line in lines)
            texts += [row["turns"][0]["completion"] for row in rows if row["id"] == case]
    return texts


def cases() -> dict:
    return {sample.id: sample for sample in tasks.get("edgejson").load("test")}


def test_front_matter_is_complete():
    """Feeds and networks show title, description, date and picture; they read PNG only."""
    from PIL import Image

    for name, post in POSTS.items():
        front = prose.front(post)
        assert {"title", "description", "author", "date", "image", "image-alt"} <= set(front), name
        assert front["categories"] and front["date"] <= front["date-modified"], name
        path = post.parent / front["image"]
        assert Image.open(path).size == (1200, 630) and path.stat().st_size < 60_000, name


def test_each_post_has_an_announcement_that_fits_and_links_to_it():
    paths_by_name = {path.stem: path for path in (FOLDER / "announcements").iterdir()}
    assert set(paths_by_name) == set(POSTS)
    for name, path in paths_by_name.items():
        parts = re.split(r"^## (X|LinkedIn)$", path.read_text("utf-8"), flags=re.MULTILINE)[1:]
        texts = dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))
        assert len(texts["X"]) <= 280 and len(texts["LinkedIn"]) <= 3000, name
        assert all(
            f"https://slmbench.com/site/blog/posts/{name}.html" in t for t in texts.values()
        ), name
    assert "announcements" not in (paths.ROOT / "_quarto.yml").read_text("utf-8")


def test_diagrams_are_inert_described_and_used():
    text = "".join(post.read_text("utf-8") for post in POSTS.values())
    for path in (FOLDER / "images").glob("*.svg"):
        diagram = path.read_text("utf-8")
        assert "<title" in diagram and "<desc" in diagram, path
        assert not re.search(r"<script|href=|url\(", diagram), f"{path} runs or loads something"
        assert f"images/{path.name}" in text, f"{path} is in no post"


def test_the_case_on_the_home_page_is_a_published_answer():
    text = prose.source(paths.ROOT / "index.qmd")
    text = re.sub(r"\[([^\]]+)\]\{\.(?:evidence|wrong)\}", r"\1", text)
    quoted = re.search(r"^…(.+)…$", text, re.MULTILINE)[1]
    fields = re.findall(r"^\| (\w+) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    answer = {key: value for key, value, _ in fields}
    right = {key: value for key, value, verdict in fields if "right" in verdict}
    sample = next(sample for sample in cases().values() if quoted in sample.input["text"])
    assert sample.target == right != answer
    published = [text for text in answers(sample.id, "qwen") if text.startswith("{")]
    assert answer in map(json.loads, published)


def test_the_case_of_the_first_post_is_a_case():
    sample = cases()["edgejson-test-0038"]
    target, answer = blocks("introducing-slmbench", "json")
    assert blocks("introducing-slmbench", "text") == [sample.input["text"] + "\n"]
    assert json.loads(target) == sample.target and answer.strip() in answers(sample.id)


def test_quoted_answers_are_those_of_models():
    text = re.sub(r"\n+", " ", prose.source(POSTS["edgejson-baselines"]))
    quotes = re.findall(r"`(edgejson-test-\d{4})`[^`]*`(\"[^`]+)`", text)
    assert len(quotes) >= 3
    for case, fragment in quotes:
        assert any(fragment in answer for answer in answers(case)), (case, fragment)


def test_quoted_schemas_are_those_of_the_data():
    simple, medium, rules = map(json.loads, blocks("edgejson-function-calling", "json"))
    assert simple == schemas.load("goods_receipt")["properties"]
    assert medium == schemas.load("heating_schedule")["properties"]["periods"]
    assert all(rule in schemas.load("delivery_round")["x-rules"] for rule in rules)


def run(code: str, folder) -> str:
    command = [sys.executable, "-c", code]
    options = {"capture_output": True, "text": True, "timeout": 600}
    done = subprocess.run(command, cwd=folder, env=prose.environment(), **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_snippet_that_grades_an_answer_runs(tmp_path):
    shown = run(blocks("edgejson-function-calling", "python")[0], tmp_path)
    assert "ML-24" in shown and "invented" in shown.splitlines()[-1]


@pytest.mark.model
def test_the_snippet_that_runs_a_model_runs(tmp_path):
    shown = run(blocks("edgejson-function-calling", "python")[1], tmp_path)
    cases = [f"edgejson-test-000{n}" for n in range(1, 5)]
    assert [line.split()[0] for line in shown.splitlines() if line.startswith("edgejson-")] == cases
