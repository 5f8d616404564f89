"""The planner: which sentences or notes mention which values of a record, in which order and words.

A `Planner` goes from entity to entity (the root, its children) and picks lines of the entity files
until every target (a value of the record) is mentioned, usually once. It prefers lines that mention
several targets. At times it adds a distractor (a field that isn't in the schema), or misstates a
value and corrects it.

It renders the lines in the language of `textgen.templates`, and knows where in the record each
value is, so that its words are evidence. A slot that names a list renders the whole list. A value
that isn't in the record is written without a mark.
"""

from collections import Counter
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from random import Random

from slmlib.tasks.edgejson.generate import entities
from slmlib.tasks.edgejson.generate.composer import entity_parser
from slmlib.tasks.edgejson.generate.composer.entity_parser import Entity, FieldPath, Line
from slmlib.tasks.edgejson.generate.composer.instances import Instance
from slmlib.tasks.edgejson.phrases import PHRASES
from slmlib.textgen import lexicon, phrase_tables, templates
from slmlib.textgen.sampling_context import SamplingContext
from slmlib.textgen.templates import Absent, Renderer

# Heading and text of the blocks of text_frames.txt; the top of `layouts` describes them.
FRAMES = tuple(phrase_tables.blocks(Path(__file__).with_name("text_frames.txt")))
NAME_DRAWS = 12  # instances drawn to find out which fields hold names of people or firms
# Probability, one per text, of mentioning a field that isn't in the schema.
P_EXTRA = (0.0, 0.0, 0.15, 0.3)
P_IDENTIFIED = 0.8  # share of lists whose items are identified by name, even if not in the schema
P_PRONOUN = 0.55  # probability of a pronoun where it is clear what it refers to
# Probability, one per text, of switching the entity before all its fields are mentioned.
P_SWITCH = (0.0, 0.0, 0.25)
P_CHILD_FIRST = 0.15  # probability that a text does not begin with the root
# Probability, by register, that a text contains a misstatement with its correction.
P_CORRECTION = {"call": 0.35, "voice": 0.35, "chat": 0.25, "email": 0.1}
# Weights of candidate lines.
REPEATED = 0.2  # a line that the text already contains
NAMES_CHILD = 100  # the first line about a child, if it gives the child's identifier
NAMES_ROOT = 5  # the same for the root
LAST_RESORT = 0.001  # a line that is unclear here, or only gives the currency
ItemPath = tuple  # of field names, and of indices in lists


@cache
def phrases(heading: str) -> tuple[str, ...]:
    """The lines of a block of text_frames.txt; empty if there is no such block."""
    return tuple(line for name, text in FRAMES if name == heading for line in text.splitlines())


@cache
def leaf_of(root: str, names: FieldPath) -> tuple[str, str | None]:
    """The kind and the phrase table, if any, of the field at a path of names."""
    entity, field = entity_parser.field_at(root, names)
    table, kind = f"{entity}.{field.name}", templates.kind_of(field.node)
    if kind == "number" and field.name in entity_parser.load(entity).money:
        kind = "money"
    return kind, table if table in PHRASES else None


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


def names_in(path: ItemPath) -> FieldPath:
    """A path without the indices in lists."""
    return tuple(part for part in path if isinstance(part, str))


def below(paths: set[ItemPath], path: ItemPath) -> set[ItemPath]:
    """The paths below an entity, relative to it."""
    return {p[len(path) :] for p in paths if p[: len(path)] == path}


