"""A composed record in words: which sentences or notes tell which of its values.

A `Teller` goes from thing to thing (the root, its children) and picks lines of the entity's file
until every value that the schema asks for is told, each as a rule once. Lines that weave several
values together are preferred; now and then it tells what nobody asked for, a distractor of the
right type, or says something wrong and corrects itself.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from slmlib.tasks.edgejson.generate.composer import entity_parser, text_frames
from slmlib.tasks.edgejson.generate.composer.entity_parser import Line
from slmlib.tasks.edgejson.generate.composer.instances import Instance
from slmlib.tasks.edgejson.generate.composer.surface import Path, Wording, leaf_of, names_in
from slmlib.textgen.phrase_tables import PHRASES

RESTLESS = (0.0, 0.0, 0.25)  # how readily a text goes to another thing before one is told
SLIPS = {"call": 0.35, "voice": 0.35, "chat": 0.25, "email": 0.1}  # texts in which somebody is corrected


@dataclass(frozen=True)
class Bit:
    """A sentence or fragment of a text, and the thing that it is about."""

    home: Path
    text: str


class Teller(Wording):
    """Picks what to say of an instance, in which order."""

    def __init__(self, instance: Instance, register: str, context: dict, rng: Random):
        super().__init__(instance, register, context, rng)
        self.slips = self.chance(SLIPS.get(register, 0))  # still to come
        self.met: set[Path] = set()  # things that have been spoken of
        self.used: set[int] = set()  # lines
        every = list(self.kinds.values())
        self.twins = {kind for kind in every if every.count(kind) > 1}  # their own name is not enough

    def one(self, kind: str) -> str:
        """One of the lines of a kind in the frames' file, in words."""
        return self.render(self.rng.choice(text_frames.lines(kind)), ())

    def need(self, home: Path) -> set[Path]:
        """What is still to be told of a thing itself."""
        return {path for path in self.asked if path[:-1] == home and path not in self.told}

    def homes(self) -> list[Path]:
        """The things of which something is asked, the root first, the others in any order."""
        found = sorted({path[:-1] for path in self.asked} - {()})
        self.rng.shuffle(found)
        for home in [home for home in found if home[:-1] in found]:  # a child's child after the child
            found.remove(home)
            found.insert(found.index(home[:-1]) + 1, home)
        return [(), *found]

    def bits(self, kind: str) -> list[Bit]:
        """Everything that is asked for, in `sentences` or in `notes`, in an order by chance."""
        todo, made, restless = self.homes(), [], self.rng.choice(RESTLESS)
        if len(todo) > 1 and self.chance(0.15):
            todo.append(todo.pop(0))
        at = todo[0]
        while todo := [home for home in todo if self.need(home)]:
            if at not in todo:
                at = todo[0]
            elif self.chance(restless):
                at = self.rng.choice(todo)
            made += self.beside(at, kind)
            if self.need(at):  # what was said beside may have told the currency
                made.append(self.next(at, kind))
        return made

    def beside(self, home: Path, kind: str) -> list[Bit]:
        """Now and then something that nobody asked for, or a slip of the tongue."""
        made = [Bit(home, text) for text in self._aside(home, kind)]
        return made + ([Bit(home, text) for text in self._slip(home)] if kind == "sentences" else [])

    def next(self, home: Path, kind: str) -> Bit:
        """The next line about a thing: one that tells something that is still needed."""
        for strict in (2, 1, 0):
            if lines := self._candidates(home, kind, strict):
                line = self.rng.choices([ln for ln, _ in lines], [weight for _, weight in lines])[0]
                return Bit(home, self.tell(line, home, kind))
        raise ValueError(f"{self.kinds[home]}: no line of {kind} tells {self.need(home)}")

    def _candidates(self, home: Path, kind: str, strict: int) -> list[tuple[Line, float]]:
        """Lines that tell something needed; 2: nothing twice and nothing unasked, 0: anything goes."""
        asked, told = self._beneath(self.asked, home), self._beneath(self.told, home)
        need, found, entity = asked - told, [], self.entity(home)
        for line in entity.lines(kind):
            wanted = len(line.needs & need)
            if not wanted and line.currency:
                wanted = self.currency_unit((*home, *min(line.needs))) in self.need(home)
            if not wanted or not all(self.has((*home, *path)) for path in line.needs):
                continue
            known, strange = len(line.needs & told), len(line.needs - asked)
            if (strict == 2 and strange and not self.chance(self.chatty)) or (strict and known):
                continue
            wanted += len(line.offers & need)
            weight = wanted**2 * (0.2 if id(line) in self.used else 1) / (1 + known + strange)
            if home not in self.met and (entity.first,) in line.needs:
                weight *= 100 if home else 5
            if line.needs == {("currency",)}:
                weight *= 0.001  # an amount will tell it
            if not self._introduces(line, home) if kind == "sentences" else self._bare(line):
                weight *= 0.001
            found.append((line, weight))
        return found

    def _beneath(self, paths: set[Path], home: Path) -> set[Path]:
        """Those of the paths that lie beneath a thing, from there."""
        cut = len(home)
        return {path[cut:] for path in paths if path[:cut] == home}

    def _introduces(self, line: Line, home: Path) -> bool:
        """True if it is clear what the line is about, after what has just been said."""
        if line.says_role or (line.says_thing and not line.dangling and self.kinds[home] not in self.twins):
            return True
        return self.subject == home if home or line.dangling else True

    def _bare(self, line: Line) -> bool:
        """True of a fragment that is only a value: in a chat nobody would know what it is."""
        return self.register == "chat" and len(line.nodes) == 1

    def tell(self, line: Line, home: Path, kind: str) -> str:
        """A line in words; what it tells is told."""
        self.home, self.fresh = home, self.subject != home
        lead = kind == "sentences" and not self._introduces(line, home)
        words = self.render(line.nodes, home)
        if kind == "sentences":
            words = (self._lead(home) if lead else "") + self._capitalised(words)
        listed = [path for path in line.needs if self._lists_things((*home, *path))]
        self.subject = None if listed else home  # after a list nobody knows what "it" is
        self.used.add(id(line))
        self.met.add(home)
        self.named |= self.told
        return words

    def _lists_things(self, unit: Path) -> bool:
        value = self.value(unit)
        return isinstance(value, list) and isinstance(value[0], dict)

    def _lead(self, home: Path) -> str:
        role = self.role(home)
        return self.rng.choice((f"About {role}: ", f"As for {role}: ", f"{role[:1].upper()}{role[1:]}: "))

    # What is not asked for.

    def _aside(self, home: Path, kind: str) -> list[str]:
        if not self.chance(self.chatty * 0.7):
            return []
        lines = [
            line for line in self.entity(home).lines(kind)
            if (kind != "sentences" or self._introduces(line, home))
            and line.needs != {("currency",)}
            and not any(self._off_limits((*home, *path)) for path in line.needs)
        ]  # fmt: skip
        return [self.tell(self.rng.choice(lines), home, kind)] if lines else []

    def _off_limits(self, unit: Path) -> bool:
        """Asked for, told, missing, or something from which a missing value could be worked out."""
        return unit in self.asked | self.told or not self.has(unit) or unit in self.hidden(self.home_of(unit))

    def home_of(self, unit: Path) -> Path:
        """The thing to which a value belongs."""
        return unit[:-1] if unit[:-1] in self.kinds else ()

    def _slip(self, home: Path) -> list[str]:
        """A sentence with a wrong value and its correction, once in a text that has a slip."""
        if not self.slips or home != self.subject or not self.chance(0.5):
            return []
        need = self._beneath(self.asked - self.told, home)
        lines = [ln for ln in self.entity(home).sentences if len(ln.needs) == 1 and ln.needs <= need]
        lines = [ln for ln in lines if not ln.currency and self._introduces(ln, home)]
        found = [
            (ln, unit) for ln in lines for unit in [(*home, *min(ln.needs))] if self._other(unit) is not None
        ]
        if not found:
            return []
        line, unit = self.rng.choice(found)
        self.slips, self.wrong = False, {unit: self._other(unit)}
        words = self.tell(line, home, "sentences")
        self.wrong = {}
        style = entity_parser.slots(line.nodes, optional=False)[0][1]
        self.context["right"] = self.said(unit, style)
        return [f"{words} {self.one(f'slips {self.register}')}"]

    def _other(self, unit: Path):
        """A value that might have been meant: another day, hour, number or choice; None if there is none."""
        value = self.value(unit) if self.has(unit) else None
        if value is None or isinstance(value, list | bool | dict):
            return None
        leaf = leaf_of(self.root, names_in(unit))
        if leaf.table:
            return self.rng.choice([other for other in PHRASES[leaf.table][""] if other != value] or [None])
        if leaf.kind == "date":
            days = timedelta(days=self.rng.choice((-7, -2, -1, 1, 2, 7)))
            return (date.fromisoformat(value) + days).isoformat()
        if leaf.kind == "time":
            return f"{(int(value[:2]) + self.rng.choice((1, 2))) % 24:02d}:{value[3:]}"
        return value + self.rng.choice((1, 2, 10)) if leaf.kind == "integer" else None
