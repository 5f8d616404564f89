"""Staff: pay, courses and accidents at work."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.fitting import holder_and_account
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World

COURSES = words(
    "First_Aid_Refresher Forklift_Safety Working_at_Heights Food_Hygiene_Level_2 Data_Protection_Basics "
    "Project_Management_Foundations Spreadsheet_Skills_for_Beginners Conflict_De-escalation "
    "Fire_Warden_Training Manual_Handling Negotiation_Skills Customer_Service_Essentials Welding_Certificate "
    "Electrical_Safety_Awareness Leading_Small_Teams Cold_Store_Induction Ladder_Inspection "
    "Effective_Minute-Taking Chemical_Spill_Response Lift_Truck_Refresher"
)
ACCIDENT_PLACES = words(
    "loading_bay main_kitchen staff_car_park packing_hall stairwell_B paint_shop cold_store boiler_room "
    "reception_area workshop canteen archive_room roof_terrace sorting_hall server_room yard_gate"
)
INJURIES = {  # how it happened -> what it hurts
    "slip": words("left_ankle right_ankle left_knee right_wrist left_elbow right_hip"),
    "fall": words("right_knee left_shoulder right_elbow left_wrist lower_back left_hip right_ankle"),
    "cut": words("left_hand right_hand right_thumb left_index_finger right_forearm left_palm"),
    "burn": words("right_hand left_forearm left_hand right_forearm right_wrist neck"),
    "lifting": words("lower_back left_shoulder right_shoulder neck upper_back"),
    "falling_object": words("left_foot right_foot forehead right_shoulder left_big_toe left_hand"),
}


@entity
def payroll_slip(world: World) -> dict:
    """What somebody earned in a month, what was taken off, and what is paid out."""
    gross = world.between(1450, 5900) * 100 + world.between(0, 99)
    tax, insurance = gross * world.between(9, 24) // 100, gross * world.between(6, 13) // 100
    employee, account = holder_and_account(world)
    paid = world.date()
    extras = [draw("pay_extra", world) for _ in range(world.between(1, 3))]
    for extra in extras:
        extra["worked_on"] = world.later(paid, -45, -5).isoformat()
    return {
        "slip_no": world.code("PS-######"),
        "employee_no": world.code("E####"),
        "paid_on": paid.isoformat(),
        "hours": world.between(80, 190),
        "gross": gross / 100,
        "tax": tax / 100,
        "insurance": insurance / 100,
        "net": (gross - tax - insurance) / 100,
        "currency": world.place.currency,
        "employee": employee,
        "account": account,
        "extras": extras,
    }


@entity
def training_course(world: World) -> dict:
    """A course of a day or more; its last day follows its first."""
    start = world.date()
    return {
        "course": world.one(COURSES),
        "provider": f"{world.person().last} {world.one(('Training', 'Academy', 'Skills Centre'))}",
        "starts_on": start.isoformat(),
        "ends_on": world.later(start, 1, 12).isoformat(),
        "mode": world.one(("classroom", "online", "blended", "on_the_job")),
        "seats": world.between(4, 24),
        "fee": world.between(18, 190) * 500 / 100,
        "currency": world.place.currency,
        "certificate": world.chance(0.6),
    }


@entity
def accident_report(world: World) -> dict:
    """An accident at work: when, where, how, and how long somebody was away."""
    cause = world.one(tuple(INJURIES))
    return {
        "report_no": world.code("AR-####"),
        "happened_on": world.date().isoformat(),
        "happened_at": world.clock(6, 22, step=5),
        "location": world.one(ACCIDENT_PLACES),
        "cause": cause,
        "body_part": world.one(INJURIES[cause]),
        "days_lost": world.between(2, 28),
        "first_aid": world.chance(0.7),
    }


@entity
def pay_extra(world: World) -> dict:
    """What is paid on top for some hours of a day."""
    hours = world.between(2, 10)
    return {
        "kind": world.one(("night_shift", "overtime", "on_call", "holiday_work", "training")),
        "worked_on": world.date().isoformat(),
        "hours": hours,
        "amount": hours * world.between(900, 3400) / 100,
        "approved_by": world.person().name,
    }
