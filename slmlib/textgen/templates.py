r"""Then text: a record is put into words, and the place of every value is kept as evidence.

The words are templates in `texts/<group>.txt`, several for each register, in a small language:

    [a|b|c]                 one of the alternatives, by chance
    {stay.check_in}         a value of the record; `{.name}` of the current list item, `{.}` the item
    {total:money}           the same in a named style; `{^room}` with a capital first letter
    {~agent}                a value of the context: a distractor, never evidence
    <text with {level}>     left out whole when a value in it is absent from the record
    {*items}…{/, | and }    repeated for each list item, with the separator and the last one
    {&}a{;}b{;}c{/ }        in a random order, joined; empty parts vanish
    {?action=set}…{/}       only if the value is this (`=a,b`: one of these); `{?x}` present, `{?!x}` absent

A value is written by a style (`styles`), which returns the words and the name of the
normalisation that reads them back. One text keeps to one style of dates, of times and of amounts.

The templates of a group are dealt to train, val and test, so that a test text has a structure
that no training text has; a reserved group's templates all belong to its tests.
"""

import re
from dataclasses import dataclass
from functools import cache
from random import Random

from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import samplers
from slmlib.textgen.formats import SYMBOLS, cardinal, minor_words, write_value
from slmlib.textgen.phrase_tables import PHRASES, blocks

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
DEAL = 223  # of 400 tried, the one that gives tests and training the most even shares of registers
# running text: small numbers may be words, and sentences begin with a capital but for those of a chat
PROSE = ("chat", "email", "call", "voice", "minutes", "listing", "note", "report", "letter")


class Absent(Exception):
    """A value that the record does not have; the enclosing `<…>` is left out."""


@dataclass(frozen=True)
class Passage:
    """A text and its evidence: JSON Pointer -> {"start", "end", "rule"}, in code points."""

    text: str
    evidence: dict[str, dict]


@dataclass(frozen=True)
class Template:
    """A parsed template; its name is the group's with its place in the file."""

    name: str
    register: str
    nodes: tuple

    @property
    def group(self) -> str:
        return self.name.partition("/")[0]


@dataclass(frozen=True)
class Fields:
    """What a writer must know of a schema: pattern pointer -> leaf, and -> phrase table."""

    leaves: dict[str, dict]
    tables: dict[str, str]


@cache
def templates(group: str, split: str | None = None) -> tuple[Template, ...]:
    """The parsed templates of `texts/<group>.txt` that a split may use, or all of them."""
    texts = [(heading, text) for heading, text in blocks(group) if not heading.startswith("phrases ")]
    found = [
        Template(f"{group}/{index}", register, parse(text)) for index, (register, text) in enumerate(texts)
    ]
    if split is None or samplers.reserved(group):
        return tuple(found)
    hand = _hands(group, len(found))
    return tuple(t for t, mine in zip(found, hand, strict=True) if mine == split.partition("_")[0])


def _hands(group: str, count: int) -> list[str]:
    """Whose each template is: of a shuffled row every fourth is test's, a sixth val's, the rest train's.

    Shuffled, so that the registers, which stand in an order of their own in each file, fall to all.
    """
    places = list(range(count))
    Random(f"{DEAL}/{group}").shuffle(places)
    return ["test" if p % 4 == 3 else "val" if p % 6 == 4 else "train" for p in places]


@cache
def fields(group: str) -> Fields:
    """Leaves of the group's schema, and the phrase tables of its file."""
    leaves = schemas.leaves(schemas.load(group))
    named = {p: f"{group}." + p.replace("/*", "").removeprefix("/").replace("/", ".") for p in leaves}
    return Fields(leaves, {p: table for p, table in named.items() if table in PHRASES})


def write(template: Template, record: dict, context: dict, rng: Random) -> Passage:
    """Put a record into words.

    Args:
        template: One of `templates(group)`.
        record: The truth; every leaf of it gets evidence.
        context: Distractors for `{~name}`.
        rng: Chooses the template's alternatives and the styles.
    """
    return Writer(fields(template.group), template.register, record, context, rng).passage(template.nodes)


# Parsing: a template becomes a tuple of nodes; a string is literal text, the rest are (kind, ...).

_TOKEN = re.compile(r"\\(.)|(\{[^{}]*\})|([\[|\]<>])|([^\\{}\[|\]<>]+)", re.S)


def parse(template: str) -> tuple:
    """Parse a template.

    Raises:
        ValueError: a bracket or a block is never closed.
    """
    tokens = [(m[1], m[2] or m[3] or m[4]) for m in _TOKEN.finditer(template)]
    return _sequence(tokens, 0, ())[0]


def _sequence(tokens: list, at: int, stops: tuple[str, ...]) -> tuple[tuple, int, str | None]:
    """Nodes up to one of the stops (a token, or "{/" for any closing brace token)."""
    nodes: list = []
    while at < len(tokens):
        escaped, token = tokens[at]
        at += 1
        if escaped is not None:
            nodes.append(escaped)
        elif token in stops or (token.startswith("{/") and "{/" in stops):
            return tuple(nodes), at, token
        elif token in ("[", "<") or token[:2] in ("{*", "{&", "{?") or token.startswith("{^*"):
            node, at = _block(tokens, at, token)
            nodes.append(node)
        else:
            nodes.append(_slot(token) if token[0] == "{" else token)
    return tuple(nodes), at, None


