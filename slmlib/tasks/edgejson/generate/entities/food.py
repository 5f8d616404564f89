"""Food: takeaway, kitchens and what they must write down."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.fitting import at_home, business
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext, hhmm

RESTAURANTS = words(
    "Golden_Lotus Pizzeria_Vesuvio Tandoori_Garden Sushi_Kai Taverna_Elea Burger_Foundry "
    "Pho_Corner La_Cantina_Verde The_Noodle_Bar Falafel_House Curry_Mile_Kitchen Wok_&_Roll "
    "Trattoria_Nonna Bao_Station Kebab_Palace The_Green_Bowl"
)
MEALS = words(
    "margherita_pizza pad_thai chicken_tikka_masala vegetable_biryani salmon_nigiri beef_burrito "
    "falafel_wrap miso_soup garlic_naan lamb_kofta spring_rolls Greek_salad mushroom_risotto "
    "prawn_curry tiramisu halloumi_burger crispy_duck onion_bhajis mango_lassi sweet_potato_fries"
)
DISHES = words(
    "carrot_soup lentil_stew beef_lasagne fish_pie potato_gratin chicken_korma apple_crumble "
    "mushroom_stroganoff vegetable_quiche rice_pudding salmon_en_croûte pumpkin_ravioli "
    "waldorf_salad chocolate_mousse goulash spinach_cannelloni cheesecake shepherd's_pie "
    "tuna_pasta_bake pea_soup"
)
ALLERGENS = ("gluten", "milk", "egg", "nuts", "soya", "celery", "mustard", "fish", "sesame")
FRIDGES = words(
    "walk-in_cooler salad_fridge dairy_cabinet meat_fridge chest_freezer dessert_fridge "
    "fish_drawer bar_fridge prep_counter_fridge display_cabinet back_store_freezer "
    "ice_cream_freezer"
)


@entity
def food_delivery(ctx: SamplingContext) -> dict:
    """A meal brought to the door; the total is that of the dishes with the delivery."""
    dishes = _different([draw("ordered_dish", ctx) for _ in range(ctx.between(1, 4))])
    customer, address = at_home(ctx)
    fee = ctx.one((150, 190, 250, 290, 350, 490))
    cents = sum(round(dish["amount"] * 100) for dish in dishes) + fee
    start, took = ctx.between(11 * 60, 21 * 60), ctx.between(18, 80)
    return {
        "order_code": ctx.code("@@###"),
        "restaurant": ctx.one(RESTAURANTS),
        "ordered_at": hhmm(start),
        "delivered_at": hhmm(start + took),
        "minutes_taken": took,
        "fee": fee / 100,
        "total": cents / 100,
        "currency": ctx.place.currency,
        "left_with": ctx.one(("customer", "neighbour", "reception", "doorstep")),
        "dishes": dishes,
        "customer": customer,
        "deliver_to": address,
    }


def _different(dishes: list[dict]) -> list[dict]:
    """The dishes without those that stand in the list already."""
    return list({dish["dish"]: dish for dish in dishes}.values())


@entity
def ordered_dish(ctx: SamplingContext) -> dict:
    """So many portions of a dish, and what they cost together."""
    portions, price = ctx.between(2, 6), ctx.price(450, 1890)
    return {
        "dish": ctx.one(MEALS),
        "portions": portions,
        "price": price / 100,
        "amount": portions * price / 100,
        "spice": ctx.one(("mild", "medium", "hot")),
    }


@entity
def allergen_check(ctx: SamplingContext) -> dict:
    """A dish compared with its recipe, and what must stand on its label."""
    return {
        "dish": ctx.one(DISHES),
        "contains": ctx.some(ALLERGENS, 1, 4),
        "checked_on": ctx.date().isoformat(),
        "checked_by": ctx.person().name,
        "recipe_version": ctx.between(1, 9),
        "outcome": ctx.one(("cleared", "cleared", "relabel", "withdrawn")),
        "batch_code": ctx.code("L####"),
        "kitchen": business(ctx, "kitchen"),
    }


@entity
def fridge_log(ctx: SamplingContext) -> dict:
    """A day's sheet of a fridge or freezer; its readings lie around the target."""
    unit, day = ctx.one(FRIDGES), ctx.date()
    cold = "freezer" in unit
    target = ctx.between(-22, -18) if cold else ctx.between(2, 5)
    readings = [draw("fridge_reading", ctx) for _ in range(ctx.between(2, 4))]
    for hour, reading in enumerate(readings):
        reading["taken_at"] = ctx.clock(6 + 4 * hour, 10 + 4 * hour, step=5)
        reading["temperature_c"] = (target * 10 + ctx.between(-9, 24)) / 10
    return {
        "unit_name": unit,
        "log_date": day.isoformat(),
        "target_c": target,
        "door_seal": ctx.one(("good", "good", "worn", "torn")),
        "defrosted_on": ctx.later(day, -60, -2).isoformat(),
        "signed_by": ctx.person().name,
        "readings": readings,
        "kitchen": business(ctx, "kitchen"),
    }


@entity
def fridge_reading(ctx: SamplingContext) -> dict:
    """One look at the thermometer."""
    return {
        "taken_at": ctx.clock(6, 22, step=5),
        "temperature_c": ctx.steps(12, 79, 10),
        "reader": ctx.person().name,
        "door_open": ctx.chance(0.3),
    }
