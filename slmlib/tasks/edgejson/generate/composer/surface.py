"""Surface realisation: values, lists and names of an instance in words.

A `Realiser` renders lines of entity files in the language of `textgen.templates`. It knows where in
the record each value stands, so that its words are evidence. A slot that names a list renders the
whole list, one that names a child renders the child in one line. A value that isn't in the record
is written without a mark: a distractor.
"""

from dataclasses import dataclass
from functools import cache
from random import Random

from slmlib.tasks.edgejson.generate import entities
from slmlib.tasks.edgejson.generate.composer import entity_parser, keys
from slmlib.tasks.edgejson.generate.composer.entity_parser import Entity, Line
from slmlib.tasks.edgejson.generate.composer.instances import Instance
from slmlib.tasks.edgejson.phrases import PHRASES
from slmlib.textgen import lexicon, templates
from slmlib.textgen.sampling_context import SamplingContext
from slmlib.textgen.templates import Absent, Renderer

NAME_DRAWS = 12  # instances drawn to find out which fields hold names of people or firms
# Probability, one per text, of mentioning a field that isn't in the schema.
P_EXTRA = (0.0, 0.0, 0.15, 0.3)
P_IDENTIFIED = 0.8  # share of lists whose items are identified by name, even if not in the schema
P_PRONOUN = 0.55  # probability of a pronoun where it is clear what it refers to
Path = tuple  # of field names, and of indices in lists


@dataclass(frozen=True)
class Leaf:
    """How the values of a field are written."""

    kind: str
    table: str | None
    phone: bool


@cache
def leaf_of(root: str, names: tuple[str, ...]) -> Leaf:
    """The kind and the phrase table of the field at a path of names."""
    entity, field = entity_parser.field_at(root, names)
    table, kind = f"{entity}.{field.name}", templates.kind_of(field.node)
    if kind == "number" and field.name in entity_parser.load(entity).money:
        kind = "money"
    phone = field.node.get("pattern", "").startswith(r"^\+\d")
    return Leaf(kind, table if table in PHRASES else None, phone)


@cache
def proper_names(entity: str) -> dict[str, str]:
    """Field -> `person` or `firm`, for the fields that hold such names."""
    surnames = {name for place in lexicon.PLACES for name in place.last}
    kinds: dict[str, str] = {}
    for index in range(NAME_DRAWS):
        ctx = SamplingContext(Random(f"{entity}/{index}"), "train")
        for name, value in entities.draw(entity, ctx).items():
            if isinstance(value, str) and value in lexicon.FIRMS:
                kinds[name] = "firm"
            elif isinstance(value, str) and any(value.endswith(f" {last}") for last in surnames):
                kinds.setdefault(name, "person")
    return kinds


def possessive(owner: str, noun: str) -> str:
    """`the driver's phone`, but `the phone of the driver of the van`."""
    short = len(owner.split()) <= 3 and "'" not in owner
    return f"{owner}'s {noun}" if short else f"the {noun} of {owner}"


def names_in(path: Path) -> tuple[str, ...]:
    """A path without the indices in lists."""
    return tuple(part for part in path if isinstance(part, str))