def _block(tokens: list, at: int, opener: str) -> tuple[tuple, int]:
    if opener == "<":
        body, at, end = _sequence(tokens, at, (">",))
        return _closed(("opt", body), opener, end), at
    stops = ("|", "]") if opener == "[" else ("{;}", "{/")
    parts, end = [], stops[0]
    while end == stops[0]:
        body, at, end = _sequence(tokens, at, stops)
        parts.append(body)
    if opener == "[" or end is None:
        return _closed(("alt", tuple(parts)), opener, end), at
    seps = end[2:-1].replace("\\n", "\n").split("|")
    if opener.startswith("{^"):
        return ("capital", _node("{" + opener[2:], parts, seps)), at
    return _node(opener, parts, seps), at


def _closed(node: tuple, opener: str, end: str | None) -> tuple:
    if end is None:
        raise ValueError(f"{opener} is never closed")
    return node


def _node(opener: str, parts: list, seps: list[str]) -> tuple:
    kind = {"*": "loop", "&": "mix", "?": "if"}[opener[1]]
    head = opener[2:-1] if kind != "if" else _condition(opener[2:-1])
    return (kind, head, tuple(parts), seps[0], seps[-1])


def _condition(text: str) -> tuple[str, bool, tuple[str, ...]]:
    path, _, values = text.partition("=")
    return path.removeprefix("!"), not path.startswith("!"), tuple(values.split(",")) if values else ()


def _slot(token: str) -> tuple:
    body = token[1:-1]
    capital, body = body.startswith("^"), body.removeprefix("^")
    context, body = body.startswith("~"), body.removeprefix("~")
    path, _, style = body.partition(":")
    return ("slot", path, style, capital, context)


