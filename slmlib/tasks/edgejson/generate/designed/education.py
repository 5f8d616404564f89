"""Education: courses and exams."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World

COURSES = (  # letters of the code, title
    ("ITA", "Italian for beginners"), ("POT", "Pottery on the wheel"), ("BKP", "Bookkeeping basics"),
    ("PHO", "Digital photography"), ("WEL", "Welding for beginners"), ("GRD", "Garden design"),
    ("EXL", "Spreadsheets at work"), ("FAD", "First aid at work"), ("DRW", "Life drawing"),
    ("UPH", "Furniture upholstery"), ("SGN", "Sign language"), ("BAK", "Bread baking"),
    ("WEB", "Building web pages"), ("SEW", "Dressmaking"), ("CRW", "Creative writing"),
    ("ASL", "Astronomy for everyone"), ("BEE", "Beekeeping"), ("PLB", "Plumbing repairs"),
)  # fmt: skip
LANGUAGES = words(
    "Spanish French German Dutch Portuguese Polish Swedish Japanese Italian Arabic Greek Turkish Danish "
    "Finnish"
)
SKILLS = ("reading", "listening", "writing", "speaking")
FULL_MARKS, PASS_PERCENT = 25, 60  # of each part, of all parts together


@sampler
def course_enrolment(world: World) -> tuple[dict, dict]:
    """A place on a course; beside it the course that was full, and the day of the application."""
    (letters, title), (other_letters, other_title) = world.some(COURSES, 2, 2)
    start = world.date()
    record = {
        "student": world.person().name,
        "course_code": world.code(f"{letters}-###"),
        "starts_on": start.isoformat(),
    }
    record |= only(world, 0.65, mode=world.one(("classroom", "online", "blended")))
    record |= only(world, 0.6, fee_paid=world.chance(0.6))
    other = {"title": title, "old_title": other_title, "old_code": world.code(f"{other_letters}-###")}
    return record, other | {
        "applied_on": world.later(start, -60, -6).isoformat(),
        "seats": world.between(2, 9),
        "college": f"{world.town()[0]} Adult College",
    }


@sampler
def exam_result(world: World) -> tuple[dict, dict]:
    """Points add up to the total, which decides about pass and certificate; an earlier try beside it."""
    sat, skills = world.date(), world.some(SKILLS, 3, 4)
    weak = world.chance(0.35)
    parts = [{"skill": s, "points": world.between(6, 17) if weak else world.between(13, 25)} for s in skills]
    total, full = sum(part["points"] for part in parts), FULL_MARKS * len(parts)
    needed = PASS_PERCENT * full // 100
    passed = total >= needed
    exam = {"language": world.one(LANGUAGES), "level": world.one(("A2", "B1", "B2", "C1"))}
    record = {
        "candidate": {"name": world.person().name} | only(world, 0.6, number=world.code("####/##")),
        "exam": exam | {"sat_on": sat.isoformat()},
        "parts": parts,
        "total": total,
        "passed": passed,
    }
    issued = {"number": world.code("@@######"), "issued_on": world.later(sat, 14, 45).isoformat()}
    record |= only(world, 0.75, certificate=issued) if passed else {}
    tried = {"old_total": min(total, needed) - world.between(2, 9), "full": full, "needed": needed}
    beside = {"old_date": world.later(sat, -300, -90).isoformat(), "examiner": world.person().name}
    return record, tried | beside
