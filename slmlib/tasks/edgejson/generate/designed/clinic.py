"""Clinics: appointments, visits and what is found there."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

DRUGS = (  # name, usual doses in mg, usual times a day, for which reason
    ("ramipril", (2.5, 5.0, 10.0), (1,), "hypertension"), ("amlodipine", (5.0, 10.0), (1,),
    "hypertension"), ("bisoprolol", (1.25, 2.5, 5.0), (1,), "hypertension"),
    ("indapamide", (1.5, 2.5), (1,), "hypertension"), ("amoxicillin", (250.0, 500.0), (3,),
    "infection"), ("ambroxol", (30.0,), (2, 3), "infection"), ("paracetamol", (500.0, 1000.0),
    (3, 4), "infection"), ("ibuprofen", (200.0, 400.0), (2, 3), "infection"),
    ("naproxen", (250.0, 500.0), (2,), "back_pain"), ("paracetamol", (500.0, 1000.0), (3, 4),
    "back_pain"), ("omeprazole", (20.0,), (1,), "back_pain"), ("methocarbamol", (750.0,), (3, 4),
    "back_pain"), ("prednisolone", (5.0, 20.0, 30.0), (1,), "asthma"), ("montelukast", (10.0,),
    (1,), "asthma"), ("loratadine", (10.0,), (1,), "asthma"), ("theophylline", (200.0, 300.0), (2,),
    "asthma"), ("metformin", (500.0, 850.0, 1000.0), (1, 2), "diabetes"),
    ("gliclazide", (40.0, 80.0), (1, 2), "diabetes"), ("sitagliptin", (50.0, 100.0), (1,),
    "diabetes"), ("atorvastatin", (10.0, 20.0, 40.0), (1,), "diabetes"),
)  # fmt: skip
MEDICINES = (  # name, strengths in mg, form, pieces, times a day, days, whether with a meal
    ("amoxicillin", (250.0, 500.0), "capsule", (1, 2), (3,), (5, 7, 10), None),
    ("cefalexin", (250.0, 500.0), "capsule", (1,), (2, 3, 4), (5, 7, 10), True),
    ("doxycycline", (50.0, 100.0), "capsule", (1, 2), (1,), (7, 10, 14), True),
    ("clarithromycin", (250.0, 500.0), "tablet", (1,), (2,), (7, 10, 14), None),
    ("nitrofurantoin", (50.0, 100.0), "capsule", (1,), (2, 4), (3, 5, 7), True),
    ("ibuprofen", (200.0, 400.0), "tablet", (1, 2), (2, 3), (5, 7, 10), True),
    ("naproxen", (250.0, 500.0), "tablet", (1,), (2,), (7, 10, 14), True),
    ("paracetamol", (500.0,), "tablet", (1, 2), (3, 4), (3, 5, 7), None),
    ("diclofenac", (25.0, 50.0), "suppository", (1,), (1, 2), (3, 5, 7), None),
    ("glycerol", (1000.0, 2000.0), "suppository", (1,), (1,), (3, 5), None),
    ("prednisolone", (2.5, 5.0), "tablet", (2, 4, 6), (1,), (5, 7), True),
    ("metformin", (500.0, 850.0), "tablet", (1,), (2, 3), (28, 30, 56), True),
    ("ramipril", (1.25, 2.5, 5.0), "capsule", (1, 2), (1,), (28, 30, 56), None),
    ("omeprazole", (10.0, 20.0), "capsule", (1, 2), (1,), (14, 28, 56), False),
    ("levothyroxine", (0.05, 0.1), "tablet", (1,), (1,), (28, 56, 84), False),
    ("loratadine", (5.0, 10.0), "tablet", (1,), (1,), (14, 21, 30), None),
    ("glucosamine", (750.0, 1500.0), "sachet", (1,), (1,), (28, 30, 60), True),
    ("acetylcysteine", (100.0, 200.0), "sachet", (1,), (2, 3), (5, 7, 10), None),
    ("mesalazine", (500.0, 1000.0), "sachet", (1,), (2, 3), (28, 42), False),
    ("flurbiprofen", (8.75,), "lozenge", (1,), (3, 5), (3, 4), None),
    ("benzocaine", (4.0, 8.0), "lozenge", (1,), (4, 6), (3, 4, 5), None),
)  # fmt: skip
SAMPLE_TESTS = {  # material: what may be looked for in it, and the degrees at which it is kept
    "blood": (words("cbc crp glucose hba1c lipids tsh creatinine protein"), (4, 5, 20)),
    "urine": (words("glucose protein culture microscopy creatinine"), (4, 5, 8)),
    "swab": (words("culture pcr microscopy"), (4, 20, 22)),
    "stool": (words("culture pcr microscopy"), (4, 5, -20)),
    "saliva": (words("pcr cortisol"), (4, -20, -80)),
}
WHOLE_BLOOD = (  # test, unit, reference from, to, all times the last number
    ("haemoglobin", "g/dl", 120, 160, 10), ("leucocytes", "/nl", 40, 100, 10),
    ("platelets", "/nl", 150, 400, 1), ("haematocrit", "%", 36, 46, 1),
    ("erythrocytes", "/pl", 39, 52, 10), ("MCV", "fl", 80, 96, 1), ("HbA1c", "%", 42, 60, 10),
)  # fmt: skip
SERUM = (
    ("sodium", "mmol/l", 135, 145, 1), ("potassium", "mmol/l", 35, 51, 10),
    ("calcium", "mmol/l", 215, 255, 100), ("magnesium", "mmol/l", 75, 105, 100),
    ("phosphate", "mmol/l", 80, 150, 100), ("creatinine", "mg/dl", 60, 120, 100),
    ("uric acid", "mg/dl", 25, 60, 10), ("glucose", "mg/dl", 70, 100, 1),
    ("cholesterol", "mg/dl", 120, 200, 1), ("triglycerides", "mg/dl", 40, 150, 1),
    ("ALT", "U/l", 10, 45, 1), ("AST", "U/l", 12, 40, 1), ("lipase", "U/l", 13, 60, 1),
    ("albumin", "g/l", 35, 52, 1), ("TSH", "mU/l", 40, 400, 100), ("ferritin", "µg/l", 20, 250, 1),
    ("vitamin D", "µg/l", 30, 80, 1), ("vitamin B12", "ng/l", 200, 900, 1),
)  # fmt: skip
WOMEN = words(
    "Amelia Priya Sophie Grace Fiona Nadia Bethan Yasmin Leila Harriet Megan Zara Aoife Niamh "
    "Saoirse Orla Ciara Maeve Sinead Roisin Aisling Lena Miriam Katrin Aylin Greta Hanna Clara "
    "Svenja Ines Nele Sanne Femke Lotte Noor Esmee Anouk Maaike Iris Marloes Camille Manon Chloé "
    "Inès Élodie Margaux Sylvie Nadège Lucía Carmen Marta Nuria Sofía Elvira Aitana Pilar Giulia "
    "Chiara Francesca Elisa Paola Ilaria Serena Bruna Dana Elena Joanne Rosa Monica Hannah Teresa "
    "Denise Paula Gloria"
)
ALLERGIES = words("penicillin latex aspirin codeine peanuts sulfonamides iodine nickel")
UNSAFE = {  # reason of a visit: allergies that its medicines would not suit
    "infection": ("penicillin", "aspirin"), "back_pain": ("aspirin",),
    "hypertension": ("sulfonamides",), "diabetes": ("sulfonamides",), "asthma": ("aspirin",),
}  # fmt: skip


@sampler
def clinic_appointment(ctx: SamplingContext) -> tuple[dict, dict]:
    """An appointment, and the one that it replaces."""
    day = ctx.workday()
    record = {
        "patient": ctx.person().name,
        "clinician": ctx.doctor(),
        "date": day.isoformat(),
        "time": ctx.clock(8, 18),
    }
    reasons = ("check_up", "vaccination", "blood_test", "follow_up", "wound_care")
    record |= only(ctx, 0.75, reason=ctx.one(reasons))
    old = {"old_date": ctx.workday_near(day, -9, -1).isoformat(), "old_time": ctx.clock(8, 18)}
    return record, old | {
        "caller": ctx.person().name,
        "other_doctor": ctx.doctor(),
        "pin": ctx.code("#####"),
    }


@sampler
def clinic_visit(ctx: SamplingContext) -> tuple[dict, dict]:
    """Findings and medicines that fit the reason; distractors: the last visit's values."""
    day = ctx.workday()
    reason = ctx.one(("hypertension", "infection", "back_pain", "asthma", "diabetes"))
    systolic = ctx.between(146, 178) if reason == "hypertension" else ctx.between(108, 138)
    patient = {"name": ctx.person().name, "born": ctx.later(day, -30000, -7000).isoformat()}
    patient |= only(
        ctx, 0.6, allergies=ctx.some([a for a in ALLERGIES if a not in UNSAFE[reason]], 1, 2)
    )
    vitals = {
        "blood_pressure": {
            "systolic": systolic,
            "diastolic": systolic * 5 // 8 + ctx.between(-8, 8),
        },
        "pulse": ctx.between(56, 98),
        "temperature_c": ctx.steps(376, 389, 10)
        if reason == "infection"
        else ctx.steps(361, 372, 10),
    }
    record = {
        "patient": patient,
        "date": day.isoformat(),
        "clinician": _physician(ctx),
        "reason": reason,
        "vitals": vitals | only(ctx, 0.5, weight_kg=ctx.steps(480, 1180, 10)),
        "medications": [_medicine(ctx, drug) for drug in _drugs(ctx, reason)],
    }
    if ctx.chance(0.7):
        record["follow_up"] = {"date": ctx.workday_near(day, 7, 90).isoformat()}
        record["follow_up"] |= only(ctx, 0.6, **{"with": _physician(ctx)})
    return record, {
        "last_systolic": systolic - ctx.between(4, 12),
        "last_visit": ctx.workday_near(day, -200, -20).isoformat(),
    }