class Realiser(Renderer):
    """Renders the values of an instance."""

    capital = Renderer._capitalised

    def __init__(self, instance: Instance, register: str, context: dict, rng: Random):
        super().__init__(templates.Fields({}, {}, PHRASES), register, instance.values, context, rng)
        self.root, self.pointers = instance.root, instance.pointers
        prose = register in templates.PROSE
        self.styles["moment"] = "utc_prose" if prose else rng.choice(("moment", "utc_log"))
        self.p_extra = rng.choice(P_EXTRA)
        self.bullets = False  # lists of children have one line per item
        self.current: Path = ()  # the entity to which field names refer
        self.subject: Path | None = None  # the entity of the previous sentence
        self.new_subject = True  # this sentence is about another entity than the previous one
        self.mentioned: set[Path] = set()
        self.mentioned_before: set[Path] = set()  # in earlier sentences
        self.misstated: dict[Path, object] = {}  # wrong values, corrected in the next sentence
        self._roles: dict[Path, str] = {}
        self._extras: dict[tuple, bool] = {}  # fields not in the schema: mention them?
        # Values of the record, without those in list items.
        self.targets = {path for path in self.pointers if names_in(path) == path}
        self.paths: list[Path] = [()]  # of all entities except list items
        # Values of each entity from which an absent value could be derived.
        self.revealing: dict[Path, set[Path]] = {}
        for path in self.paths:
            entity, values = self.entity(path), self.value(path)
            children = [f.name for f in entity.fields.values() if f.child and not f.bounds]
            self.paths += [(*path, name) for name in children if name in values]
            self.revealing[path] = set()
            for rule in entity.rules:
                paths = [(*path, *names) for names in entity_parser.rule_paths(rule)]
                if not all(self.has(p[: p.index("*")] if "*" in p else p) for p in paths):
                    self.revealing[path] |= {p[: len(path) + 1] for p in paths}

    def entity(self, path: Path) -> Entity:
        """The type of the entity at a path, or of the items of a list."""
        names = names_in(path)
        child = entity_parser.field_at(self.root, names)[1].child if names else self.root
        return entity_parser.load(child)

    def has(self, path: Path) -> bool:
        """True if there is a value at a path."""
        try:
            self.value(path)
        except Absent:
            return False
        return True

    def chance(self, share: float) -> bool:
        """True with this probability."""
        return self.rng.random() < share

    def role(self, path: Path, *, by_name: bool = True) -> str:
        """How to refer to an entity: by a word for its type, or by its role for its parent.

        Args:
            path: The path of the entity.
            by_name: A person or firm whose name was mentioned may be referred to by it.
        """
        if not path or names_in(path) != path:
            return self.rng.choice(self.entity(path).things)
        if path not in self._roles:
            parent, field = entity_parser.field_at(self.root, path)
            nouns = [noun.replace("_", " ") for noun in keys.noun_wordings(field)[:2]]
            nouns = nouns or [field.name.replace("_", " ")]
            roles = entity_parser.load(parent).roles.get(field.name, [f"the {n}" for n in nouns])
            role = roles[0] if self.chance(0.6) else self.rng.choice(roles)
            if len(path) > 1 and role.startswith("the "):
                parent_role = self.role(path[:-1], by_name=False)
                role = possessive(parent_role, role.removeprefix("the "))
            self._roles[path] = role
        entity = self.entity(path)
        name, kind = (*path, entity.identifier), proper_names(entity.name).get(entity.identifier)
        by_name = by_name and kind and name in self.mentioned_before and path != self.subject
        if not by_name or self.chance(0.5):
            return self._roles[path]
        first_name_only = kind == "person" and self.chance(0.6)
        return self.value(name).split()[0] if first_name_only else self.value(name)

    def express(self, path: Path, style: str = "") -> str:
        """Render a value, a list or a child, which then counts as mentioned."""
        value = self.value(path)
        self.mentioned.add(path)
        if isinstance(value, dict):
            forms = self.entity(path).lines["items"]
            complete = [f for f in forms if all(self.has((*path, *p)) for p in f.required)]
            return self.within(path, self.rng.choice(complete))
        if not isinstance(value, list):
            return self._marked(path, style)
        comma, last = ", ", " and "
        if isinstance(value[0], dict):
            parts = self.items(path)
            if self.bullets:
                return "".join(f"\n- {part}" for part in parts)
            if any("," in part for part in parts):
                comma, last = "; ", "; and "
        else:
            parts = [self._marked((*path, i), style) for i in range(len(value))]
        return last.join(filter(None, [comma.join(parts[:-1]), parts[-1]]))

    def items(self, path: Path) -> list[str]:
        """Render each item of a list, all in one form: preferably one that starts with a target."""
        self.mentioned.add(path)
        items = [(*path, i) for i in range(len(self.value(path)))]
        forms = self.entity(path).lines["items"]
        complete = [f for f in forms if all(self.has((*i, *p)) for i in items for p in f.required)]
        targets = [f for f in complete if all((*path, 0, *p) in self.pointers for p in f.required)]
        form = self.rng.choice(targets or complete or forms)
        return [self.within(item, form) for item in items]

    def within(self, path: Path, line: Line) -> str:
        """Render a line about another entity."""
        outer, self.current = self.current, path
        words = self.render(line.nodes, path)
        self.current = outer
        return words

    def currency_path(self, path: Path) -> Path | None:
        """The currency of an amount: that of its entity, or of the nearest one around it."""
        for cut in range(len(path) - 1, -1, -1):
            currency = (*path[:cut], "currency")
            if not isinstance(path[cut], int) and self.has(currency):
                return currency
        return None

    # What the template language calls.

    def path(self, name: str, base: Path) -> Path:
        return (*self.current, *name.split("."))

    def value(self, path: Path):
        return self.misstated[path] if path in self.misstated else super().value(path)

    def leaf(self, path: Path) -> tuple[str, str, str | None]:
        leaf = leaf_of(self.root, names_in(path))
        pointer = "" if path in self.misstated else self.pointers.get(path, "")
        return pointer, leaf.kind, leaf.table

    def _slot(self, node: tuple, base: Path) -> str:
        _, name, style, capital, context = node
        path = () if context else self.path(name, base)
        words = self._context(name, style) if context else self.express(path, style)
        return self.capital(words) if capital else words

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
            return self.role(self.current)
        value = self.context.get(name)
        if value is None:
            raise Absent(name)
        return super()._context(name, style) if name == "day" else value

    def _opt(self, node: tuple, base: Path) -> str:
        """A part in `<…>`: rendered if it has a target, and nothing in it has been mentioned.

        Without a target it is rendered at times; the decision holds for all items of a list.
        """
        paths = [(*self.current, *names) for names, _ in entity_parser.slots(node[1])]
        if any(path in self.mentioned or not self.has(path) for path in paths):
            return ""
        if paths and not any(path in self.pointers for path in paths):
            names, is_item = names_in(paths[0]), self.current not in self.paths
            if names not in self._extras:
                entity, field = entity_parser.field_at(self.root, names)
                identifies = is_item and field.name == entity_parser.load(entity).identifier
                self._extras[names] = self.chance(P_IDENTIFIED if identifies else self.p_extra)
            revealing = not is_item and self.revealing[self.current] & set(paths)
            if not self._extras[names] or revealing:
                return ""
        return super()._opt(node, base)

    def _alt(self, node: tuple, base: Path) -> str:
        """An alternative: no pronoun before its reference is clear, and often one after."""
        pronouns = [part for part in node[1] if entity_parser.opens_with_pronoun(part)]
        choices = node[1]
        if self.new_subject and len(pronouns) < len(choices):
            choices = [part for part in choices if part not in pronouns]
        elif pronouns and self.chance(P_PRONOUN):
            choices = pronouns
        return self.render(self.rng.choice(choices), base)

    def _currency_pointer(self, path: Path = ()) -> str:
        currency = self.currency_path(path)
        if currency:
            self.mentioned.add(currency)
        return self.pointers.get(currency, "")

    def _currency(self, path: Path = ()) -> str:
        currency = self.currency_path(path)
        return self.value(currency) if currency else self.context["currency"]
