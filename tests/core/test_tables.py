"""Tables: would break if a cell became markup, or a file of generated text lost its place."""

import html
import re

import pypandoc
import pytest

from slmlib.core import machine, tables
from slmlib.core.tables import Link, Table


def test_cells_stay_text():
    """Pandoc, which renders the site, reads each cell back; terminals see no escapes."""
    hostile = [
        "[x](https://evil)", "![x][y]", "*x* _y_", "<b>", "`x`", "{{< x >}}", "a|b", "[^1]", "$x$",
        "@doe",
    ]  # fmt: skip
    table = Table.of(["A", "B"], [[text, "1"] for text in hostile])
    page = pypandoc.convert_text(table.markdown(), "html", format="markdown")
    cells = re.findall(r'<td style="text-align: left;">(.*)</td>', page)
    assert [html.unescape(cell) for cell in cells] == hostile
    shown = re.findall(r"<tr><td>(.*?)</td>", table.html())
    assert [html.unescape(cell) for cell in shown] == hostile
    text = Table.of(["Model"], [["\x1b[31mred\n\x07"]]).text()
    assert "\x1b" not in text and "\x07" not in text and len(text.splitlines()) == 3


def test_columns_of_numbers_are_aligned_to_the_right_and_empty_ones_left_out():
    numbers = ["1–2", "−0.021 [−0.1, +0.2]", "3.0 % [1.0, 8.5]", "< 0.001", "135M", "–"]
    table = Table.of(["A", "B", "C"], [[text, "word", "–"] for text in numbers]).without_empty()
    assert table.markdown().splitlines()[1] == "| ---: | :--- |"


def test_links_lead_to_pages_as_they_are_served():
    table = Table.by({"A": lambda item: item}, [Link("a<b", "/site/x.qmd"), "–"])
    assert '<a href="/site/x.html">a&lt;b</a>' in table.html()
    assert "[a&lt;b](/site/x.qmd)" in table.markdown()


def test_code_cannot_leave_its_block_nor_run_a_shortcode():
    block = tables.fence("```\n# Title\n````\n{{< include /etc/passwd >}}", "text")
    page = pypandoc.convert_text(block, "html", format="markdown")
    assert page.count("<pre") == 1 and "<h1" not in page and "{{<" not in block


def test_text_is_embedded_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x: by y -->\nold\n<!-- /x -->\nb\n")
    tables.embed(page, "x", r"\1 new")
    assert page.read_text() == "a\n<!-- x: by y -->\n\n\\1 new\n\n<!-- /x -->\nb\n"
    with pytest.raises(ValueError, match="0 places for z"):
        tables.embed(page, "z", "text")


def test_sizes_and_machines_as_printed():
    sizes = [tables.size(n) for n in (0, 999, 134_515_008, 1_700_000_000)]
    assert sizes == ["–", "999", "135M", "1.7B"]
    described = {"cores": 2, "cpu": "Toy CPU", "features": ["avx", "avx2"]}
    assert machine.label(described) == "2 × Toy CPU, avx2" and machine.label({}) == tables.NONE
