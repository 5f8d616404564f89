"""Tables of plain cells, rendered for a terminal, for Markdown or for HTML; and how numbers look.

A cell is text, never markup. Every renderer escapes it, so that a model's name or answer cannot
become a tag, a link, a terminal command or a Quarto shortcode.
"""

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from slmlib.core import io

NONE = "–"  # shown where there is no number
TITLES = {
    "json_exact": "JSONExact",
    "json_exact_lenient": "JSONExact, lenient",
    "field_f1": "FieldF1",
    "field_f1_micro": "FieldF1, micro",
    "schema_compliance": "SchemaCompliance",
}
_SPECIAL = re.compile(
    r"([\\`*_{}|#~^$@]|\](?=[(\[:]))"
)  # what Markdown, or pandoc's, reads as markup

_NUMBER = re.compile(rf"{NONE}|(< |[+−])?\d[^a-zA-Z]*[kMB]?")


@dataclass(frozen=True)
class Link:
    """A cell that leads somewhere; `href` is a path or address without spaces."""

    text: str
    href: str

    def __str__(self):
        return self.text


Cell = str | Link
WIDEST = (
    "amx_bf16",
    "avx512_bf16",
    "avx512f",
    "avx2",
    "sve",
    "asimd",
)  # a CPU's instructions, best first


def machine(found: Mapping) -> str:
    """A machine as printed: cores, CPU, and the widest of its instructions that engines use."""
    widest = next((name for name in WIDEST if name in found.get("features", ())), None)
    counted = " × ".join(str(found[part]) for part in ("cores", "cpu") if found.get(part))
    return ", ".join(filter(None, (counted, widest))) or NONE


def is_percent(metric: str) -> bool:
    """Whether a metric is shown in percent; F1 scores are shown as fractions."""
    return "f1" not in metric


def number(metric: str, value: float, *, unit: bool = True) -> str:
    """A score as printed: `3.0 %` for shares (one decimal), `0.312` for F1 (three)."""
    if not is_percent(metric):
        return f"{value:.3f}"
    return f"{100 * value:.1f}" + (" %" if unit else "")


def span(metric: str, estimate: Mapping) -> str:
    """An interval in prose: `1.0–8.5 %`, or `0.283–0.351`."""
    return f"{number(metric, estimate['low'], unit=False)}–{number(metric, estimate['high'])}"


def estimate(metric: str, value: Mapping) -> str:
    """A mean with its interval in a table: `3.0 % [1.0, 8.5]`."""
    low, high = (number(metric, value[end], unit=False) for end in ("low", "high"))
    return f"{number(metric, value['mean'])} [{low}, {high}]"


def difference(metric: str, value: Mapping) -> str:
    """A difference with its interval and signs: `+2.0 % [−1.1, +5.1]`."""
    mean, low, high = (signed(metric, value[key]) for key in ("mean", "low", "high"))
    return f"{mean}{' %' if is_percent(metric) else ''} [{low}, {high}]"


def p(value: float) -> str:
    """A p-value: `0.035`, or `< 0.001`."""
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def signed(metric: str, value: float) -> str:
    """A number with its sign and without a unit: `−0.021`."""
    return "−" * (value < 0) + "+" * (value > 0) + number(metric, abs(value), unit=False)


def title(metric: str) -> str:
    """The printed name of a metric."""
    return TITLES.get(metric, metric)


def label(failure: str) -> str:
    """The printed name of a failure class: `no_json` is `no JSON`."""
    return failure.replace("_", " ").replace("json", "JSON")


def size(parameters: int) -> str:
    """Number of parameters, shortened: `135M`; a dash for none."""
    for unit, scale in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if parameters >= scale:
            return f"{parameters / scale:.3g}{unit}"
    return str(parameters) if parameters else NONE


