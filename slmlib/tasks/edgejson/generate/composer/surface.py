"""The values and the names of an instance in words: how the language of `passages` reads it.

A `Wording` knows where in the record each value stands, so that what it writes is evidence. A slot
that names a list gives all of it, one that names a child gives the child in one line. What nobody
asked for is written without a mark: a distractor.
"""

from dataclasses import dataclass
from functools import cache
from random import Random

from slmlib.tasks.edgejson.generate import entities
from slmlib.tasks.edgejson.generate.composer import entity_parser, keys
from slmlib.tasks.edgejson.generate.composer.entity_parser import Entity, Line
from slmlib.tasks.edgejson.generate.composer.instances import Instance
from slmlib.textgen import lexicon, templates
from slmlib.textgen.phrase_tables import PHRASES
from slmlib.textgen.sampling_context import SamplingContext
from slmlib.textgen.templates import Absent, Writer

DRAWS = 12  # that show whether a field holds names of people or firms
CHATTY = (0.0, 0.0, 0.15, 0.3)  # how readily a text tells what nobody asked for
BY_NAME = 0.8  # share of lists whose items are called by their name, though nobody asked for it
Path = tuple


@dataclass(frozen=True)
class Leaf:
    """How the values of a field are written."""

    kind: str
    table: str | None
    phone: bool


@cache
def leaf_of(root: str, names: tuple[str, ...]) -> Leaf:
    """What a writer must know of the field at a path of names."""
    holder, field = entity_parser.field_at(root, names)
    table, kind = f"{holder}.{field.name}", templates.kind_of(field.node)
    if kind == "number" and field.name in entity_parser.load(holder).money:
        kind = "money"
    phone = field.node.get("pattern", "").startswith(r"^\+\d")
    return Leaf(kind, table if table in PHRASES else None, phone)


@cache
def opens_with_pronoun(part: tuple) -> bool:
    """True of an alternative that only a sentence before it can give a meaning."""
    return entity_parser.begins_with_pronoun(entity_parser.said(part))


@cache
def proper_names(entity: str) -> dict[str, str]:
    """Field -> `person` or `firm`, of the fields that hold such names."""
    surnames = {name for place in lexicon.PLACES for name in place.last}
    found: dict[str, str] = {}
    for index in range(DRAWS):
        for key, value in entities.draw(
            entity, SamplingContext(Random(f"{entity}/{index}"), "train")
        ).items():
            if isinstance(value, str) and value in lexicon.FIRMS:
                found[key] = "firm"
            elif isinstance(value, str) and any(value.endswith(f" {name}") for name in surnames):
                found.setdefault(key, "person")
    return found


def of(owner: str, what: str) -> str:
    """What somebody or something has: `the driver's phone`, `the phone of the driver of the van`."""
    return f"{owner}'s {what}" if len(owner.split()) <= 3 and "'" not in owner else f"the {what} of {owner}"


def names_in(path: Path) -> tuple[str, ...]:
    """A path without the places in lists."""
    return tuple(part for part in path if isinstance(part, str))