def _physician(ctx: SamplingContext) -> str:
    """Somebody who may prescribe."""
    return f"{ctx.one(('Dr', 'Dr', 'Prof.'))} {ctx.person().last}"


def _drugs(ctx: SamplingContext, reason: str) -> list[tuple]:
    return ctx.some([drug for drug in DRUGS if drug[3] == reason], 2, 4)


def _medicine(ctx: SamplingContext, drug: tuple) -> dict:
    name, doses, times, reason = drug
    medicine = {"drug": name, "dose_mg": ctx.one(doses), "times_per_day": ctx.one(times)}
    return medicine | only(
        ctx, 0.4, days=ctx.one((5, 7, 10) if reason == "infection" else (14, 28, 30))
    )


@sampler
def blood_pressure_log(ctx: SamplingContext) -> tuple[dict, dict]:
    """One measurement; distractors: an earlier, higher one and the target value."""
    day, upper = ctx.workday(), ctx.between(104, 168)
    lower = upper * 5 // 8 + ctx.between(-7, 9)
    record = {"taken_on": day.isoformat(), "sys": upper, "dia": lower}
    record |= only(ctx, 0.65, pulse=ctx.between(52, 98)) | only(
        ctx, 0.55, arm=ctx.one(("left", "right"))
    )
    return record, {
        "prev_sys": upper + ctx.between(4, 17),
        "prev_dia": lower + ctx.between(2, 8),
        "prev_on": ctx.later(day, -40, -3).isoformat(),
        "goal": ctx.one((130, 135, 140)),
        "time": ctx.clock(7, 20, step=1),
        "doctor": f"Dr {ctx.person().last}",
    }


