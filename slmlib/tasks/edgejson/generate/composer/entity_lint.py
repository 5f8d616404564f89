"""Lint entities: compare each file with its sampler, its JSON Schema nodes and its phrases.

Every fault says where it is, which rule is broken and how to fix it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from random import Random

from jsonschema import Draft202012Validator

from slmlib.core import io
from slmlib.tasks.edgejson import schemas
from slmlib.tasks.edgejson.generate import entities, field_rules, samplers
from slmlib.tasks.edgejson.generate.composer import entity_parser, planner
from slmlib.tasks.edgejson.generate.composer.entity_parser import Entity, Field
from slmlib.tasks.edgejson.phrases import PHRASES
from slmlib.textgen import templates
from slmlib.textgen.formats import STYLES
from slmlib.textgen.sampling_context import SamplingContext

DRAWS = 100
STYLE_NAMES = {*STYLES, "with_currency", "said_phone", "symbol", "priced", "coins", ""}


def faults(name: str) -> list[str]:
    """All faults of an entity; a malformed file is a single fault."""
    try:
        entity = entity_parser.load(name)
        checks = (_names, _fields, _phrases, _lines, _coverage)
        return [fault for check in checks for fault in check(entity)] or _draws(entity)
    except io.DataError as error:
        return [str(error)]


def _names(entity: Entity) -> Iterator[str]:
    """Names of the entity, and of fields in roles, labels, groups and rules."""
    file, fields = f"{entity.name}.txt", entity.fields
    if entity.name in schemas.groups():
        yield f"{file}: a hand-designed schema has the same name; rename the entity"
    members = [name for _, group in entity.groups for name in group]
    for block, names in (("roles", entity.roles), ("labels", entity.labels), ("groups", members)):
        yield from (f"{file}: {block}: no field {name!r}" for name in names if name not in fields)
    owners: dict[str, str] = {}
    for name, labels in entity.labels.items():
        for label in labels:
            owner = owners.setdefault(label.lower(), name)
            if owner != name:
                yield f"{file}: labels: {label.lower()!r} is used for {owner} and {name}"
    for rule in entity.rules:
        if set(rule) - {"rule"} != schemas.RULES.get(rule.get("rule")):
            yield f"{file}: rule {rule}: unknown, or not its fields; see schemas.RULES"
            continue
        for path in entity_parser.rule_paths(rule):
            if not entity_parser.field_at(entity.name, tuple(p for p in path if p != "*")):
                yield f"{file}: rule {rule}: no field {'.'.join(path)!r}"


def _fields(entity: Entity) -> Iterator[str]:
    """Wordings, nodes and children."""
    fields = entity.fields.values()
    uses = Counter(w.replace("_", "").lower() for field in fields for w in field.wordings)
    for field in fields:
        where = f"{field.where}: {field.name}"
        for wording in field.wordings:
            if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", wording):
                yield f"{where}: {wording!r} is not snake_case"
            if uses[wording.replace("_", "").lower()] > 1:
                yield f"{where}: {wording!r} is used twice; each field needs wordings of its own"
        if field.child:
            domain = entity_parser.load(field.child).domain
            if domain in samplers.RESERVED and entity.domain not in samplers.RESERVED:
                yield f"{where}: {field.child} is of a reserved domain, {entity.domain} is not"
            continue
        node = field.node | {"description": field.description}
        probe = {"type": "object", "additionalProperties": False, "properties": {"x": node}}
        yield from (f"{where}: {f}" for f in schemas.faults(probe) if "leaves; a" not in f)


def _values(field: Field) -> tuple:
    """The values of an enumeration or a boolean."""
    node = field.node or {}
    return (True, False) if node.get("type") == "boolean" else tuple(node.get("enum", ()))


def _phrases(entity: Entity) -> Iterator[str]:
    """Phrase tables: one phrase at least for every value, and one value for every phrase."""
    tables = {name: table for name, table in PHRASES.items() if name.startswith(f"{entity.name}.")}
    for name in tables:
        if name.partition(".")[2] not in entity.fields:
            yield f"{entity.name}.txt: phrases of {name}: there is no such field"
    for name, field in entity.fields.items():
        table, values = tables.get(f"{entity.name}.{name}"), _values(field)
        where = f"{entity.name}.txt: phrases {name}"
        if table is None:
            plain = re.compile(r"([^\W_]|[°%/. -])*")
            if odd := [v for v in values if isinstance(v, bool) or not plain.fullmatch(v)]:
                yield f"{where}: {odd} need phrases: write a block `=== phrases {name}`"
            continue
        if "" not in table:
            yield f"{where}: no default form: write a block `=== phrases {name}`"
        meanings: dict[str, object] = {}
        for form, phrases in table.items():
            if set(phrases) != set(values):
                yield f"{where}:{form}: has {list(phrases)}, the values are {list(values)}"
            for value, phrase in ((v, phrase) for v in phrases for phrase in phrases[v]):
                if meanings.setdefault(phrase.casefold(), value) != value:
                    yield f"{where}: {phrase!r} means two values"
                if phrase in values and phrase != value:
                    yield f"{where}: {phrase!r} is a phrase for {value!r}, but also a value"


def _lines(entity: Entity) -> Iterator[str]:
    """Slots, conditions and punctuation of sentences, notes and items; bare values in notes."""
    for line in (line for kind in entity.lines.values() for line in kind):
        for node in entity_parser.walk(line.nodes):
            if node[0] == "if":
                if any(entity_parser.slots(part) for part in node[2]):
                    yield f"{line.where}: a value inside {{?…}}: put it outside, or write two lines"
                if node[1][0] not in entity.fields:
                    yield f"{line.where}: {{?{node[1][0]}}} is not a field"
            elif node[0] == "slot" and node[4] and node[1] not in ("role", "thing"):
                yield f"{line.where}: {{~{node[1]}}}: valid are {{~role}} and {{~thing}}"
            elif node[0] not in ("slot", "opt", "alt"):
                yield f"{line.where}: a {node[0]}: only slots, <…>, […|…] and {{?…}} are supported"
        for path, style in entity_parser.slots(line.nodes):
            name = ".".join(path)
            owner, field = entity_parser.field_at(entity.name, path) or ("", None)
            if field is None or (field.child and not field.bounds):
                yield f"{line.where}: {{{name}}} is not a field with values"
            elif style not in STYLE_NAMES | PHRASES.get(f"{owner}.{field.name}", {}).keys():
                yield f"{line.where}: {{{name}:{style}}}: neither a style nor a form of its phrases"
    for line in entity.lines["sentences"]:
        if re.match(r"[a-z]", line.text) or not line.text.endswith((".", "!", "?", ">", "]")):
            yield f"{line.where}: a sentence begins with a capital and ends with a full stop"
    kinds = dict(planner.proper_names(entity.name))
    for name, field in entity.fields.items():
        kind = templates.kind_of(field.node) if field.scalar else ""
        kinds |= {name: kind} if kind in ("date", "time", "moment") else {}
    for line in entity.lines["notes"]:
        if line.text.endswith("."):
            yield f"{line.where}: a note has no full stop"
        name = line.nodes[0][1] if len(line.nodes) == 1 and line.nodes[0][0] == "slot" else ""
        if same := [n for n, kind in kinds.items() if n != name and kind == kinds.get(name)]:
            yield f"{line.where}: a bare {name} could be {', '.join(same)}: say which it is"


def _coverage(entity: Entity) -> Iterator[str]:
    """Every field needs a label, two sentences and a note of its own; every item all scalars."""
    file = f"{entity.name}.txt"
    for name, field in entity.fields.items():
        if name not in entity.labels:
            yield f"{file}: labels: none for {name}"
        if field.child and not field.bounds:
            continue
        alone = {}
        for kind in ("sentences", "notes"):
            lines = [line for line in entity.lines[kind] if len(line.required) == 1]
            with_currency = [line for line in lines if line.states_currency and name == "currency"]
            alone[kind] = with_currency + [line for line in lines if line.required == {(name,)}]
        number = len({line.text for line in alone["sentences"]})
        if number < 2:
            yield f"{file}: sentences: {number} with {name} alone; at least 2 (others in <…>)"
        elif all(line.dangling for line in alone["sentences"]):
            yield f"{file}: sentences: all with {name} alone begin with a pronoun; change one"
        if not alone["notes"]:
            yield f"{file}: notes: none with {name} alone"
    for line in entity.lines["items"]:
        mentions = entity_parser.slots(line.nodes)
        names = {".".join(path) for path, _ in mentions}
        names |= {"currency"} if any(style == "with_currency" for _, style in mentions) else set()
        if missing := [n for n, f in entity.fields.items() if f.scalar and n not in names]:
            yield f"{line.where}: an item has all scalars; missing: {', '.join(missing)}"
        if len(line.required) != 1:
            yield f"{line.where}: an item has {len(line.required)} fields outside <…>, not one"


def _draws(entity: Entity) -> list[str]:
    """Faults of the first bad draw of the sampler, or else the choices that it never draws."""
    drawn = defaultdict(set)
    for index in range(DRAWS):
        rng, role = Random(f"audit/{entity.name}/{index}"), ("train", "val", "test")[index % 3]
        values = entities.draw(entity.name, SamplingContext(rng, role))
        if messages := sample_faults(entity, values):
            return messages
        for name, value in values.items():
            drawn[name] |= set(map(repr, value if isinstance(value, list) else [value]))
    return [
        f"{field.where}: {field.name}: {value!r} is never drawn in {DRAWS} draws"
        for field in entity.fields.values()
        for value in _values(field)
        if repr(value) not in drawn[field.name]
    ]


def sample_faults(entity: Entity, values: dict) -> list[str]:
    """Faults of one drawn instance, with the children that its sampler draws itself."""
    checker = Draft202012Validator.FORMAT_CHECKER
    validator = Draft202012Validator(_schema(entity), format_checker=checker)
    errors = [f"{e.json_path}: {e.message[:140]}" for e in validator.iter_errors(values)]
    return [f"{entity.domain}.py: {entity.name}: {e}" for e in errors or _broken(entity, values)]


def _schema(entity: Entity) -> dict:
    """The JSON Schema of what a sampler may return: every scalar, also an optional one."""
    properties = {}
    for name, field in entity.fields.items():
        node = _schema(entity_parser.load(field.child)) if field.child else field.node
        if field.bounds:
            low, high = field.bounds
            node = {"type": "array", "minItems": low, "maxItems": high, "items": node}
            node["uniqueItems"] = field.scalar
        properties[name] = node
    required = [name for name, field in entity.fields.items() if field.scalar]
    schema = {"type": "object", "required": required, "additionalProperties": False}
    return schema | {"properties": properties}


def _broken(entity: Entity, values: dict) -> list[str]:
    """The rules that an instance or one of its children breaks."""
    rewrite = entity_parser.rewrite_rule
    rules = [rewrite(rule, lambda path: "/" + "/".join(path)) for rule in entity.rules]
    broken = field_rules.broken({"x-rules": rules}, values)
    for field in entity.fields.values():
        if field.child and field.name in values:
            child, value = entity_parser.load(field.child), values[field.name]
            for item in value if field.bounds else [value]:
                broken += _broken(child, item)
    return broken
