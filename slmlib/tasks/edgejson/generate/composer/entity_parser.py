r"""The entities as their files describe them: fields, wordings, labels, and sentences that tell them.

`entities/<entity>.txt` is a sequence of blocks, each begun by `=== name`:

    entity      title, thing ("the permit"), roles (keys for the thing itself), registers
    fields      name[?] | other wordings | JSON node or @entity or [either, min, max, "set"] | description
    rules       cross-field rules, one JSON object a line, with field names instead of pointers
    roles       field: words for the child in that field, if not "the <field>"
    groups      name, other name: scalars that may stand in an object of their own
    sentences   one English sentence a line, in the language of `passages`
    notes       clipped fragments;  items: one-line forms for lists;  labels: field: label | label
    phrases     field:form, as in `phrases`

A slot names a field, or a child's field by a dotted path; a slot that names a list gives all of
it. `{~role}` is the thing as its parent calls it, `{~thing}` one of its own names.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from slmlib.core import io
from slmlib.tasks.edgejson.generate import entities
from slmlib.textgen import templates
from slmlib.textgen.lexicon import words

BLOCKS = ("entity", "fields", "rules", "roles", "groups", "sentences", "notes", "labels", "items")
SPECIAL = ("receipt", "invoice", "delivery_note", "log", "listing")  # registers that not everything has
MONEY_STYLES = ("with_currency", "money", "coins", "symbol", "priced")
PRONOUNS = frozenset(words("it its they their them he she his her him this these those"))
_ROLE, _VALUE = "\ue003", "\ue004"
_WORD = re.compile(r"[A-Za-z']+")


@dataclass(frozen=True)
class Field:
    """One line of a `fields` block; a list has `bounds`, a child entity its name in `child`."""

    name: str
    optional: bool
    wordings: tuple[str, ...]  # the name first
    node: dict | None
    child: str | None
    bounds: tuple[int, int] | None
    unordered: bool
    description: str
    where: str

    @property
    def scalar(self) -> bool:
        """True for a value or a list of values, False for a child or a list of children."""
        return self.child is None


@dataclass(frozen=True)
class Line:
    """A sentence, note or item: its nodes, and the fields that it cannot do without."""

    text: str
    where: str
    nodes: tuple
    needs: frozenset[tuple[str, ...]]
    offers: frozenset[tuple[str, ...]]  # what it can tell besides, where that is asked for
    currency: bool  # says the currency, too
    dangling: bool  # can only begin with a pronoun, so that it may not come first
    says_role: bool  # says which thing it is about, even among two of a kind
    says_thing: bool  # says so by the thing's own name, which does not tell two of a kind apart


@dataclass(frozen=True)
class Entity:
    """A kind of thing, as its file describes it."""

    name: str
    domain: str
    titles: tuple[str, ...]
    things: tuple[str, ...]
    keys: tuple[str, ...]
    registers: tuple[str, ...]
    fields: dict[str, Field]
    rules: tuple[dict, ...]
    roles: dict[str, tuple[str, ...]]
    groups: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    sentences: tuple[Line, ...]
    notes: tuple[Line, ...]
    items: tuple[Line, ...]
    labels: dict[str, tuple[str, ...]]
    money: frozenset[str]

    @property
    def first(self) -> str:
        """The first value: what the thing is called by."""
        return next(name for name, field in self.fields.items() if field.scalar)

    def lines(self, kind: str) -> tuple[Line, ...]:
        """The lines of `sentences`, `notes` or `items`."""
        return getattr(self, kind)


@cache
def load(name: str) -> Entity:
    """An entity by name.

    Raises:
        DataError: no sampler or no file has this name, or the file cannot be read.
    """
    if name not in entities.samplers():
        raise io.DataError(
            f"{name}: no sampler has this name. Write `@entity def {name}(ctx)` in the module of its "
            f"domain, {entities.FOLDER.name}/<domain>.py."
        )
    return read(entities.FOLDER / f"{name}.txt", entities.domain(name))


@cache
def names() -> tuple[str, ...]:
    """Names of all entities, in alphabetical order."""
    return tuple(entities.samplers())


def read(path: Path, domain: str) -> Entity:
    """Read an entity's file; raises `DataError` with file, line, rule and fix."""
    try:
        blocks = _blocks(path)
    except OSError as error:
        raise io.DataError(f"{path}: {error.strerror}. Every sampler needs its file.") from None
    head = dict(_pairs(blocks.get("entity", []), ":"))
    missing = [key for key in ("title", "thing", "roles") if key not in head]
    if missing or "fields" not in blocks:
        raise io.DataError(f"{path}: no {', '.join(missing) or 'block `=== fields`'}.")
    fields = {field.name: field for field in (_field(*line) for line in blocks["fields"])}
    things = _options(head["thing"])
    kinds = {kind: _lines(blocks.get(kind, []), things) for kind in ("sentences", "notes", "items")}
    money = frozenset(
        path_[0]
        for lines in kinds.values()
        for line in lines
        for path_, style in slots(line.nodes)
        if len(path_) == 1 and style in MONEY_STYLES
    )
    return Entity(
        name=path.stem, domain=domain, titles=_options(head["title"]), things=things,
        keys=_options(head["roles"], ","), registers=_registers(head, money, path), fields=fields,
        rules=tuple(_json(text, where) for where, text in blocks.get("rules", [])),
        roles={key: _options(value) for key, value in _pairs(blocks.get("roles", []), ":")},
        groups=tuple(
            (_options(key, ","), _options(value, ",")) for key, value in _pairs(blocks.get("groups", []), ":")
        ),
        labels={key: _options(value) for key, value in _pairs(blocks.get("labels", []), ":")},
        money=money, **kinds,
    )  # fmt: skip


