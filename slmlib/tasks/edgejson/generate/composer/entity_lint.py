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
from slmlib.tasks.edgejson.generate.composer import entity_parser, surface
from slmlib.tasks.edgejson.generate.composer.entity_parser import Entity, Field
from slmlib.tasks.edgejson.phrases import PHRASES
from slmlib.textgen import templates
from slmlib.textgen.formats import STYLES
from slmlib.textgen.sampling_context import SamplingContext

DRAWS = 150
STYLE_NAMES = frozenset(STYLES) | {"with_currency", "said_phone", "symbol", "priced", "coins"}
FORMATS = Draft202012Validator.FORMAT_CHECKER


def faults(name: str) -> list[str]:
    """All faults of an entity; a malformed file is a single fault."""
    try:
        entity = entity_parser.load(name)
        for field in entity.fields.values():
            if field.child and field.child not in entity_parser.names():
                return [f"{field.where}: {field.name}: there is no entity {field.child!r}"]
        checks = (_structure, _fields, _phrases, _lines, _coverage)
        return [fault for check in checks for fault in check(entity)] or _draws(entity)
    except io.DataError as error:
        return [str(error)]


def _structure(entity: Entity) -> Iterator[str]:
    """Name, labels, groups, children and rules."""
    file, fields = f"{entity.name}.txt", entity.fields
    if entity.name in schemas.groups():
        yield f"{file}: a hand-designed schema has the same name; rename the entity"
    if not any(field.scalar for field in fields.values()):
        yield f"{file}: no scalar field"
    for block, keys in (("roles", entity.roles), ("labels", entity.labels)):
        yield from (f"{file}: {block}: no field {key!r}" for key in keys if key not in fields)
    owners = defaultdict(set)
    for name, labels in entity.labels.items():
        for label in labels:
            owners[label.lower()].add(name)
    for label, names in owners.items():
        if len(names) > 1:
            yield f"{file}: labels: {label!r} is used for {' and '.join(sorted(names))}"
    for _, members in entity.groups:
        if wrong := [m for m in members if m not in fields or not fields[m].scalar]:
            yield f"{file}: groups: {', '.join(wrong)}: not scalar fields of this entity"
    descendants, todo = set(), [entity]
    for parent in todo:
        children = {f.child for f in parent.fields.values() if f.child} - descendants
        descendants |= children
        todo += [entity_parser.load(child) for child in children & set(entity_parser.names())]
    if entity.name in descendants:
        yield f"{file}: contains itself, through its children"
    for rule in entity.rules:
        if set(rule) - {"rule"} != schemas.RULES.get(rule.get("rule")):
            yield f"{file}: rule {rule}: unknown, or not its fields; see schemas.RULES"
            continue
        for path in entity_parser.rule_paths(rule):
            if not entity_parser.field_at(entity.name, tuple(p for p in path if p != "*")):
                yield f"{file}: rule {rule}: no field {'.'.join(path)!r}"


def _fields(entity: Entity) -> Iterator[str]:
    """Wordings, descriptions, bounds and nodes."""
    fields = entity.fields.values()
    uses = Counter(w.replace("_", "").lower() for field in fields for w in field.wordings)
    for field in fields:
        where = f"{field.where}: {field.name}"
        for wording in field.wordings:
            if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", wording):
                yield f"{where}: {wording!r} is not snake_case"
            if uses[wording.replace("_", "").lower()] > 1:
                yield f"{where}: {wording!r} is used twice; each field needs wordings of its own"
        if len(field.description) > 60:
            yield f"{where}: the description is longer than 60 characters"
        if field.bounds and not 1 <= field.bounds[0] <= field.bounds[1] <= 8:
            yield f"{where}: a list has 1 to 8 items, its bounds are {field.bounds}"
        if field.child:
            domain = entity_parser.load(field.child).domain
            if domain in samplers.RESERVED and entity.domain not in samplers.RESERVED:
                yield f"{where}: {field.child} is of a reserved domain, {entity.domain} is not"
            continue
        if field.node.get("type") in ("object", "array"):
            yield f"{where}: a node is a scalar; write [node, min, max] or @entity"
        probe = {"type": "object", "additionalProperties": False, "properties": {"x": field.node}}
        yield from (f"{where}: {f}" for f in schemas.faults(probe) if "leaves; a" not in f)


def _enumerated(field: Field) -> tuple:
    """The values of an enumeration or a boolean."""
    if field.child:
        return ()
    boolean = field.node.get("type") == "boolean"
    return (True, False) if boolean else tuple(field.node.get("enum", ()))


def _phrases(entity: Entity) -> Iterator[str]:
    """Phrase tables: one phrase at least for every value, and one value for every phrase."""
    for name, field in entity.fields.items():
        table, values = PHRASES.get(f"{entity.name}.{name}"), _enumerated(field)
        where = f"{entity.name}.txt: phrases {name}"
        if table is None:
            plain = re.compile(r"([^\W_]|[°%/. -])*")
            if odd := [v for v in values if isinstance(v, bool) or not plain.fullmatch(v)]:
                yield f"{where}: {odd} need phrases: write a block `=== phrases {name}`"
            continue
        if not values:
            yield f"{where}: the field is neither an enumeration nor a boolean"
        if "" not in table:
            yield f"{where}: no default form: write a block `=== phrases {name}`"
        for form, phrases in table.items():
            if set(phrases) != set(values):
                yield f"{where}:{form}: has {list(phrases)}, the values are {list(values)}"
        yield from ambiguous_phrases(where, table, values)
    for table in PHRASES:
        owner, _, name = table.partition(".")
        if owner == entity.name and name not in entity.fields:
            yield f"{entity.name}.txt: phrases {name}: there is no such field"