@sampler
def prescription(ctx: SamplingContext) -> tuple[dict, dict]:
    """A medicine in its usual dose; distractors: the strength given before and another medicine."""
    seen, (name, strengths, form, doses, times, days, food) = ctx.workday(), ctx.one(MEDICINES)
    patient = {"name": ctx.person().name}
    patient |= only(ctx, 0.6, born=ctx.later(seen, -30000, -7000).isoformat())
    strength = ctx.one(strengths)
    dosage = {"per_dose": ctx.one(doses), "per_day": ctx.one(times), "days": ctx.one(days)}
    pieces = dosage["per_dose"] * dosage["per_day"] * dosage["days"]
    if form in ("tablet", "capsule", "sachet"):
        dosage |= only(ctx, 0.7, with_food=ctx.chance(0.5) if food is None else food)
    record = {
        "patient": patient,
        "medicine": {"name": name, "strength_mg": strength, "form": form},
        "dosage": dosage,
    }
    record |= only(ctx, 0.55, quantity=pieces)
    record |= only(ctx, 0.75 if dosage["days"] >= 14 else 0.1, refills=ctx.between(1, 3))
    record["prescriber"] = f"Dr {ctx.person().last}"
    return record, {
        "prev_strength": strength * 2 if strength == strengths[0] else strengths[0],
        "other_drug": ctx.one([medicine[0] for medicine in MEDICINES if medicine[0] != name]),
        "seen_on": seen.isoformat(),
        "other_born": ctx.later(seen, -30000, -7000).isoformat(),
        "slip": ctx.code("##-####"),
        "fee": ctx.one((4.95, 5.0, 7.5, 9.65, 9.9)),
    }


