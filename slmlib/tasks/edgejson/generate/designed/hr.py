"""Human resources: leave, shifts, applications and hours worked."""

from datetime import date, timedelta

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

WORKPLACES = words(
    "ward_3 the_sorting_hall reception the_bakery gate_B the_control_room the_call_centre line_2 "
    "the_dispatch_desk the_laundry the_night_desk kitchen_1 the_cold_store the_front_desk "
    "the_ticket_office"
)

POSTS = (  # title, monthly salary for full time from, to
    ("Warehouse Clerk", 2300, 2900), ("Forklift Driver", 2400, 3000), ("Night Porter", 2100, 2700),
    ("Pharmacy Assistant", 2500, 3200), ("Payroll Clerk", 2800, 3700),
    ("Care Assistant", 2400, 3100), ("Bicycle Mechanic", 2400, 3200), ("Pastry Chef", 2400, 3300),
    ("Service Technician", 2900, 3900),
    ("Web Developer", 3600, 5200), ("Lab Technician", 2900, 3900), ("Bus Driver", 2700, 3400),
    ("Office Manager", 2900, 4000), ("Electrician", 2900, 3900), ("Sales Assistant", 2100, 2700),
    ("Gardener", 2300, 3000), ("Receptionist", 2200, 2900), ("Data Analyst", 3700, 5100),
)  # fmt: skip
LANGUAGES = {
    "de": "German", "en": "English", "es": "Spanish", "fr": "French", "it": "Italian",
    "nl": "Dutch", "pl": "Polish", "tr": "Turkish",
}  # fmt: skip
CONTRACTS = (
    ("permanent", 40),
    ("permanent", 35),
    ("temporary", 38),
    ("student", 24),
    ("agency", 38),
)
TASKS = ("assembly", "maintenance", "packing", "training", "stocktaking")
TONGUES = {
    "de": "de",
    "ie": "en",
    "nl": "nl",
    "fr": "fr",
    "es": "es",
    "it": "it",
}  # of the euro countries


def next_workday(day: date) -> date:
    """The first day after this one that is neither Saturday nor Sunday."""
    day += timedelta(days=1)
    return day + timedelta(days=7 - day.weekday() if day.weekday() > 4 else 0)


@sampler
def leave_request(ctx: SamplingContext) -> tuple[dict, dict]:
    """Both days of the leave; distractors: the first wish and the day on which it was asked."""
    first = ctx.workday()
    kind, shortest, longest = ctx.one(
        (
            ("annual", 4, 20),
            ("parental", 30, 180),
            ("study", 1, 12),
            ("unpaid", 6, 60),
            ("medical", 2, 25),
        )
    )
    last = ctx.workday_near(first, shortest, longest)
    record = {
        "employee": ctx.person().name,
        "leave_type": kind,
        "first_day": first.isoformat(),
        "last_day": last.isoformat(),
    }
    record |= only(ctx, 0.6, cover=ctx.person().name)
    beside = {
        "asked_on": ctx.workday_near(first, -70, -12).isoformat(),
        "old_first": ctx.workday_near(first, -9, -1).isoformat(),
        "back_on": next_workday(last).isoformat(),
    }
    return record, beside | {"colleague": ctx.person().name, "days_left": ctx.between(13, 27)}


@sampler
def shift_swap(ctx: SamplingContext) -> tuple[dict, dict]:
    """A shift and who worked it; distractors: somebody who refused, and a shift in return."""
    day, shift = ctx.date(), ctx.one(("early", "late", "night"))
    record = {
        "date": day.isoformat(),
        "shift": shift,
        "gives": ctx.person().name,
        "takes": ctx.person().name,
    }
    record |= only(ctx, 0.6, approved=ctx.chance(0.75))
    back = ctx.one([other for other in ("early", "late", "night") if other != shift])
    beside = {"asked": ctx.person().name, "place": ctx.one(WORKPLACES), "other_shift": back}
    beside |= {"other_date": ctx.later(day, 3, 16).isoformat(), "crew": ctx.between(3, 9)}
    return record, beside | {"asked_on": ctx.later(day, -12, -2).isoformat()}


