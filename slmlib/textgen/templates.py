r"""Templates: put a record into words, and keep the place of every value as evidence.

A file of templates holds blocks `=== register`, several for each register, in a small language:

    [a|b|c]                 one of the alternatives, by chance
    {stay.check_in}         a value of the record; `{.name}` of the current list item, or `{.}`
    {total:money}           the same in a named style; `{^room}` with a capital first letter
    {~agent}                a value of the context: a distractor, never evidence
    <text with {level}>     omitted as a whole if a value in it is absent from the record
    {*items}…{/, | and }    repeated for each list item, with the separator and the last one
    {&}a{;}b{;}c{/ }        in a random order, joined; empty parts vanish
    {?action=set}…{/}       only if the value is this (`=a,b`: one of these)
    {?x}…{;}…{/}            only if the value is present, and an alternative if it is absent

A value is written in a style of `formats`, which also names the rule of `parsers` that reads it
back. One text keeps to one style of dates, of times and of amounts.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from slmlib.textgen.formats import SYMBOLS, cardinal, minor_words, write_value
from slmlib.textgen.phrase_tables import PhraseTables, blocks

TEXT_STYLES = {  # register: the styles of dates and of times that its texts choose from
    "email": (("long", "us", "weekday", "ordinal", "iso"), ("h24", "ampm")),
    "chat": (("short", "long", "ordinal", "dots", "us"), ("h24", "ampm", "hdot")),
    "call": (("ordinal", "long", "spoken"), ("ampm", "said")),
    "voice": (("spoken", "ordinal"), ("said", "ampm")),
    "receipt": (("dots", "iso", "slash", "short"), ("h24",)),
    "invoice": (("long", "iso", "dots", "us", "short"), ("h24",)),
    "delivery_note": (("iso", "dots", "slash", "short"), ("h24", "hdot")),
    "form": (("iso", "dots", "long", "short"), ("h24", "ampm")),
    "log": (("iso",), ("h24", "military")),
    "minutes": (("long", "us", "weekday"), ("h24", "ampm")),
    "listing": (("short", "long", "us", "weekday"), ("h24", "ampm")),
    "note": (("short", "ordinal", "dots", "us", "slash"), ("h24", "hdot", "ampm")),
    "report": (("long", "weekday", "us", "iso"), ("h24", "hdot", "ampm")),
    "letter": (("long", "ordinal", "us", "weekday"), ("ampm", "h24")),
}
# Running text: small numbers may be words, and, except in a chat, sentences begin with a capital.
PROSE = ("chat", "email", "call", "voice", "minutes", "listing", "note", "report", "letter")
# A value is marked: open, index, middle, words, close.
_OPEN, _MIDDLE, _CLOSE = "\ue000", "\ue001", "\ue002"


class Absent(Exception):
    """A value that the record does not have; the enclosing `<…>` is omitted."""


@dataclass(frozen=True)
class Passage:
    """A text and its evidence: JSON Pointer -> {"start", "end", "rule"}, in code points."""

    text: str
    evidence: dict[str, dict]


@dataclass(frozen=True)
class Template:
    """A parsed template; its name is `<group>/<place in the file>`."""

    name: str
    register: str
    nodes: tuple

    @property
    def group(self) -> str:
        return self.name.partition("/")[0]


@dataclass(frozen=True)
class Fields:
    """The ways in which a record's values are written; `*` in a pointer stands for list positions.

    A value that `leaves` does not have is written as its type and shape suggest.
    """

    leaves: dict[str, dict]  # pointer -> node of JSON Schema
    tables: dict[str, str]  # pointer -> name of a phrase table
    phrases: PhraseTables


def read(path: Path) -> tuple[Template, ...]:
    """The templates of a group's file; its phrase tables are skipped."""
    texts = [(head, text) for head, text in blocks(path) if not head.startswith("phrases ")]
    return tuple(
        Template(f"{path.stem}/{index}", register, parse(text))
        for index, (register, text) in enumerate(texts)
    )


def assign_roles(count: int, seed: str) -> list[str]:
    """Assign templates to roles: a quarter to "test", a sixth to "val", the others to "train".

    Their order is shuffled first, so that every role has all registers, which files keep together.
    """
    places = list(range(count))
    Random(seed).shuffle(places)
    return ["test" if p % 4 == 3 else "val" if p % 6 == 4 else "train" for p in places]


# Parsing: a template becomes a tuple of nodes; a string is literal text, the rest are (kind, ...).

_TOKEN = re.compile(r"\\(.)|(\{[^{}]*\})|([\[|\]<>])|([^\\{}\[|\]<>]+)", re.S)