class Writer:
    """Renders one text. Values are wrapped in private-use marks, which `finish` turns into spans."""

    def __init__(self, fields: Fields, register: str, record: dict, context: dict, rng: Random):
        self.fields, self.register, self.record, self.context, self.rng = (
            fields,
            register,
            record,
            context,
            rng,
        )
        dates, times = TEXT_STYLES[register]
        self.styles = {"date": rng.choice(dates), "time": rng.choice(times)}
        self.amounts = rng.choice(("{s}{v}", "{s}{v}", "{v} {c}", "{c} {v}")), rng.choice((",", ""))
        self.marks: list[tuple[str, str]] = []

    def passage(self, template: tuple) -> Passage:
        """The text of a parsed template; prose begins with a capital."""
        marked = self.render(template, ())
        return self.finish(self._capitalised(marked) if self.register in PROSE[1:] else marked)

    def render(self, nodes: tuple, base: tuple) -> str:
        """The words of a sequence of nodes; `base` is the path of the current list item."""
        return "".join(n if isinstance(n, str) else getattr(self, f"_{n[0]}")(n, base) for n in nodes)

    def _alt(self, node: tuple, base: tuple) -> str:
        return self.render(self.rng.choice(node[1]), base)

    def _opt(self, node: tuple, base: tuple) -> str:
        kept = len(self.marks)
        try:
            return self.render(node[1], base)
        except Absent:
            del self.marks[kept:]
            return ""

    def _capital(self, node: tuple, base: tuple) -> str:
        return self._capitalised(self.render((node[1],), base))

    def _loop(self, node: tuple, base: tuple) -> str:
        _, path, (body,), separator, last = node
        path = self.path(path, base)
        parts = [self.render(body, (*path, i)) for i in range(len(self.value(path)))]
        return last.join(filter(None, [separator.join(parts[:-1]), parts[-1]]))

    def _mix(self, node: tuple, base: tuple) -> str:
        parts = [self.render(part, base) for part in node[2]]
        parts = [self._capitalised(part) if node[3] == " " else part for part in parts]
        self.rng.shuffle(parts)
        return node[3].join(part for part in parts if part)

    def _if(self, node: tuple, base: tuple) -> str:
        _, (path, wanted, values), parts, _, _ = node
        try:
            value = self.value(self.path(path, base))
            holds = str(value).lower() in values if values else True
        except Absent:
            holds = False
        return self.render(parts[0] if holds == wanted else parts[1] if len(parts) > 1 else (), base)

    def _slot(self, node: tuple, base: tuple) -> str:
        _, name, style, capital, context = node
        words = self._context(name, style) if context else self._marked(self.path(name, base), style)
        return self._capitalised(words) if capital else words

    def _context(self, name: str, style: str) -> str:
        value = self.context[name]
        return write_value(value, self._style(_kind_of(value), style), self.rng, self._currency())[0]

    def _marked(self, path: tuple, style: str) -> str:
        value, (pointer, kind, table) = self.value(path), self.leaf(path)
        if style == "with_currency":
            return self._money(value, pointer, self._currency(path), self._currency_pointer(path))
        if style == "said_phone":
            return self.mark(pointer, "phone", self.context["phones"][value])
        if table:
            return self._phrase(pointer, table, value, style)
        words, rule = write_value(value, self._style(kind, style), self.rng, self._currency(path))
        return self.mark(pointer, rule, words)

    def leaf(self, path: tuple) -> tuple[str, str, str | None]:
        """Of a value at a path: its pointer, its kind, and its phrase table, if any."""
        pattern = "".join("/*" if isinstance(part, int) else f"/{part}" for part in path)
        pointer, table = "".join(f"/{part}" for part in path), self.fields.tables.get(pattern)
        return pointer, kind_of(self.fields.leaves[pattern]), table

    def _phrase(self, pointer: str, table: str, value, style: str) -> str:
        phrase = self.rng.choice(PHRASES[table][style][value])
        return self.mark(pointer, "verbatim" if phrase == value else f"phrase.{table}", phrase)

    def _money(self, value: float, pointer: str, code: str, where: str) -> str:
        """An amount with its currency: the words of one lie inside those of the other."""
        symbol, name, single = SYMBOLS[code]
        if self.register in ("voice", "call"):
            major, minor = divmod(round(value * 100), 100)
            said = self.mark(where, "currency", single if major == 1 else name)
            words = f"{cardinal(major)} {said}{minor_words(minor)}"
            return self.mark(pointer, "amount_words", words)
        pattern, comma = self.amounts
        shown = f"{value:{comma}.2f}"
        mark = {
            k: self.mark(where, r, t) for k, r, t in _currency_forms(symbol, code) if f"{{{k}}}" in pattern
        }
        return self.mark(pointer, "amount", pattern.format(v=shown, **mark))

    def _currency_pointer(self, path: tuple = ()) -> str:
        """Where the record says the currency of an amount: the first leaf whose key is `currency`."""
        found = [pattern for pattern in self.fields.leaves if pattern.endswith("/currency")]
        return found[0] if found else ""

    def _currency(self, path: tuple = ()) -> str:
        where = self._currency_pointer()
        try:
            return self.value(tuple(where.split("/")[1:])) if where else self.context["currency"]
        except Absent:
            return self.context["currency"]

    def _style(self, kind: str, style: str) -> str:
        if not style and kind == "integer":
            return "small" if self.register in PROSE else "plain"
        return style or self.styles.get(kind, kind)

    def _capitalised(self, words: str) -> str:
        head = re.match(f"(?:{_OPEN}\\d+{_MIDDLE})*", words)[0]
        first = words[len(head) : len(head) + 1]
        for index in map(int, re.findall(r"\d+", head)):
            pointer, rule = self.marks[index]
            if rule == "verbatim" and first != first.upper():
                self.marks[index] = (pointer, "lower_first")
        return head + first.upper() + words[len(head) + 1 :]

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

    def mark(self, pointer: str, rule: str, words: str) -> str:
        """Wrap words as the evidence of a leaf; without a pointer they are none."""
        if not pointer:
            return words
        self.marks.append((pointer, rule))
        return f"{_OPEN}{len(self.marks) - 1}{_MIDDLE}{words}{_CLOSE}"

    def finish(self, marked: str) -> Passage:
        """Take the marks out of the text and keep the first place of each leaf."""
        pieces, length, stack, evidence = [], 0, [], {}
        for piece in _MARK.split(self._tidy(marked)):
            if piece.startswith(_OPEN):
                stack.append((int(piece[1:-1]), length))
            elif piece == _CLOSE:
                index, start = stack.pop()
                pointer, rule = self.marks[index]
                if start < evidence.get(pointer, {"start": length})["start"]:
                    evidence[pointer] = {"start": start, "end": length, "rule": rule}
            else:
                pieces.append(piece)
                length += len(piece)
        return Passage("".join(pieces), dict(sorted(evidence.items())))

    def _tidy(self, marked: str) -> str:
        """Close the gaps that absent parts leave; only prose has single spaces throughout."""
        text = re.sub(r"\n{3,}", "\n\n", re.sub(" +$", "", marked, flags=re.M)).strip()
        return re.sub(r"(?<=\S) {2,}", " ", text) if self.register in PROSE else text


_OPEN, _MIDDLE, _CLOSE = "\ue000", "\ue001", "\ue002"
_MARK = re.compile(f"({_OPEN}\\d+{_MIDDLE}|{_CLOSE})")


def _currency_forms(symbol: str, code: str) -> tuple:
    return (("s", "currency", symbol), ("c", "verbatim", code))


def kind_of(node: dict) -> str:
    """The kind of a leaf, which decides how it may be written."""
    if node.get("format") in ("date", "date-time"):
        return node["format"].replace("date-time", "moment")
    if node.get("pattern", "").endswith(r":[0-5]\d$"):
        return "time"
    return node.get("type", "string")


def _kind_of(value) -> str:
    if isinstance(value, str):
        shapes = (("date", r"\d{4}-\d\d-\d\d"), ("time", r"\d\d:\d\d"))
        return next((kind for kind, shape in shapes if re.fullmatch(shape, value)), "string")
    return "integer" if isinstance(value, int) else "number"
