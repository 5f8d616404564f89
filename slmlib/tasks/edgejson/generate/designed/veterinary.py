"""Veterinary: animals that are vaccinated, boarded and treated."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

PETS = words(
    "Biscuit Pepper Mischief Rusty Nacho Waffle Bramble Ziggy Domino Pickle Marble Socks Pudding "
    "Gizmo Velvet Thimble Mocha Bandit Clover Noodle Pixel Truffle Fidget Popcorn"
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
def vaccine_shot(ctx: SamplingContext) -> tuple[dict, dict]:
    """A dose that fits the animal; distractors: the vial of another animal and the dose before."""
    species = ctx.one(("dog", "dog", "cat", "cat", "rabbit", "pony"))
    given = ctx.date()
    animal, other = ctx.some(PETS, 2, 2)
    record = {
        "animal": animal,
        "against": ctx.one(DISEASES[species]),
        "batch": ctx.code("@###@##"),
        "given_on": given.isoformat(),
    }
    record |= only(ctx, 0.65, next_due=ctx.later(given, 180, 400).isoformat())
    return record, {
        "species": species,
        "other": other,
        "other_batch": ctx.code("@###@##"),
        "last_on": ctx.later(given, -400, -300).isoformat(),
        "owner": ctx.person().name,
        "vet": f"Dr {ctx.person().last}",
    }


@sampler
def boarding_stay(ctx: SamplingContext) -> tuple[dict, dict]:
    """A stay with meals that fit the animal; distractors: the day it was first to be collected."""
    kind = ctx.one(("dog", "dog", "cat", "cat", "rabbit", "guinea_pig", "parrot"))
    often, grams, oldest = MEALS[kind]
    brought, owner, phone = ctx.date(), ctx.person(), ctx.phone()
    collected = ctx.later(brought, 4, 24)
    pet, other = ctx.some(PETS, 2, 2)
    stay = {"brought_on": brought.isoformat(), "collected_on": collected.isoformat()}
    record = {
        "pet": {"name": pet, "kind": kind} | only(ctx, 0.5, age_years=ctx.between(1, oldest)),
        "owner": {"name": owner.name} | only(ctx, 0.6, phone=phone),
        "stay": stay | only(ctx, 0.5, room=ctx.code(f"{ctx.one('ABCDEF')}##")),
        "feeding": {
            "meals_per_day": ctx.between(*often),
            "grams_per_meal": 5 * (ctx.between(*grams) // 5),
        },
    }
    record |= only(ctx, 0.6, needs=ctx.some(NEEDS, 1, 3))
    return record, {
        "other": other,
        "old_day": ctx.later(collected, -3, -1).isoformat(),
        "old_grams": record["feeding"]["grams_per_meal"] + 5 * ctx.between(1, 8),
        "opens": ctx.clock(7, 10, step=30),
    }


PATIENTS = {  # species: weight in tenths of a kilo, heart rate, most years of age
    "dog": ((52, 410), (72, 138), 14), "cat": ((29, 68), (148, 208), 18), "rabbit": ((14, 42),
    (184, 256), 9),
}  # fmt: skip
MEDICINES = {  # diagnosis: species, medicines with 0.01 mg per kilo, and route
    "ear_infection": (
        ("dog", "cat"),
        (("marbofloxacin", 200, "oral"), ("prednisolone", 50, "oral")),
    ),
    "skin_allergy": (
        ("dog", "cat"),
        (("prednisolone", 50, "oral"), ("dexamethasone", 10, "injection")),
    ),
    "lameness": (("dog", "rabbit"), (("meloxicam", 20, "oral"), ("carprofen", 400, "injection"))),
    "gastroenteritis": (
        ("dog", "cat"),
        (("maropitant", 100, "injection"), ("metronidazole", 1200, "oral")),
    ),
    "cystitis": (("cat",), (("robenacoxib", 100, "oral"), ("buprenorphine", 2, "injection"))),
    "dental_disease": (
        ("dog", "cat", "rabbit"),
        (("meloxicam", 20, "injection"), ("doxycycline", 500, "oral")),
    ),
}


@sampler
def animal_visit(ctx: SamplingContext) -> tuple[dict, dict]:
    """Doses follow from the weight, and the bill sums; distractors: the last visit's weight."""
    diagnosis = ctx.one(tuple(MEDICINES))
    species, medicines = ctx.one(MEDICINES[diagnosis][0]), MEDICINES[diagnosis][1]
    weights, rates, oldest = PATIENTS[species]
    weight, seen, owner, phone = ctx.between(*weights), ctx.date(), ctx.person(), ctx.phone()
    name, other = ctx.some(PETS, 2, 2)
    patient = {"name": name, "species": species} | only(ctx, 0.6, age_years=ctx.between(1, oldest))
    record = {
        "seen_on": seen.isoformat(),
        "vet": f"Dr {ctx.person().last}",
        "patient": patient | {"owner": {"name": owner.name} | only(ctx, 0.5, phone=phone)},
        "findings": {"weight_kg": weight / 10, "temp_c": ctx.steps(381, 396, 10)}
        | only(ctx, 0.5, heart_rate=ctx.between(*rates)),
        "diagnosis": diagnosis,
        "treatment": [_treatment(ctx, weight, *m) for m in ctx.some(medicines, 1, 2)],
    }
    record |= only(ctx, 0.55, recheck_on=ctx.later(seen, 5, 28).isoformat())
    record["bill"] = _bill(ctx)
    return record, {
        "other": other,
        "last_weight": (weight + ctx.one((-3, -2, 2, 4))) / 10,
        "last_seen": ctx.later(seen, -240, -30).isoformat(),
        "insurer": ctx.one(("Petguard", "Pawsure", "Tierschild", "Vetcover")),
    }


def _treatment(ctx: SamplingContext, weight: int, medicine: str, per_kilo: int, route: str) -> dict:
    """A dose in milligrams, in whole ones from five up; tablets go on for some days."""
    hundredths = weight * per_kilo // 10
    dose = round(hundredths / 100) if hundredths >= 500 else max(1, hundredths // 5) * 5 / 100
    days = only(ctx, 0.75, days=ctx.one((3, 5, 7, 10, 14))) if route == "oral" else {}
    return {"medicine": medicine, "dose_mg": dose, "route": route} | days


def _bill(ctx: SamplingContext) -> dict:
    consultation, medicines = ctx.price(3200, 6800), ctx.price(890, 7400)
    cents = {
        "consultation": consultation,
        "medicines": medicines,
        "total": consultation + medicines,
    }
    return {key: value / 100 for key, value in cents.items()} | {"currency": ctx.place.currency}
