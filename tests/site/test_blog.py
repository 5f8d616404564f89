"""The blog: posts of the right length, quotes and snippets that are true, announcements that fit.

A snippet that does not run, or a case quoted from memory, would be the first thing that a reader trips over.
"""

import gzip
import json
import math
import re
import subprocess
import sys

import prose
import pytest

from slmlib.core import paths
from slmlib.models import registry as models
from slmlib.tasks import base as tasks
from slmlib.tasks.edgejson import schemas

FOLDER = paths.ROOT / "site/blog"
POSTS = {path.stem: path for path in sorted((FOLDER / "posts").glob("*.qmd"))}
LENGTHS = {
    "introducing-slmbench": (1200, 1500),
    "micro-and-nano-models": (1500, 2000),
    "edgejson-function-calling": (1000, 1200),
    "edgejson-baselines": (600, 1500),
    "week-one": (600, 1500),
}
X_LIMIT = 280
every_post = pytest.mark.parametrize("name", LENGTHS)


def test_the_five_posts_are_there():
    assert set(POSTS) == set(LENGTHS)


@every_post
def test_a_post_has_its_length(name):
    shortest, longest = LENGTHS[name]
    assert shortest <= prose.words(POSTS[name]) <= longest


@every_post
def test_front_matter_is_whole(name):
    front = prose.front(POSTS[name])
    assert front["author"] == "CycleCore Technologies" and str(front["date"]).startswith("2026-11")
    assert front["title"] and 40 <= len(front["description"]) <= 200 and front["image-alt"]
    assert front["categories"] and all(label == label.lower() for label in front["categories"])


@every_post
def test_the_card_is_a_picture_that_networks_show(name):
    """They read PNG, not SVG, at 1200 × 630."""
    from PIL import Image

    path = paths.ROOT / prose.front(POSTS[name])["image"].lstrip("/")
    assert Image.open(path).size == (1200, 630) and path.stat().st_size < 60_000


@every_post
def test_no_measured_number_is_typed(name):
    assert prose.typed_numbers(POSTS[name]) == []


def test_no_measured_number_is_typed_beside_the_posts():
    for path in [*FOLDER.glob("*.md"), *(FOLDER / "announcements").glob("*.md")]:
        assert prose.typed_numbers(path) == [], path


def test_the_list_shows_author_date_and_reading_time():
    listing = prose.front(FOLDER / "index.qmd")["listing"]
    assert {"date", "author", "reading-time", "categories"} <= set(listing["fields"])
    assert listing["feed"]["type"] == "metadata"  # whole articles would carry links that lead nowhere


def announcement(name: str) -> dict[str, str]:
    text = (FOLDER / f"announcements/{name}.md").read_text("utf-8")
    parts = re.split(r"^## (X|LinkedIn)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))


@every_post
def test_announcements_fit_and_lead_to_the_post(name):
    found = announcement(name)
    assert set(found) == {"X", "LinkedIn"}
    assert len(found["X"]) <= X_LIMIT and len(found["LinkedIn"]) <= 3000
    assert all(f"https://slmbench.com/site/blog/posts/{name}.html" in text for text in found.values())


def test_announcements_are_not_rendered():
    assert {path.stem for path in (FOLDER / "announcements").iterdir()} == set(LENGTHS)
    assert "announcements" not in (paths.ROOT / "_quarto.yml").read_text("utf-8")


# Diagrams ------------------------------------------------------------------------------------


DIAGRAMS = sorted((FOLDER / "images").glob("*.svg"))


@pytest.mark.parametrize("path", DIAGRAMS, ids=lambda path: path.stem)
def test_a_diagram_is_small_dark_and_described(path):
    text = path.read_text("utf-8")
    assert path.stat().st_size < 10_000 and 'fill="#0a0a0a"' in text
    assert "<title" in text and "<desc" in text
    assert not re.search(r"<script|href=|url\(", text)  # nothing is loaded, nothing runs
    assert any(f"images/{path.name}" in post.read_text("utf-8") for post in POSTS.values())


def test_models_stand_at_their_size():
    """The landscape's dots are at the registry's numbers, one to a hundred billion from 16 to 544."""
    text = (FOLDER / "images/size-landscape.svg").read_text("utf-8")
    dots = re.findall(r'data-model="([^"]+)" cx="([\d.]+)"', text)
    assert len(dots) >= 6
    for name, x in dots:
        place = 16 + (math.log10(models.get(name).parameters) - 6) / 5 * 528
        assert float(x) == pytest.approx(place, abs=0.1), name


# Quotes and snippets -------------------------------------------------------------------------


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", prose.source(POSTS[name]), re.DOTALL | re.MULTILINE)


def completions(case: str) -> list[str]:
    """What published models have answered to a case of `test`."""
    found = []
    for path in sorted((paths.RESULTS / "edgejson").glob("*-test-*.predictions.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            found += [row["completion"] for row in map(json.loads, lines) if row["id"] == case]
    return found


def test_the_case_of_the_first_post_is_a_case():
    example = {case.id: case for case in tasks.get("edgejson").load("test")}["edgejson-test-0038"]
    target, answer = blocks("introducing-slmbench", "json")
    assert blocks("introducing-slmbench", "text") == [example.input["text"] + "\n"]
    assert json.loads(target) == example.target
    assert answer.strip() in completions(example.id)


def test_answers_in_the_results_are_those_of_models():
    text = prose.source(POSTS["edgejson-baselines"])
    quoted = re.findall(r"`(edgejson-test-\d{4})`[^`]*`(\"[^`]+)`", re.sub(r"\n+", " ", text))
    assert len(quoted) >= 3
    for case, fragment in quoted:
        assert any(fragment in completion for completion in completions(case)), (case, fragment)


def test_the_schemas_of_the_third_post_are_schemas():
    simple, medium, rules = map(json.loads, blocks("edgejson-function-calling", "json"))
    assert simple == schemas.load("goods_receipt")["properties"]
    assert medium == schemas.load("heating_schedule")["properties"]["periods"]
    assert all(rule in schemas.load("delivery_round")["x-rules"] for rule in rules)


def run_snippet(code: str, folder) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=prose.environment(),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_snippet_that_grades_an_answer_runs(tmp_path):
    grading, _ = blocks("edgejson-function-calling", "python")
    shown = run_snippet(grading, tmp_path)
    assert "ML-24" in shown and " invented " in shown
    assert "'wrong': 0" in shown and "'omitted': 0" in shown and "'invented': 1" in shown


@pytest.mark.model
def test_the_snippet_that_runs_a_model_runs(tmp_path):
    _, running = blocks("edgejson-function-calling", "python")
    shown = run_snippet(running, tmp_path)
    assert shown.startswith("Result(smollm2-135m-instruct-test-schema-")
    assert [line[:18] for line in shown.splitlines()[1:]] == [f"edgejson-test-000{n}" for n in range(1, 5)]