def plain(text: object) -> str:
    """One line of printable characters: no line ends, no terminal escapes."""
    line = " ".join(str(text).split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


_HUMP = re.compile(r"(?<=[a-z]{5})(?=[A-Z][a-z]{5})")  # within a word that is long


def markdown(text: object) -> str:
    """Text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", html.escape(plain(text), quote=False))


def markup(text: object) -> str:
    """Text that HTML shows as it is."""
    return html.escape(plain(text))


def fence(text: str, language: str = "") -> str:
    """A Markdown code block that `text` cannot leave, nor call a Quarto shortcode from."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    body = text.replace("{{<", "{{\N{ZERO WIDTH SPACE}<")
    return f"{ticks}{language}\n{body.rstrip()}\n{ticks}\n"


def embed(page: Path, name: str, text: str) -> None:
    """Replace what stands in a page between `<!-- name: ... -->` and `<!-- /name -->`.

    Raises:
        ValueError: the page has no such pair of marks.
    """
    before = page.read_text("utf-8")
    pattern = re.compile(rf"(<!-- {name}:[^\n]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
    after, found = pattern.subn(lambda marks: f"{marks[1]}\n{text.strip()}\n\n{marks[2]}", before)
    if found != 1:
        raise ValueError(
            f"{page}: no place for {name}. Put <!-- {name}: … --> and <!-- /{name} --> into it."
        )
    if after != before:
        io.write_text(page, after)


@dataclass(frozen=True)
class Table:
    """A header and rows of cells; columns of numbers are aligned to the right."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @classmethod
    def of(cls, header: Iterable[str], rows: Iterable[Iterable[Cell]]) -> "Table":
        """A table from any iterables."""
        return cls(tuple(header), tuple(tuple(row) for row in rows))

    def _numeric(self) -> list[bool]:
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.header)
        return [all(_NUMBER.fullmatch(str(cell)) for cell in column) for column in columns]

    def text(self) -> str:
        """Aligned columns for a terminal."""
        lines = [[plain(c) for c in row] for row in (self.header, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        sides = [str.rjust if right else str.ljust for right in self._numeric()]
        rule = ["-" * width for width in widths]
        padded = [
            "  ".join(
                side(cell, width) for side, cell, width in zip(sides, line, widths, strict=True)
            )
            for line in (lines[0], rule, *lines[1:])
        ]
        return "".join(line.rstrip() + "\n" for line in padded)

    def markdown(self) -> str:
        """A pipe table."""
        rule = ["---:" if right else ":---" for right in self._numeric()]
        lines = [
            map(_markdown_head, self.header),
            rule,
            *(map(_markdown_cell, row) for row in self.rows),
        ]
        return "".join("| " + " | ".join(line) + " |\n" for line in lines)

    def html(self) -> str:
        """A `<table>` element."""
        styles = [' style="text-align: right"' if right else "" for right in self._numeric()]
        head = _html_row("th", self.header, styles)
        body = "".join(_html_row("td", row, styles) for row in self.rows)
        return f"<table>\n<thead>\n{head}</thead>\n<tbody>\n{body}</tbody>\n</table>\n"

    _repr_markdown_ = markdown
    _repr_html_ = html


def _markdown_head(name: str) -> str:
    """A column's title; a long word in it may break, so that its column can be narrow on paper."""
    return _HUMP.sub("&shy;", markdown(name))


def _markdown_cell(cell: Cell) -> str:
    return f"[{markdown(cell)}]({cell.href})" if isinstance(cell, Link) else markdown(cell)


def _html_row(tag: str, cells: Iterable[Cell], styles: list[str]) -> str:
    items = (f"<{tag}{s}>{_html_cell(c)}</{tag}>" for c, s in zip(cells, styles, strict=True))
    return f"<tr>{''.join(items)}</tr>\n"


def _html_cell(cell: Cell) -> str:
    if isinstance(cell, Link):
        rendered = re.sub(
            r"^(/[^#?]*)\.qmd", r"\1.html", cell.href
        )  # a page of the site, as it is served
        return f'<a href="{html.escape(rendered)}">{markup(cell)}</a>'
    return markup(cell)