def parse(template: str) -> tuple:
    """Parse a template; raises `ValueError` if a bracket or a block is never closed."""
    nodes: list = []  # of the innermost block
    blocks: list[tuple[str, list, list]] = []  # opening token, nodes before it, finished parts
    for escaped, braces, mark, text in _TOKEN.findall(template):
        token, opener = braces or mark or text, blocks[-1][0] if blocks else ""
        if escaped:
            nodes.append(escaped)
        elif token == {"[": "|", "{": "{;}"}.get(opener[:1]):
            blocks[-1][2].append(tuple(nodes))
            nodes = []
        elif token == {"[": "]", "<": ">"}.get(opener) or (opener > "{" and token[:2] == "{/"):
            opener, before, parts = blocks.pop()
            nodes = [*before, _block(opener, (*parts, tuple(nodes)), token)]
        elif token in ("[", "<") or re.match(r"\{(\^?\*|[&?])", token):
            blocks.append((token, nodes, []))
            nodes = []
        elif braces:
            capital, name = token[1] == "^", token[1:-1].removeprefix("^")
            path, _, style = name.removeprefix("~").partition(":")
            nodes.append(("slot", path, style, capital, name.startswith("~")))
        else:
            nodes.append(token)
    if blocks:
        raise ValueError(f"{blocks[-1][0]} is never closed")
    return tuple(nodes)


def _block(opener: str, parts: tuple, closer: str) -> tuple:
    """The node of a block."""
    if opener == "<":
        return "opt", parts[0]
    if opener == "[":
        return "alt", parts
    separators = closer[2:-1].replace("\\n", "\n").split("|")
    mark, head = opener[1], opener[2:-1]
    if capital := mark == "^":
        mark, head = head[0], head[1:]
    if mark == "?":
        path, _, values = head.partition("=")
        head = (path, tuple(values.split(",")) if values else ())
    kind = {"*": "loop", "&": "mix", "?": "if"}[mark]
    node = (kind, head, parts, separators[0], separators[-1])
    return ("capital", node) if capital else node


