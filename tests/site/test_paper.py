"""Paper A: citations resolve, quotations are true, numbers are variables, the PDF prints well."""

import gzip
import io
import json
import re

import prose
import pytest

from slmlib.core import paths
from slmlib.pipeline import site
from slmlib.tasks import base as tasks
from slmlib.tasks.edgejson import prompts

FOLDER = paths.ROOT / "paper"
SECTIONS = sorted((FOLDER / "sections").glob("*.qmd"))
SOURCES = [FOLDER / "paper.qmd", *SECTIONS]
TEXT = "\n".join(path.read_text("utf-8") for path in SOURCES)
BIBLIOGRAPHY = (FOLDER / "references.bib").read_text("utf-8")
ENTRIES = re.findall(r"^@\w+\{([\w-]+),", BIBLIOGRAPHY, re.MULTILINE)
MODELS = {  # as the table of wrong answers calls them
    "fine-tuned": "cyclecore-mlm-135m-json",
    "Qwen": "qwen2.5-coder-0.5b-instruct",
    "SmolLM2": "smollm2-135m-instruct",
}
CONSTANTS = {  # phrases with typed numbers, and why they are no measurements
    "10 to 250 million parameters": "definition of micro language models",
    "10 million parameters": "definition of nano language models",
    "10 MB": "definition of nano language models",
    "chance is 0.50": "balanced accuracy of two classes",
    "Jaccard index of at least 0.8": "definition of near-duplicates",
}


def test_sections_citations_and_references_resolve():
    """Quarto only warns of a reference to nothing, and prints `?@tbl-…`."""
    assert sorted(re.findall(r"sections/([\w-]+\.qmd)", TEXT)) == [path.name for path in SECTIONS]
    keys = re.findall(r"(?<![\w\\.])@([a-z][\w-]*\d\w*)", TEXT)
    assert {key for key in keys if not re.match(r"(fig|tbl|sec)-", key)} == set(ENTRIES)
    assert len(set(ENTRIES)) == len(ENTRIES)
    named = re.findall(r"@((?:fig|tbl|sec)-[\w-]+)", TEXT)
    labels = re.findall(r"\{#((?:fig|tbl|sec)-[\w-]+)", TEXT)
    assert set(named) <= set(labels) and len(set(labels)) == len(labels)
    unmentioned = {label for label in labels if not label.startswith("sec-")} - set(named)
    assert not unmentioned, "figures and tables that the text does not mention"
    notes = (FOLDER / "notes/references.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([\w-]+)` \|", notes, re.MULTILINE)) == set(ENTRIES)


def test_no_measured_number_is_typed():
    found = {path.name: prose.typed_numbers(path, CONSTANTS) for path in SOURCES}
    assert not any(found.values()), {name: numbers for name, numbers in found.items() if numbers}
    unused = [phrase for phrase in CONSTANTS if phrase not in TEXT]
    assert not unused, "phrases that the paper no longer has"


def test_guard_tells_typed_numbers_from_names_and_dates(tmp_path):
    """The guard must neither let results through nor refuse names."""
    results = "43 cases|43,200 cases|27.8 %|a share of 0.5|105MB|9 per cent|10–20 runs|24-fold"
    others = (
        "a 135M model|Q4_K_M|SHA-256|Qwen2.5-Coder-0.5B|30 November 2026|in 2024|2:53 pm"
        "|version 2.0.0|Draft 2020-12|CC BY 4.0|a 95 % interval|`37` cases|@miller2024error says"
        "|three of 9|$2^{12}$|{{< var a.b37 >}} cases|[here](/a/37)|<br width=37>"
    )
    page = tmp_path / "page.qmd"
    for typed, lines in ((True, results), (False, others)):
        for line in lines.split("|"):
            page.write_text(line)
            assert bool(prose.typed_numbers(page)) is typed, line
    page.write_text("---\ndescription: 43 cases\ndate: 2026-11-30\n---\n| 37 |\n|---|\n| 40 |\n")
    assert prose.typed_numbers(page) == ["43 cases"]


def test_appendix_quotes_the_prompts():
    text = (FOLDER / "sections/appendix.qmd").read_text("utf-8")
    _, passage, target = prompts.EXAMPLES[0]
    for wording in (prompts.SYSTEM, prompts.FORM, prompts.PLAIN, prompts.RULES, passage):
        assert f"```text\n{wording}\n```" in text, wording
    assert f"```json\n{json.dumps(target, ensure_ascii=False)}\n```" in text


def test_wrong_answers_are_quoted_from_published_runs():
    """Each quoted error is in the data and in a published prediction, with its class."""
    task = tasks.get("edgejson")
    samples = {sample.id: sample for sample in task.load("test")}
    section = (FOLDER / "sections/failures.qmd").read_text("utf-8")
    rows = re.findall(
        r"^\| `(edgejson-\S+)` \| (.+) \| (.+) \| `(.+)` \| `(.+)` \|$", section, re.MULTILINE
    )
    assert len(rows) >= 5
    for case, run, failure, quoted, answered in rows:
        assert quoted in samples[case].input["text"], (case, quoted)
        name, mode = run.split(", ")
        (name_of_class,) = [key for key, title in task.failures.items() if title == failure]
        lines = predictions(MODELS[name], case, constrained=mode == "constrained")
        written = json.dumps(answered, ensure_ascii=False)[1:-1]
        assert any(
            written in line and json.loads(line)["failure"] == name_of_class for line in lines
        ), f"no run of {name} answers {case} with {answered} and fails as {failure}"


def predictions(model: str, case: str, *, constrained: bool) -> list[str]:
    """Lines of the published predictions of a case, by runs of a model in one decoding mode."""
    lines: list[str] = []
    for path in (paths.RESULTS / "edgejson").glob(f"{model}-test-*.predictions.jsonl.gz"):
        result = json.loads(
            path.with_name(path.name.replace(".predictions.jsonl.gz", ".json")).read_text()
        )
        if (result["decoding"]["mode"] != "free") is constrained:
            with gzip.open(path, "rt", encoding="utf-8") as stream:
                lines += [line for line in stream if json.loads(line)["id"] == case]
    return lines


@pytest.fixture(scope="module")
def pages():
    """The pages of the PDF as pictures, from the source that the preview hands to typst."""
    import typst
    from PIL import Image

    handed = {}
    with pytest.MonkeyPatch.context() as patch:
        compiled = typst.compile
        patch.setattr(typst, "compile", lambda text, **options: handed.update(options, text=text))
        site.paper(paths.ROOT, site.variables(paths.ROOT))
    handed.pop("timestamp")
    pictures = compiled(handed.pop("text"), format="png", ppi=40, **handed)
    return [Image.open(io.BytesIO(picture)).convert("L") for picture in pictures]


def test_pages_are_for_paper(pages):
    """Figures drawn for the dark site are not black boxes; a white gutter parts two columns."""
    assert len(pages) >= 4
    for number, page in enumerate(pages, 1):
        dark = sum(page.histogram()[:64]) / (page.width * page.height)
        assert dark < 0.15, f"page {number} is {dark:.0%} black"
    page = pages[1]
    top, bottom = page.height // 10, page.height * 9 // 10
    middle = page.crop((page.width // 2 - 1, top, page.width // 2 + 1, bottom))
    left = page.crop((page.width // 4, top, page.width // 4 + 2, bottom))
    assert middle.getextrema()[0] > 200 > left.getextrema()[0]
