"""Public service: births, bins and building."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.fitting import papers
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World

HOSPITALS = words(
    "St._Anne's_Hospital City_Maternity_Clinic Riverside_Hospital University_Women's_Clinic Northern_General "
    "Holy_Cross_Hospital Lakeside_Birth_Centre District_Hospital_East Elisabeth_Clinic Royal_Infirmary "
    "Meadow_Birth_House Southgate_Hospital"
)
WORKS = words(
    "loft_conversion garage rear_extension carport balcony dormer_window garden_wall solar_roof "
    "summer_house wheelchair_ramp swimming_pool barn_conversion shop_front chimney_removal bicycle_shed "
    "basement_conversion"
)


@entity
def birth_registration(world: World) -> dict:
    """A child is born and, days later, entered in the register."""
    born = world.date()
    return {
        "register_no": world.code("BR-#####"),
        "child_name": world.person().first,
        "born_on": born.isoformat(),
        "born_at": world.clock(0, 24, step=1),
        "weight_g": world.between(245, 442) * 10,
        "length_cm": world.between(46, 56),
        "birthplace": world.one(HOSPITALS),
        "registered_on": world.later(born, 2, 21).isoformat(),
        "parent": draw("person", world) | {"birth_date": world.later(born, -16000, -7400).isoformat()},
    }


@entity
def bin_collection(world: World) -> dict:
    """A street's bins are emptied; the next time is a week or more later."""
    day, bins = world.date(), world.between(12, 140)
    return {
        "street": world.one(world.place.streets),
        "waste": world.one(("paper", "glass", "packaging", "garden_waste", "household_waste", "food_waste")),
        "emptied_on": day.isoformat(),
        "starts_at": world.clock(5, 10, step=15),
        "bins": bins,
        "missed": world.between(2, 9),
        "weight_kg": bins * world.between(4, 28),
        "truck": world.code("T-##"),
        "next_on": world.later(day, 7, 28).isoformat(),
    }


@entity
def building_permit(world: World) -> dict:
    """A permit to build, applied for and decided on some weeks later."""
    applied = world.date()
    return {
        "file_no": world.code("BP-####-##"),
        "works": world.one(WORKS),
        "plot_no": world.code("###/##"),
        "applied_on": applied.isoformat(),
        "decided_on": world.later(applied, 20, 160).isoformat(),
        "decision": world.one(("granted", "granted", "granted_with_conditions", "refused")),
        "floor_area_m2": world.between(8, 180),
        "fee": world.between(9, 190) * 500 / 100,
        "currency": world.place.currency,
        "conditions": world.some(
            ("keep_trees", "rain_tank", "working_hours", "slate_roof", "noise_report"), 1, 3
        ),
        "papers": papers(world, ("contract", "certificate", "quotation"), applied),
    }