class Renderer:
    """Renders one text. Values are wrapped in private-use marks, which `finish` turns into spans.

    Args:
        fields: How the values are written.
        register: A key of `TEXT_STYLES`.
        record: The truth; every leaf of it gets evidence.
        context: Distractors for `{~name}`, the spoken form of telephone numbers (`phones`) and the
            currency of amounts without one in the record (`currency`).
        rng: Chooses the template's alternatives and the styles.
    """

    def __init__(self, fields: Fields, register: str, record: dict, context: dict, rng: Random):
        self.fields, self.register, self.record = fields, register, record
        self.context, self.rng = context, rng
        dates, times = TEXT_STYLES[register]
        self.styles = {"date": rng.choice(dates), "time": rng.choice(times)}
        self.amounts = rng.choice(("{s}{v}", "{s}{v}", "{v} {c}", "{c} {v}")), rng.choice((",", ""))
        self.marks: list[tuple[str, str]] = []  # pointer and rule

    def passage(self, nodes: tuple) -> Passage:
        """The text of a parsed template; prose begins with a capital."""
        marked = self.render(nodes, ())
        return self.finish(self._capitalised(marked) if self.register in PROSE[1:] else marked)

    def render(self, nodes: tuple, base: tuple) -> str:
        """The words of a sequence of nodes; `base` is the path of the current list item."""
        words = (n if isinstance(n, str) else getattr(self, f"_{n[0]}")(n, base) for n in nodes)
        return "".join(words)

    def _alt(self, node: tuple, base: tuple) -> str:
        return self.render(self.rng.choice(node[1]), base)

    def _opt(self, node: tuple, base: tuple) -> str:
        count = len(self.marks)
        try:
            return self.render(node[1], base)
        except Absent:
            del self.marks[count:]
            return ""

    def _capital(self, node: tuple, base: tuple) -> str:
        return self._capitalised(self.render((node[1],), base))

    def _loop(self, node: tuple, base: tuple) -> str:
        _, name, (body,), separator, last = node
        path = self.path(name, base)
        parts = [self.render(body, (*path, i)) for i in range(len(self.value(path)))]
        return last.join(filter(None, [separator.join(parts[:-1]), parts[-1]]))

    def _mix(self, node: tuple, base: tuple) -> str:
        parts = [self.render(part, base) for part in node[2]]
        if node[3] == " ":  # sentences
            parts = [self._capitalised(part) for part in parts]
        self.rng.shuffle(parts)
        return node[3].join(part for part in parts if part)

    def _if(self, node: tuple, base: tuple) -> str:
        _, (name, values), parts, _, _ = node
        holds = False
        with suppress(Absent):
            value = self.value(self.path(name, base))
            holds = not values or str(value).lower() in values
        if holds:
            return self.render(parts[0], base)
        return self.render(parts[1], base) if len(parts) > 1 else ""

    def _slot(self, node: tuple, base: tuple) -> str:
        _, name, style, capital, context = node
        write, place = (self._context, name) if context else (self._marked, self.path(name, base))
        words = write(place, style)
        return self._capitalised(words) if capital else words

    def path(self, name: str, base: tuple) -> tuple:
        """A slot's name as a path; `.x` is relative to the current item."""
        if name.startswith("."):
            return (*base, *(part for part in name[1:].split(".") if part))
        return tuple(name.split("."))

    def value(self, path: tuple):
        """The record's value at a path; raises `Absent`."""
        value = self.record
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError):
                raise Absent(path) from None
        return value

    def leaf(self, path: tuple) -> tuple[str, str, str | None]:
        """JSON Pointer, kind and phrase table, if any, of the value at a path."""
        pattern = "".join("/*" if isinstance(part, int) else f"/{part}" for part in path)
        pointer, table = "".join(f"/{part}" for part in path), self.fields.tables.get(pattern)
        node = self.fields.leaves.get(pattern)
        return pointer, kind_of(node) if node else _kind_of_value(self.value(path)), table

    def _context(self, name: str, style: str) -> str:
        value = self.context[name]
        style = self._style(_kind_of_value(value), style)
        return write_value(value, style, self.rng, self._currency())[0]

    def _marked(self, path: tuple, style: str) -> str:
        value, (pointer, kind, table) = self.value(path), self.leaf(path)
        if style == "with_currency":
            return self._money(value, pointer, self._currency(path), self._currency_pointer(path))
        if style == "said_phone":
            return self.mark(pointer, "phone", self.context["phones"][value])
        if table:
            phrase = self.rng.choice(self.fields.phrases[table][style][value])
            return self.mark(pointer, "verbatim" if phrase == value else f"phrase.{table}", phrase)
        words, rule = write_value(value, self._style(kind, style), self.rng, self._currency(path))
        return self.mark(pointer, rule, words)

    def _money(self, value: float, pointer: str, code: str, currency: str) -> str:
        """An amount with its currency: the words of one lie inside those of the other."""
        symbol, name, single = SYMBOLS[code]
        if self.register in ("voice", "call"):
            major, minor = divmod(round(value * 100), 100)
            unit = self.mark(currency, "currency", single if major == 1 else name)
            words = f"{cardinal(major)} {unit}{minor_words(minor)}"
            return self.mark(pointer, "amount_words", words)
        pattern, comma = self.amounts
        rule, sign = ("currency", symbol) if "{s}" in pattern else ("verbatim", code)
        sign = self.mark(currency, rule, sign)
        return self.mark(pointer, "amount", pattern.format(v=f"{value:{comma}.2f}", s=sign, c=sign))

    def _currency_pointer(self, path: tuple = ()) -> str:
        """Where the record states the currency of an amount: its first leaf named `currency`."""
        return next((p for p in self.fields.leaves if p.endswith("/currency")), "")

    def _currency(self, path: tuple = ()) -> str:
        if pointer := self._currency_pointer():
            with suppress(Absent):
                return self.value(tuple(pointer.split("/")[1:]))
        return self.context.get("currency", "")

    def _style(self, kind: str, style: str) -> str:
        if not style and kind == "integer":
            return "small" if self.register in PROSE else "plain"
        return style or self.styles.get(kind, kind)

    def mark(self, pointer: str, rule: str, words: str) -> str:
        """Wrap words as the evidence of a leaf; without a pointer they are not evidence."""
        if not pointer:
            return words
        self.marks.append((pointer, rule))
        return f"{_OPEN}{len(self.marks) - 1}{_MIDDLE}{words}{_CLOSE}"

    def _capitalised(self, words: str) -> str:
        head = re.match(f"(?:{_OPEN}\\d+{_MIDDLE})*", words)[0]
        first = words[len(head) : len(head) + 1]
        for index in map(int, re.findall(r"\d+", head) if first != first.upper() else ()):
            pointer, rule = self.marks[index]
            self.marks[index] = (pointer, "lower_first" if rule == "verbatim" else rule)
        return head + first.upper() + words[len(head) + 1 :]

    def finish(self, marked: str) -> Passage:
        """Tidy a text, remove the marks, and keep the first place of each leaf as its evidence."""
        text = re.sub(r"\n{3,}", "\n\n", re.sub(" +$", "", marked, flags=re.M)).strip()
        if self.register in PROSE:  # absent parts leave gaps; columns elsewhere are meant
            text = re.sub(r"(?<=\S) {2,}", " ", text)
        plain, stack, evidence = "", [], {}
        for piece in re.split(f"({_OPEN}\\d+{_MIDDLE}|{_CLOSE})", text):
            if piece.startswith(_OPEN):
                stack.append((int(piece[1:-1]), len(plain)))
            elif piece == _CLOSE:
                index, start = stack.pop()
                pointer, rule = self.marks[index]
                if pointer not in evidence or start < evidence[pointer]["start"]:
                    evidence[pointer] = {"start": start, "end": len(plain), "rule": rule}
            else:
                plain += piece
        return Passage(plain, dict(sorted(evidence.items())))


def kind_of(node: dict) -> str:
    """The kind of a leaf of a JSON Schema, which decides how it may be written."""
    if node.get("format") in ("date", "date-time"):
        return node["format"].replace("date-time", "moment")
    if node.get("pattern", "").endswith(r":[0-5]\d$"):
        return "time"
    return node.get("type", "string")


def _kind_of_value(value) -> str:
    if isinstance(value, str):
        shapes = (("date", r"\d{4}-\d\d-\d\d"), ("time", r"\d\d:\d\d"))
        return next((kind for kind, shape in shapes if re.fullmatch(shape, value)), "string")
    return "integer" if isinstance(value, int) else "number"
