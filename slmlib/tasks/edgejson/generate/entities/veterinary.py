"""Veterinary: pets and farm animals, looked after, lost and found a home."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

PET_NAMES = words(
    "Bongo Sprout Whisky Tango Mitzi Dumpling Cricket Sooty Maple Jinx Patch Gingersnap Rolo "
    "Tinker Sesame Hobnob Pebbles Miso Tofu Zorro"
)
BREEDS = {  # species: breeds, colours
    "dog": (words(
        "beagle whippet border_terrier labrador poodle dachshund"
    ), words(
        "brown black white tan"
    )),
    "cat": (words(
        "British_shorthair Siamese tabby Maine_Coon Birman"
    ), words(
        "grey black ginger white"
    )),
    "rabbit": (words("lop dwarf_rabbit Rex Angora"), words("grey brown white spotted")),
    "ferret": (words("sable_ferret albino_ferret"), words("brown white")),
}  # fmt: skip
AILMENTS = {  # animal: what is wrong with it
    "cow": ("mastitis", "lameness", "milk_fever"), "calf": ("scour", "pneumonia"),
    "ewe": ("lameness", "mastitis", "pneumonia"), "sow": ("lameness", "pneumonia"),
    "goat": ("scour", "mastitis"),
}  # fmt: skip
FARM_DRUGS = (  # medicine, millilitres from, to, where it is given
    ("oxytetracycline", 10, 60, ("muscle", "vein")), ("ketoprofen", 4, 20, ("muscle", "vein")),
    ("calcium borogluconate", 100, 400, ("vein", "under_skin")),
    ("penicillin G", 8, 40, ("muscle",)), ("florfenicol", 6, 30, ("muscle", "under_skin")),
    ("meloxicam", 2, 18, ("under_skin", "vein")), ("vitamin B12", 2, 12, ("muscle", "under_skin")),
    ("electrolyte solution", 200, 900, ("mouth",)), ("propylene glycol", 100, 300, ("mouth",)),
    ("worming drench", 10, 80, ("mouth",)),
)  # fmt: skip
SPOTS = words(
    "Canal_Bridge Mill_Lane Heron_Park Station_Road Quarry_Hill Fuller's_Mill Chapel_Green "
    "Locksmith_Row Marsh_Gate Ropewalk_Yard Windmill_Field"
)


@entity
def pet_weighing(ctx: SamplingContext) -> dict:
    """An animal on the scales."""
    return {
        "weighed_on": ctx.date().isoformat(),
        "weight_kg": ctx.steps(12, 60, 10),
        "body_state": ctx.one(("thin", "ideal", "heavy", "obese")),
        "empty_stomach": ctx.chance(0.5),
    }


@entity
def pet(ctx: SamplingContext) -> dict:
    """An animal of a household as it is registered, and how it has grown since."""
    species = ctx.one(tuple(BREEDS))
    breeds, colours = BREEDS[species]
    registered = ctx.date()
    weight = ctx.between(48, 300) if species == "dog" else ctx.between(12, 50)  # tenths of a kilo
    state = ctx.one(("thin", "ideal", "heavy", "obese"))
    weighings = [
        draw("pet_weighing", ctx)
        | {"weighed_on": ctx.later(registered, day, day).isoformat(), "body_state": state}
        | {"weight_kg": (weight + n * weight // 9) / 10}
        for n, day in enumerate(sorted(ctx.some(range(15, 320), 2, 3)))
    ]
    return {
        "pet_name": ctx.one(PET_NAMES),
        "species": species,
        "breed": ctx.one(breeds),
        "colour": ctx.one(colours),
        "sex": ctx.one(("female", "male")),
        "born_on": ctx.later(registered, -300, -60).isoformat(),
        "registered_on": registered.isoformat(),
        "chip_no": ctx.code("9##############"),
        "neutered": ctx.chance(0.5),
        "weighings": weighings,
    }


@entity
def grooming_appointment(ctx: SamplingContext) -> dict:
    """A dog is washed and trimmed; the end follows from start and minutes."""
    start, minutes, day = ctx.between(34, 64) * 15, ctx.one((30, 45, 60, 75, 90)), ctx.date()
    end = start + minutes
    return {
        "booking_no": ctx.code("GR####"),
        "dog_name": ctx.one(PET_NAMES),
        "coat": ctx.one(("short", "long", "curly", "wiry")),
        "appointment_date": day.isoformat(),
        "starts_at": hhmm(start),
        "ready_at": hhmm(end),
        "minutes": minutes,
        "services": ctx.some(
            ("bath", "full_trim", "nail_clipping", "ear_cleaning", "de_matting"), 1, 3
        ),
        "price": minutes * ctx.one((70, 80, 90, 100)) / 100,
        "currency": ctx.place.currency,
        "muzzle": ctx.chance(0.4),
    }


@entity
def medicine_dose(ctx: SamplingContext) -> dict:
    """Some millilitres of a medicine from one bottle."""
    medicine, low, high, ways = ctx.one(FARM_DRUGS)
    return {
        "medicine": medicine,
        "dose_ml": ctx.between(low, high),
        "given_into": ctx.one(ways),
        "bottle_no": ctx.code("B#####"),
        "times_given": ctx.between(1, 4),
    }


@entity
def farm_animal_treatment(ctx: SamplingContext) -> dict:
    """A farm animal is treated, and its milk and meat are kept back for some days."""
    animal, treated, days = ctx.one(tuple(AILMENTS)), ctx.date(), ctx.between(4, 35)
    return {
        "ear_tag": ctx.code(f"{ctx.place.code.upper()}#########"),
        "animal": animal,
        "ailment": ctx.one(AILMENTS[animal]),
        "treated_on": treated.isoformat(),
        "withdrawal_days": days,
        "free_from": ctx.later(treated, days, days).isoformat(),
        "temperature_c": ctx.steps(384, 412, 10),
        "isolated": ctx.chance(0.5),
    }


@entity
def home_visit(ctx: SamplingContext) -> dict:
    """Somebody from the shelter looks at a new home."""
    return {
        "visited_on": ctx.date().isoformat(),
        "visitor": ctx.person().name,
        "verdict": ctx.one(("very_good", "good", "to_improve", "unsuitable")),
        "come_again": ctx.chance(0.5),
    }


@entity
def adoption(ctx: SamplingContext) -> dict:
    """An animal from a shelter finds a home, at first on trial."""
    species, day = ctx.one(("dog", "cat", "rabbit", "guinea_pig")), ctx.date()
    visits = [draw("home_visit", ctx) for _ in range(ctx.between(1, 2))]
    for visit, after in zip(
        visits, sorted(ctx.some(range(-20, 40), len(visits), len(visits))), strict=True
    ):
        visit["visited_on"] = ctx.later(day, after, after).isoformat()
        if after < 0:  # nobody hands an animal over to an unsuitable home
            visit["verdict"] = ctx.one(("very_good", "good", "to_improve"))
    return {
        "adoption_no": ctx.code("AD-#####"),
        "animal_name": ctx.one(PET_NAMES),
        "species": species,
        "estimated_age": ctx.between(1, 12),
        "came_to_shelter": ctx.later(day, -220, -12).isoformat(),
        "adopted_on": day.isoformat(),
        "trial_until": ctx.later(day, 14, 42).isoformat(),
        "adoption_fee": ctx.one((4000, 6500, 9000, 12000, 18000, 25000)) / 100,
        "currency": ctx.place.currency,
        "promises": ctx.some(
            ("fenced_garden", "neutering", "no_resale", "second_animal", "vet_check"), 1, 3
        ),
        "visits": visits,
    }


@entity
def sighting(ctx: SamplingContext) -> dict:
    """Somebody thinks that they have seen an animal."""
    return {
        "seen_on": ctx.date().isoformat(),
        "seen_at": ctx.clock(6, 23, step=5),
        "spot": ctx.one(SPOTS),
        "witness": ctx.person().name,
        "certain": ctx.chance(0.5),
    }


@entity
def lost_pet(ctx: SamplingContext) -> dict:
    """A pet that ran away; it is seen on later days."""
    species, away = ctx.one(("dog", "cat", "ferret")), ctx.date()
    days = sorted(ctx.some(range(1, 16), 1, 3))
    seen = [draw("sighting", ctx) | {"seen_on": ctx.later(away, d, d).isoformat()} for d in days]
    return {
        "notice_no": ctx.code("LP-####"),
        "pet_name": ctx.one(PET_NAMES),
        "species": species,
        "colour": ctx.one(BREEDS[species][1]),
        "missing_since": away.isoformat(),
        "ran_away_from": ctx.one(SPOTS),
        "reward": ctx.one((2500, 5000, 10000, 15000, 30000)) / 100,
        "currency": ctx.place.currency,
        "chipped": ctx.chance(0.5),
        "marks": ctx.some(("white_paw", "torn_ear", "red_collar", "bell", "limp"), 1, 3),
        "sightings": seen,
    }