def _blocks(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Block -> its lines, each with its place; phrase tables are left to `phrases`."""
    blocks: dict[str, list[tuple[str, str]]] = {}
    current: list = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        where = f"{path.name}:{number}"
        if line.startswith("=== "):
            heading = line[4:].strip()
            if heading not in BLOCKS and not heading.startswith("phrases "):
                raise io.DataError(
                    f"{where}: unknown block {heading!r}. Valid: {', '.join(BLOCKS)}, phrases <field>."
                )
            current = blocks.setdefault(heading, [])
        elif line.strip():
            current.append((where, line.rstrip()))
    return blocks


def _pairs(lines: list[tuple[str, str]], mark: str):
    for where, text in lines:
        key, found, value = text.partition(mark)
        if not found:
            raise io.DataError(f"{where}: {text!r} is not `name{mark} …`.")
        yield key.strip(), value.strip()


def _options(text: str, mark: str = "|") -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(mark) if part.strip())


def _json(text: str, where: str):
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise io.DataError(f"{where}: not JSON: {error}. Quote names; double the backslashes.") from None


def _registers(head: dict, money: frozenset, path: Path) -> tuple[str, ...]:
    """The special registers in which this thing appears."""
    if "registers" not in head:
        return ("receipt", "invoice") if money else ()
    chosen = tuple(r for r in _options(head["registers"], ",") if r != "none")
    if strange := set(chosen) - set(SPECIAL):
        raise io.DataError(f"{path.name}: registers: {strange} are not among {', '.join(SPECIAL)}.")
    return chosen


def _field(where: str, text: str) -> Field:
    parts = [part.strip() for part in text.split(" | ", 2)]
    if len(parts) < 3:
        raise io.DataError(f"{where}: not `name | wordings | node | description`.")
    name, wordings, rest = parts
    node, description = _node_and_description(rest, where)
    bounds, unordered = None, False
    if isinstance(node, list):
        if len(node) not in (3, 4) or node[3:] not in ([], ["set"]):
            raise io.DataError(f'{where}: a list is [node or @entity, min, max] or […, "set"].')
        bounds, unordered, node = (node[1], node[2]), len(node) == 4, node[0]
    child = node[1:] if isinstance(node, str) else None
    plain = name.removesuffix("?")
    return Field(
        plain, name.endswith("?"), (plain, *_options(wordings, ",")), None if child else node, child,
        bounds, unordered, description, where,
    )  # fmt: skip


def _node_and_description(rest: str, where: str):
    """The node may hold a `|` of its own, so the last one ends it."""
    node, _, description = rest.rpartition("|") if "|" in rest else (rest, "", "")
    try:
        json.loads(_quoted(node))
    except json.JSONDecodeError:
        node, description = rest.rstrip(" |"), ""
    return _json(_quoted(node.strip()), where), description.strip()


def _quoted(node: str) -> str:
    """The bare `@entity` as a JSON string."""
    return re.sub(r'(?<!["\w])@(\w+)', r'"@\1"', node)


def _lines(texts: list[tuple[str, str]], things: tuple[str, ...]) -> tuple[Line, ...]:
    return tuple(line for where, text in texts for line in _variants(text, where, things))


def _variants(text: str, where: str, things: tuple[str, ...]) -> list[Line]:
    """A line for every way to choose among alternatives that hold values."""
    try:
        nodes = templates.parse(text)
    except ValueError as error:
        raise io.DataError(f"{where}: {error}") from None
    choices = [n[1] if n[0] == "alt" and slots((n,)) else (None,) for n in nodes]
    made = []
    for chosen in product(*choices):
        flat = tuple(
            part
            for node, one in zip(nodes, chosen, strict=True)
            for part in (one if one is not None else (node,))
        )
        made.append(_line(text, where, tuple(map(noted, flat)), things))
    return made


def _line(text: str, where: str, nodes: tuple, things: tuple[str, ...]) -> Line:
    needed = slots(nodes, optional=False)
    opening = said(nodes)
    named = any(thing.removeprefix("the ").lower() in opening.lower() for thing in things)
    return Line(
        text, where, nodes, frozenset(path for path, _ in needed),
        frozenset(path for path, _ in slots(nodes)) - {path for path, _ in needed},
        any(style == "with_currency" for _, style in needed),
        dangling=_dangling(opening), says_role=_ROLE in opening, says_thing=named,
    )  # fmt: skip


def noted(node):
    """Optional parts with the fields in them beside, so that a teller need not look again."""
    if isinstance(node, str) or node[0] == "slot":
        return node
    if node[0] == "opt":
        body = tuple(map(noted, node[1]))
        return ("opt", body, tuple(dict.fromkeys(path for path, _ in slots(body))))
    if node[0] == "capital":
        return ("capital", noted(node[1]))
    at = 1 if node[0] == "alt" else 2
    return (*node[:at], tuple(tuple(map(noted, part)) for part in node[at]), *node[at + 1 :])


def slots(nodes: tuple, *, optional: bool = True) -> list[tuple[tuple[str, ...], str]]:
    """Paths and styles of the fields that nodes name, with or without those in `<…>`."""
    found: list = []
    for node in nodes:
        if isinstance(node, str):
            continue
        if node[0] == "slot":
            found += [] if node[4] or node[1].startswith(".") else [(tuple(node[1].split(".")), node[2])]
        elif node[0] == "loop":
            found.append((tuple(node[1].split(".")), ""))
        elif node[0] == "capital":
            found += slots((node[1],), optional=optional)
        elif node[0] != "opt" or optional:
            for part in (node[1],) if node[0] == "opt" else node[1] if node[0] == "alt" else node[2]:
                found += slots(part, optional=optional)
    return found


def conditions(nodes: tuple) -> list[tuple]:
    """The `{?…}` blocks among nodes, at any depth."""
    found: list = []
    for node in nodes:
        if not isinstance(node, str) and node[0] != "slot":
            found += [node] if node[0] == "if" else []
            inner = node[1:2] if node[0] in ("opt", "capital") else node[1] if node[0] == "alt" else node[2]
            for part in inner:
                found += conditions((part,) if node[0] == "capital" else part)
    return found


def said(nodes: tuple) -> str:
    """The literal text; of alternatives one without a pronoun; marks for roles and values."""
    text = ""
    for node in nodes:
        if isinstance(node, str):
            text += node
        elif node[0] == "slot" and node[4] and node[1] in ("role", "thing"):
            text += _ROLE
        elif node[0] == "alt":
            options = [said(part) for part in node[1]]
            text += next((o for o in options if not begins_with_pronoun(o)), options[0])
        elif node[0] != "opt":
            text += _VALUE
    return text


def begins_with_pronoun(text: str) -> bool:
    """True for `It runs …`: only what stands before can say what is meant."""
    match = _WORD.search(text)
    return bool(match) and match[0].lower() in PRONOUNS and not text[: match.start()].strip("(“\"' ")


def _dangling(text: str) -> bool:
    """True if a pronoun stands in the text with nothing before it that it could mean."""
    found = [m for m in _WORD.finditer(text) if m[0].lower() in PRONOUNS]
    return bool(found) and not re.search(
        rf"\b(the|a|an|this|our|your)\b|[{_ROLE}{_VALUE}]", text[: found[0].start()].lower()
    )


@cache
def field_at(root: str, path: tuple[str, ...]) -> tuple[str, Field] | None:
    """The entity that holds a field, and the field, from a path of names beneath a root entity."""
    holder = load(root)
    for name in path[:-1]:
        step = holder.fields.get(name)
        if step is None or step.child is None:
            return None
        holder = load(step.child)
    found = holder.fields.get(path[-1])
    return (holder.name, found) if found else None


def rule_paths(rule: dict) -> list[tuple[str, ...]]:
    """The field paths that a rule names; `*` for the items of a list."""
    values = [value for key, value in rule.items() if key != "rule"]
    flat = [v for value in values for v in (value if isinstance(value, list) else [value])]
    return [tuple(v.split(".")) for v in flat]
