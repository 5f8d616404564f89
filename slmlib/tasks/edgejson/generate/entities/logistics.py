"""Logistics: containers at sea and couriers in town."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import World, hhmm

VESSELS = words(
    "Baltic_Trader Ocean_Harmony Cape_Verity Nordic_Falcon Maria_Celeste_II Pacific_Heron Star_of_Leith "
    "Atlantic_Willow Hansa_Brügge Coral_Venture Sea_Pioneer Aurora_Bay Ever_Kestrel Gulf_Meridian "
    "Jade_Express"
)
PORTS = words(
    "Rotterdam Hamburg Felixstowe Antwerp Valencia Genoa Piraeus Gdansk Singapore Busan Shanghai Colombo "
    "Santos Durban Halifax Savannah Algeciras Le_Havre"
)


@entity
def sea_container(world: World) -> dict:
    """A loaded container; its gross weight is that of the box and of what is in it."""
    tare, cargo = world.one((2180, 2230, 2280, 3740, 3900, 4020)), world.between(280, 2350) * 10
    loading, discharge = world.some(PORTS, 2, 2)
    return {
        "container_no": world.code("@@@U#######"),
        "seal_no": world.code("SL######"),
        "vessel": world.one(VESSELS),
        "loading_port": loading,
        "discharge_port": discharge,
        "tare_kg": tare,
        "cargo_kg": cargo,
        "gross_kg": tare + cargo,
        "arrives_on": world.date().isoformat(),
    }


@entity
def courier_run(world: World) -> dict:
    """A courier's round through town; the stops follow the clock between leaving and coming back."""
    start = clock = world.between(7 * 60, 14 * 60)
    stops = [draw("courier_stop", world) for _ in range(world.between(2, 4))]
    for stop in stops:
        clock += world.between(6, 35)
        stop["arrived_at"] = hhmm(clock)
    clock += world.between(8, 40)
    return {
        "run_no": world.code("R-####"),
        "run_date": world.date().isoformat(),
        "means": world.one(("cargo_bike", "bicycle", "scooter", "van")),
        "left_at": hhmm(start),
        "back_at": hhmm(clock),
        "minutes_out": clock - start,
        "distance_km": world.steps(31, 480, 10),
        "stop_count": len(stops),
        "stops": stops,
    }


@entity
def courier_stop(world: World) -> dict:
    """One delivery of a round."""
    return {
        "recipient": world.firm(),
        "arrived_at": world.clock(7, 19, step=1),
        "parcels": world.between(2, 9),
        "result": world.one(("delivered", "delivered", "refused", "nobody_in", "left_next_door")),
        "tracking_code": world.code("TC########"),
    }
