"""Forms, receipts, invoices and delivery notes: labelled values in one of several layouts."""

from random import Random

from slmlib.tasks.edgejson.generate.composer.planner import ItemPath, Planner
from slmlib.tasks.edgejson.generate.composer.sentences import width

Rows = list[tuple[str, str]]  # label, value
LAYOUTS = {  # by register; `colon` gives a list of `Key: value` lines
    "form": ("colon", "colon", "space", "space", "boxes", "blocks", "run", "bars"),
    "receipt": ("space", "space", "dots", "run"),
    "invoice": ("space", "colon", "colon", "run", "bars", "blocks"),
    "delivery_note": ("space", "run", "bars", "blocks", "colon"),
}


def document(planner: Planner) -> str:
    """Sections of labelled values, lists as tables or lines, and at times a remark in sentences."""
    rng = planner.rng
    layout, remark = rng.choice(LAYOUTS[planner.register]), ""
    if len(planner.missing(())) >= 3 and planner.chance(0.4):
        texts = [planner.next((), "sentences")]
        if planner.missing(()) and planner.chance(0.3):
            texts.append(planner.next((), "sentences"))
        remark = planner.phrase("remarks") + rng.choice((": ", "\n", " - ")) + " ".join(texts)
    blocks, lists = [], []
    for path in planner.order():
        if path and planner.chance(0.35) and (line := _one_line(planner, path)):
            blocks.append(lay([(heading(planner, path), line)], layout, rng))
            continue
        rows, tables = _rows(planner, path)
        lists += tables
        if rows:
            head = f"{heading(planner, path)}\n" if path else ""
            blocks.append(head + lay(rows, layout, rng))
    at = rng.choice((1, len(blocks)))
    blocks[at:at] = lists
    return rng.choice(("\n", "\n", "\n\n")).join(filter(None, [*blocks, remark]))


def heading(planner: Planner, path: ItemPath) -> str:
    """The role of an entity as a heading."""
    role = planner.role(path, by_name=False).removeprefix("the ")
    return role[:1].upper() + role[1:]


def _one_line(planner: Planner, path: ItemPath) -> str:
    """A child in one line, or "" if no form begins with a target or the schema asks for a list."""
    entity, missing = planner.entity(path), planner.missing(path)
    forms = [ln for ln in entity.lines["items"] if all((*path, *p) in missing for p in ln.required)]
    if not forms or not all(entity.fields[target[-1]].scalar for target in missing):
        return ""
    return planner.within(path, planner.rng.choice(forms))


def _rows(planner: Planner, path: ItemPath) -> tuple[Rows, list[str]]:
    """Label and value of the targets of an entity, at times of distractors; and its lists."""
    entity, rows, tables = planner.entity(path), [], []
    fields = list(entity.fields.values())
    if planner.chance(0.3):
        planner.rng.shuffle(fields)
    for field in fields:
        at = (*path, field.name)
        if at in planner.mentioned or not planner.has(at):
            continue
        possible = at in planner.targets or (field.scalar and planner.is_distractor(at))
        if not possible or (at not in planner.targets and not planner.chance(planner.p_extra)):
            continue
        label = planner.rng.choice(entity.labels[field.name])
        if field.child:
            tables.append(_table(planner, at, label))
        else:
            money = field.name in entity.money
            with_currency = money and (_states_currency(planner, at) or planner.chance(0.5))
            rows.append((label, planner.express(at, "with_currency" if with_currency else "")))
    return rows, tables


def _states_currency(planner: Planner, amount: ItemPath) -> bool:
    """True if the currency of an amount is a target that isn't mentioned yet."""
    return planner.currency_path(amount) in planner.targets - planner.mentioned


def _table(planner: Planner, path: ItemPath, label: str) -> str:
    """A list of children: rows under headings, or a line each."""
    rng, number = planner.rng, len(planner.value(path))
    if not planner.chance(0.5):  # a line each
        bullet = rng.choice(("- ", "", "  ", "* "))
        head = f"{label}\n" if number == 1 or planner.chance(0.8) else ""
        return head + "\n".join(bullet + line for line in planner.items(path))
    planner.mentioned.add(path)
    child, indices = planner.entity(path), range(number)
    columns = [n for n in child.fields if any((*path, i, n) in planner.pointers for i in indices)]
    rows = [[rng.choice(child.labels[name]) for name in columns]]
    for index in indices:
        cells = []
        for name in columns:
            at, cell = (*path, index, name), "-"
            if planner.has(at):
                with_currency = name in child.money and _states_currency(planner, at)
                cell = planner.express(at, "with_currency" if with_currency else "")
            cells.append(cell)
        rows.append(cells)
    head = f"{label}\n" if planner.chance(0.5) else ""
    return head + columned(rows, rng.choice((" | ", "   ", "  ")))


def lay(rows: Rows, layout: str, rng: Random) -> str:
    """Labels and values in a layout."""
    longest = max(len(label) for label, _ in rows)
    match layout:
        case "colon":
            lines = [f"{label}: {value}" for label, value in rows]
        case "boxes":
            lines = [f"{i:>2}  {label}  [{value}]" for i, (label, value) in enumerate(rows, 1)]
        case "blocks":
            lines = [f"{label.upper()}\n{value}" for label, value in rows]
        case "bars" if len(rows) < 5:
            return columned([list(row) for row in zip(*rows, strict=True)], " | ")
        case "bars":
            lines = [f"| {label} | {value} |" for label, value in rows]
        case "run":
            size, separator = rng.choice((2, 3)), rng.choice(("  ", " / ", " · ", ", "))
            pairs = [f"{label} {value}" for label, value in rows]
            lines = [separator.join(pairs[at : at + size]) for at in range(0, len(pairs), size)]
        case "space":
            length = longest + rng.choice((2, 3, 6))
            lines = [f"{label:<{length}}{value}" for label, value in rows]
        case "dots":
            lines = [f"{label + ' ':.<{longest + 4}} {value}" for label, value in rows]
    return "\n".join(lines)


def columned(rows: list[list[str]], separator: str) -> str:
    """Rows of a table with aligned columns; marks of evidence take no space."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True)]
        lines.append(separator.join(cells).rstrip())
    return "\n".join(lines)