def ambiguous_phrases(where: str, table: dict, values: tuple) -> Iterator[str]:
    """Phrases of a table that could not be read back."""
    meanings: dict[str, object] = {}
    pairs = [(v, p) for form in table.values() for v, phrases in form.items() for p in phrases]
    for value, phrase in pairs:
        if meanings.setdefault(phrase.casefold(), value) != value:
            yield f"{where}: {phrase!r} means two values"
        if phrase in values and phrase != value:
            yield f"{where}: {phrase!r} is a phrase for {value!r}, but another value itself"


def _lines(entity: Entity) -> Iterator[str]:
    """Slots, conditions and punctuation of sentences, notes and items; bare values in notes."""
    for line in (line for kind in entity.lines.values() for line in kind):
        for node in entity_parser.walk(line.nodes):
            if node[0] == "if":
                if any(entity_parser.slots(part) for part in node[2]):
                    yield f"{line.where}: a value inside {{?…}}: put it outside, or write two lines"
                if not entity_parser.field_at(entity.name, tuple(node[1][0].split("."))):
                    yield f"{line.where}: {{?{node[1][0]}}} is not a field"
            elif node[0] == "slot" and node[4] and node[1] not in ("role", "thing"):
                yield f"{line.where}: {{~{node[1]}}}: valid are {{~role}} and {{~thing}}"
            elif node[0] not in ("slot", "opt", "alt"):
                yield f"{line.where}: a {node[0]}: only slots, <…>, […|…] and {{?…}} are supported"
        for path, style in entity_parser.slots(line.nodes):
            owner, field = entity_parser.field_at(entity.name, path) or ("", None)
            name = ".".join(path)
            if field is None:
                yield f"{line.where}: {{{name}}} is not a field"
                continue
            styles = STYLE_NAMES | PHRASES.get(f"{owner}.{field.name}", {}).keys() | {""}
            if style not in styles:
                yield f"{line.where}: {{{name}:{style}}}: neither a style nor a form of its phrases"
    for line in entity.lines["sentences"]:
        if not line.text.rstrip().endswith((".", "!", "?", ">", "]")):
            yield f"{line.where}: a sentence ends with a full stop"
        if re.match(r"[a-z]", line.text):
            yield f"{line.where}: a sentence begins with a capital"
    kinds = dict(surface.proper_names(entity.name))
    for name, field in entity.fields.items():
        kind = templates.kind_of(field.node) if field.scalar else ""
        kinds |= {name: kind} if kind in ("date", "time", "moment") else {}
    for line in entity.lines["notes"]:
        if line.text.rstrip().endswith("."):
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
    """Faults of the sampler, each reported once."""
    reports: dict[str, str] = {}  # by the text of the fault without its numbers
    seen = defaultdict(set)
    for index in range(DRAWS):
        rng, role = Random(f"audit/{entity.name}/{index}"), ("train", "val", "test")[index % 3]
        values = entities.draw(entity.name, SamplingContext(rng, role))
        for fault in sample_faults(entity, values):
            reports.setdefault(re.sub(r"\d", "9", fault), fault)
        for name, value in values.items():
            seen[name] |= set(map(repr, value if isinstance(value, list) else [value]))
    for name, field in entity.fields.items():
        if never := [v for v in _enumerated(field) if repr(v) not in seen[name]]:
            reports[name] = f"{field.where}: {name}: {never} never drawn in {DRAWS} draws"
    return list(reports.values())


def sample_faults(entity: Entity, values: dict) -> list[str]:
    """Faults of one drawn instance; a child that its parent draws is checked like any other."""
    where = f"{entity.domain}.py: {entity.name}"
    if faults := list(_value_faults(entity, values, where)):
        return faults
    rewrite = entity_parser.rewrite_rule
    rules = [rewrite(rule, lambda path: "/" + "/".join(path)) for rule in entity.rules]
    broken = field_rules.broken({"x-rules": rules}, values)
    return [f"{where}: rule broken: {rule}" for rule in broken]


def _value_faults(entity: Entity, values: dict, where: str) -> Iterator[str]:
    for key in values.keys() - entity.fields.keys():
        yield f"{where}: {key!r} is not a field of the file"
    for name, field in entity.fields.items():
        at, value = f"{where}: {name}", values.get(name)
        if value is None:
            if field.scalar:
                yield f"{at}: missing; a sampler returns every scalar, optional ones too"
            continue
        if (field.bounds is not None) != isinstance(value, list):
            expected = "a list" if field.bounds else "a single value"
            yield f"{at}: the sampler must return {expected}"
            continue
        if field.bounds and not field.bounds[0] <= len(value) <= field.bounds[1]:
            yield f"{at}: a list of {len(value)}, its bounds are {field.bounds}"
        items = value if field.bounds else [value]
        if field.child:
            child = entity_parser.load(field.child)
            for fault in (fault for item in items for fault in sample_faults(child, item)):
                yield f"{at}: {fault.partition(': ')[2]}"
            continue
        if len(set(map(repr, items))) < len(items):
            yield f"{at}: a value occurs twice in its list"
        checker = Draft202012Validator(field.node, format_checker=FORMATS)
        for error in (error for item in items for error in checker.iter_errors(item)):
            yield f"{at}: its node rejects {error.message[:140]}"
