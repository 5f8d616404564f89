"""A JSON Schema in few tokens: one line a field, with its parts indented below it.

    # Clinic visit
    patient: object # who was seen
      name: string 1..40
      born?: date
    reason: checkup | injury | "n/a"
    fee: number 0..900 or null
    notes?: list 1..4 of string ..80

A line is `key?: type bounds # description`; the question mark stands behind a field that may be
left out. Bounds are of the value of a number, the length of a string or the items of a list. This
takes less than half of the tokens of the schema as JSON.

Nothing is lost that a value could violate, and two schemas that mean different things never read
alike: keys and choices that could be taken for something else are quoted, references become names
that are defined below the fields, and what has no short form, such as `not`, stays JSON. An object
that does not mention other keys has none, as in constrained decoding.
"""

import json
import re
from collections.abc import Iterator, Mapping

INDENT = "  "
KEY = re.compile(r"[^\W\d][\w.$-]*")  # a key that needs no quotes
CHOICE = re.compile(r"[^\W\d_]\w*([ ./-]\w+)*")  # a choice that needs none, without these words:
RESERVED = {
    "all", "any", "boolean", "date", "default", "different", "email", "false", "format", "integer",
    "list", "nothing", "null", "number", "object", "of", "one", "only", "open", "or", "step",
    "string", "true", "unordered",
}  # fmt: skip
FORMATS = ("date", "date-time", "email")  # formats that stand for their type
READ_ONLY = {  # keywords that no value can violate and that say nothing about the answer
    "$schema", "$id", "$comment", "$defs", "definitions", "deprecated", "readOnly", "writeOnly",
    "x-rules",
}  # fmt: skip
TOLD = {"title", "description", "default", "examples"}
SCALARS = {"string", "integer", "number", "boolean", "null"}
BOUNDS = {  # keywords of the least and the most, by type
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
}
KEYWORDS = {  # what else has a short form
    "string": {"format", "pattern"},
    "array": {"items", "uniqueItems", "x-order"},
    "object": {"properties", "required", "additionalProperties", "patternProperties"},
    "integer": {"exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "number": {"exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}
CHOOSING = {"anyOf": "any of", "oneOf": "one of", "allOf": "all of"}


class NoShortForm(Exception):
    """A part of a schema that stays JSON."""


def compact(schema: Mapping) -> str:
    """Write a JSON Schema with one line a field."""
    return "\n".join(_Writer(schema).lines())


class _Writer:
    """Writes one schema, and remembers the definitions that it has referred to."""

    def __init__(self, schema: Mapping):
        self.schema = schema
        self.names: dict[str, str] = {}  # reference -> name

    def lines(self) -> Iterator[str]:
        title = [
            _one_line(self.schema[key]) for key in ("title", "description") if key in self.schema
        ]
        if title:
            yield f"# {': '.join(title)}"
        head, below = self.node(self.schema)
        if head == "object" and below:
            yield from (line.removeprefix(INDENT) for line in below)
        else:
            yield f"= {head}"
            yield from below
        for reference, name in self.names.items():  # grows while definitions are written
            head, below = self.node(_resolve(self.schema, reference))
            yield f"{name} = {head}"
            yield from below

    def node(self, node) -> tuple[str, list[str]]:
        """The words for a schema, and the lines below them."""
        if isinstance(node, bool):
            return ("any" if node else "nothing"), []
        if not isinstance(node, Mapping):
            raise NoShortForm
        demands = {k: v for k, v in node.items() if k not in READ_ONLY | TOLD}
        try:
            return self.short(demands)
        except NoShortForm:
            return _json(demands), []

    def short(self, node: Mapping) -> tuple[str, list[str]]:
        """The same for what has a short form.

        Raises:
            NoShortForm: it has none.
        """
        if not node:
            return "any", []
        if len(node) == 1:
            ((keyword, value),) = node.items()
            if keyword == "$ref":
                return self.name(value), []
            if keyword in CHOOSING and value:
                return self.options(CHOOSING[keyword], value)
        if node.keys() <= {"enum", "const", "type"} and len(node.keys() & {"enum", "const"}) == 1:
            return _choices(node), []
        return self.typed(node)

    def options(self, title: str, options: list) -> tuple[str, list[str]]:
        """Alternatives, each in a line below; a schema or null stays in its line."""
        inner = _beside_null(options) if title == "any of" else None
        if inner is not None:
            head, below = self.node(inner)
            return _or_null(head), below
        lines = []
        for option in options:
            head, below = self.node(option)
            lines += [f"- {head}{_told(option)}", *below]
        return title, _indented(lines)

    def typed(self, node: Mapping) -> tuple[str, list[str]]:
        """A type or several, of which one at most has parts."""
        kinds = [node.get("type")] if isinstance(node.get("type"), str) else node.get("type")
        if not kinds or len({*kinds} - SCALARS) > 1 or {"integer", "number"} <= {*kinds}:
            raise NoShortForm
        known = {"type"}.union(
            *(KEYWORDS.get(kind, set()) | {*BOUNDS.get(kind, ())} for kind in kinds)
        )
        if not node.keys() <= known:
            raise NoShortForm
        scalars = [_scalar(kind, node) for kind in kinds if kind in SCALARS]
        if "array" in kinds:  # last, because what follows "of" belongs to the items
            head, below = self.array(node)
        elif "object" in kinds:
            head, below = self.object(node)
        else:
            return " or ".join(scalars), []
        return " or ".join([*scalars, head]), below

    def array(self, node: Mapping) -> tuple[str, list[str]]:
        words = ["list", *_bounds("array", node)]
        words += ["different"] * _flag(node, "uniqueItems")
        if "x-order" in node:
            if node["x-order"] != "set":
                raise NoShortForm
            words.append("unordered")
        head, below = self.node(node.get("items", True))
        return f"{' '.join(words)} of {head}", below

    def object(self, node: Mapping) -> tuple[str, list[str]]:
        properties, required = node.get("properties", {}), node.get("required", [])
        if not {*required} <= properties.keys():
            raise NoShortForm
        others = node.get("additionalProperties", "properties" not in node)
        lines = []
        for key, child in properties.items():
            name = key if KEY.fullmatch(key) else _json(key)
            lines += self.field(f"{name}{'' if key in required else '?'}", child)
        for pattern, child in node.get("patternProperties", {}).items():
            lines += self.field(_pattern(pattern), child)
        if isinstance(others, Mapping):
            lines += self.field("*", others)
        head = "open object" if others is True else "object"
        return " ".join([head, *_bounds("object", node)]), _indented(lines)

    def field(self, name: str, child) -> list[str]:
        head, below = self.node(child)
        return [f"{name}: {head}{_told(child, name)}", *below]

    def name(self, reference: str) -> str:
        """The name of a definition, made from the last part of its reference."""
        _resolve(self.schema, reference)
        if reference not in self.names:
            last = re.sub(r"\W", "_", reference.rpartition("/")[2]) or "root"
            name = f"@{last}"
            while name in self.names.values():
                name += "_"
            self.names[reference] = name
        return self.names[reference]


def _scalar(kind: str, node: Mapping) -> str:
    words = [kind, *_bounds(kind, node)]
    if kind == "string":
        if "format" in node:
            words = [node["format"], *words[1:]] if node["format"] in FORMATS else words
            words += [] if node["format"] in FORMATS else [f"format {_json(node['format'])}"]
        if "pattern" in node:
            words.append(_pattern(node["pattern"]))
    elif kind in ("integer", "number"):
        signs = {"exclusiveMinimum": ">", "exclusiveMaximum": "<", "multipleOf": "step "}
        for keyword, sign in signs.items():
            if keyword in node:
                words.append(f"{sign}{_number(node[keyword])}")
    return " ".join(words)


def _bounds(kind: str, node: Mapping) -> list[str]:
    low, high = (node.get(keyword) for keyword in BOUNDS.get(kind, (None, None)))
    if low is None and high is None:
        return []
    return ["..".join("" if bound is None else _number(bound) for bound in (low, high))]


def _number(value) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NoShortForm
    return _json(value)


def _flag(node: Mapping, keyword: str) -> bool:
    if not isinstance(node.get(keyword, False), bool):
        raise NoShortForm
    return node.get(keyword, False)


def _choices(node: Mapping) -> str:
    choices = node["enum"] if "enum" in node else [node["const"]]
    if not choices:
        return "nothing"
    words = []
    for choice in choices:
        plain = isinstance(choice, str) and CHOICE.fullmatch(choice)
        plain = plain and not RESERVED.intersection(re.split(r"[ ./-]", choice))
        words.append(choice if plain else _json(choice))
    kinds = [node["type"]] if isinstance(node.get("type"), str) else node.get("type", [])
    if kinds and not all(_is_of(choice, kinds) for choice in choices):
        raise NoShortForm
    return " | ".join(words) if len(words) > 1 else f"only {words[0]}"


def _is_of(value, kinds) -> bool:
    """Return whether a choice has one of the types; a number may be an integer, too."""
    names = {str: "string", bool: "boolean", type(None): "null", dict: "object", list: "array"}
    if type(value) in names:
        return names[type(value)] in kinds
    return "number" in kinds or ("integer" in kinds and value == int(value))


def _beside_null(options: list):
    """The schema that, with null, makes up two alternatives; None for others."""
    others = [option for option in options if option != {"type": "null"}]
    return others[0] if len(options) == 2 and len(others) == 1 else None


def _or_null(head: str) -> str:
    """The words for a schema or null; null comes first where it would join what follows "of"."""
    return f"null or {head}" if " of" in head else f"{head} or null"


def _told(node, key: str = "") -> str:
    """Default, examples, title and description of a schema and its items, behind its type."""
    words, texts = [], []
    while isinstance(node, Mapping):
        if "default" in node:
            words.append(f"default {_json(node['default'])}")
        if isinstance(node.get("examples"), list) and node["examples"]:
            words.append(f"e.g. {', '.join(map(_json, node['examples']))}")
        title = _one_line(node.get("title", ""))
        if title and _letters(title) != _letters(key):
            texts.append(title)
        if "description" in node:
            texts.append(_one_line(node["description"]))
        options = node.get("anyOf")
        node = _beside_null(options) if isinstance(options, list) else node.get("items")
    words += [f"# {': '.join(texts)}"] if texts else []
    return "".join(f" {word}" for word in words)


def _letters(text: str) -> str:
    return re.sub(r"\W|_", "", text).lower()


def _resolve(schema: Mapping, reference: str):
    """The part of the schema that a reference names."""
    if not reference.startswith("#"):
        raise NoShortForm
    node = schema
    for part in reference[1:].split("/")[1:]:
        try:
            node = node[part.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError, IndexError):
            raise NoShortForm from None
    return node


def _pattern(pattern: str) -> str:
    if not pattern.isprintable():
        raise NoShortForm
    return "/" + re.sub(r"\\.|/", lambda part: part[0].replace("/", r"\/")[-2:], pattern) + "/"


def _one_line(text) -> str:
    return " ".join(str(text).split())


def _json(value) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _indented(lines: list[str]) -> list[str]:
    return [INDENT + line for line in lines]
