"""What the tests of paper and blog share: a page's words as read, and the numbers typed in it."""

import os
import re

import yaml

from slmlib.core import paths
from slmlib.pipeline import preview

VALUES = preview.variables(paths.ROOT)
_SHORTCODE = re.compile(r"\{\{<.*?>\}\}")
_CODE = re.compile(r"^(```+).*?^\1\s*$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_PICTURE = re.compile(r"!\[(.*?)\]\(.*?\)(\{.*?\})?", re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_WORD = re.compile(r"[^\W_]+(?:[-'’.,/][^\W_]+)*")
# A share with decimals, a score or an interval as slmlib.core.tables prints them; 95 % or 10 MB is not one.
_MEASURED = re.compile(r"\b\d+\.\d+ ?%|\b[01]\.\d{3}\b|\b\d+\.\d+–\d+\.\d+\b")


def front(path) -> dict:
    """The front matter of a page."""
    return yaml.safe_load(path.read_text("utf-8").split("---\n")[1])


def source(path) -> str:
    """A page without its front matter, as it was typed."""
    return re.sub(r"\A---\n.*?\n---\n", "", path.read_text("utf-8"), flags=re.DOTALL)


def words(path) -> int:
    """Words of running text that a reader reads: variables filled in; no code, tables, includes or markup."""
    text = re.sub(r"\{\{<\s*include.*?>\}\}", "", source(path))
    text = re.sub(
        r"\{\{<\s*var\s+(\S+)\s*>\}\}", lambda found: preview._variable(found[1], VALUES, path), text
    )
    text = re.sub(
        r"^:::.*$|^\|.*$|\{[#.][^}]*\}",
        "",
        _LINK.sub(r"\1", _PICTURE.sub("", _CODE.sub("", text))),
        flags=re.MULTILINE,
    )
    return len(_WORD.findall(text))


def typed(path) -> list[str]:
    """Measured numbers that stand in a page's prose by hand, where a variable should be."""
    return _MEASURED.findall(_CODE.sub("", _SHORTCODE.sub("", path.read_text("utf-8"))))


def environment() -> dict[str, str]:
    """The environment of a reader's Python who has installed this repository."""
    return {**os.environ, "PYTHONPATH": str(paths.ROOT), "TQDM_DISABLE": "1"}
