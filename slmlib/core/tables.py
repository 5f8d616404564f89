"""Tables of plain cells, rendered for a terminal, for Markdown or for HTML.

A cell is text, never markup. Every renderer escapes it, so that a model's name or answer cannot
become a tag, a link, a terminal command or a Quarto shortcode.
"""

import html
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from slmlib.core import io

NONE = "–"  # shown where there is no number

_SPECIAL = re.compile(r"([\\`*_{}|#~^$@]|\](?=[(\[:]))")  # markup of Markdown and pandoc
_NUMBER = re.compile(rf"{NONE}|(< |[+−])?\d[^a-zA-Z]*[kMB]?")
_LONG_WORD = re.compile(r"(?<=[a-z]{5})(?=[A-Z][a-z]{5})")  # where it may be broken


@dataclass(frozen=True)
class Link:
    """A cell that is a link; `href` is a path or address without spaces."""

    text: str
    href: str

    def __str__(self):
        return self.text


Cell = str | Link


def plain(text: object) -> str:
    """One line of printable characters: no line ends, no terminal escapes."""
    line = " ".join(str(text).split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def markdown(text: object) -> str:
    """Text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", html.escape(plain(text), quote=False))


def markup(text: object) -> str:
    """Text that HTML shows as it is."""
    return html.escape(plain(text))


def fence(text: str, language: str = "") -> str:
    """A Markdown code block that `text` cannot leave, and in which no Quarto shortcode runs."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    body = text.replace("{{<", "{{\N{ZERO WIDTH SPACE}<")
    return f"{ticks}{language}\n{body.rstrip()}\n{ticks}\n"


def embed(page: Path, name: str, text: str) -> None:
    """Replace the text of a page between `<!-- name: … -->` and `<!-- /name -->`.

    Raises:
        ValueError: the page does not have exactly one such pair of comments.
    """
    before = page.read_text("utf-8")
    pattern = re.compile(
        rf"(<!-- {re.escape(name)}:[^\n]*-->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL
    )
    after, count = pattern.subn(lambda marks: f"{marks[1]}\n{text.strip()}\n\n{marks[2]}", before)
    if count != 1:
        raise ValueError(
            f"{page}: {count} places for {name}. Mark one: <!-- {name}: … --> and <!-- /{name} -->"
        )
    if after != before:
        io.write_text(page, after)


def p(value: float) -> str:
    """A p-value: `0.035`, or `< 0.001`."""
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def size(parameters: int) -> str:
    """Number of parameters, shortened: `135M`; a dash for none."""
    for unit, scale in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if parameters >= scale:
            return f"{parameters / scale:.3g}{unit}"
    return str(parameters) if parameters else NONE


@dataclass(frozen=True, repr=False)
class Table:
    """A header and rows of cells; columns of numbers are aligned to the right.

    A terminal shows it as text, a notebook as HTML.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @classmethod
    def of(cls, header: Iterable[str], rows: Iterable[Iterable[Cell]]) -> "Table":
        """A table from any iterables."""
        return cls(tuple(header), tuple(tuple(row) for row in rows))

    @classmethod
    def by(cls, columns: Mapping[str, Callable], items: Iterable) -> "Table":
        """A row for each item, made by the function of each column: {title: function}."""
        return cls.of(columns, [[cell(item) for cell in columns.values()] for item in items])

    def _numeric(self) -> list[bool]:
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.header)
        return [all(_NUMBER.fullmatch(str(cell)) for cell in column) for column in columns]

    def without_empty(self) -> "Table":
        """The table without the columns that hold dashes only."""
        used = [i for i in range(len(self.header)) if any(str(row[i]) != NONE for row in self.rows)]
        return Table.of(
            [self.header[i] for i in used], [[row[i] for i in used] for row in self.rows]
        )

    def text(self) -> str:
        """Aligned columns for a terminal."""
        lines = [[plain(cell) for cell in row] for row in (self.header, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines.insert(1, ["-" * width for width in widths])
        numeric, shown = self._numeric(), ""
        for line in lines:
            padded = [
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, numeric, strict=True)
            ]
            shown += "  ".join(padded).rstrip() + "\n"
        return shown

    def markdown(self) -> str:
        """A pipe table; long words of its header may break, so that columns can be narrow."""
        lines = [
            [_LONG_WORD.sub("&shy;", markdown(name)) for name in self.header],
            ["---:" if right else ":---" for right in self._numeric()],
            *([_markdown_cell(cell) for cell in row] for row in self.rows),
        ]
        return "".join("| " + " | ".join(line) + " |\n" for line in lines)

    def html(self) -> str:
        """A `<table>` element."""
        styles = [' style="text-align: right"' if right else "" for right in self._numeric()]

        def line(tag: str, cells: Iterable[Cell]) -> str:
            pairs = zip(cells, styles, strict=True)
            return f"<tr>{''.join(f'<{tag}{s}>{_html_cell(c)}</{tag}>' for c, s in pairs)}</tr>\n"

        body = "".join(line("td", row) for row in self.rows)
        head = line("th", self.header)
        return f"<table>\n<thead>\n{head}</thead>\n<tbody>\n{body}</tbody>\n</table>\n"

    __repr__ = text
    _repr_html_ = html


def _markdown_cell(cell: Cell) -> str:
    return f"[{markdown(cell)}]({cell.href})" if isinstance(cell, Link) else markdown(cell)


def _html_cell(cell: Cell) -> str:
    if not isinstance(cell, Link):
        return markup(cell)
    served = re.sub(r"^(/[^#?]*)\.qmd", r"\1.html", cell.href)  # a page of the site
    return f'<a href="{html.escape(served)}">{markup(cell)}</a>'
