"""Paper A: what is cited exists and is checked, what is quoted is true, and the PDF can be printed.

A number typed by hand would go stale with the next run; a prompt or an answer quoted from memory would be
a claim that the repository does not hold.
"""

import gzip
import io
import json
import re

import prose
import pytest

from slmlib.core import paths
from slmlib.pipeline import preview
from slmlib.tasks import base as tasks
from slmlib.tasks.edgejson import prompts

FOLDER = paths.ROOT / "paper"
SECTIONS = sorted((FOLDER / "sections").glob("*.qmd"))
SOURCES = [FOLDER / "paper.qmd", *SECTIONS]
ENTRIES = re.findall(r"^@\w+\{([\w-]+),", (FOLDER / "references.bib").read_text("utf-8"), re.MULTILINE)
RUNS = {  # model and decoding as the table of wrong answers calls them
    ("Qwen", "constrained"): "qwen2.5-coder-0.5b-instruct-test-schema-",
    ("Qwen", "free"): "qwen2.5-coder-0.5b-instruct-test-free-",
    ("SmolLM2", "constrained"): "smollm2-135m-instruct-test-schema-",
    ("SmolLM2", "free"): "smollm2-135m-instruct-test-free-",
}


def cited() -> set[str]:
    text = "".join(path.read_text("utf-8") for path in SOURCES)
    keys = re.findall(r"(?<![\w\\.])@([a-z][\w-]*\d\w*)", text)
    return {key for key in keys if not re.match(r"(fig|tbl|sec)-", key)}


def test_the_introduction_has_its_length():
    assert 500 <= prose.words(FOLDER / "sections/introduction.qmd") <= 800


def test_every_section_is_in_the_paper():
    included = set(re.findall(r"sections/([\w-]+\.qmd)", "".join(p.read_text("utf-8") for p in SOURCES)))
    assert included == {path.name for path in SECTIONS}


def test_citations_and_entries_are_the_same_set():
    assert cited() == set(ENTRIES) and len(set(ENTRIES)) == len(ENTRIES)
    assert 30 <= len(ENTRIES) <= 50


def test_every_entry_says_how_it_was_checked():
    """The notes name each entry, so that none slips in that nobody has looked up."""
    notes = (FOLDER / "notes/references.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([\w-]+)` \|", notes, re.MULTILINE)) == set(ENTRIES)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_measured_number_is_typed(path):
    assert prose.typed(path) == []


def test_the_appendix_quotes_the_prompts():
    text = (FOLDER / "sections/appendix.qmd").read_text("utf-8")
    schema, passage, target = prompts.LOAN
    quoted = [prompts.SYSTEM, prompts.FORM, prompts.PLAIN, prompts.RULES, passage]
    assert [wording for wording in quoted if f"```text\n{wording}\n```" not in text] == []
    assert f"```json\n{json.dumps(target, ensure_ascii=False)}\n```" in text and schema


def wrong_answers() -> list[list[str]]:
    text = (FOLDER / "sections/failures.qmd").read_text("utf-8")
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| `edgejson-")]
    return [[cell.strip(" `") for cell in row] for row in rows]


def test_wrong_answers_are_quoted_from_published_runs():
    examples = {example.id: example for example in tasks.get("edgejson").load("test")}
    rows = wrong_answers()
    assert len(rows) >= 5
    for case, run, kind, said, answered in rows:
        assert said in examples[case].input["text"], (case, said)
        prefix = RUNS[tuple(run.split(", "))]
        found = [row for row in predictions(prefix) if row["id"] == case]
        assert any(
            answered in row["completion"] and row["failure"] == kind.replace(" ", "_") for row in found
        ), (case, run)


def predictions(prefix: str) -> list[dict]:
    rows = []
    for path in sorted((paths.RESULTS / "edgejson").glob(f"{prefix}*.predictions.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows += map(json.loads, lines)
    return rows


@pytest.fixture(scope="module")
def pages():
    """The pages of the PDF as pictures, from the source that the preview hands to typst."""
    import typst
    from PIL import Image

    with pytest.MonkeyPatch.context() as patch:
        compiled, kept = typst.compile, {}
        patch.setattr(typst, "compile", lambda text, **options: kept.update(text=text, options=options))
        preview.paper(paths.ROOT, prose.VALUES)
    options = {name: value for name, value in kept["options"].items() if name != "timestamp"}
    pictures = compiled(kept["text"], format="png", ppi=40, **options)
    return [Image.open(io.BytesIO(data)).convert("L") for data in pictures]


def test_pages_are_for_paper(pages):
    """Figures drawn for the dark site must not print as black boxes."""
    assert len(pages) >= 8
    for number, page in enumerate(pages, 1):
        dark = sum(page.histogram()[:64]) / (page.width * page.height)
        assert dark < 0.15, f"page {number} is {dark:.0%} black"


def test_the_body_stands_in_two_columns(pages):
    """A white gutter runs down the middle of a page of text."""
    page = pages[1]
    middle = page.crop((page.width // 2 - 1, page.height // 10, page.width // 2 + 1, page.height * 9 // 10))
    left = page.crop((page.width // 4, page.height // 10, page.width // 4 + 2, page.height * 9 // 10))
    assert middle.getextrema()[0] > 200 > left.getextrema()[0]
