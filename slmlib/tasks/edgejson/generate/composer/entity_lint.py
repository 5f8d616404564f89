"""What is wrong with an entity: its file is read against its sampler, its nodes and its phrases.

Every fault says where it is, which rule is broken and how to mend it.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from random import Random

from jsonschema import Draft202012Validator

from slmlib.core import io
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import entities, field_rules, samplers
from slmlib.tasks.edgejson.generate.composer import entity_parser, surface
from slmlib.tasks.edgejson.generate.composer.entity_parser import Entity, Field, Line
from slmlib.textgen import templates
from slmlib.textgen.formats import STYLES
from slmlib.textgen.phrase_tables import PHRASES
from slmlib.textgen.sampling_context import SamplingContext

DRAWS = 150
STYLE_NAMES = frozenset(STYLES) | {"with_currency", "said_phone", "symbol", "priced", "coins"}
CONTEXT = {"role", "thing", "agent", "sender", "friend", "firm"}


def faults(name: str) -> list[str]:
    """What is wrong with an entity, in words; an unreadable file is one fault."""
    try:
        entity = entity_parser.load(name)
        for field in entity.fields.values():
            if field.child and field.child not in entity_parser.names():
                return [f"{field.where}: {field.name}: there is no entity {field.child!r}"]
        found = [*_names(entity), *_nodes(entity), *_phrases(entity), *_rules(entity)]
        found += [*_slots(entity), *_wording(entity), *_doubles(entity), *_coverage(entity)]
        return found or _samples(entity)
    except io.DataError as error:
        return [str(error)]


def _names(entity: Entity) -> Iterator[str]:
    file = f"{entity.name}.txt"
    if entity.name in schemas.groups():
        yield f"{file}: a hand-designed schema has this name, too: rename the entity"
    uses = Counter(flat(w) for field in entity.fields.values() for w in field.wordings)
    for field in entity.fields.values():
        for word in field.wordings:
            if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", word):
                yield f"{field.where}: {word!r} is not snake_case"
            if uses[flat(word)] > 1:
                yield f"{field.where}: {word!r} stands for two fields, or twice: each wording once"
        if len(field.description) > 60:
            yield f"{field.where}: description over 60 characters"
        if field.bounds and not 1 <= field.bounds[0] <= field.bounds[1] <= 8:
            yield f"{field.where}: a list has 1 to 8 items, its bounds are {field.bounds}"
    for block, keys in (("roles", entity.roles), ("labels", entity.labels)):
        yield from (f"{file}: {block}: no field {key!r}" for key in keys.keys() - entity.fields.keys())
    for _, members in entity.groups:
        if wrong := [m for m in members if m not in entity.fields or not entity.fields[m].scalar]:
            yield f"{file}: groups: {', '.join(wrong)}: not scalar fields of this entity"
    if not any(field.scalar for field in entity.fields.values()):
        yield f"{file}: no scalar field"
    for field in entity.fields.values():
        if field.child and _reserved(field.child) and not _reserved(entity.name):
            yield f"{field.where}: {field.child} is of a reserved domain, {entity.domain} is not"
    if entity.name in _reachable(entity.name):
        yield f"{file}: holds itself, through its children"


def _reserved(name: str) -> bool:
    return entity_parser.load(name).domain in samplers.RESERVED


def flat(word: str) -> str:
    """A key without its style: `start_date` and `startDate` are one."""
    return word.replace("_", "").lower()


def _reachable(name: str, seen: frozenset = frozenset()) -> set[str]:
    found: set[str] = set()
    for field in entity_parser.load(name).fields.values():
        if field.child and field.child in entity_parser.names() and field.child not in seen:
            found |= {field.child} | _reachable(field.child, seen | {name})
    return found


def _nodes(entity: Entity) -> Iterator[str]:
    for field in entity.fields.values():
        if field.node is not None:
            probe = {"title": "x", "description": "x", "type": "object", "additionalProperties": False}
            wrong = schemas.faults(probe | {"properties": {"x": field.node}})
            yield from (f"{field.where}: {field.name}: {w}" for w in wrong if "leaves; a" not in w)
            if field.node.get("type") in ("object", "array"):
                yield f"{field.where}: {field.name}: a node is a scalar; write [node, min, max] or @entity"


def _phrases(entity: Entity) -> Iterator[str]:
    for name, field in entity.fields.items():
        table, values = PHRASES.get(f"{entity.name}.{name}"), _values(field)
        if table is None:
            if odd := [
                v for v in values if not isinstance(v, str) or not re.fullmatch(r"[\w°%/. -]*", v) or "_" in v
            ]:
                yield f"{field.where}: {name}: {odd} must be said in other words: write `=== phrases {name}`"
            continue
        if not values:
            yield f"{entity.name}.txt: phrases {name}: the field is neither an enumeration nor a boolean"
        if "" not in table:
            yield f"{entity.name}.txt: phrases {name}: no default form: write a block `=== phrases {name}`"
        for form, said in table.items():
            if set(said) != set(values):
                where = f"{entity.name}.txt: phrases {name}:{form}"
                yield f"{where}: says {list(said)}, the values are {list(values)}"
        yield from _ambiguous(f"{entity.name}.txt: phrases {name}", table, values)
    known = {f"{entity.name}.{name}" for name in entity.fields}
    for table in PHRASES:
        if table.startswith(f"{entity.name}.") and table not in known:
            yield f"{entity.name}.txt: phrases {table.partition('.')[2]}: there is no such field"


def _values(field: Field) -> tuple:
    if field.node is None:
        return ()
    return (True, False) if field.node.get("type") == "boolean" else tuple(field.node.get("enum", ()))


def _ambiguous(where: str, table: dict, values: tuple) -> Iterator[str]:
    meaning: dict[str, object] = {}
    for value, phrase in ((v, p) for form in table.values() for v, said in form.items() for p in said):
        if meaning.setdefault(phrase.casefold(), value) != value:
            yield f"{where}: {phrase!r} means two values"
        if phrase in values and phrase != value:
            yield f"{where}: {phrase!r} is said for {value!r}, but is a value itself"


def _rules(entity: Entity) -> Iterator[str]:
    for rule in entity.rules:
        where = f"{entity.name}.txt: rule {rule}"
        needs = schemas.RULES.get(rule.get("rule"))
        if needs is None or set(rule) - {"rule"} != needs:
            yield f"{where}: unknown, or not its fields; see schemas.RULES"
            continue
        for path in entity_parser.rule_paths(rule):
            if field_of(entity, path) is None:
                yield f"{where}: no field {'.'.join(path)!r}"


def field_of(entity: Entity, path: tuple[str, ...]) -> tuple[str, Field] | None:
    """The field at a path that may run through lists."""
    return entity_parser.field_at(entity.name, tuple(part for part in path if part != "*"))


def _slots(entity: Entity) -> Iterator[str]:
    for line in _lines(entity):
        for condition in entity_parser.conditions(line.nodes):
            if any(entity_parser.slots(part) for part in condition[2]):
                yield f"{line.where}: a value inside {{?…}}: put it outside, or write two lines"
            if entity_parser.field_at(entity.name, tuple(condition[1][0].split("."))) is None:
                yield f"{line.where}: {{?{condition[1][0]}}} is no field"
        for path, style in entity_parser.slots(line.nodes):
            found = entity_parser.field_at(entity.name, path)
            if found is None:
                yield f"{line.where}: {{{'.'.join(path)}}} is no field"
            elif (
                style
                and style not in STYLE_NAMES
                and style not in PHRASES.get(f"{found[0]}.{found[1].name}", {})
            ):
                yield f"{line.where}: {{{'.'.join(path)}:{style}}}: neither a style nor a form of its phrases"
        for name in _context(line.nodes):
            if name not in CONTEXT:
                yield f"{line.where}: {{~{name}}}: valid are {', '.join(sorted(CONTEXT))}"


def _lines(entity: Entity) -> tuple[Line, ...]:
    return entity.sentences + entity.notes + entity.items


def _context(nodes: tuple) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, tuple):
            if node[:1] == ("slot",) and node[4]:
                yield node[1]
            else:
                yield from _context(node)


def _wording(entity: Entity) -> Iterator[str]:
    for line in entity.sentences:
        if not line.text.rstrip().endswith((".", "!", "?", ">", "]")):
            yield f"{line.where}: a sentence ends with a full stop"
        if re.match(r"[a-z]", line.text):
            yield f"{line.where}: a sentence begins with a capital"
    for line in entity.notes:
        if line.text.rstrip().endswith("."):
            yield f"{line.where}: a note has no full stop"


def _doubles(entity: Entity) -> Iterator[str]:
    """A label or a bare fragment that could stand for two fields."""
    fields = {label.lower(): [] for labels in entity.labels.values() for label in labels}
    for name, labels in entity.labels.items():
        for label in labels:
            fields[label.lower()].append(name)
    for label, names in fields.items():
        if len(set(names)) > 1:
            yield f"{entity.name}.txt: labels: {label!r} stands for {' and '.join(names)}"
    kinds = {name: _kind(entity, field) for name, field in entity.fields.items()}
    for line in entity.notes:
        name = line.nodes[0][1] if len(line.nodes) == 1 and line.nodes[0][0] == "slot" else ""
        same = [other for other, kind in kinds.items() if other != name and kind and kind == kinds.get(name)]
        if same:
            yield f"{line.where}: a bare {name} could be {', '.join(same)}: say which it is"


def _kind(entity: Entity, field: Field) -> str | None:
    """What a bare value could be taken for: a date, a time, a moment, a person, a firm."""
    if field.node is None or "enum" in field.node:
        return None
    kind = templates.kind_of(field.node)
    return kind if kind in ("date", "time", "moment") else surface.proper_names(entity.name).get(field.name)


def _coverage(entity: Entity) -> Iterator[str]:
    file = f"{entity.name}.txt"
    for name, field in entity.fields.items():
        if name not in entity.labels:
            yield f"{file}: labels: none for {name}"
        if field.child and not field.bounds:
            continue
        alone = [ln for ln in entity.sentences if _tells_only(entity, ln, name)]
        if len({line.text for line in alone}) < 2:
            yield f"{file}: sentences: {len(alone)} tell {name} alone; at least 2 (further fields in <…>)"
        elif all(line.dangling for line in alone):
            yield f"{file}: sentences: every line that tells {name} alone begins with a pronoun; mend one"
        if not any(_tells_only(entity, ln, name) for ln in entity.notes):
            yield f"{file}: notes: none tells {name} alone"
    scalars = {(name,) for name, field in entity.fields.items() if field.scalar}
    for line in entity.items:
        said = {path for path, _ in entity_parser.slots(line.nodes)} | (
            {("currency",)} if _says_money(line) else set()
        )
        if missing := scalars - said:
            names = ", ".join(name for (name,) in sorted(missing))
            yield f"{line.where}: an item holds all scalars; missing: {names}"
        if len(line.needs) != 1:
            yield f"{line.where}: an item needs exactly one field outside <…>, it has {len(line.needs)}"


def _says_money(line: Line) -> bool:
    return any(style == "with_currency" for _, style in entity_parser.slots(line.nodes))


def _tells_only(entity: Entity, line: Line, name: str) -> bool:
    if name == "currency" and line.currency:
        return len(line.needs) == 1
    return line.needs == {(name,)}


def _samples(entity: Entity) -> list[str]:
    """Faults of what the sampler draws, each once."""
    found: dict[str, str] = {}  # the fault without its numbers, so that each is told once
    seen: dict[str, set] = {name: set() for name in entity.fields}
    for index in range(DRAWS):
        ctx = SamplingContext(Random(f"audit/{entity.name}/{index}"), ("train", "val", "test")[index % 3])
        values = entities.draw(entity.name, ctx)
        for fault in _sample_faults(entity, values):
            found.setdefault(re.sub(r"\d", "9", fault), fault)
        for name in seen.keys() & values.keys():
            seen[name] |= set(map(repr, _each(values[name])))
    for name, field in entity.fields.items():
        if never := [v for v in _values(field) if repr(v) not in seen[name]]:
            found[name] = f"{field.where}: {name}: {never} never drawn in {DRAWS}"
    return list(found.values())


def _each(value) -> list:
    return value if isinstance(value, list) else [value]


def _sample_faults(entity: Entity, values: dict) -> Iterator[str]:
    where = f"{entity.domain}.py: {entity.name}"
    yield from (f"{where}: {key!r} is no field of the file" for key in values.keys() - entity.fields.keys())
    for name, field in entity.fields.items():
        if name not in values:
            if field.scalar:
                yield f"{where}: no {name}; a sampler returns every scalar, optional ones too"
        elif field.scalar:
            yield from (f"{where}: {name}: {fault}" for fault in _refused(field, values[name]))
        else:
            yield from _child_faults(field, values[name], f"{where}: {name}")
    yield from (f"{where}: rule broken: {fault}" for fault in broken_rules(entity, values))


def _child_faults(field: Field, value, where: str) -> Iterator[str]:
    """A child that its parent's sampler draws is as good as one that its own sampler draws."""
    if field.bounds and not field.bounds[0] <= len(value) <= field.bounds[1]:
        yield f"{where}: a list of {len(value)}, its bounds are {field.bounds}"
    for one in _each(value):
        for fault in _sample_faults(entity_parser.load(field.child), one):
            yield f"{where}: {fault.partition(': ')[2]}"


