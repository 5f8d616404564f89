"""Public service: births, bins and building."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.fitting import papers
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

HOSPITALS = words(
    "St._Anne's_Hospital City_Maternity_Clinic Riverside_Hospital University_Women's_Clinic "
    "Northern_General Holy_Cross_Hospital Lakeside_Birth_Centre District_Hospital_East "
    "Elisabeth_Clinic Royal_Infirmary Meadow_Birth_House Southgate_Hospital"
)
WORKS = words(
    "loft_conversion garage rear_extension carport balcony dormer_window garden_wall solar_roof "
    "summer_house wheelchair_ramp swimming_pool barn_conversion shop_front chimney_removal "
    "bicycle_shed basement_conversion"
)


@entity
def birth_registration(ctx: SamplingContext) -> dict:
    """A child is born and, days later, entered in the register."""
    born = ctx.date()
    return {
        "register_no": ctx.code("BR-#####"),
        "child_name": ctx.person().first,
        "born_on": born.isoformat(),
        "born_at": ctx.clock(0, 24, step=1),
        "weight_g": ctx.between(245, 442) * 10,
        "length_cm": ctx.between(46, 56),
        "birthplace": ctx.one(HOSPITALS),
        "registered_on": ctx.later(born, 2, 21).isoformat(),
        "parent": draw("person", ctx) | {"birth_date": ctx.later(born, -16000, -7400).isoformat()},
    }


@entity
def bin_collection(ctx: SamplingContext) -> dict:
    """A street's bins are emptied; the next time is a week or more later."""
    day, bins = ctx.date(), ctx.between(12, 140)
    return {
        "street": ctx.one(ctx.place.streets),
        "waste": ctx.one(
            ("paper", "glass", "packaging", "garden_waste", "household_waste", "food_waste")
        ),
        "emptied_on": day.isoformat(),
        "starts_at": ctx.clock(5, 10, step=15),
        "bins": bins,
        "missed": ctx.between(2, 9),
        "weight_kg": bins * ctx.between(4, 28),
        "truck": ctx.code("T-##"),
        "next_on": ctx.later(day, 7, 28).isoformat(),
    }


@entity
def building_permit(ctx: SamplingContext) -> dict:
    """A permit to build, applied for and decided on some weeks later."""
    applied = ctx.date()
    return {
        "file_no": ctx.code("BP-####-##"),
        "works": ctx.one(WORKS),
        "plot_no": ctx.code("###/##"),
        "applied_on": applied.isoformat(),
        "decided_on": ctx.later(applied, 20, 160).isoformat(),
        "decision": ctx.one(("granted", "granted", "granted_with_conditions", "refused")),
        "floor_area_m2": ctx.between(8, 180),
        "fee": ctx.between(9, 190) * 500 / 100,
        "currency": ctx.place.currency,
        "conditions": ctx.some(
            ("keep_trees", "rain_tank", "working_hours", "slate_roof", "noise_report"), 1, 3
        ),
        "papers": papers(ctx, ("contract", "certificate", "quotation"), applied),
    }
