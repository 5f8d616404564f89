"""Education: trips, lessons, exams and grants."""

from datetime import date

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.shared import aged
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

DESTINATIONS = words(
    "Castle_Falkenberg Butterfly_Park Planetarium_West Observatory_Hill Altberg_Salt_Mine "
    "Skerry_Lighthouse Brae_Stone_Circle Ostermoor_Farm Lindau_Glassworks Tarn_Valley "
    "Gannet_Cliffs Fossil_Beach Dunmore_Wetlands Highland_Dam Altona_Tram_Depot"
)
TOPICS = {  # subject: what is practised
    "maths": words("fractions quadratic_equations percentages vectors probability"),
    "physics": words("electric_circuits Newton's_laws waves levers"),
    "chemistry": words("acids_and_bases the_periodic_table redox_reactions"),
    "english": words("conditional_clauses essay_openings reported_speech"),
    "french": words("the_subjunctive irregular_verbs relative_pronouns"),
    "history": words("the_French_Revolution medieval_towns source_criticism"),
}
MODULES = (  # letters of the code, title
    ("ST", "Statistics I"), ("EC", "Introduction to Economics"), ("BI", "Cell Biology"),
    ("LA", "Contract Law"),
    ("CS", "Operating Systems"), ("ME", "Thermodynamics"), ("PS", "Developmental Psychology"),
    ("GE", "Physical Geography"), ("AC", "Financial Accounting"), ("NU", "Pharmacology for Nurses"),
    ("AR", "Structural Design"), ("PH", "Formal Logic"),
)  # fmt: skip
PROGRAMMES = words(
    "Bright_Start_Grant Lighthouse_Fellowship Rural_Talent_Fund Women_in_Engineering_Award "
    "Harbour_City_Bursary Second_Chance_Grant Young_Musicians_Fund Northern_Lights_Fellowship "
    "First_Generation_Award Open_Doors_Bursary"
)
THESES = words(
    "Heat_Pumps_in_Old_Houses Soil_Life_under_Solar_Panels Rumours_in_Village_Newspapers "
    "Sleep_and_Shift_Work Cheap_Sensors_for_Clean_Rivers A_Grammar_of_Market_Cries "
    "Batteries_from_Seawater Bees_in_the_Inner_City Prices_on_the_Night_Train "
    "Concrete_with_Less_Cement Reading_Aloud_in_Care_Homes Maps_for_the_Blind"
)

MEANT_FOR = {  # programmes whose name says for whom they are
    "Women in Engineering Award": ("engineering",), "Young Musicians Fund": ("music",),
    "Rural Talent Fund": ("agriculture", "medicine", "engineering"),
}  # fmt: skip
FIELDS = ("medicine", "engineering", "music", "law", "agriculture", "languages")


def school_day(ctx: SamplingContext) -> date:
    """A working day outside the long holidays."""
    while True:
        day = ctx.date()
        holidays = (
            day.month == 8 or (day.month, day.day) > (12, 20) or (day.month, day.day) < (1, 8)
        )
        if day.weekday() < 5 and not holidays:
            return day


@entity
def school_trip(ctx: SamplingContext) -> dict:
    """A class goes somewhere for a day; all pupils pay the same."""
    pupils, price = ctx.between(13, 31), ctx.one((450, 600, 850, 1100, 1250, 1600, 1950, 2400))
    return {
        "destination": ctx.one(DESTINATIONS),
        "trip_date": school_day(ctx).isoformat(),
        "class_name": f"{ctx.between(3, 10)}{ctx.one('ABCD')}",
        "pupils": pupils,
        "leaves_at": ctx.clock(7, 10),
        "back_at": ctx.clock(14, 18),
        "price_each": price / 100,
        "total_cost": pupils * price / 100,
        "currency": ctx.place.currency,
        "to_bring": ctx.some(
            ("packed_lunch", "rain_jacket", "swimwear", "notebook", "pocket_money"), 1, 3
        ),
    }


@entity
def marked_exercise(ctx: SamplingContext) -> dict:
    """Points for one exercise, below the full number."""
    out_of = ctx.between(4, 20)
    return {
        "exercise_no": f"{ctx.between(1, 28)}{ctx.one('abcd')}",
        "points": ctx.between(1, out_of - 1),
        "out_of": out_of,
        "mistake": ctx.one(
            ("sign_error", "wrong_unit", "spelling", "unfinished", "misread_question")
        ),
        "to_repeat": ctx.chance(0.5),
    }


