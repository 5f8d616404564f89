"""Retail: orders, returns and shops."""

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import firms, words
from slmlib.textgen.sampling_context import SamplingContext

GOODS = (  # as ordered by the two or more, cents from, to, most in one order
    ("cartons of oat milk", 169, 249, 12), ("bags of ground coffee", 549, 899, 6),
    ("rye loaves", 280, 420, 4), ("bottles of olive oil", 890, 1490, 4),
    ("boxes of free-range eggs", 289, 399, 5), ("bags of brown rice", 199, 349, 8),
    ("jars of wild honey", 590, 890, 6), ("bottles of dish soap", 145, 260, 6),
    ("packs of AA batteries", 395, 650, 5), ("E27 LED bulbs", 349, 699, 10),
    ("pairs of garden gloves", 690, 1190, 4), ("bags of potting soil", 590, 850, 8),
    ("packets of tomato seeds", 195, 320, 10), ("rolls of masking tape", 290, 450, 6),
    ("boxes of wood screws", 490, 790, 5), ("reams of A4 paper", 430, 590, 10),
    ("blue ballpoint pens", 105, 190, 24), ("A5 notebooks", 240, 480, 12),
    ("tins of cat food", 105, 169, 24), ("boxes of dog biscuits", 420, 690, 4),
    ("packets of green tea", 310, 520, 6), ("packs of smoked salmon", 490, 690, 5),
    ("crates of sparkling water", 390, 560, 6), ("bars of dark chocolate", 159, 289, 12),
    ("candles", 120, 340, 12), ("dust sheets", 210, 480, 6), ("tubes of wood glue", 380, 620, 4),
    ("bicycle tubes", 450, 790, 4), ("wax crayons", 105, 160, 20),
)  # fmt: skip
FRESH = words("eggs salmon loaves")  # what no shop puts into its window
GROCERS = firms(
    "Basketful Larder_&_Loft Dayparcel The_Long_Shelf Everyday_Depot Marketline Homeport "
    "Corner_&_Co Pantry_Direct Greenbasket"
)
ONLINE_SHOPS = firms(
    "Kaufhaus_Nord Warenwelt Winkelhuis Casa_y_Campo Tout_Venant Parcelwise Shelf_&_Door "
    "Depot_Direct Bottega_Online Thirty_Boxes"
)
WORN = ("too_small", "too_large", "damaged", "wrong_item")
USED = ("damaged", "wrong_item", "not_as_described")
RETURNED = (  # name with its brand, why it may come back, cents from, to
    ("Tarnhill rain jacket", WORN, 6900, 18900), ("Velloso running vest", WORN, 5900, 14900),
    ("Harrow wool jumper", WORN, 4900, 11900), ("Brisa linen shirt", WORN, 2900, 7900),
    ("Kelda fleece jacket", WORN, 9900, 22900), ("Norrsken winter coat", WORN, 11900, 29900),
    ("Pampero cycling jersey", WORN, 3900, 9900), ("Ludlow leather belt", WORN, 2900, 8900),
    ("Lumabell desk lamp", USED, 2900, 11900), ("Teravox loudspeaker", USED, 3900, 24900),
    ("Marigold rice cooker", USED, 3900, 9900), ("Ferrol frying pan", USED, 2900, 7900),
    ("Aquila espresso machine", USED, 8900, 49900), ("Dormio pillow set", USED, 2900, 6900),
    ("Quasar table clock", USED, 1900, 5900), ("Hebron picture frame", USED, 1500, 4900),
    ("Solis camping stove", USED, 2900, 8900), ("Vireo bird feeder", USED, 1900, 4900),
)  # fmt: skip


@sampler
def store_order(ctx: SamplingContext) -> tuple[dict, dict]:
    """Line amounts are quantity times price, and the total is their sum with the delivery fee."""
    city, postcode = ctx.town()
    who, day, phone, start = ctx.person(), ctx.workday(), ctx.phone(), ctx.between(8, 17)
    lines = [
        (name, ctx.between(2, most), ctx.price(low, high))
        for name, low, high, most in ctx.some(GOODS, 2, 5)
    ]
    fee = ctx.one((290, 350, 390, 490, 595, 690))
    delivery = {"date": day.isoformat()}
    if ctx.chance(0.6):
        delivery |= {"from": f"{start:02d}:00", "to": f"{start + ctx.between(1, 3):02d}:00"}
    address = {"street": ctx.street(), "postcode": postcode, "city": city}
    record = {
        "order_no": ctx.code("###-####"),
        "customer": {"name": who.name} | only(ctx, 0.5, phone=phone) | {"address": address},
        "items": [
            {"name": n, "quantity": q, "unit_price": p / 100, "amount": q * p / 100}
            for n, q, p in lines
        ],
        "delivery": delivery | {"fee": fee / 100},
        "total": (sum(q * p for _, q, p in lines) + fee) / 100,
        "currency": ctx.place.currency,
    }
    record |= only(ctx, 0.6, payment=ctx.one(("card", "cash", "invoice")))
    gone = ctx.one([good[0] for good in GOODS if good[0] not in {name for name, _, _ in lines}])
    return record, {
        "gone": gone,
        "ordered": ctx.workday_near(day, -4, -1).isoformat(),
        "firm": ctx.assigned(GROCERS),
    }


@sampler
def stock_count(ctx: SamplingContext) -> tuple[dict, dict]:
    """Counted stock; distractors: the stock in the books, which is never the same."""
    counted = ctx.between(4, ctx.one((40, 160, 640)))
    shelf = f"{ctx.one('ABCDEFGH')}{ctx.between(1, 48):02}"
    record = {"sku": ctx.code("ART-####"), "shelf": shelf, "counted": counted}
    beside = {"book": counted + ctx.between(1, 19), "old": counted - ctx.between(1, 3)}
    beside |= {"last": counted + ctx.between(20, 140), "other_sku": ctx.code("ART-####")}
    kept = [name for name, *_ in GOODS if name.split()[-1] not in FRESH]
    beside |= {"article": ctx.one(kept), "day": ctx.workday().isoformat()}
    return record, beside | {"clock": ctx.clock(7, 21, step=1)}


@sampler
def return_request(ctx: SamplingContext) -> tuple[dict, dict]:
    """A returned article and the reason; distractors: the price with postage."""
    customer, bought_on = ctx.person(), ctx.date()
    goods = [(ctx.code("######"), *good) for good in ctx.some(RETURNED, 1, 2)]
    cents = sum(ctx.price(low, high) for *_, low, high in goods)
    record = {
        "order_no": ctx.code("W#######"),
        "customer": {"name": customer.name} | only(ctx, 0.55, email=ctx.email(customer)),
        "bought_on": bought_on.isoformat(),
        "articles": [
            {"article_no": no, "name": name, "reason": ctx.one(why)}
            for no, name, why, _, _ in goods
        ],
    }
    record |= only(ctx, 0.6, opened=ctx.chance(0.5))
    record |= {
        "wish": ctx.one(("refund", "refund", "exchange", "voucher")),
        "value": {"amount": cents / 100, "currency": ctx.place.currency},
    }
    record |= only(ctx, 0.55, send_by=ctx.later(bought_on, 28, 60).isoformat())
    kept = ctx.one([good[0] for good in RETURNED if good[0] not in {name for _, name, *_ in goods}])
    beside = {"paid": (cents + ctx.one((390, 490, 595))) / 100, "kept": kept}
    beside |= {"shop": ctx.assigned(ONLINE_SHOPS)}
    return record, beside | {"came_on": ctx.later(bought_on, 2, 9).isoformat()}