class Wording(Writer):
    """Writes the values of an instance; `home` is the path of the thing that is being told about."""

    def __init__(self, instance: Instance, register: str, context: dict, rng: Random):
        super().__init__(templates.Fields({}, {}), register, instance.values, context, rng)
        self.root, self.places = instance.root, instance.places
        running = register in templates.PROSE
        self.styles["moment"] = "utc_prose" if running else rng.choice(("moment", "utc_log"))
        self.chatty = rng.choice(CHATTY)
        self.bullets = False  # lists of things stand on lines of their own
        self.home: Path = ()
        self.subject: Path | None = None  # the thing of the sentence before
        self.fresh = True  # this sentence is about another thing than the one before
        self.told: set[Path] = set()
        self.named: set[Path] = set()  # what had been told before this sentence
        self.wrong: dict[Path, object] = {}  # what is said first and taken back at once
        self._whims: dict[tuple, bool] = {}
        self._roles: dict[Path, str] = {}
        self._hidden: dict[Path, set[Path]] = {}
        self.asked = {path for path in self.places if names_in(path) == path}
        self.kinds = self._kinds()

    # What there is.

    def _kinds(self) -> dict[Path, str]:
        """Path -> entity of every thing that is there, list items aside."""
        kinds, todo = {(): self.root}, [((), self.root)]
        for home, name in todo:
            values = self.value(home)
            for field in entity_parser.load(name).fields.values():
                if field.child and not field.bounds and field.name in values:
                    kinds[(*home, field.name)] = field.child
                    todo.append(((*home, field.name), field.child))
        return kinds

    def entity(self, home: Path) -> Entity:
        """What kind of thing stands at a path."""
        return entity_parser.load(self.kinds[home])

    def has(self, path: Path) -> bool:
        """True if there is a value at a path."""
        try:
            self.value(path)
        except Absent:
            return False
        return True

    def hidden(self, home: Path) -> set[Path]:
        """What must not be told of a thing, as a value that the record lacks could be worked out from it."""
        if home not in self._hidden:
            rules = [[(*home, *p) for p in entity_parser.rule_paths(r)] for r in self.entity(home).rules]
            lacking = [paths for paths in rules if not all(map(self._has_some, paths))]
            self._hidden[home] = {path[: len(home) + 1] for paths in lacking for path in paths}
        return self._hidden[home]

    def _has_some(self, path: Path) -> bool:
        return self.has(path[: path.index("*")] if "*" in path else path)

    # Names for things.

    def role(self, home: Path, *, named: bool = True) -> str:
        """What a thing is called: one of its names, or what it is to its parent.

        Args:
            home: Its path.
            named: Somebody who has been named may be called by the name.
        """
        names = names_in(home)
        if not names or names != home:
            kind = entity_parser.field_at(self.root, names)[1].child if names else self.root
            return self.rng.choice(entity_parser.load(kind).things)
        if home not in self._roles:
            self._roles[home] = self._role(home)
        return (self._name(home) if named else "") or self._roles[home]

    def _role(self, home: Path) -> str:
        holder, field = entity_parser.field_at(self.root, home)
        words = entity_parser.load(holder).roles.get(field.name) or [
            "the " + wording.replace("_", " ") for wording in keys.noun_wordings(field)[:2] or [field.name]
        ]
        said = words[0] if self.chance(0.6) else self.rng.choice(words)
        if len(home) == 1 or not said.startswith("the "):
            return said
        return of(self.role(home[:-1], named=False), said.removeprefix("the "))

    def _name(self, home: Path) -> str:
        """The name of somebody who has been named before, now and then."""
        first = (*home, self.entity(home).first)
        held = proper_names(self.kinds[home]).get(first[-1])
        if not held or first not in self.named or home == self.subject or self.chance(0.5):
            return ""
        name = self.value(first)
        return name.split()[0] if held == "person" and self.chance(0.6) else name

    # Values.

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return self.rng.random() < share

    def capital(self, words: str) -> str:
        """Words as they begin a sentence."""
        return self._capitalised(words)

    def path(self, name: str, base: Path) -> Path:
        """A slot's name as a path, from the thing that is being told about."""
        return super().path(name, base) if name.startswith(".") else (*self.home, *name.split("."))

    def value(self, path: Path):
        return self.wrong[path] if path in self.wrong else super().value(path)

    def leaf(self, path: Path) -> tuple[str, str, str | None]:
        leaf = leaf_of(self.root, names_in(path))
        return "" if path in self.wrong else self.places.get(path, ""), leaf.kind, leaf.table

    def said(self, path: Path, style: str = "") -> str:
        """A value, a list or a child in words; from then on it is told."""
        value = self.value(path)
        self.told.add(path)
        if isinstance(value, list):
            return self._listed(path, value, style)
        return self._item(path) if isinstance(value, dict) else self._marked(path, style)

    def _slot(self, node: tuple, base: Path) -> str:
        _, name, style, capital, context = node
        words = self._context(name, style) if context else self.said(self.path(name, base), style)
        return self._capitalised(words) if capital else words

    def _marked(self, path: Path, style: str) -> str:
        leaf, value = leaf_of(self.root, names_in(path)), self.value(path)
        if leaf.phone and not style and value in self.context["phones"]:
            style = "said_phone"
        elif leaf.kind == "moment" and not style and not value.endswith(":00Z"):
            style = "utc_log"  # the other styles have no seconds
        return super()._marked(path, style)

    def _style(self, kind: str, style: str) -> str:
        if not style and kind == "integer" and self.register == "voice":
            return self.rng.choice(("words", "small"))
        return super()._style(kind, style)

    def _context(self, name: str, style: str) -> str:
        if name in ("role", "thing"):
            return self.role(self.home)
        value = self.context.get(name)
        if value is None:
            raise Absent(name)
        return super()._context(name, style) if name == "day" else value

    # Lists and children.

    def _listed(self, path: Path, value: list, style: str) -> str:
        if isinstance(value[0], dict):
            return self._things(path, len(value))
        parts = [self._marked((*path, i), style) for i in range(len(value))]
        return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))

    def _things(self, path: Path, number: int) -> str:
        parts = self.items(path, number)
        if self.bullets:
            return "".join(f"\n- {part}" for part in parts)
        mark, last = ("; ", "; and ") if any("," in part for part in parts) else (", ", " and ")
        return last.join(filter(None, [mark.join(parts[:-1]), parts[-1]]))

    def items(self, path: Path, number: int) -> list[str]:
        """Each item of a list in words, all in the same form: in one that begins with what is asked."""
        self.told.add(path)
        forms = entity_parser.load(entity_parser.field_at(self.root, names_in(path))[1].child).items
        there = [ln for ln in forms if all(self.has((*path, i, *p)) for i in range(number) for p in ln.needs)]
        asked = [ln for ln in there if all((*path, 0, *p) in self.places for p in ln.needs)]
        form = self.rng.choice(asked or there or forms)
        return [self.within((*path, i), form) for i in range(number)]

    def _item(self, path: Path) -> str:
        forms = [ln for ln in self.entity(path).items if all(self.has((*path, *p)) for p in ln.needs)]
        return self.within(path, self.rng.choice(forms))

    def within(self, home: Path, line: Line) -> str:
        """A line about another thing."""
        kept, self.home = self.home, home
        words = self.render(line.nodes, home)
        self.home = kept
        return words

    # The language's choices.

    def _opt(self, node: tuple, base: Path) -> str:
        """A part in `<…>`: told if something in it is asked for, and nothing in it has been told."""
        units = [(*self.home, *path) for path in node[2]]
        if any(unit in self.told or not self.has(unit) for unit in units):
            return ""
        if units and not any(unit in self.places for unit in units) and not self._whim(units):
            return ""
        return super()._opt(node, base)

    def _whim(self, units: list[Path]) -> bool:
        """Whether to tell what nobody asked for: the same for all items of a list."""
        shape, item = names_in(units[0]), self.home not in self.kinds
        if shape not in self._whims:
            holder, field = entity_parser.field_at(self.root, shape)
            likely = item and field.name == entity_parser.load(holder).first
            self._whims[shape] = self.chance(BY_NAME if likely else self.chatty)
        return self._whims[shape] and (item or not self.hidden(self.home) & set(units))

    def _alt(self, node: tuple, base: Path) -> str:
        """Alternatives: no pronoun before it is clear what it stands for, and often one after."""
        clear = [part for part in node[1] if not opens_with_pronoun(part)]
        if self.fresh and clear:
            return self.render(self.rng.choice(clear), base)
        others = [part for part in node[1] if opens_with_pronoun(part)]
        return self.render(self.rng.choice(others if others and self.chance(0.55) else node[1]), base)

    # Money.

    def currency_unit(self, path: Path) -> Path | None:
        """The currency of an amount: that of its thing, or of the nearest one around it."""
        for cut in range(len(path) - 1, -1, -1):
            unit = (*path[:cut], "currency")
            if not isinstance(path[cut], int) and self.has(unit):
                return unit
        return None

    def _currency_pointer(self, path: Path = ()) -> str:
        unit = self.currency_unit(path)
        if unit:
            self.told.add(unit)
        return self.places.get(unit, "")

    def _currency(self, path: Path = ()) -> str:
        unit = self.currency_unit(path)
        return self.value(unit) if unit else self.context["currency"]
