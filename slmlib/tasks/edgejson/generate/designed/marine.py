"""Marine: tides, berths and landings."""

from datetime import timedelta

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

GAUGES = words(
    "Skerry_Point North_Mole Pilot_Jetty Old_Lock_Gate Gull_Sands Breakwater_Light Ferry_Steps "
    "Inner_Basin Cable_Pier Marsh_Creek Fort_Quay Sand_Head Lifeboat_Slip Coal_Wharf Oyster_Bank "
    "Customs_Quay"
)
LEVELS = {
    "rising": (160, 420),
    "falling": (160, 420),
    "high_water": (430, 640),
    "low_water": (60, 150),
}  # cm
MARINAS = words(
    "Kilmara_Marina Port_Ness_Haven Schilfhafen Westerkade_Marina Burnhaven_Yacht_Basin "
    "Seewind_Marina Duinhaven Rossbeg_Marina Marina_Am_Deich Carrigmore_Quay Noorderhaven "
    "Leuchtturmhafen"
)
BOATS = words(
    "Windhover Silver_Spray Puffin Northern_Lass Calypso Sea_Otter Marigold Stella_Nova "
    "Storm_Petrel Cormorant Wee_Tam Blue_Heron Aurora_B Moonraker Sandpiper Morning_Tide "
    "Ocean_Reaper Merganser Lady_Jean Skua"
)
PORTS = words(
    "Burnhaven Skallivoe Port_Ness Kilmara Westerhaven Ardbeg_Pier Inverlairn Sandvoe Rossbeg "
    "Nordhavn Lochmoy Eastray"
)
BUYERS = words(
    "Quayside_Fish_Auction Nordsee_Frozen_Foods Pelican_Seafoods Eastray_Fish_Market "
    "Silver_Scale_Fisheries Polar_Processing Lochmoy_Shellfish Seaboard_Merchants "
    "Blue_Crate_Seafood Northern_Cold_Store Tideline_Wholesale Fresh_Catch_Direct"
)
CATCHES = {  # gear: species landed with it
    "trawl": words("haddock cod whiting plaice saithe monkfish lemon_sole hake megrim"),
    "gillnet": words("pollack turbot hake skate dogfish spurdog sole brill"),
    "longline": words("ling tusk conger halibut cod hake wolffish"),
    "pots": words("brown_crab lobster velvet_crab whelk langoustine green_crab"),
    "dredge": words("king_scallop queen_scallop blue_mussel cockle razor_clam native_oyster"),
}


@sampler
def tide_observation(ctx: SamplingContext) -> tuple[dict, dict]:
    """A level that fits the tide; distractors: the level before and that of another gauge."""
    tide = ctx.one(tuple(LEVELS))
    level = ctx.between(*LEVELS[tide])
    step = ctx.between(8, 40) * (1 if tide in ("rising", "high_water") else -1)
    station, other = ctx.some(GAUGES, 2, 2)
    record = {
        "station": station,
        "observed_at": f"{ctx.date().isoformat()}T{ctx.clock(0, 24, step=6)}:00Z",
        "level_m": level / 100,
        "tide": tide,
    }
    record |= only(ctx, 0.6, predicted_m=(level + ctx.one((-1, 1)) * ctx.between(3, 35)) / 100)
    beside = {
        "before": (level - step) / 100,
        "other": other,
        "other_level": (level + 3 * step) / 100,
    }
    return record, beside | {"wind": ctx.between(4, 28), "other_time": ctx.clock(0, 24, step=6)}


@sampler
def berth_booking(ctx: SamplingContext) -> tuple[dict, dict]:
    """Nights follow from the dates, and the dues from the nights."""
    ctx.settle("ie", "de", "nl", "fr", "es", "it")  # euros
    arrival, nights = ctx.date(months=range(4, 11)), ctx.between(1, 8)
    length = ctx.between(62, 168)
    rate = length // 10 * ctx.one((180, 200, 225, 250, 280))  # cents for each metre begun
    boat, other_boat = ctx.some(BOATS, 2, 2)
    sooner = ctx.between(1, 5)  # nights more in the first request
    stay = {"arrival": arrival.isoformat(), "departure": (arrival + timedelta(nights)).isoformat()}
    record = {
        "marina": ctx.one(MARINAS),
        "vessel": {"name": boat, "length_m": length / 10}
        | only(ctx, 0.55, draught_m=ctx.between(length // 10 + 1, length // 10 + 8) / 10),
        "skipper": ctx.person().name,
        "stay": stay
        | {"nights": nights}
        | only(ctx, 0.5, berth=ctx.code(f"{ctx.one('ABCDEFGH')}##")),
    }
    record |= only(ctx, 0.6, shore_power=ctx.chance(0.65))
    record["dues"] = {"per_night_eur": rate / 100, "total_eur": nights * rate / 100}
    return record, {
        "asked_on": ctx.later(arrival, -60, -5).isoformat(),
        "old_arrival": (arrival - timedelta(sooner)).isoformat(),
        "other_boat": other_boat,
        "deposit": ctx.one((20, 25, 30, 50)),
        "old_total": (nights + sooner) * rate / 100,
    }


@sampler
def catch_report(ctx: SamplingContext) -> tuple[dict, dict]:
    """Weights sum to what was landed, and the days follow from the dates."""
    gear = ctx.one(tuple(CATCHES))
    boat, other_boat = ctx.some(BOATS, 2, 2)
    port, other_port = ctx.some(PORTS, 2, 2)
    sailed, days = ctx.date(), ctx.between(1, 6)
    lines = [_landing(ctx, species) for species in ctx.some(CATCHES[gear], 2, 4)]
    total = sum(tenths for _, _, tenths in lines)
    landed = {
        "port": other_port if ctx.chance(0.5) else port,
        "on": (sailed + timedelta(days)).isoformat(),
    }
    trip = {"sailed": {"port": port, "on": sailed.isoformat()}}
    trip |= {"landed": landed | only(ctx, 0.6, at=ctx.clock(4, 22)), "days": days}
    record = {
        "report_no": ctx.code("CR-######"),
        "vessel": {"name": boat, "registration": ctx.code("@@###"), "master": ctx.person().name},
        "trip": trip,
        "gear": gear,
        "landings": [{"species": s, "boxes": boxes, "weight_kg": t / 10} for s, boxes, t in lines],
        "landed_kg": total / 10,
    }
    record |= only(ctx, 0.5, discarded_kg=ctx.between(4, 90)) | only(
        ctx, 0.5, buyer=ctx.one(BUYERS)
    )
    return record, {
        "other_boat": other_boat,
        "old_total": total // 10 - ctx.between(20, 90),
        "old_no": ctx.code("CR-######"),
        "due": ctx.later(sailed, 8, 14).isoformat(),
        "missing": ctx.one([s for s in CATCHES[gear] if s not in {line[0] for line in lines}]),
        "crew": ctx.between(2, 7),
    }


def _landing(ctx: SamplingContext, species: str) -> tuple[str, int, int]:
    """Species, boxes, and their weight in tenths of a kilo."""
    boxes = ctx.between(2, 28)
    return species, boxes, boxes * ctx.between(220, 410)
