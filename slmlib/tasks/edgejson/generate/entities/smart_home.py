"""Smart home: doors, vacuum robots and alarms."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.fitting import at_home
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World, hhmm

DOORS = words(
    "front_door garage_door cellar_door back_door balcony_door garden_gate terrace_door side_entrance "
    "bicycle_shed workshop_door attic_hatch utility_room_door"
)
ROBOTS = words("Dusty Robbie Krümel Sweepy Pixel Mopsy Zippy Biscuit Nemo Crumbs Hoover_Junior Fridolin")
ROOMS = words(
    "kitchen living_room hallway bedroom study nursery dining_room bathroom guest_room conservatory playroom "
    "utility_room"
)
ZONES = words(
    "ground_floor upper_floor garage garden cellar front_yard stairwell terrace attic workshop driveway "
    "living_room kitchen home_office"
)

MACHINES = (
    ("Kobori", "CleanOne 3"), ("Kobori", "CleanOne 5"), ("Swishly", "R-20"), ("Swishly", "R-40 Mop"),
    ("Domino", "DustBot"), ("Domino", "DustBot Pro"), ("Floorwise", "F-80"), ("Floorwise", "F-80 Plus"),
)  # fmt: skip


@entity
def door_event(world: World) -> dict:
    """A smart lock tells what happened at a door."""
    battery = world.between(6, 100)
    return {
        "door": world.one(DOORS),
        "event": world.one(("opened", "closed", "locked", "unlocked", "left_open")),
        "at": f"{world.date().isoformat()}T{world.clock(0, 24, step=1)}:00Z",
        "user": world.person().first,
        "method": world.one(("key", "code", "app", "fingerprint")),
        "lock_battery": battery,
        "lock": draw("device", world) | {"battery_percent": battery},
    }


@entity
def robot_vacuum_job(world: World) -> dict:
    """A robot cleans some rooms; the minutes run from its start to its end."""
    start, took = world.between(8 * 60, 20 * 60), world.between(14, 115)
    rooms, (maker, model) = world.some(ROOMS, 1, 4), world.one(MACHINES)
    return {
        "robot": world.one(ROBOTS),
        "job_date": world.date().isoformat(),
        "rooms": rooms,
        "mode": world.one(("vacuum", "mop", "vacuum_and_mop", "quiet")),
        "started_at": hhmm(start),
        "ended_at": hhmm(start + took),
        "minutes": took,
        "area_m2": len(rooms) * world.between(13, 24),
        "battery_left": world.between(8, 70),
        "bin_full": world.chance(0.4),
        "robot_device": draw("device", world) | {"maker": maker, "model": model},
    }


@entity
def alarm_event(world: World) -> dict:
    """The alarm of a house goes off, and somebody finds out why; the door log is of that day."""
    day, minute = world.date().isoformat(), world.between(90, 24 * 60 - 1)
    owner, house = at_home(world)
    doors = [draw("door_event", world) for _ in range(world.between(1, 3))]
    before = sorted(minute - world.between(2, 80) for _ in doors)
    for door, at in zip(doors, before, strict=True):
        door["at"] = f"{day}T{at // 60:02d}:{at % 60:02d}:00Z"
    return {
        "event_no": world.code("AL-#####"),
        "zone": world.one(ZONES),
        "sensor": world.one(("motion", "glass_break", "smoke", "water_leak", "door_contact")),
        "triggered_at": f"{day}T{minute // 60:02d}:{minute % 60:02d}:00Z",
        "siren_seconds": world.between(15, 300),
        "cause": world.one(
            ("false_alarm", "pet", "burglary_attempt", "burnt_food", "burst_pipe", "low_battery")
        ),
        "disarmed_by": world.person().name,
        "police_called": world.chance(0.4),
        "door_log": doors,
        "owner": owner,
        "house": house,
    }
