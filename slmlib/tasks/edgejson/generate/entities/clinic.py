"""Clinic: referrals, wounds and what is read off a patient."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.fitting import business, slot_on
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

COMPLAINTS = {  # specialty -> what a patient may be sent there for
    "cardiology": words("chest_pain irregular_heartbeat high_blood_pressure shortness_of_breath"),
    "dermatology": words("itchy_rash changing_mole psoriasis chronic_eczema"),
    "orthopaedics": words("knee_pain hip_stiffness frozen_shoulder carpal_tunnel_syndrome"),
    "eye_clinic": words("blurred_vision cataract glaucoma double_vision"),
    "neurology": words("frequent_migraine hand_tremor numbness_in_the_feet dizziness"),
    "ear_nose_throat": words("hearing_loss recurrent_tonsillitis ringing_in_the_ears blocked_nose"),
}
BODY_SITES = words(
    "left_heel right_heel lower_back left_shin right_shin abdomen left_forearm right_elbow "
    "left_hip right_thigh left_big_toe scalp right_calf left_ankle chest right_knee"
)
DRESSINGS = words(
    "foam_dressing hydrogel calcium_alginate_dressing gauze_pad silver_dressing honey_dressing "
    "film_dressing hydrocolloid compression_bandage silicone_dressing charcoal_dressing "
    "zinc_bandage"
)
WARDS = words(
    "ward_2A ward_4B ward_6C day_clinic recovery_room maternity_ward surgical_ward geriatric_ward "
    "stroke_unit short-stay_unit emergency_room dialysis_unit"
)

MONITORS = (
    ("Pulsara", "BedView 4"), ("Pulsara", "BedView 6"), ("Medisign", "VitalTrack 2"),
    ("Medisign", "VitalTrack 5"), ("Corvia", "CarePanel S"), ("Corvia", "CarePanel XL"),
    ("Helmond", "PM-300"), ("Helmond", "PM-450"),
)  # fmt: skip


@entity
def referral(ctx: SamplingContext) -> dict:
    """A doctor sends a patient to a specialist, for something that the specialist treats."""
    specialty = ctx.one(tuple(COMPLAINTS))
    day, valid = ctx.date(), ctx.between(28, 180)
    return {
        "referral_no": ctx.code("RF-######"),
        "referred_on": day.isoformat(),
        "referred_by": ctx.doctor(),
        "specialty": specialty,
        "complaint": ctx.one(COMPLAINTS[specialty]),
        "urgency": ctx.one(("routine", "soon", "urgent")),
        "valid_until": ctx.later(day, valid, valid).isoformat(),
        "practice": business(ctx, "practice"),
        "appointment": slot_on(ctx, ctx.later(day, 2, valid - 1)),
        "enclosed": ctx.some(("blood_results", "x_ray", "medication_list", "ecg", "photo"), 1, 3),
    }


@entity
def wound_check(ctx: SamplingContext) -> dict:
    """A wound is looked at, measured and dressed, and looked at again days later."""
    day, length = ctx.date(), ctx.between(8, 95)
    return {
        "body_site": ctx.one(BODY_SITES),
        "checked_on": day.isoformat(),
        "length_mm": length,
        "width_mm": ctx.between(5, length),
        "exudate": ctx.one(("none", "low", "moderate", "heavy")),
        "healing": ctx.one(("better", "unchanged", "worse")),
        "dressing": ctx.one(DRESSINGS),
        "nurse": ctx.person().name,
        "next_check": ctx.later(day, 1, 9).isoformat(),
        "home_visit": slot_on(ctx, day),
    }


@entity
def vital_signs(ctx: SamplingContext) -> dict:
    """Measurements of a patient at the bedside."""
    fever = ctx.chance(0.3)
    maker, model = ctx.one(MONITORS)
    return {
        "ward": ctx.one(WARDS),
        "measured_on": ctx.date().isoformat(),
        "measured_at": ctx.clock(0, 24, step=5),
        "heart_rate": ctx.between(54, 90) + (18 if fever else 0),
        "temperature_c": ctx.between(*((379, 398) if fever else (360, 374))) / 10,
        "oxygen_percent": ctx.between(91, 99),
        "breaths_per_min": ctx.between(12, 19) + (4 if fever else 0),
        "pain_score": ctx.between(0, 8),
        "awake": ctx.chance(0.8),
        "monitor": draw("device", ctx) | {"maker": maker, "model": model},
    }
