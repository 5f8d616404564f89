"""Forms, receipts, invoices and delivery notes: labelled values in one of several layouts."""

from collections.abc import Callable
from random import Random

from slmlib.tasks.edgejson.generate.composer import entity_parser
from slmlib.tasks.edgejson.generate.composer.sentences import width
from slmlib.tasks.edgejson.generate.composer.surface import Path
from slmlib.tasks.edgejson.generate.composer.text_plan import Teller

Rows = list[tuple[str, str]]  # label, value
LAYOUTS = {  # of a register; `colon` is what looks like a Key: value list
    "form": ("colon", "colon", "space", "space", "boxes", "blocks", "run", "bars"),
    "receipt": ("space", "space", "dots", "run"),
    "invoice": ("space", "colon", "colon", "run", "bars", "blocks"),
    "delivery_note": ("space", "run", "bars", "blocks", "colon"),
}


def document(teller: Teller) -> str:
    """Sections of labelled values; lists as tables or lines; some of it said in a remark."""
    layout = teller.rng.choice(LAYOUTS[teller.register])
    remark, blocks, lists = _remark(teller), [], []
    for home in teller.homes():
        if home and teller.chance(0.35) and (line := _one_line(teller, home)):
            blocks.append(lay([(heading(teller, home), line)], layout, teller.rng))
            continue
        rows, tables = _rows(teller, home)
        lists += tables
        if rows:
            head = f"{heading(teller, home)}\n" if home else ""
            blocks.append(head + lay(rows, layout, teller.rng))
    at = teller.rng.choice((1, len(blocks)))
    blocks[at:at] = lists
    return teller.rng.choice(("\n", "\n", "\n\n")).join(filter(None, [*blocks, remark]))


def heading(teller: Teller, home: Path) -> str:
    """What a thing is to its parent, as a heading."""
    role = teller.role(home, named=False).removeprefix("the ")
    return role[:1].upper() + role[1:]


def _remark(teller: Teller) -> str:
    """What stands on the document in a sentence or two instead of behind a label."""
    if len(teller.need(())) < 3 or not teller.chance(0.4):
        return ""
    said = [teller.next((), "sentences").text]
    said += [teller.next((), "sentences").text] if teller.need(()) and teller.chance(0.3) else []
    return f"{teller.one('remarks')}{teller.rng.choice((': ', chr(10), ' - '))}{' '.join(said)}"


def _one_line(teller: Teller, home: Path) -> str:
    """A child in one line, if one of its forms can tell all that is asked of it."""
    entity, need = teller.entity(home), teller.need(home)
    forms = [ln for ln in entity.items if all((*home, *path) in need for path in ln.needs)]
    if not forms or not all(entity.fields[unit[-1]].scalar for unit in need):
        return ""
    told, marks = set(teller.told), len(teller.marks)
    line = teller.within(home, teller.rng.choice(forms))
    if teller.need(home):
        teller.told = told
        del teller.marks[marks:]
        return ""
    return line


def _rows(teller: Teller, home: Path) -> tuple[Rows, list[str]]:
    """Label and value of what is asked of a thing, now and then of more; and its lists of things."""
    entity, rows, tables = teller.entity(home), [], []
    fields = list(entity.fields.values())
    if teller.chance(0.3):
        teller.rng.shuffle(fields)
    for field in fields:
        unit = (*home, field.name)
        if unit in teller.told or not teller.has(unit) or not _wanted(teller, unit, field.scalar):
            continue
        label = teller.rng.choice(entity.labels[field.name])
        if field.child:
            tables.append(_table(teller, unit, label))
        else:
            rows.append((label, _value(teller, unit, field.name in entity.money)))
    return rows, tables


def _wanted(teller: Teller, unit: Path, scalar: bool) -> bool:
    """True of what is asked for, and now and then of a value that is not."""
    if unit in teller.asked:
        return True
    return scalar and unit not in teller.hidden(teller.home_of(unit)) and teller.chance(teller.chatty)


def _value(teller: Teller, unit: Path, money: bool) -> str:
    """A value; an amount with its currency if that is still to be told, else now and then."""
    currency = teller.currency_unit(unit)
    asked = currency in teller.asked and currency not in teller.told
    return teller.said(unit, "with_currency" if money and (asked or teller.chance(0.5)) else "")


def _table(teller: Teller, unit: Path, label: str) -> str:
    """A list of things: rows under headings, or a line each."""
    number = len(teller.value(unit))
    if teller.chance(0.5):
        return _grid(teller, unit, label, number)
    lead = teller.rng.choice(("- ", "", "  ", "* "))
    head = f"{label}\n" if number == 1 or teller.chance(0.8) else ""
    return head + "\n".join(lead + line for line in teller.items(unit, number))


def _grid(teller: Teller, unit: Path, label: str, number: int) -> str:
    teller.told.add(unit)
    child = entity_parser.load(teller.entity(unit[:-1]).fields[unit[-1]].child)
    columns = [n for n in child.fields if any((*unit, i, n) in teller.places for i in range(number))]
    rows = [[teller.rng.choice(child.labels[name]) for name in columns]]
    for index in range(number):
        rows.append([_cell(teller, (*unit, index, name), name in child.money) for name in columns])
    head = f"{label}\n" if teller.chance(0.5) else ""
    return head + columned(rows, teller.rng.choice((" | ", "   ", "  ")))


def _cell(teller: Teller, unit: Path, money: bool) -> str:
    if not teller.has(unit):
        return "-"
    currency = teller.currency_unit(unit)
    asked = currency in teller.asked and currency not in teller.told
    return teller.said(unit, "with_currency" if money and asked else "")


# Layouts.


def lay(rows: Rows, layout: str, rng: Random) -> str:
    """Labels and values in a layout."""
    return _LAYS[layout](rows, rng)


def _colon(rows: Rows, rng: Random) -> str:
    return "\n".join(f"{label}: {value}" for label, value in rows)


def _boxes(rows: Rows, rng: Random) -> str:
    return "\n".join(f"{i:>2}  {label}  [{value}]" for i, (label, value) in enumerate(rows, 1))


def _above(rows: Rows, rng: Random) -> str:
    return "\n".join(f"{label.upper()}\n{value}" for label, value in rows)


def _bars(rows: Rows, rng: Random) -> str:
    if len(rows) < 5:
        return columned([[label for label, _ in rows], [value for _, value in rows]], " | ")
    return "\n".join(f"| {label} | {value} |" for label, value in rows)


def _run(rows: Rows, rng: Random) -> str:
    size, mark = rng.choice((2, 3)), rng.choice(("  ", " / ", " · ", ", "))
    pieces = [f"{label} {value}" for label, value in rows]
    return "\n".join(mark.join(pieces[at : at + size]) for at in range(0, len(pieces), size))


def _space(rows: Rows, rng: Random) -> str:
    length = max(len(label) for label, _ in rows) + rng.choice((2, 3, 6))
    return "\n".join(f"{label:<{length}}{value}" for label, value in rows)


def _dots(rows: Rows, rng: Random) -> str:
    length = max(len(label) for label, _ in rows) + 4
    return "\n".join(f"{label + ' ':.<{length}} {value}" for label, value in rows)


_LAYS: dict[str, Callable[[Rows, Random], str]] = {
    "colon": _colon,
    "boxes": _boxes,
    "blocks": _above,
    "bars": _bars,
    "run": _run,
    "space": _space,
    "dots": _dots,
}


def columned(rows: list[list[str]], mark: str) -> str:
    """Rows of a table, padded so that columns stand beneath each other."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = [[cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True)] for row in rows]
    return "\n".join(mark.join(line).rstrip() for line in lines)