@sampler
def job_application(ctx: SamplingContext) -> tuple[dict, dict]:
    """A post, somebody for it and the terms; distractors: what was offered, and another post."""
    ctx.settle(*TONGUES)  # salaries in euros
    title, low, high = ctx.one(POSTS)
    day, own = ctx.workday(), TONGUES[ctx.place.code]
    start = ctx.workday_near(day, 15, 120)
    speaks = [own, *ctx.some([code for code in LANGUAGES if code != own], 0, 2)]
    phone, terms = ctx.phone(), _terms(ctx, low, high, start)
    terms |= only(ctx, 0.5, driving_licence="Driver" in title or ctx.chance(0.6))
    applicant = {"name": ctx.person().name} | only(ctx, 0.6, phone=phone)
    applicant |= {"years_exp": ctx.between(2, 19)} | only(ctx, 0.6, last_employer=ctx.firm())
    record = {
        "vacancy": {"title": title, "ref": f"{ctx.code('@@###')}/{day.year % 100}"},
        "applicant": applicant,
        "languages": speaks,
        "terms": terms,
    }
    beside = {"sent": day.isoformat(), "early": ctx.workday_near(start, -14, -3).isoformat()}
    beside |= {"offered": terms.get("monthly_eur", low) - 50 * ctx.between(1, 5)}
    beside |= {"rivals": ctx.between(3, 40)}
    beside |= {"lacks": ctx.one([name for code, name in LANGUAGES.items() if code not in speaks])}
    return record, beside | {"other_post": ctx.one([post[0] for post in POSTS if post[0] != title])}


def _terms(ctx: SamplingContext, low: int, high: int, start: date) -> dict:
    """A workload and the salary for it; weekends begin on a Saturday."""
    workload = ctx.one(("full_time", "full_time", "part_time", "weekends"))
    start += timedelta(days=5 - start.weekday() if workload == "weekends" else 0)
    tenths = {"full_time": 10, "part_time": 6, "weekends": 4}[workload]
    euros = 50 * ctx.between(low // 50, high // 50) * tenths // 10
    return {"workload": workload, "start": start.isoformat()} | only(ctx, 0.6, monthly_eur=euros)


@sampler
def timesheet(ctx: SamplingContext) -> tuple[dict, dict]:
    """One to three days of one week; minutes follow from the clock and add up."""
    monday = ctx.date()
    monday -= timedelta(days=monday.weekday())
    week = monday.isocalendar().week
    days = [_day_worked(ctx, monday + timedelta(days=n)) for n in sorted(ctx.some(range(5), 1, 3))]
    minutes = sum(day["minutes"] for day in days)
    totals = {"days": len(days), "minutes": minutes}
    record = {
        "employee": _employee(ctx),
        "week": week,
        "days": days,
        "totals": totals | only(ctx, 0.5, overtime_min=ctx.between(1, 8) * 5),
    }
    signed_on = next_workday(monday + timedelta(days=5 + ctx.between(0, 2)))
    record |= only(ctx, 0.6, approved={"by": ctx.person().name, "on": signed_on.isoformat()})
    beside = {"planned": minutes + ctx.one((-30, -15, 15, 30, 45)), "other_week": week % 50 + 1}
    beside |= {"old_out": ctx.clock(19, 21, step=5), "absent": ctx.person().name}
    beside |= {"day_word": "day" if len(days) == 1 else "days"}
    return record, beside | {"place": ctx.one(WORKPLACES)}


def _employee(ctx: SamplingContext) -> dict:
    """Somebody with a number and a contract."""
    kind, hours = ctx.one(CONTRACTS)
    contract = {"type": kind} | only(ctx, 0.7, weekly_hours=hours)
    return {"name": ctx.person().name, "staff_no": ctx.code("E####"), "contract": contract}


def _day_worked(ctx: SamplingContext, day: date) -> dict:
    """A day's clock times and the job they went to."""
    start, minutes = ctx.between(72, 120) * 5, ctx.between(44, 96) * 5
    begin, end = (hhmm(minute) for minute in (start, start + minutes))
    worked = {"date": day.isoformat(), "clock_in": begin, "clock_out": end, "minutes": minutes}
    return worked | {"job": {"code": ctx.code("@@##"), "task": ctx.one(TASKS)}}