def _refused(field: Field, value) -> Iterator[str]:
    if (field.bounds is not None) != isinstance(value, list):
        yield "a list was drawn for a scalar" if isinstance(value, list) else "a scalar was drawn for a list"
        return
    if field.bounds and not field.bounds[0] <= len(value) <= field.bounds[1]:
        yield f"a list of {len(value)}, its bounds are {field.bounds}"
    if field.bounds and len(set(map(repr, value))) < len(value):
        yield "a value stands twice in its list"
    checker = _checker(schemas.compact(field.node))
    yield from (
        f"its node refuses {e.message[:140]}" for one in _each(value) for e in checker.iter_errors(one)
    )
    if field.node.get("type") == "number" and any(isinstance(one, bool) for one in _each(value)):
        yield "a boolean for a number"


@cache
def _checker(node: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(node), format_checker=Draft202012Validator.FORMAT_CHECKER)


def broken_rules(entity: Entity, values: dict) -> list[str]:
    """The rules of an entity that an instance breaks, as far as the sampler draws their fields."""
    rules = [
        {key: value if key == "rule" else _pointers(value) for key, value in rule.items()}
        for rule in entity.rules
    ]
    return field_rules.broken({"x-rules": rules}, values)


def _pointers(value):
    if isinstance(value, list):
        return [_pointers(one) for one in value]
    return "/" + value.replace(".", "/")
