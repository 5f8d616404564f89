r"""Entity files: fields, rules, labels, and the lines of text that express the fields.

`entities/<entity>.txt` is a sequence of blocks, each headed by `=== name`:

    entity      title, thing ("the permit"), roles (keys for the thing itself), registers
    fields      name[?] | other wordings | node | description; a node is a JSON Schema, @entity,
                or a list of either: [node, min, max] or [node, min, max, "set"]
    rules       cross-field rules, one JSON object per line, with field names instead of pointers
    roles       field: words for the child in that field, if not "the <field>"
    groups      name, other name: scalar fields that may share an object of their own
    sentences   one English sentence per line, in the language of `textgen.templates`
    notes       short fragments;  items: one-line forms for lists;  labels: field: label | label
    phrases     field:form, a table as in `textgen.phrase_tables`

A slot names a field, or a field of a child by a dotted path; a slot that names a list expresses the
whole list. `{~role}` is the entity as its parent refers to it, `{~thing}` one of its own names.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from slmlib.core import io
from slmlib.core.names import choose
from slmlib.tasks.edgejson.generate import entities
from slmlib.textgen import templates
from slmlib.textgen.lexicon import words

BLOCKS = words("entity fields rules roles groups sentences notes labels items phrases")
# Registers that do not suit every entity.
SPECIAL_REGISTERS = ("receipt", "invoice", "delivery_note", "log", "listing")
MONEY_STYLES = ("with_currency", "money", "coins", "symbol", "priced")
PRONOUNS = frozenset(words("it its they their them he she his her him this these those"))
PREPOSITIONS = frozenset(words("to by at on from for of in with until since as per via"))
_ROLE, _VALUE = "\ue003", "\ue004"  # placeholders in the literal text of a line
_WORD = re.compile(r"[A-Za-z']+")
FieldPath = tuple[str, ...]  # names of fields, from an entity through its children


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
    where: str  # file:line

    @property
    def scalar(self) -> bool:
        """True for a value or a list of values, False for a child or a list of children."""
        return self.child is None

    @property
    def nouns(self) -> list[str]:
        """Wordings that can follow "the": `return address`, not `collect from`; or the name."""
        nouns = [w for w in self.wordings if not PREPOSITIONS & set(w.split("_"))]
        return [noun.replace("_", " ") for noun in nouns or [self.name]]


@dataclass(frozen=True)
class Line:
    """A sentence, note or item: its parsed template, and the paths of the fields it mentions."""

    text: str
    where: str  # file:line
    nodes: tuple
    required: frozenset[FieldPath]  # outside `<…>`: the line can't be used without them
    optional: frozenset[FieldPath]  # only inside `<…>`
    states_currency: bool
    dangling: bool  # contains a pronoun with nothing before it that it could refer to
    names_role: bool  # says which entity it is about, even between two of the same type
    names_thing: bool  # says what type of entity it is about


@dataclass(frozen=True)
class Entity:
    """An entity type as its file describes it."""

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
    lines: dict[str, tuple[Line, ...]]  # of `sentences`, `notes` and `items`
    labels: dict[str, tuple[str, ...]]
    money: frozenset[str]  # fields that hold an amount of money

    @property
    def identifier(self) -> str:
        """The first scalar field, by which an instance is referred to."""
        return next(name for name, field in self.fields.items() if field.scalar)


@cache
def load(name: str) -> Entity:
    """Load an entity by name; raises `DataError` if its file is malformed."""
    choose("entity", name, entities.samplers())
    return read(entities.FOLDER / f"{name}.txt", entities.domain(name))


def read(path: Path, domain: str) -> Entity:
    """Read an entity file; raises `DataError` with file, line, rule and fix."""
    blocks = defaultdict(list)  # heading -> (file:line, text) of its lines
    heading = ""
    for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
        where = f"{path.name}:{number}"
        if text.startswith("=== "):
            heading = text.removeprefix("=== ").strip()
            if heading.partition(" ")[0] not in BLOCKS:
                valid = ", ".join(BLOCKS)
                raise io.DataError(f"{where}: unknown block {heading!r}. Valid: {valid}.")
        elif text.strip():
            blocks[heading].append((where, text.rstrip()))

    def pairs(block: str) -> dict[str, str]:
        split = {}
        for where, text in blocks[block]:
            key, colon, value = text.partition(":")
            if not colon:
                raise io.DataError(f"{where}: {key!r} is not `name: …`.")
            split[key.strip()] = value
        return split

    head = pairs("entity")
    missing = [f"`{key}:`" for key in ("title", "thing", "roles") if key not in head]
    if missing or not blocks["fields"]:
        raise io.DataError(f"{path}: no {', '.join(missing) or 'block `=== fields`'}. Add it.")
    things, lines = _options(head["thing"]), {}
    for kind in ("sentences", "notes", "items"):
        variants = [parse(text, where, things) for where, text in blocks[kind]]
        lines[kind] = tuple(line for line_variants in variants for line in line_variants)
    mentions = [m for kind in lines.values() for line in kind for m in slots(line.nodes)]
    money = frozenset(at[0] for at, style in mentions if len(at) == 1 and style in MONEY_STYLES)
    registers = ("receipt", "invoice") if money else ()
    if "registers" in head:
        registers = tuple(r for r in _options(head["registers"], ",") if r != "none")
    if unknown := set(registers) - set(SPECIAL_REGISTERS):
        valid = ", ".join(SPECIAL_REGISTERS)
        raise io.DataError(f"{path.name}: registers: {unknown}: unknown. Valid: {valid}, none.")
    return Entity(
        name=path.stem, domain=domain, titles=_options(head["title"]), things=things,
        keys=_options(head["roles"], ","), registers=registers,
        fields={field.name: field for field in (_field(*line) for line in blocks["fields"])},
        rules=tuple(_json(text, where)[0] for where, text in blocks["rules"]),
        roles={key: _options(value) for key, value in pairs("roles").items()},
        groups=tuple(
            (_options(key, ","), _options(value, ",")) for key, value in pairs("groups").items()
        ),
        labels={key: _options(value) for key, value in pairs("labels").items()},
        money=money, lines=lines,
    )  # fmt: skip


def _options(text: str, separator: str = "|") -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(separator) if part.strip())


def _json(text: str, where: str) -> tuple[object, str]:
    """The JSON value with which a text begins, and the rest after a `|`."""
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError as error:
        fix = "Quote names, double backslashes."
        raise io.DataError(f"{where}: not JSON: {error}. {fix}") from None
    return value, text[end:].strip().removeprefix("|").strip()


def _field(where: str, text: str) -> Field:
    parts = [part.strip() for part in text.split(" | ", 2)]
    if len(parts) < 3:
        raise io.DataError(f"{where}: not `name | wordings | node | description`.")
    name = parts[0].removesuffix("?")
    node, description = _json(re.sub(r"^(\[?\s*)@(\w+)", r'\1"@\2"', parts[2]), where)
    bounds, unordered = None, False
    if isinstance(node, list):
        if len(node) not in (3, 4) or node[3:] not in ([], ["set"]):
            raise io.DataError(f'{where}: a list is [node or @entity, min, max] or […, "set"].')
        bounds, unordered, node = (node[1], node[2]), len(node) == 4, node[0]
    child = node[1:] if isinstance(node, str) else None
    if child and child not in entities.samplers():
        raise io.DataError(f"{where}: {name}: there is no entity {child!r}")
    optional, wordings = parts[0].endswith("?"), (name, *_options(parts[1], ","))
    node = None if child else node
    return Field(name, optional, wordings, node, child, bounds, unordered, description, where)


def parse(text: str, where: str, things: tuple[str, ...]) -> list[Line]:
    """Parse a line: one variant for every choice among alternatives that contain values.

    The fields that a line mentions must be known before the line is chosen.
    """
    try:
        nodes = templates.parse(text)
    except ValueError as error:
        raise io.DataError(f"{where}: {error}") from None
    choices = [node[1] if node[0] == "alt" and slots((node,)) else ((node,),) for node in nodes]
    variants = []
    for parts in product(*choices):
        variant = tuple(node for part in parts for node in part)
        required = slots(variant, optional=False)
        paths = frozenset(path for path, _ in required)
        literal = literal_text(variant)
        pronoun = next((m for m in _WORD.finditer(literal) if m[0].lower() in PRONOUNS), None)
        antecedent = rf"\b(the|a|an|this|our|your)\b|[{_ROLE}{_VALUE}]"
        before = literal[: pronoun.start()].lower() if pronoun else ""
        variants.append(Line(
            text, where, variant, paths, frozenset(path for path, _ in slots(variant)) - paths,
            states_currency=any(style == "with_currency" for _, style in required),
            dangling=pronoun is not None and not re.search(antecedent, before),
            names_role=_ROLE in literal,
            names_thing=any(t.removeprefix("the ").lower() in literal.lower() for t in things),
        ))  # fmt: skip
    return variants


def walk(nodes: tuple, *, optional: bool = True) -> Iterator[tuple]:
    """Every node at any depth, except literal text; with or without those in `<…>`."""
    for node in nodes:
        if isinstance(node, str) or (node[0] == "opt" and not optional):
            continue
        yield node
        branches = node[1:] if node[0] == "opt" else ()
        if node[0] in ("alt", "if"):
            branches = node[1] if node[0] == "alt" else node[2]
        for branch in branches:
            yield from walk(branch, optional=optional)


@cache
def slots(nodes: tuple, *, optional: bool = True) -> tuple[tuple[FieldPath, str], ...]:
    """Paths and styles of the fields that nodes mention, with or without those in `<…>`."""
    fields = (n for n in walk(nodes, optional=optional) if n[0] == "slot" and not n[4])
    return tuple((tuple(node[1].split(".")), node[2]) for node in fields)


def literal_text(nodes: tuple) -> str:
    """Literal text with placeholders for roles and values; no leading pronoun if avoidable."""
    text = ""
    for node in nodes:
        if isinstance(node, str):
            text += node
        elif node[0] == "slot" and node[4] and node[1] in ("role", "thing"):
            text += _ROLE
        elif node[0] == "alt":
            clear = [part for part in node[1] if not opens_with_pronoun(part)]
            text += literal_text((clear or node[1])[0])
        elif node[0] != "opt":
            text += _VALUE
    return text


@cache
def opens_with_pronoun(nodes: tuple) -> bool:
    """True for `It runs …`, which only makes sense after another sentence."""
    text = literal_text(nodes)
    word = _WORD.search(text)
    pronoun = word and word[0].lower() in PRONOUNS
    return bool(pronoun) and not text[: word.start()].strip("(“\"' ")


@cache
def field_at(root: str, path: FieldPath) -> tuple[str, Field] | None:
    """The entity that has a field, and the field, from a path of names below a root entity."""
    entity = load(root)
    for name in path[:-1]:
        field = entity.fields.get(name)
        if field is None or field.child is None:
            return None
        entity = load(field.child)
    field = entity.fields.get(path[-1])
    return (entity.name, field) if field else None


def rule_paths(rule: dict) -> list[FieldPath]:
    """The field paths in a rule; `*` stands for the items of a list."""
    paths: list[FieldPath] = []
    rewrite_rule(rule, paths.append)
    return paths


def rewrite_rule(rule: dict, pointer: Callable[[FieldPath], object]) -> dict:
    """A rule with every dotted name replaced by the pointer to its field path."""
    rewritten = dict(rule)
    for key, value in rule.items():
        if key != "rule":
            names = value if isinstance(value, list) else [value]
            pointers = [pointer(tuple(name.split("."))) for name in names]
            rewritten[key] = pointers if isinstance(value, list) else pointers[0]
    return rewritten