@sampler
def lab_sample(ctx: SamplingContext) -> tuple[dict, dict]:
    """A sample with tests that fit it; distractors: a misprinted label and another patient."""
    material = ctx.one(("blood", "blood", *SAMPLE_TESTS))
    tests, temperatures = SAMPLE_TESTS[material]
    fasting = only(ctx, 0.75, fasting=ctx.chance(0.6)) if material == "blood" else {}
    hour = ctx.between(7, 9) if fasting.get("fasting") else ctx.between(8, 15)
    collected = {"on": ctx.date().isoformat(), "at": f"{hour:02d}:{5 * ctx.between(0, 11):02d}"}
    record = {
        "barcode": ctx.code("@#######"),
        "material": material,
        "patient_no": ctx.code("P-#####"),
        "collected": collected | only(ctx, 0.6, by=ctx.person().name),
        "tests": ctx.some(tests, 1, min(4, len(tests))),
    }
    record |= fasting | only(ctx, 0.6, priority=ctx.one(("routine", "urgent", "stat")))
    storage = {"temp_c": ctx.one(temperatures)}
    record["storage"] = storage | only(
        ctx, 0.55, slot=ctx.one("ABCDEFGH") + str(ctx.between(1, 24))
    )
    return record, {
        "prev_barcode": ctx.code("@#######"),
        "other_patient": ctx.code("P-#####"),
        "received": f"{hour + ctx.between(1, 4):02d}:{ctx.between(0, 59):02d}",
        "order": ctx.code("LAB ####/##"),
    }


@sampler
def lab_report(ctx: SamplingContext) -> tuple[dict, dict]:
    """Values with their references and flags; distractors: an earlier value and another report."""
    day = ctx.workday()
    material = ctx.one(("serum", "plasma", "whole_blood"))
    assays = WHOLE_BLOOD if material == "whole_blood" else SERUM
    results = [_result(ctx, assay) for assay in ctx.some(assays, 2, 4)]
    who, born = ctx.person(), ctx.later(day, -30000, -7000)
    patient = {"name": who.name, "born": born.isoformat()}
    record = {
        "report_no": ctx.code("LR-######"),
        "patient": patient | only(ctx, 0.55, sex="f" if who.first in WOMEN else "m"),
        "ordered_by": ctx.doctor(),
        "sample": {
            "material": material,
            "taken": {"date": day.isoformat()} | only(ctx, 0.55, time=ctx.clock(7, 12, step=5)),
        },
        "results": results,
    }
    flagged = sum("flag" in result for result in results)
    record |= only(ctx, 0.6, out_of_range=flagged) if flagged else {}
    validated = ctx.workday_near(day, 1, 4)
    record["validated"] = {"by": f"Dr {ctx.person().last}", "on": validated.isoformat()}
    value = results[0]["value"]
    return record, {
        "first": results[0]["test"],
        "prev_value": value + 2 if isinstance(value, int) else round(value * 100 + 20) / 100,
        "prev_on": ctx.later(day, -200, -30).isoformat(),
        "other_no": ctx.code("LR-######"),
    }


def _result(ctx: SamplingContext, assay: tuple) -> dict:
    """A value that is normal, too low or too high, with the flag that follows."""
    name, unit, low, high, scale = assay
    flag = ctx.one(("", "", "", "low", "high", "high"))
    width = high - low
    lows = (max(low // 2, low - width // 2), low - 1)
    span = {"": (low, high), "low": lows, "high": (high + 1, high + width * 4 // 5)}[flag]
    value, low, high = (n if scale == 1 else n / scale for n in (ctx.between(*span), low, high))
    result = {"test": name, "value": value, "unit": unit, "reference": {"low": low, "high": high}}
    return result | ({"flag": flag} if flag else {})
