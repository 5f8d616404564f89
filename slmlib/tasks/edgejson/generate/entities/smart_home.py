"""Smart home: doors, vacuum robots and alarms."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.fitting import at_home
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

DOORS = words(
    "front_door garage_door cellar_door back_door balcony_door garden_gate terrace_door "
    "side_entrance bicycle_shed workshop_door attic_hatch utility_room_door"
)
ROBOTS = words(
    "Dusty Robbie Krümel Sweepy Pixel Mopsy Zippy Biscuit Nemo Crumbs Hoover_Junior Fridolin"
)
ROOMS = words(
    "kitchen living_room hallway bedroom study nursery dining_room bathroom guest_room "
    "conservatory playroom utility_room"
)
ZONES = words(
    "ground_floor upper_floor garage garden cellar front_yard stairwell terrace attic workshop "
    "driveway living_room kitchen home_office"
)

MACHINES = (
    ("Kobori", "CleanOne 3"), ("Kobori", "CleanOne 5"), ("Swishly", "R-20"),
    ("Swishly", "R-40 Mop"), ("Domino", "DustBot"), ("Domino", "DustBot Pro"),
    ("Floorwise", "F-80"), ("Floorwise", "F-80 Plus"),
)  # fmt: skip


@entity
def door_event(ctx: SamplingContext) -> dict:
    """A smart lock tells what happened at a door."""
    battery = ctx.between(6, 100)
    return {
        "door": ctx.one(DOORS),
        "event": ctx.one(("opened", "closed", "locked", "unlocked", "left_open")),
        "at": f"{ctx.date().isoformat()}T{ctx.clock(0, 24, step=1)}:00Z",
        "user": ctx.person().first,
        "method": ctx.one(("key", "code", "app", "fingerprint")),
        "lock_battery": battery,
        "lock": draw("device", ctx) | {"battery_percent": battery},
    }


@entity
def robot_vacuum_job(ctx: SamplingContext) -> dict:
    """A robot cleans some rooms; the minutes run from its start to its end."""
    start, took = ctx.between(8 * 60, 20 * 60), ctx.between(14, 115)
    rooms, (maker, model) = ctx.some(ROOMS, 1, 4), ctx.one(MACHINES)
    return {
        "robot": ctx.one(ROBOTS),
        "job_date": ctx.date().isoformat(),
        "rooms": rooms,
        "mode": ctx.one(("vacuum", "mop", "vacuum_and_mop", "quiet")),
        "started_at": hhmm(start),
        "ended_at": hhmm(start + took),
        "minutes": took,
        "area_m2": len(rooms) * ctx.between(13, 24),
        "battery_left": ctx.between(8, 70),
        "bin_full": ctx.chance(0.4),
        "robot_device": draw("device", ctx) | {"maker": maker, "model": model},
    }


@entity
def alarm_event(ctx: SamplingContext) -> dict:
    """The alarm of a house goes off, and somebody finds out why; the door log is of that day."""
    day, minute = ctx.date().isoformat(), ctx.between(90, 24 * 60 - 1)
    owner, house = at_home(ctx)
    doors = [draw("door_event", ctx) for _ in range(ctx.between(1, 3))]
    before = sorted(minute - ctx.between(2, 80) for _ in doors)
    for door, at in zip(doors, before, strict=True):
        door["at"] = f"{day}T{at // 60:02d}:{at % 60:02d}:00Z"
    return {
        "event_no": ctx.code("AL-#####"),
        "zone": ctx.one(ZONES),
        "sensor": ctx.one(("motion", "glass_break", "smoke", "water_leak", "door_contact")),
        "triggered_at": f"{day}T{minute // 60:02d}:{minute % 60:02d}:00Z",
        "siren_seconds": ctx.between(15, 300),
        "cause": ctx.one(
            ("false_alarm", "pet", "burglary_attempt", "burnt_food", "burst_pipe", "low_battery")
        ),
        "disarmed_by": ctx.person().name,
        "police_called": ctx.chance(0.4),
        "door_log": doors,
        "owner": owner,
        "house": house,
    }
