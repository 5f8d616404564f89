"""Logistics: containers at sea and couriers in town."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

VESSELS = words(
    "Baltic_Trader Ocean_Harmony Cape_Verity Nordic_Falcon Maria_Celeste_II Pacific_Heron "
    "Star_of_Leith Atlantic_Willow Hansa_Brügge Coral_Venture Sea_Pioneer Aurora_Bay Ever_Kestrel "
    "Gulf_Meridian Jade_Express"
)
PORTS = words(
    "Rotterdam Hamburg Felixstowe Antwerp Valencia Genoa Piraeus Gdansk Singapore Busan Shanghai "
    "Colombo Santos Durban Halifax Savannah Algeciras Le_Havre"
)


@entity
def sea_container(ctx: SamplingContext) -> dict:
    """A loaded container; its gross weight is that of the box and of what is in it."""
    tare, cargo = ctx.one((2180, 2230, 2280, 3740, 3900, 4020)), ctx.between(280, 2350) * 10
    loading, discharge = ctx.some(PORTS, 2, 2)
    return {
        "container_no": ctx.code("@@@U#######"),
        "seal_no": ctx.code("SL######"),
        "vessel": ctx.one(VESSELS),
        "loading_port": loading,
        "discharge_port": discharge,
        "tare_kg": tare,
        "cargo_kg": cargo,
        "gross_kg": tare + cargo,
        "arrives_on": ctx.date().isoformat(),
    }


@entity
def courier_run(ctx: SamplingContext) -> dict:
    """A courier's round through town; its stops are in order between leaving and coming back."""
    start = clock = ctx.between(7 * 60, 14 * 60)
    stops = [draw("courier_stop", ctx) for _ in range(ctx.between(2, 4))]
    for stop in stops:
        clock += ctx.between(6, 35)
        stop["arrived_at"] = hhmm(clock)
    clock += ctx.between(8, 40)
    return {
        "run_no": ctx.code("R-####"),
        "run_date": ctx.date().isoformat(),
        "means": ctx.one(("cargo_bike", "bicycle", "scooter", "van")),
        "left_at": hhmm(start),
        "back_at": hhmm(clock),
        "minutes_out": clock - start,
        "distance_km": ctx.steps(31, 480, 10),
        "stop_count": len(stops),
        "stops": stops,
    }


@entity
def courier_stop(ctx: SamplingContext) -> dict:
    """One delivery of a round."""
    return {
        "recipient": ctx.firm(),
        "arrived_at": ctx.clock(7, 19, step=1),
        "parcels": ctx.between(2, 9),
        "result": ctx.one(("delivered", "delivered", "refused", "nobody_in", "left_next_door")),
        "tracking_code": ctx.code("TC########"),
    }