@entity
def tutoring_session(ctx: SamplingContext) -> dict:
    """A private lesson on a topic of its subject; the homework is due later."""
    subject, day = ctx.one(tuple(TOPICS)), school_day(ctx)
    minutes = ctx.one((45, 60, 75, 90))
    return {
        "session_date": day.isoformat(),
        "starts_at": ctx.clock(13, 20),
        "minutes": minutes,
        "subject": subject,
        "topic": ctx.one(TOPICS[subject]),
        "fee": minutes * ctx.one((40, 50, 60, 70)) / 100,
        "currency": ctx.place.currency,
        "homework_due": ctx.later(day, 2, 9).isoformat(),
        "pupil": aged(ctx, day, 10, 18),
    }


@entity
def exam_sitting(ctx: SamplingContext) -> dict:
    """One exam of one module on one morning or afternoon."""
    letters, title = ctx.one(MODULES)
    start, minutes = ctx.between(32, 60) * 15, ctx.one((60, 90, 120, 150, 180))
    end = start + minutes
    return {
        "module": title,
        "module_code": ctx.code(f"{letters}####"),
        "exam_date": school_day(ctx).isoformat(),
        "starts_at": hhmm(start),
        "ends_at": hhmm(end),
        "minutes": minutes,
        "candidates": ctx.between(14, 180),
        "seating": ctx.one(("alphabetical", "numbered", "free")),
        "aids": ctx.some(("calculator", "dictionary", "formula_sheet", "own_notes"), 1, 3),
    }


@entity
def study_report(ctx: SamplingContext) -> dict:
    """A student's courses in one semester."""
    return {
        "semester": f"{ctx.between(2025, 2027)}/{ctx.between(1, 2)}",
        "credits": ctx.between(12, 40),
        "average_mark": ctx.steps(10, 39, 10),
        "in_time": ctx.chance(0.6),
    }


@entity
def scholarship(ctx: SamplingContext) -> dict:
    """Money every month for some months, asked for before it starts."""
    monthly, months, start = ctx.between(12, 60) * 2500, ctx.between(4, 24), ctx.date()
    programme = ctx.one(PROGRAMMES)
    first = 2 * start.year + (start.month > 6)  # half-years
    reports = [
        draw("study_report", ctx) | {"semester": f"{half // 2}/{half % 2 + 1}"}
        for half in range(first, first + ctx.between(1, min(3, months // 6 + 1)))
    ]
    return {
        "award_no": ctx.code("SCH-####"),
        "programme": programme,
        "field_of_study": ctx.one(MEANT_FOR.get(programme, FIELDS)),
        "monthly_amount": monthly / 100,
        "months": months,
        "total_amount": monthly * months / 100,
        "currency": ctx.place.currency,
        "applied_on": ctx.later(start, -200, -40).isoformat(),
        "starts_on": start.isoformat(),
        "renewable": ctx.chance(0.5),
        "student": aged(ctx, start, 18, 29),
        "reports": reports,
    }


@entity
def thesis_defence(ctx: SamplingContext) -> dict:
    """A candidate defends a thesis, handed in weeks before."""
    day = school_day(ctx)
    degree = ctx.one(("bachelor", "master", "doctorate"))
    low, high = {"bachelor": (34, 68), "master": (58, 124), "doctorate": (110, 310)}[degree]
    return {
        "thesis_title": ctx.one(THESES),
        "degree": degree,
        "handed_in_on": ctx.later(day, -90, -20).isoformat(),
        "defence_date": day.isoformat(),
        "starts_at": ctx.clock(9, 17),
        "pages": ctx.between(low, high),
        "mark": ctx.steps(10, 37, 10),
        "public": ctx.chance(0.6),
        "candidate": aged(ctx, day, 23, 38),
    }


@entity
def substitute_lesson(ctx: SamplingContext) -> dict:
    """A lesson that somebody else has to give."""
    return {
        "lesson_date": school_day(ctx).isoformat(),
        "lesson_no": ctx.between(1, 9),
        "class_name": f"{ctx.between(5, 12)}{ctx.one('ABCD')}",
        "subject": ctx.one(("maths", "biology", "english", "music", "sport", "geography")),
        "reason": ctx.one(("illness", "training_course", "school_trip", "strike", "private")),
        "work_set": ctx.chance(0.55),
        "reported_at": ctx.clock(6, 9, step=5),
    }
