"""Veterinary: pets and farm animals, looked after, lost and found a home."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World, hhmm

PET_NAMES = words(
    "Bongo Sprout Whisky Tango Mitzi Dumpling Cricket Sooty Maple Jinx Patch Gingersnap Rolo Tinker Sesame "
    "Hobnob Pebbles Miso Tofu Zorro"
)
BREEDS = {  # species: breeds, colours
    "dog": (words("beagle whippet border_terrier labrador poodle dachshund"), words("brown black white tan")),
    "cat": (words("British_shorthair Siamese tabby Maine_Coon Birman"), words("grey black ginger white")),
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
    ("calcium borogluconate", 100, 400, ("vein", "under_skin")), ("penicillin G", 8, 40, ("muscle",)),
    ("florfenicol", 6, 30, ("muscle", "under_skin")), ("meloxicam", 2, 18, ("under_skin", "vein")),
    ("vitamin B12", 2, 12, ("muscle", "under_skin")), ("electrolyte solution", 200, 900, ("mouth",)),
    ("propylene glycol", 100, 300, ("mouth",)), ("worming drench", 10, 80, ("mouth",)),
)  # fmt: skip
SPOTS = words(
    "Canal_Bridge Mill_Lane Heron_Park Station_Road Quarry_Hill Fuller's_Mill Chapel_Green Locksmith_Row "
    "Marsh_Gate Ropewalk_Yard Windmill_Field"
)


@entity
def pet_weighing(world: World) -> dict:
    """An animal on the scales."""
    return {
        "weighed_on": world.date().isoformat(),
        "weight_kg": world.steps(12, 60, 10),
        "body_state": world.one(("thin", "ideal", "heavy", "obese")),
        "empty_stomach": world.chance(0.5),
    }


@entity
def pet(world: World) -> dict:
    """An animal of a household as it is registered, and how it has grown since."""
    species = world.one(tuple(BREEDS))
    breeds, colours = BREEDS[species]
    registered = world.date()
    weight = world.between(48, 300) if species == "dog" else world.between(12, 50)  # tenths of a kilo
    state = world.one(("thin", "ideal", "heavy", "obese"))
    weighings = [
        draw("pet_weighing", world)
        | {"weighed_on": world.later(registered, day, day).isoformat(), "body_state": state}
        | {"weight_kg": (weight + n * weight // 9) / 10}
        for n, day in enumerate(sorted(world.some(range(15, 320), 2, 3)))
    ]
    return {
        "pet_name": world.one(PET_NAMES),
        "species": species,
        "breed": world.one(breeds),
        "colour": world.one(colours),
        "sex": world.one(("female", "male")),
        "born_on": world.later(registered, -300, -60).isoformat(),
        "registered_on": registered.isoformat(),
        "chip_no": world.code("9##############"),
        "neutered": world.chance(0.5),
        "weighings": weighings,
    }


@entity
def grooming_appointment(world: World) -> dict:
    """A dog is washed and trimmed; the end follows from start and minutes."""
    start, minutes, day = world.between(34, 64) * 15, world.one((30, 45, 60, 75, 90)), world.date()
    end = start + minutes
    return {
        "booking_no": world.code("GR####"),
        "dog_name": world.one(PET_NAMES),
        "coat": world.one(("short", "long", "curly", "wiry")),
        "appointment_date": day.isoformat(),
        "starts_at": hhmm(start),
        "ready_at": hhmm(end),
        "minutes": minutes,
        "services": world.some(("bath", "full_trim", "nail_clipping", "ear_cleaning", "de_matting"), 1, 3),
        "price": minutes * world.one((70, 80, 90, 100)) / 100,
        "currency": world.place.currency,
        "muzzle": world.chance(0.4),
    }


@entity
def medicine_dose(world: World) -> dict:
    """Some millilitres of a medicine from one bottle."""
    medicine, low, high, ways = world.one(FARM_DRUGS)
    return {
        "medicine": medicine,
        "dose_ml": world.between(low, high),
        "given_into": world.one(ways),
        "bottle_no": world.code("B#####"),
        "times_given": world.between(1, 4),
    }


@entity
def farm_animal_treatment(world: World) -> dict:
    """A farm animal is treated, and its milk and meat are kept back for some days."""
    animal, treated, days = world.one(tuple(AILMENTS)), world.date(), world.between(4, 35)
    return {
        "ear_tag": world.code(f"{world.place.code.upper()}#########"),
        "animal": animal,
        "ailment": world.one(AILMENTS[animal]),
        "treated_on": treated.isoformat(),
        "withdrawal_days": days,
        "free_from": world.later(treated, days, days).isoformat(),
        "temperature_c": world.steps(384, 412, 10),
        "isolated": world.chance(0.5),
    }


@entity
def home_visit(world: World) -> dict:
    """Somebody from the shelter looks at a new home."""
    return {
        "visited_on": world.date().isoformat(),
        "visitor": world.person().name,
        "verdict": world.one(("very_good", "good", "to_improve", "unsuitable")),
        "come_again": world.chance(0.5),
    }


@entity
def adoption(world: World) -> dict:
    """An animal from a shelter finds a home, at first on trial."""
    species, day = world.one(("dog", "cat", "rabbit", "guinea_pig")), world.date()
    visits = [draw("home_visit", world) for _ in range(world.between(1, 2))]
    for visit, after in zip(
        visits, sorted(world.some(range(-20, 40), len(visits), len(visits))), strict=True
    ):
        visit["visited_on"] = world.later(day, after, after).isoformat()
        if after < 0:  # nobody hands an animal over to an unsuitable home
            visit["verdict"] = world.one(("very_good", "good", "to_improve"))
    return {
        "adoption_no": world.code("AD-#####"),
        "animal_name": world.one(PET_NAMES),
        "species": species,
        "estimated_age": world.between(1, 12),
        "came_to_shelter": world.later(day, -220, -12).isoformat(),
        "adopted_on": day.isoformat(),
        "trial_until": world.later(day, 14, 42).isoformat(),
        "adoption_fee": world.one((4000, 6500, 9000, 12000, 18000, 25000)) / 100,
        "currency": world.place.currency,
        "promises": world.some(
            ("fenced_garden", "neutering", "no_resale", "second_animal", "vet_check"), 1, 3
        ),
        "visits": visits,
    }


@entity
def sighting(world: World) -> dict:
    """Somebody thinks that they have seen an animal."""
    return {
        "seen_on": world.date().isoformat(),
        "seen_at": world.clock(6, 23, step=5),
        "spot": world.one(SPOTS),
        "witness": world.person().name,
        "certain": world.chance(0.5),
    }


@entity
def lost_pet(world: World) -> dict:
    """A pet that ran away; it is seen on later days."""
    species, away = world.one(("dog", "cat", "ferret")), world.date()
    days = sorted(world.some(range(1, 16), 1, 3))
    seen = [draw("sighting", world) | {"seen_on": world.later(away, d, d).isoformat()} for d in days]
    return {
        "notice_no": world.code("LP-####"),
        "pet_name": world.one(PET_NAMES),
        "species": species,
        "colour": world.one(BREEDS[species][1]),
        "missing_since": away.isoformat(),
        "ran_away_from": world.one(SPOTS),
        "reward": world.one((2500, 5000, 10000, 15000, 30000)) / 100,
        "currency": world.place.currency,
        "chipped": world.chance(0.5),
        "marks": world.some(("white_paw", "torn_ear", "red_collar", "bell", "limp"), 1, 3),
        "sightings": seen,
    }
