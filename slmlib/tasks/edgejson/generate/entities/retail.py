"""Retail: cards, shelves and unhappy customers."""

from slmlib.tasks.edgejson.generate.entities import entity
from slmlib.tasks.edgejson.generate.entities.fitting import at_home
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

SHELF_GOODS = (  # product, cents from, to
    ("oat biscuits 250 g", 149, 289), ("basmati rice 1 kg", 219, 399),
    ("tomato passata 700 ml", 99, 189), ("espresso beans 500 g", 649, 1199),
    ("olive oil 750 ml", 690, 1290), ("dishwasher tablets 40", 549, 999),
    ("washing powder 2 kg", 499, 1149), ("orange juice 1.5 l", 199, 379),
    ("crunchy muesli 750 g", 279, 529), ("cat litter 10 l", 459, 890),
    ("AA batteries 8-pack", 399, 799), ("sea salt 500 g", 69, 199),
    ("kitchen towels 4 rolls", 229, 449), ("peanut butter 350 g", 249, 459),
    ("mineral water 6 x 1 l", 219, 449), ("dark chocolate 100 g", 129, 329),
    ("penne rigate 500 g", 89, 219), ("baby wipes 3 x 64", 249, 569),
    ("ground cinnamon 45 g", 119, 279), ("freezer bags 3 l", 149, 329),
    ("herbal tea 20 bags", 159, 349), ("hand soap refill 500 ml", 179, 399),
)  # fmt: skip
STORES = words(
    "Market_Hall Station_Arcade Harbour_Centre Old_Town West_Gate Riverside_Park Castle_Street "
    "Airport_Terminal_2 North_Retail_Park Cathedral_Square Mill_Quarter South_Parade"
)
ANY = ("damaged", "wrong_item")
FAULTY_GOODS = (  # product, cents from, to, what else may be wrong with it
    ("kettle", 2490, 6990, ("stopped_working",)),
    ("desk lamp", 1990, 7900, ("stopped_working", "missing_parts")),
    ("rain jacket", 4900, 15900, ("wrong_size",)),
    ("wooden bookcase", 7900, 24900, ("missing_parts",)),
    ("pair of hiking boots", 6900, 17900, ("wrong_size",)),
    ("stick blender", 2990, 8990, ("stopped_working",)),
    ("garden hose", 1890, 5900, ("missing_parts", "wrong_size")),
    ("duvet cover set", 2490, 8900, ("wrong_size",)),
    ("bluetooth speaker", 2990, 12900, ("stopped_working",)),
    ("frying pan", 1990, 7490, ("wrong_size",)), ("swivel chair", 8900, 32900, ("missing_parts",)),
    ("children's bicycle", 12900, 29900, ("missing_parts",)),
    ("coffee grinder", 3490, 14900, ("stopped_working", "missing_parts")),
    ("suitcase", 5900, 18900, ("wrong_size",)), ("bath mat", 990, 3490, ("wrong_size",)),
    ("cordless drill", 5900, 19900, ("stopped_working", "missing_parts")),
    ("wall clock", 1490, 5990, ("stopped_working",)),
    ("roller blind", 1490, 6990, ("wrong_size", "missing_parts")),
)  # fmt: skip


@entity
def gift_card(ctx: SamplingContext) -> dict:
    """A card with money on it; what is left is at most what was loaded."""
    loaded = ctx.one((1500, 2000, 2500, 3000, 4000, 5000, 7500, 10000, 15000))
    sold = ctx.date()
    return {
        "card_no": ctx.code("GC-####-####"),
        "loaded_amount": loaded / 100,
        "balance": ctx.between(2, loaded // 50 - 1) * 50 / 100,
        "currency": ctx.place.currency,
        "sold_on": sold.isoformat(),
        "expires_on": ctx.later(sold, 360, 1090).isoformat(),
        "occasion": ctx.one(("birthday", "wedding", "anniversary", "leaving_present", "thank_you")),
        "store": ctx.one(STORES),
    }


@entity
def shelf_label(ctx: SamplingContext) -> dict:
    """A label on a shelf; the offer is below the price."""
    product, low, high = ctx.one(SHELF_GOODS)
    price = ctx.price(low, high)
    return {
        "product": product,
        "sku": ctx.code("SKU-######"),
        "price": price / 100,
        "offer_price": (price - ctx.between(1, 4) * price // 12) / 100,
        "currency": ctx.place.currency,
        "aisle": ctx.code(f"{ctx.one('ABCDEF')}#"),
        "facings": ctx.between(2, 12),
        "offer_ends": ctx.date().isoformat(),
    }


@entity
def customer_complaint(ctx: SamplingContext) -> dict:
    """Something was bought, something is wrong with it, and somebody wants something done."""
    product, low, high, faults = ctx.one(FAULTY_GOODS)
    customer, address = at_home(ctx)
    bought = ctx.date()
    return {
        "complaint_no": ctx.code("CC-#####"),
        "product": product,
        "fault": ctx.one(ANY + 2 * faults),
        "price_paid": ctx.price(low, high) / 100,
        "currency": ctx.place.currency,
        "bought_on": bought.isoformat(),
        "complained_on": ctx.later(bought, 1, 45).isoformat(),
        "wanted": ctx.one(("refund", "replacement", "repair", "voucher")),
        "proof": ctx.some(("receipt", "photo", "order_confirmation", "card_statement"), 1, 3),
        "customer": customer,
        "pickup_address": address,
    }
