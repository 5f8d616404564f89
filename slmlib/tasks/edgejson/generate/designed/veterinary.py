"""Veterinary: animals that are vaccinated, boarded and treated."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World

PETS = words(
    "Biscuit Pepper Mischief Rusty Nacho Waffle Bramble Ziggy Domino Pickle Marble Socks Pudding Gizmo "
    "Velvet Thimble Mocha Bandit Clover Noodle Pixel Truffle Fidget Popcorn"
)
DISEASES = {  # animal: what it is vaccinated against
    "dog": ("rabies", "distemper", "leptospirosis", "kennel_cough"),
    "cat": ("cat_flu", "feline_leukaemia", "rabies"),
    "rabbit": ("myxomatosis",),
    "pony": ("tetanus", "equine_flu"),
}
MEALS = {  # boarder: meals a day, grams of one meal, most years of age
    "dog": ((1, 3), (90, 380), 15), "cat": ((2, 4), (25, 80), 18), "rabbit": ((1, 2), (40, 130), 9),
    "guinea_pig": ((2, 3), (20, 60), 7), "parrot": ((1, 3), (10, 40), 30),
}  # fmt: skip
NEEDS = ("tablets", "own_bed", "kept_apart", "indoors_only", "daily_brushing")


@sampler
def vaccine_shot(world: World) -> tuple[dict, dict]:
    """A dose that fits the animal; beside it the vial of another animal and the dose before."""
    species = world.one(("dog", "dog", "cat", "cat", "rabbit", "pony"))
    given = world.date()
    animal, other = world.some(PETS, 2, 2)
    record = {
        "animal": animal,
        "against": world.one(DISEASES[species]),
        "batch": world.code("@###@##"),
        "given_on": given.isoformat(),
    }
    record |= only(world, 0.65, next_due=world.later(given, 180, 400).isoformat())
    return record, {
        "species": species,
        "other": other,
        "other_batch": world.code("@###@##"),
        "last_on": world.later(given, -400, -300).isoformat(),
        "owner": world.person().name,
        "vet": f"Dr {world.person().last}",
    }


@sampler
def boarding_stay(world: World) -> tuple[dict, dict]:
    """A stay with meals that fit the animal; the day it was first to be collected beside it."""
    kind = world.one(("dog", "dog", "cat", "cat", "rabbit", "guinea_pig", "parrot"))
    often, grams, oldest = MEALS[kind]
    brought, owner, phone = world.date(), world.person(), world.phone()
    collected = world.later(brought, 4, 24)
    pet, other = world.some(PETS, 2, 2)
    stay = {"brought_on": brought.isoformat(), "collected_on": collected.isoformat()}
    record = {
        "pet": {"name": pet, "kind": kind} | only(world, 0.5, age_years=world.between(1, oldest)),
        "owner": {"name": owner.name} | only(world, 0.6, phone=phone),
        "stay": stay | only(world, 0.5, room=world.code(f"{world.one('ABCDEF')}##")),
        "feeding": {
            "meals_per_day": world.between(*often),
            "grams_per_meal": 5 * (world.between(*grams) // 5),
        },
    }
    record |= only(world, 0.6, needs=world.some(NEEDS, 1, 3))
    return record, {
        "other": other,
        "old_day": world.later(collected, -3, -1).isoformat(),
        "old_grams": record["feeding"]["grams_per_meal"] + 5 * world.between(1, 8),
        "opens": world.clock(7, 10, step=30),
    }


PATIENTS = {  # species: weight in tenths of a kilo, heart rate, most years of age
    "dog": ((52, 410), (72, 138), 14), "cat": ((29, 68), (148, 208), 18), "rabbit": ((14, 42), (184, 256), 9),
}  # fmt: skip
MEDICINES = {  # diagnosis: species, medicines with hundredths of a milligram for each kilo, and route
    "ear_infection": (("dog", "cat"), (("marbofloxacin", 200, "oral"), ("prednisolone", 50, "oral"))),
    "skin_allergy": (("dog", "cat"), (("prednisolone", 50, "oral"), ("dexamethasone", 10, "injection"))),
    "lameness": (("dog", "rabbit"), (("meloxicam", 20, "oral"), ("carprofen", 400, "injection"))),
    "gastroenteritis": (("dog", "cat"), (("maropitant", 100, "injection"), ("metronidazole", 1200, "oral"))),
    "cystitis": (("cat",), (("robenacoxib", 100, "oral"), ("buprenorphine", 2, "injection"))),
    "dental_disease": (
        ("dog", "cat", "rabbit"),
        (("meloxicam", 20, "injection"), ("doxycycline", 500, "oral")),
    ),
}


@sampler
def animal_visit(world: World) -> tuple[dict, dict]:
    """Doses follow from the weight, and the bill sums; the last visit's weight beside it."""
    diagnosis = world.one(tuple(MEDICINES))
    species, medicines = world.one(MEDICINES[diagnosis][0]), MEDICINES[diagnosis][1]
    weights, rates, oldest = PATIENTS[species]
    weight, seen, owner, phone = world.between(*weights), world.date(), world.person(), world.phone()
    name, other = world.some(PETS, 2, 2)
    patient = {"name": name, "species": species} | only(world, 0.6, age_years=world.between(1, oldest))
    record = {
        "seen_on": seen.isoformat(),
        "vet": f"Dr {world.person().last}",
        "patient": patient | {"owner": {"name": owner.name} | only(world, 0.5, phone=phone)},
        "findings": {"weight_kg": weight / 10, "temp_c": world.steps(381, 396, 10)}
        | only(world, 0.5, heart_rate=world.between(*rates)),
        "diagnosis": diagnosis,
        "treatment": [_treatment(world, weight, *m) for m in world.some(medicines, 1, 2)],
    }
    record |= only(world, 0.55, recheck_on=world.later(seen, 5, 28).isoformat())
    record["bill"] = _bill(world)
    return record, {
        "other": other,
        "last_weight": (weight + world.one((-3, -2, 2, 4))) / 10,
        "last_seen": world.later(seen, -240, -30).isoformat(),
        "insurer": world.one(("Petguard", "Pawsure", "Tierschild", "Vetcover")),
    }


def _treatment(world: World, weight: int, medicine: str, per_kilo: int, route: str) -> dict:
    """A dose in milligrams, in whole ones from five up; tablets go on for some days."""
    hundredths = weight * per_kilo // 10
    dose = round(hundredths / 100) if hundredths >= 500 else max(1, hundredths // 5) * 5 / 100
    days = only(world, 0.75, days=world.one((3, 5, 7, 10, 14))) if route == "oral" else {}
    return {"medicine": medicine, "dose_mg": dose, "route": route} | days


def _bill(world: World) -> dict:
    consultation, medicines = world.price(3200, 6800), world.price(890, 7400)
    cents = {"consultation": consultation, "medicines": medicines, "total": consultation + medicines}
    return {key: value / 100 for key, value in cents.items()} | {"currency": world.place.currency}
