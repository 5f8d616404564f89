"""Text planning: which sentences or notes mention which values of a record, in which order.

A `Planner` goes from entity to entity (the root, its children) and picks lines of the entity files
until every target (a value of the record) is mentioned, usually once. It prefers lines that mention
several targets. At times it adds a distractor (a field that isn't in the schema), or misstates a
value and corrects it.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from slmlib.tasks.edgejson.generate.composer import entity_parser, text_frames
from slmlib.tasks.edgejson.generate.composer.entity_parser import Line
from slmlib.tasks.edgejson.generate.composer.instances import Instance
from slmlib.tasks.edgejson.generate.composer.surface import Path, Realiser, leaf_of, names_in
from slmlib.tasks.edgejson.phrases import PHRASES

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


@dataclass(frozen=True)
class Segment:
    """A sentence or note of a text, and the path of the entity that it is about."""

    path: Path
    text: str


class Planner(Realiser):
    """Chooses what to say about an instance, and in which order."""

    def __init__(self, instance: Instance, register: str, context: dict, rng: Random):
        super().__init__(instance, register, context, rng)
        self.correction_due = self.chance(P_CORRECTION.get(register, 0))
        self.introduced: set[Path] = set()  # entities that a line was about
        self.used: set[int] = set()  # identities of lines
        types = Counter(self.entity(path).name for path in self.paths)
        self.ambiguous = {name for name, count in types.items() if count > 1}  # need their role

    def phrase(self, block: str) -> str:
        """A random line of a block of text_frames.txt."""
        return self.render(self.rng.choice(text_frames.lines(block)), ())

    def missing(self, path: Path) -> set[Path]:
        """The targets of an entity that aren't mentioned yet, without those of its children."""
        return {p for p in self.targets if p[:-1] == path and p not in self.mentioned}

    def order(self) -> list[Path]:
        """Entities with targets: the root, then the others in random order, parents first."""
        paths = sorted({path[:-1] for path in self.targets} - {()})
        self.rng.shuffle(paths)
        for path in [p for p in paths if p[:-1] in paths]:  # grandchildren follow their parent
            paths.remove(path)
            paths.insert(paths.index(path[:-1]) + 1, path)
        return [(), *paths]

    def segments(self, kind: str) -> list[Segment]:
        """All targets in `sentences` or in `notes`, in random order."""
        todo, segments, p_switch = self.order(), [], self.rng.choice(P_SWITCH)
        if len(todo) > 1 and self.chance(P_CHILD_FIRST):
            todo.append(todo.pop(0))
        path = todo[0]
        while todo := [p for p in todo if self.missing(p)]:
            if path not in todo:
                path = todo[0]
            elif self.chance(p_switch):
                path = self.rng.choice(todo)
            segments += self.extras(path, kind)
            if self.missing(path):  # an extra line may have mentioned the last one, a currency
                segments.append(self.next(path, kind))
        return segments

    def next(self, path: Path, kind: str) -> Segment:
        """The next line about an entity, one that mentions a missing target."""
        for strictness in (2, 1, 0):
            lines, weights = self._candidates(path, kind, strictness)
            if lines:
                return self.write(self.rng.choices(lines, weights)[0], path, kind)
        entity = self.entity(path).name
        raise ValueError(f"{entity}: no line in `{kind}` covers the fields {self.missing(path)}")

    def _candidates(self, path: Path, kind: str, strictness: int) -> tuple[list, list[float]]:
        """Lines that mention a missing target, with weights.

        Strictness 2: no repetition and, mostly, no fields that aren't in the schema; 1: no
        repetition; 0: no restriction.
        """
        targets, mentioned = _below(self.targets, path), _below(self.mentioned, path)
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

    def is_clear(self, line: Line, path: Path) -> bool:
        """True if a reader knows what the line is about, after the previous sentence."""
        named = line.names_thing and not line.dangling
        if line.names_role or (named and self.entity(path).name not in self.ambiguous):
            return True
        return self.subject == path or not (path or line.dangling)

    def write(self, line: Line, path: Path, kind: str) -> Segment:
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
        return Segment(path, text)

    # What is not in the schema, or not true.

    def extras(self, path: Path, kind: str) -> list[Segment]:
        """At times a distractor, or a misstated value and its correction."""
        segments, sentences = [], kind == "sentences"
        if self.chance(self.p_extra * 0.7):
            lines = [
                line for line in self.entity(path).lines[kind]
                if not (sentences and not self.is_clear(line, path))
                and line.required != {("currency",)}
                and all(self.is_distractor((*path, *p)) for p in line.required)
            ]  # fmt: skip
            segments += [self.write(self.rng.choice(lines), path, kind)] if lines else []
        if sentences and self.correction_due and path == self.subject and self.chance(0.5):
            segments += self._correction(path)
        return segments

    def is_distractor(self, field: Path) -> bool:
        """True for a value outside the schema from which no absent value could be derived."""
        if field in self.targets | self.mentioned or not self.has(field):
            return False
        return field not in self.revealing[field[:-1] if field[:-1] in self.paths else ()]

    def _correction(self, path: Path) -> list[Segment]:
        """A sentence with a wrong value and its correction."""
        missing = _below(self.targets - self.mentioned, path)
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
        text = self.write(line, path, "sentences").text
        self.misstated = {}
        style = entity_parser.slots(line.nodes, optional=False)[0][1]
        self.context["correction"] = self.express(field, style)
        return [Segment(path, f"{text} {self.phrase(f'corrections {self.register}')}")]

    def _wrong_value(self, field: Path):
        """A plausible wrong value: another day, hour, number or choice; None if there is none."""
        value = self.value(field) if self.has(field) else None
        if value is None or isinstance(value, list | bool | dict):
            return None
        leaf, rng = leaf_of(self.root, names_in(field)), self.rng
        if leaf.table:
            return rng.choice([v for v in PHRASES[leaf.table][""] if v != value] or [None])
        if leaf.kind == "date":
            days = timedelta(days=rng.choice((-7, -2, -1, 1, 2, 7)))
            return (date.fromisoformat(value) + days).isoformat()
        if leaf.kind == "time":
            return f"{(int(value[:2]) + rng.choice((1, 2))) % 24:02d}:{value[3:]}"
        return value + rng.choice((1, 2, 10)) if leaf.kind == "integer" else None


def _below(paths: set[Path], path: Path) -> set[Path]:
    """The paths below an entity, relative to it."""
    return {p[len(path) :] for p in paths if p[: len(path)] == path}
