"""Shared by tests of prose: a page's source, and the numbers typed in it.

Measured numbers belong in `_variables.yml`: one that is typed goes stale with the next run.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from slmlib.core import paths

_FRONT = re.compile(r"\A---\n(.*?)^---\n", re.DOTALL | re.MULTILINE)
_SHOWN = ("title", "subtitle", "description", "abstract")  # front matter that readers see
_CODE = re.compile(r"^(```+).*?^\1\s*$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_MARKUP = re.compile(
    r"<!--.*?-->"
    r"|\{\{<.*?>\}\}"  # variables and includes
    r"|\$\$.*?\$\$|\$(?=\S)[^$\n]*(?<=\S)\$(?!\d)"  # mathematics
    r"|^(?:\||:::)[^\n]*$"  # tables and divs
    r"|(?<=\])\([^)]*\)"  # targets of links and images
    r"|@[\w:-]+|https?://\S+|<[^>\n]+>",
    re.DOTALL | re.MULTILINE,
)
_ATTRIBUTES = re.compile(r"\{[^{}\n]*\}")

_MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DATE = re.compile(
    rf"\b\d{{1,2}} {_MONTH}\b(?: \d{{4}})?|{_MONTH}(?: \d{{1,2}},)? \d{{4}}|\b\d{{4}}-\d\d-\d\d\b"
    r"|\b(?:in|since|until) (?:19|20)\d\d\b|\((?:19|20)\d\d\)|, (?:19|20)\d\d\)|\b\d{1,2}:\d\d\b"
)
_NAME = re.compile(  # standards, licences, versions, devices and numbered parts of a document
    r"\b(?:RFC|ISO|ECMA|Draft|[Vv]ersion|Python|Quarto|CC BY(?:-SA)?|Licen[cs]e|PMLR|Ubuntu|Debian"
    r"|Raspberry Pi|Section|Table|Figure|[Nn]otebooks?)[ -]\d[\w.-]*|\b\d+\.\d+\.\d+\b"
)
# A number that no letter touches (`135M`, `Q4_1` and `SHA-256` are names), unless it is a unit.
_UNIT = r"(?: ?(?:%|per cent\b|(?:percentage )?points?\b)|(?:[kMG]B|ms|s|J|W|kWh|x|×)\b)"
_NUMBER = re.compile(rf"(?<![\w.,])(?<![^\W\d]-)(\d+(?:[.,]\d+)*)(?:({_UNIT})|(?![.,]?\d|[^\W\d]))")

# Phrases whose numbers define a method, with the reason; they do not change with a run.
METHOD = {
    "95 % interval": "confidence level",
    "95 % confidence": "confidence level",
    "10,000 resamples": "the bootstrap",
    "level of 5 %": "significance level of ranks",
}


def front(path: Path) -> dict:
    """The front matter of a page; empty if it has none."""
    match = _FRONT.match(path.read_text("utf-8"))
    return yaml.safe_load(match[1]) if match else {}


def source(path: Path) -> str:
    """A page without its front matter, as it was typed."""
    return _FRONT.sub("", path.read_text("utf-8"))


def typed_numbers(path: Path, allowed: Iterable[str] = ()) -> list[str]:
    """Numbers typed in a page's prose that belong in `_variables.yml`, each with its surroundings.

    These are numbers from 10 and numbers with decimals, per cent or a unit, in text, captions,
    alternative texts and visible front matter. Code, tables, mathematics, dates, times, versions,
    citations and link targets are exempt, and so are the phrases of `METHOD` and `allowed`.

    Args:
        path: the page.
        allowed: phrases whose numbers are constants, such as "10 to 250 million".
    """
    shown = [str(value) for key, value in front(path).items() if key in _SHOWN]
    text = _plain("\n\n".join([*shown, source(path)]))
    for phrase in (*METHOD, *allowed):
        text = re.sub(rf"(?<![\d.,]){re.escape(phrase)}(?![.,]?\d)", " ", text)
    text = _NAME.sub(" ", _DATE.sub(" ", text))
    return [
        " ".join(text[max(match.start() - 30, 0) : match.end() + 20].split())
        for match in _NUMBER.finditer(text)
        if match[2] or "." in match[1] or int(match[1].replace(",", "")) >= 10
    ]


def _plain(text: str) -> str:
    """Text without code and markup; the alternative texts of images are kept."""
    text = _MARKUP.sub(" ", _CODE.sub(" ", text.replace("\N{NO-BREAK SPACE}", " ")))
    return _ATTRIBUTES.sub(lambda match: " ".join(re.findall(r'fig-alt="([^"]*)"', match[0])), text)


def environment() -> dict[str, str]:
    """The environment of a reader's Python who has installed this repository."""
    return {**os.environ, "PYTHONPATH": str(paths.ROOT), "TQDM_DISABLE": "1"}