class Planner(Renderer):
    """Chooses what to say about an instance and in which order, and renders it."""

    capital = Renderer._capitalised

    def __init__(self, instance: Instance, register: str, context: dict, rng: Random):
        super().__init__(templates.Fields({}, {}, PHRASES), register, instance.values, context, rng)
        self.root, self.pointers = instance.root, instance.pointers
        prose = register in templates.PROSE
        self.styles["moment"] = "utc_prose" if prose else rng.choice(("moment", "utc_log"))
        self.p_extra = rng.choice(P_EXTRA)
        self.correction_due = self.chance(P_CORRECTION.get(register, 0))
        self.bullets = False  # lists of children have one line per item
        self.current: ItemPath = ()  # the entity to which field names refer
        self.subject: ItemPath | None = None  # the entity of the previous sentence
        self.new_subject = True  # this sentence is about another entity than the previous one
        self.mentioned: set[ItemPath] = set()
        self.mentioned_before: set[ItemPath] = set()  # in earlier sentences
        self.introduced: set[ItemPath] = set()  # entities that a line was about
        self.used: set[int] = set()  # identities of lines
        self.misstated: dict[ItemPath, object] = {}  # wrong values, corrected in the next sentence
        self._roles: dict[ItemPath, str] = {}
        self._extras: dict[tuple, bool] = {}  # fields not in the schema: mention them?
        # Values of the record, without those in list items.
        self.targets = {path for path in self.pointers if names_in(path) == path}
        self.paths: list[ItemPath] = [()]  # of all entities except list items
        # Values of each entity from which an absent value could be derived.
        self.revealing: dict[ItemPath, set[ItemPath]] = {}
        for path in self.paths:
            entity, values = self.entity(path), self.value(path)
            children = [f.name for f in entity.fields.values() if f.child and not f.bounds]
            self.paths += [(*path, name) for name in children if name in values]
            self.revealing[path] = set()
            for rule in entity.rules:
                paths = [(*path, *names) for names in entity_parser.rule_paths(rule)]
                if not all(self.has(p[: p.index("*")] if "*" in p else p) for p in paths):
                    self.revealing[path] |= {p[: len(path) + 1] for p in paths}
        types = Counter(self.entity(path).name for path in self.paths)
        self.ambiguous = {name for name, count in types.items() if count > 1}  # need their role

    def entity(self, path: ItemPath) -> Entity:
        """The type of the entity at a path, or of the items of a list."""
        names = names_in(path)
        child = entity_parser.field_at(self.root, names)[1].child if names else self.root
        return entity_parser.load(child)

    def has(self, path: ItemPath) -> bool:
        """True if there is a value at a path."""
        try:
            self.value(path)
        except Absent:
            return False
        return True

    def chance(self, share: float) -> bool:
        """True with this probability."""
        return self.rng.random() < share

    def phrase(self, heading: str) -> str:
        """A random line of a block of text_frames.txt."""
        return self.render(templates.parse(self.rng.choice(phrases(heading))), ())

    def missing(self, path: ItemPath) -> set[ItemPath]:
        """The targets of an entity that aren't mentioned yet, without those of its children."""
        return {p for p in self.targets if p[:-1] == path and p not in self.mentioned}

    # The plan

    def order(self) -> list[ItemPath]:
        """Entities with targets: the root, then the others in random order, parents first."""
        paths = sorted({path[:-1] for path in self.targets} - {()})
        self.rng.shuffle(paths)
        for path in [p for p in paths if p[:-1] in paths]:  # grandchildren follow their parent
            paths.remove(path)
            paths.insert(paths.index(path[:-1]) + 1, path)
        return [(), *paths]

    def segments(self, kind: str) -> list[tuple[ItemPath, str]]:
        """All targets in `sentences` or in `notes`, each with the entity that it is about."""
        todo, segments, p_switch = self.order(), [], self.rng.choice(P_SWITCH)
        if len(todo) > 1 and self.chance(P_CHILD_FIRST):
            todo.append(todo.pop(0))
        path = todo[0]
        while todo := [p for p in todo if self.missing(p)]:
            if path not in todo:
                path = todo[0]
            elif self.chance(p_switch):
                path = self.rng.choice(todo)
            segments += [(path, text) for text in self.extras(path, kind)]
            if self.missing(path):  # an extra line may have mentioned the last one, a currency
                segments.append((path, self.next(path, kind)))
        return segments

    def next(self, path: ItemPath, kind: str) -> str:
        """The next line about an entity, one that mentions a missing target."""
        for strictness in (2, 1, 0):
            lines, weights = self._candidates(path, kind, strictness)
            if lines:
                return self.write(self.rng.choices(lines, weights)[0], path, kind)
        entity = self.entity(path).name
        raise ValueError(f"{entity}: no line in `{kind}` covers the fields {self.missing(path)}")

    def _candidates(self, path: ItemPath, kind: str, strictness: int) -> tuple[list, list[float]]:
        """Lines that mention a missing target, with weights.

        Strictness 2: no repetition and, mostly, no fields that aren't in the schema; 1: no
        repetition; 0: no restriction.
        """
        targets, mentioned = below(self.targets, path), below(self.mentioned, path)
        missing, lines, weights = targets - mentioned, [], []
        entity = self.entity(path)
        for line in entity.lines[kind]:
            gain = len(line.required & missing)
            if not gain and line.states_currency:
                gain = self.currency_path((*path, *min(line.required))) in self.missing(path)
            if not gain or not all(self.has((*path, *p)) for p in line.required):
                continue
            repeated, extra = len(line.required & mentioned), len(line.required - targets)
            if strictness == 2 and extra and not self.chance(self.p_extra):
                continue
            if strictness and repeated:
                continue
            gain += len(line.optional & missing)
            weight = gain**2 * (REPEATED if id(line) in self.used else 1) / (1 + repeated + extra)
            if path not in self.introduced and (entity.identifier,) in line.required:
                weight *= NAMES_CHILD if path else NAMES_ROOT
            if line.required == {("currency",)}:
                weight *= LAST_RESORT  # a line with an amount will mention it
            if kind == "sentences":
                unclear = not self.is_clear(line, path)
            else:  # in a chat nobody would know what a bare value is
                unclear = self.register == "chat" and len(line.nodes) == 1
            lines.append(line)
            weights.append(weight * LAST_RESORT if unclear else weight)
        return lines, weights

    def is_clear(self, line: Line, path: ItemPath) -> bool:
        """True if a reader knows what the line is about, after the previous sentence."""
        named = line.names_thing and not line.dangling
        if line.names_role or (named and self.entity(path).name not in self.ambiguous):
            return True
        return self.subject == path or not (path or line.dangling)

    def write(self, line: Line, path: ItemPath, kind: str) -> str:
        """Render a line; what it mentions counts as mentioned."""
        self.current, self.new_subject = path, self.subject != path
        clear = kind != "sentences" or self.is_clear(line, path)
        text = self.render(line.nodes, path)
        if kind == "sentences":
            text = self.capital(text)
        if not clear:
            role = self.role(path)
            leads = f"About {role}: ", f"As for {role}: ", f"{role[:1].upper()}{role[1:]}: "
            text = self.rng.choice(leads) + text
        values = [self.value((*path, *p)) for p in line.required]
        lists_children = any(isinstance(v, list) and isinstance(v[0], dict) for v in values)
        self.subject = None if lists_children else path  # after a list, "it" would be unclear
        self.used.add(id(line))
        self.introduced.add(path)
        self.mentioned_before |= self.mentioned
        return text

    # What is not in the schema, or not true.

    def extras(self, path: ItemPath, kind: str) -> list[str]:
        """At times a distractor, or a misstated value and its correction."""
        texts, sentences = [], kind == "sentences"
        if self.chance(self.p_extra * 0.7):
            lines = [
                line for line in self.entity(path).lines[kind]
                if not (sentences and not self.is_clear(line, path))
                and line.required != {("currency",)}
                and all(self.is_distractor((*path, *p)) for p in line.required)
            ]  # fmt: skip
            texts += [self.write(self.rng.choice(lines), path, kind)] if lines else []
        if sentences and self.correction_due and path == self.subject and self.chance(0.5):
            texts += self._correction(path)
        return texts

    def is_distractor(self, field: ItemPath) -> bool:
        """True for a value outside the schema from which no absent value could be derived."""
        if field in self.targets | self.mentioned or not self.has(field):
            return False
        return field not in self.revealing[field[:-1] if field[:-1] in self.paths else ()]

    def _correction(self, path: ItemPath) -> list[str]:
        """A sentence with a wrong value and its correction."""
        missing = below(self.targets - self.mentioned, path)
        candidates = []
        for line in self.entity(path).lines["sentences"]:
            if len(line.required) == 1 and line.required <= missing and not line.states_currency:
                field = (*path, *min(line.required))
                if self.is_clear(line, path) and self._wrong_value(field) is not None:
                    candidates.append((line, field))
        if not candidates:
            return []
        line, field = self.rng.choice(candidates)
        self.correction_due, self.misstated = False, {field: self._wrong_value(field)}
        text = self.write(line, path, "sentences")
        self.misstated = {}
        style = entity_parser.slots(line.nodes, optional=False)[0][1]
        self.context["correction"] = self.express(field, style)
        return [f"{text} {self.phrase(f'corrections {self.register}')}"]

    def _wrong_value(self, field: ItemPath):
        """A plausible wrong value: another day, hour, number or choice; None if there is none."""
        value = self.value(field) if self.has(field) else None
        if value is None or isinstance(value, list | bool | dict):
            return None
        (kind, table), rng = leaf_of(self.root, names_in(field)), self.rng
        if table:
            return rng.choice([v for v in PHRASES[table][""] if v != value] or [None])
        if kind == "date":
            days = timedelta(days=rng.choice((-7, -2, -1, 1, 2, 7)))
            return (date.fromisoformat(value) + days).isoformat()
        if kind == "time":
            return f"{(int(value[:2]) + rng.choice((1, 2))) % 24:02d}:{value[3:]}"
        return value + rng.choice((1, 2, 10)) if kind == "integer" else None

    # Words

    def role(self, path: ItemPath, *, by_name: bool = True) -> str:
        """A reference to an entity: by a word for its type, or by its role for its parent.

        Args:
            path: The path of the entity.
            by_name: A person or firm whose name was mentioned may be referred to by it.
        """
        if not path or names_in(path) != path:
            return self.rng.choice(self.entity(path).things)
        if path not in self._roles:
            parent, field = entity_parser.field_at(self.root, path)
            nouns = [f"the {noun}" for noun in field.nouns[:2]]
            roles = entity_parser.load(parent).roles.get(field.name, nouns)
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

    def express(self, path: ItemPath, style: str = "") -> str:
        """Render a value or a list, which then counts as mentioned."""
        value = self.value(path)
        self.mentioned.add(path)
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

    def items(self, path: ItemPath) -> list[str]:
        """Render each item of a list, all in one form: preferably one that starts with a target."""
        self.mentioned.add(path)
        items = [(*path, i) for i in range(len(self.value(path)))]
        forms = self.entity(path).lines["items"]
        complete = [f for f in forms if all(self.has((*i, *p)) for i in items for p in f.required)]
        targets = [f for f in complete if all((*path, 0, *p) in self.pointers for p in f.required)]
        form = self.rng.choice(targets or complete or forms)
        return [self.within(item, form) for item in items]

    def within(self, path: ItemPath, line: Line) -> str:
        """Render a line about another entity."""
        outer, self.current = self.current, path
        words = self.render(line.nodes, path)
        self.current = outer
        return words

    def currency_path(self, path: ItemPath) -> ItemPath | None:
        """The currency of an amount: that of its entity, or of the nearest one around it."""
        for cut in range(len(path) - 1, -1, -1):
            currency = (*path[:cut], "currency")
            if not isinstance(path[cut], int) and self.has(currency):
                return currency
        return None

    # What the template language calls.

    def path(self, name: str, base: ItemPath) -> ItemPath:
        return (*self.current, *name.split("."))

    def value(self, path: ItemPath):
        return self.misstated[path] if path in self.misstated else super().value(path)

    def leaf(self, path: ItemPath) -> tuple[str, str, str | None]:
        pointer = "" if path in self.misstated else self.pointers.get(path, "")
        return pointer, *leaf_of(self.root, names_in(path))

    def _slot(self, node: tuple, base: ItemPath) -> str:
        _, name, style, capital, context = node
        words = self._context(name, style) if context else self.express(self.path(name, ()), style)
        return self.capital(words) if capital else words

    def _marked(self, path: ItemPath, style: str) -> str:
        if not style and self.value(path) in self.context["phones"]:
            style = "said_phone"
        return super()._marked(path, style)

    def _style(self, kind: str, style: str) -> str:
        if not style and kind == "integer" and self.register == "voice":
            return self.rng.choice(("words", "small"))
        return super()._style(kind, style)

    def _context(self, name: str, style: str) -> str:
        if name in ("role", "thing"):
            return self.role(self.current)
        if self.context.get(name) is None:
            raise Absent(name)
        return super()._context(name, style)

    def _opt(self, node: tuple, base: ItemPath) -> str:
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

    def _alt(self, node: tuple, base: ItemPath) -> str:
        """An alternative: no pronoun before its reference is clear, and often one after."""
        pronouns = [part for part in node[1] if entity_parser.opens_with_pronoun(part)]
        choices = node[1]
        if self.new_subject and len(pronouns) < len(choices):
            choices = [part for part in choices if part not in pronouns]
        elif pronouns and self.chance(P_PRONOUN):
            choices = pronouns
        return self.render(self.rng.choice(choices), base)

    def _currency_pointer(self, path: ItemPath = ()) -> str:
        currency = self.currency_path(path)
        if currency:
            self.mentioned.add(currency)
        return self.pointers.get(currency, "")

    def _currency(self, path: ItemPath = ()) -> str:
        currency = self.currency_path(path)
        return self.value(currency) if currency else self.context["currency"]
