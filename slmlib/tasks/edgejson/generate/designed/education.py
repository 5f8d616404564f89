"""Education: courses and exams."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

COURSES = (  # letters of the code, title
    ("ITA", "Italian for beginners"), ("POT", "Pottery on the wheel"),
    ("BKP", "Bookkeeping basics"), ("PHO", "Digital photography"), ("WEL", "Welding for beginners"),
    ("GRD", "Garden design"), ("EXL", "Spreadsheets at work"), ("FAD", "First aid at work"),
    ("DRW", "Life drawing"), ("UPH", "Furniture upholstery"), ("SGN", "Sign language"),
    ("BAK", "Bread baking"), ("WEB", "Building web pages"), ("SEW", "Dressmaking"),
    ("CRW", "Creative writing"), ("ASL", "Astronomy for everyone"), ("BEE", "Beekeeping"),
    ("PLB", "Plumbing repairs"),
)  # fmt: skip
LANGUAGES = words(
    "Spanish French German Dutch Portuguese Polish Swedish Japanese Italian Arabic Greek Turkish "
    "Danish Finnish"
)
SKILLS = ("reading", "listening", "writing", "speaking")
FULL_MARKS, PASS_PERCENT = 25, 60  # of each part, of all parts together


@sampler
def course_enrolment(ctx: SamplingContext) -> tuple[dict, dict]:
    """A place on a course; distractors: a course that was full, and the day of application."""
    (letters, title), (other_letters, other_title) = ctx.some(COURSES, 2, 2)
    start = ctx.date()
    record = {
        "student": ctx.person().name,
        "course_code": ctx.code(f"{letters}-###"),
        "starts_on": start.isoformat(),
    }
    record |= only(ctx, 0.65, mode=ctx.one(("classroom", "online", "blended")))
    record |= only(ctx, 0.6, fee_paid=ctx.chance(0.6))
    other = {"title": title, "old_title": other_title, "old_code": ctx.code(f"{other_letters}-###")}
    return record, other | {
        "applied_on": ctx.later(start, -60, -6).isoformat(),
        "seats": ctx.between(2, 9),
        "college": f"{ctx.town()[0]} Adult College",
    }


@sampler
def exam_result(ctx: SamplingContext) -> tuple[dict, dict]:
    """Points that add up to the total, which decides the result; distractors: an earlier try."""
    sat, skills = ctx.date(), ctx.some(SKILLS, 3, 4)
    weak = ctx.chance(0.35)
    parts = [
        {"skill": s, "points": ctx.between(6, 17) if weak else ctx.between(13, 25)} for s in skills
    ]
    total, full = sum(part["points"] for part in parts), FULL_MARKS * len(parts)
    needed = PASS_PERCENT * full // 100
    passed = total >= needed
    exam = {"language": ctx.one(LANGUAGES), "level": ctx.one(("A2", "B1", "B2", "C1"))}
    record = {
        "candidate": {"name": ctx.person().name} | only(ctx, 0.6, number=ctx.code("####/##")),
        "exam": exam | {"sat_on": sat.isoformat()},
        "parts": parts,
        "total": total,
        "passed": passed,
    }
    issued = {"number": ctx.code("@@######"), "issued_on": ctx.later(sat, 14, 45).isoformat()}
    record |= only(ctx, 0.75, certificate=issued) if passed else {}
    tried = {"old_total": min(total, needed) - ctx.between(2, 9), "full": full, "needed": needed}
    beside = {"old_date": ctx.later(sat, -300, -90).isoformat(), "examiner": ctx.person().name}
    return record, tried | beside
