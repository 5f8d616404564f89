"""Museums: what is shown, told, mended and bought."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

PIECES = (  # object, material, years from, to
    ("Carved Sea Chest", "wood", 1640, 1860), ("Pewter Tankard", "metal", 1690, 1880),
    ("Harbour at Dusk", "oil_on_canvas", 1780, 1930), ("Clay Oil Lamp", "ceramic", 1450, 1620),
    ("Lace Christening Gown", "textile", 1790, 1920), ("Ivory Sundial Case", "bone", 1580, 1750),
    ("Portrait of a Glover", "oil_on_canvas", 1620, 1840),
    ("Blue Delft Tile Panel", "ceramic", 1650, 1790), ("Iron Weather Vane", "metal", 1700, 1900),
    ("Herbarium Album", "paper", 1740, 1910), ("Silk Guild Banner", "textile", 1720, 1890),
    ("Walrus Tusk Comb", "bone", 1400, 1600), ("Travelling Writing Desk", "wood", 1760, 1880),
    ("Chart of the Sound", "paper", 1660, 1830), ("Brass Orrery", "metal", 1730, 1850),
    ("Painted Marriage Cupboard", "wood", 1680, 1850),
)  # fmt: skip
SIZES = {  # object: greatest length in cm, from, to; grams for each cm
    "Carved Sea Chest": (80, 140, 320), "Pewter Tankard": (14, 26, 50),
    "Harbour at Dusk": (60, 180, 90), "Clay Oil Lamp": (9, 16, 30),
    "Lace Christening Gown": (70, 110, 8), "Ivory Sundial Case": (10, 20, 20),
    "Portrait of a Glover": (50, 140, 90), "Blue Delft Tile Panel": (60, 150, 260),
    "Iron Weather Vane": (60, 130, 140), "Herbarium Album": (30, 52, 60),
    "Silk Guild Banner": (120, 230, 15), "Walrus Tusk Comb": (10, 18, 12),
    "Travelling Writing Desk": (40, 65, 130), "Chart of the Sound": (50, 110, 10),
    "Brass Orrery": (35, 80, 160), "Painted Marriage Cupboard": (120, 210, 600),
}  # fmt: skip
TREATMENTS = {  # material: damages, ways to mend them
    "wood": (("cracks", "woodworm", "flaking_paint", "mould"),
    ("gluing", "retouching", "dry_cleaning")), "metal": (("rust", "cracks"),
    ("dry_cleaning", "gluing", "retouching")),
    "oil_on_canvas": (("flaking_paint", "cracks", "mould"),
    ("new_lining", "retouching", "dry_cleaning")), "ceramic": (("cracks", "flaking_paint"),
    ("gluing", "retouching", "dry_cleaning")), "textile": (("mould", "torn_edge"),
    ("freezing", "new_lining", "dry_cleaning")), "bone": (("cracks", "mould"),
    ("gluing", "dry_cleaning", "retouching")), "paper": (("mould", "torn_edge", "woodworm"),
    ("freezing", "gluing", "dry_cleaning", "new_lining")),
}  # fmt: skip
MAKERS = words(
    "Workshop_of_Aldous_Pym H._van_Loon J._Crastor Unknown_master Elias_Fenner Studio_Zeffira "
    "M._Oduya Sisters_Grell Anton_Behn Widow_Tyrrel_and_Sons"
)
THEMES = words(
    "Hidden_Staircases Women_Who_Built_the_Museum From_Flax_to_Linen Animals_in_Art "
    "Ghosts_and_Guardians The_Story_of_Salt Behind_the_Scenes Clocks_and_Time "
    "Bread_through_the_Ages Small_Masterpieces"
)
GALLERIES = words(
    "Glass_Hall Upper_Gallery Stone_Room Map_Room Armoury Textile_Cabinet Sculpture_Court "
    "Attic_Store Clock_Chamber East_Gallery Old_Library"
)


def _size(ctx: SamplingContext, title: str) -> dict:
    """Size of an object, and its packing."""
    low, high, grams = SIZES[title]
    longest = ctx.between(low, high)
    return {
        "length_cm": longest,
        "width_cm": ctx.between(longest // 3 + 1, longest),
        "height_cm": ctx.between(longest // 4 + 1, longest),
        "weight_kg": max(1, longest * grams // 100) / 10,
        "packaging": ctx.one(("crate", "box")) if longest < 60 else "crate",
    }


@entity
def exhibit(ctx: SamplingContext) -> dict:
    """An object on show, with its label."""
    title, material, low, high = ctx.one(PIECES)
    made = ctx.between(low, high)
    return {
        "title": title,
        "maker": ctx.one(MAKERS),
        "year_made": made,
        "material": material,
        "inventory_no": ctx.code("INV.####"),
        "gallery": ctx.one(GALLERIES),
        "label_languages": ctx.some(("english", "german", "french", "dutch", "braille"), 1, 3),
        "touchable": ctx.chance(0.4),
        "shown_since": ctx.date().isoformat(),
        "size": _size(ctx, title),
    }


@entity
def tour_stop(ctx: SamplingContext) -> dict:
    """A place where a tour stands still for some minutes."""
    return {
        "gallery": ctx.one(GALLERIES),
        "object_shown": ctx.one(PIECES)[0],
        "minutes_there": ctx.between(9, 18),
        "seated": ctx.chance(0.5),
    }


@entity
def guided_tour(ctx: SamplingContext) -> dict:
    """A tour for a group; its minutes are those of its stops."""
    shown = [piece[0] for piece in ctx.some(PIECES, 2, 4)]
    stops = [draw("tour_stop", ctx) | {"object_shown": piece} for piece in shown]
    return {
        "tour_no": ctx.code("T-####"),
        "theme": ctx.one(THEMES),
        "tour_date": ctx.date().isoformat(),
        "starts_at": ctx.clock(10, 17),
        "minutes": sum(stop["minutes_there"] for stop in stops),
        "tour_language": ctx.one(("english", "german", "french", "dutch", "sign_language")),
        "group_size": ctx.between(4, 25),
        "price": ctx.one((4500, 6000, 7500, 9000, 11000)) / 100,
        "currency": ctx.place.currency,
        "meeting_point": ctx.one(("ticket_desk", "cloakroom", "garden_gate", "museum_shop")),
        "stops": stops,
    }


@entity
def conservation_step(ctx: SamplingContext) -> dict:
    """One thing that is done to an object, and the hours it takes."""
    return {
        "method": ctx.one(("dry_cleaning", "gluing", "retouching", "freezing", "new_lining")),
        "done_on": ctx.date().isoformat(),
        "step_hours": ctx.between(1, 24),
        "photographed": ctx.chance(0.5),
    }


@entity
def restoration_job(ctx: SamplingContext) -> dict:
    """An object is repaired by the hour; the hours of its steps add up, before it is ready."""
    came, rate = ctx.date(), ctx.one((4500, 5200, 6000, 6800, 7500))
    title, material, _, _ = ctx.one(PIECES)
    damages, methods = TREATMENTS[material]
    days = sorted(ctx.some(range(1, 60), 2, 3))
    steps = [
        draw("conservation_step", ctx)
        | {"method": method, "done_on": ctx.later(came, d, d).isoformat()}
        for d, method in zip(days, ctx.some(methods, len(days), len(days)), strict=True)
    ]
    hours = sum(step["step_hours"] for step in steps)
    return {
        "job_no": ctx.code("RJ-####"),
        "object_name": title,
        "damage": ctx.one(damages),
        "received_on": came.isoformat(),
        "ready_on": ctx.later(came, days[-1] + 1, 160).isoformat(),
        "hours": hours,
        "hourly_rate": rate / 100,
        "labour_cost": hours * rate / 100,
        "currency": ctx.place.currency,
        "steps": steps,
    }


@entity
def acquisition(ctx: SamplingContext) -> dict:
    """A piece comes into the collection; the committee says yes before that."""
    title, _, low, high = ctx.one(PIECES)
    approved = ctx.date()
    arrived = ctx.later(approved, 5, 120)
    papers = [
        draw("document_ref", ctx) | {"issued_on": ctx.later(approved, -900, -20).isoformat()}
        for _ in range(ctx.between(1, 3))
    ]
    return {
        "accession_no": ctx.code(f"{arrived.year}.###"),
        "object_name": title,
        "made_about": ctx.between(low, high),
        "how_acquired": ctx.one(("purchase", "gift", "bequest", "exchange")),
        "value": float(100 * ctx.between(3, 900)),
        "currency": ctx.place.currency,
        "approved_on": approved.isoformat(),
        "arrived_on": arrived.isoformat(),
        "provenance_clear": ctx.chance(0.65),
        "documents": papers,
    }


@entity
def case_object(ctx: SamplingContext) -> dict:
    """An object that lies in a glass case."""
    return {
        "object_name": ctx.one(PIECES)[0],
        "inventory_no": ctx.code("INV.####"),
        "state": ctx.one(("stable", "fragile", "new_damage", "dusty")),
        "on_loan": ctx.chance(0.4),
    }


@entity
def showcase_check(ctx: SamplingContext) -> dict:
    """Climate and lock of a glass case on one morning."""
    day = ctx.date()
    return {
        "case_no": ctx.code(f"{ctx.one('ABCD')}-##"),
        "checked_on": day.isoformat(),
        "humidity_percent": ctx.between(38, 66),
        "air_temp_c": ctx.steps(172, 248, 10),
        "light_lux": ctx.between(20, 210),
        "lock_state": ctx.one(("locked", "open", "sticking", "key_missing")),
        "dusted": ctx.chance(0.5),
        "next_check": ctx.later(day, 5, 40).isoformat(),
    }
