"""Staff: pay, courses and accidents at work."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.fitting import holder_and_account
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

COURSES = words(
    "First_Aid_Refresher Forklift_Safety Working_at_Heights Food_Hygiene_Level_2 "
    "Data_Protection_Basics Project_Management_Foundations Spreadsheet_Skills_for_Beginners "
    "Conflict_De-escalation Fire_Warden_Training Manual_Handling Negotiation_Skills "
    "Customer_Service_Essentials Welding_Certificate Electrical_Safety_Awareness "
    "Leading_Small_Teams Cold_Store_Induction Ladder_Inspection Effective_Minute-Taking "
    "Chemical_Spill_Response Lift_Truck_Refresher"
)
ACCIDENT_PLACES = words(
    "loading_bay main_kitchen staff_car_park packing_hall stairwell_B paint_shop cold_store "
    "boiler_room reception_area workshop canteen archive_room roof_terrace sorting_hall "
    "server_room yard_gate"
)
INJURIES = {  # how it happened -> what it hurts
    "slip": words("left_ankle right_ankle left_knee right_wrist left_elbow right_hip"),
    "fall": words(
        "right_knee left_shoulder right_elbow left_wrist lower_back left_hip right_ankle"
    ),
    "cut": words("left_hand right_hand right_thumb left_index_finger right_forearm left_palm"),
    "burn": words("right_hand left_forearm left_hand right_forearm right_wrist neck"),
    "lifting": words("lower_back left_shoulder right_shoulder neck upper_back"),
    "falling_object": words("left_foot right_foot forehead right_shoulder left_big_toe left_hand"),
}


@entity
def payroll_slip(ctx: SamplingContext) -> dict:
    """Pay of a month: earnings, deductions, and the amount paid out."""
    gross = ctx.between(1450, 5900) * 100 + ctx.between(0, 99)
    tax, insurance = gross * ctx.between(9, 24) // 100, gross * ctx.between(6, 13) // 100
    employee, account = holder_and_account(ctx)
    paid = ctx.date()
    extras = [draw("pay_extra", ctx) for _ in range(ctx.between(1, 3))]
    for extra in extras:
        extra["worked_on"] = ctx.later(paid, -45, -5).isoformat()
    return {
        "slip_no": ctx.code("PS-######"),
        "employee_no": ctx.code("E####"),
        "paid_on": paid.isoformat(),
        "hours": ctx.between(80, 190),
        "gross": gross / 100,
        "tax": tax / 100,
        "insurance": insurance / 100,
        "net": (gross - tax - insurance) / 100,
        "currency": ctx.place.currency,
        "employee": employee,
        "account": account,
        "extras": extras,
    }


@entity
def training_course(ctx: SamplingContext) -> dict:
    """A course of a day or more; its last day follows its first."""
    start = ctx.date()
    return {
        "course": ctx.one(COURSES),
        "provider": f"{ctx.person().last} {ctx.one(('Training', 'Academy', 'Skills Centre'))}",
        "starts_on": start.isoformat(),
        "ends_on": ctx.later(start, 1, 12).isoformat(),
        "mode": ctx.one(("classroom", "online", "blended", "on_the_job")),
        "seats": ctx.between(4, 24),
        "fee": ctx.between(18, 190) * 500 / 100,
        "currency": ctx.place.currency,
        "certificate": ctx.chance(0.6),
    }


@entity
def accident_report(ctx: SamplingContext) -> dict:
    """An accident at work: when, where, how, and how long somebody was away."""
    cause = ctx.one(tuple(INJURIES))
    return {
        "report_no": ctx.code("AR-####"),
        "happened_on": ctx.date().isoformat(),
        "happened_at": ctx.clock(6, 22, step=5),
        "location": ctx.one(ACCIDENT_PLACES),
        "cause": cause,
        "body_part": ctx.one(INJURIES[cause]),
        "days_lost": ctx.between(2, 28),
        "first_aid": ctx.chance(0.7),
    }


@entity
def pay_extra(ctx: SamplingContext) -> dict:
    """A supplement for some hours of a day."""
    hours = ctx.between(2, 10)
    return {
        "kind": ctx.one(("night_shift", "overtime", "on_call", "holiday_work", "training")),
        "worked_on": ctx.date().isoformat(),
        "hours": hours,
        "amount": hours * ctx.between(900, 3400) / 100,
        "approved_by": ctx.person().name,
    }
