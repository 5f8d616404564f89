"""Food: tables, recipes and catering."""

from datetime import timedelta

from slmlib.tasks.edgejson.generate.samplers import only, sampler
from slmlib.textgen.lexicon import firms, words
from slmlib.textgen.sampling_context import SamplingContext

RESTAURANTS = firms(
    "The_Copper_Pan Trattoria_Fiorella Zum_Alten_Krug Bistro_Camille The_Salted_Fig Casa_Azahar "
    "Sakura_House Mill_House_Kitchen La_Cantinella The_Crooked_Spoon Gasthof_Sonne Saffron_Court "
    "De_Gouden_Lepel The_Quiet_Oyster Taverna_Nefeli Brasserie_Lumen The_Hungry_Heron Pho_Linh"
)
MEAL_TIMES = words(
    "12:00 12:15 12:30 13:00 13:30 18:00 18:30 18:45 19:00 19:15 19:30 19:45 20:00 20:15 20:30 "
    "21:00"
)
OUTDOORS = (4, 5, 6, 7, 8, 9, 10)  # months in which guests sit outside
LUNCH = words("12:00 12:30 13:00 13:30 14:00 14:30")
RECIPES = (  # title, diets, minutes of preparation and of cooking, oven, ingredients for two
    ("Lemon Lentil Soup", ("vegan", "gluten_free"), 15, 30, None,
     (("red lentils", 120, "g"), ("vegetable stock", 500, "ml"), ("carrots", 2, None),
      ("olive oil", 2, "tbsp"), ("ground cumin", 2, "tsp"))),
    ("Mushroom Risotto", ("vegetarian", "gluten_free"), 15, 25, None,
     (("risotto rice", 160, "g"), ("brown mushrooms", 200, "g"), ("white wine", 80, "ml"),
      ("grated hard cheese", 3, "tbsp"), ("shallots", 2, None))),
    ("Chicken and Leek Pie", (), 30, 40, 190,
     (("chicken thighs", 2, None), ("leeks", 2, None), ("puff pastry", 180, "g"),
      ("cream", 100, "ml"), ("mustard", 2, "tsp"))),
    ("Chickpea Curry", ("vegan", "gluten_free"), 15, 25, None,
     (("cooked chickpeas", 240, "g"), ("coconut milk", 200, "ml"), ("curry paste", 2, "tbsp"),
      ("tomatoes", 3, None), ("baby spinach", 80, "g"))),
    ("Potato Gratin", ("vegetarian", "gluten_free"), 20, 50, 180,
     (("waxy potatoes", 450, "g"), ("cream", 150, "ml"), ("milk", 120, "ml"),
      ("grated cheese", 4, "tbsp"), ("garlic cloves", 2, None))),
    ("Apple Crumble", ("vegetarian",), 20, 35, 180,
     (("cooking apples", 3, None), ("flour", 90, "g"), ("butter", 60, "g"),
      ("brown sugar", 50, "g"), ("cinnamon", 2, "tsp"))),
    ("Spinach Lasagne", ("vegetarian",), 35, 40, 190,
     (("lasagne sheets", 5, None), ("fresh spinach", 300, "g"), ("ricotta", 180, "g"),
      ("milk", 200, "ml"), ("flour", 2, "tbsp"))),
    ("Fisherman's Stew", ("dairy_free", "gluten_free"), 25, 30, None,
     (("white fish", 320, "g"), ("fish stock", 400, "ml"), ("potatoes", 3, None),
      ("tomato paste", 2, "tbsp"), ("fennel bulbs", 2, None))),
    ("Roast Pumpkin Salad", ("vegan", "gluten_free"), 15, 30, 200,
     (("pumpkin", 400, "g"), ("rocket", 60, "g"), ("pumpkin seeds", 2, "tbsp"),
      ("maple syrup", 3, "tsp"), ("red onions", 2, None))),
    ("Beef Goulash", ("dairy_free",), 25, 120, None,
     (("stewing beef", 380, "g"), ("onions", 3, None), ("beef stock", 350, "ml"),
      ("sweet paprika", 2, "tbsp"), ("caraway", 2, "tsp"))),
    ("Banana Bread", ("vegetarian",), 15, 55, 175,
     (("ripe bananas", 3, None), ("flour", 220, "g"), ("sugar", 100, "g"), ("eggs", 2, None),
      ("baking powder", 2, "tsp"))),
    ("Pea and Mint Soup", ("vegan", "gluten_free"), 10, 20, None,
     (("frozen peas", 300, "g"), ("vegetable stock", 450, "ml"), ("oat cream", 60, "ml"),
      ("chopped mint", 2, "tbsp"), ("spring onions", 4, None))),
    ("Aubergine Bake", ("vegetarian", "gluten_free"), 25, 45, 190,
     (("aubergines", 2, None), ("chopped tomatoes", 350, "g"), ("mozzarella", 125, "g"),
      ("olive oil", 4, "tbsp"), ("dried oregano", 2, "tsp"))),
    ("Salmon with Dill Potatoes", ("gluten_free",), 15, 25, 180,
     (("salmon fillets", 2, None), ("new potatoes", 350, "g"), ("chopped dill", 2, "tbsp"),
      ("butter", 30, "g"), ("lemons", 2, None))),
    ("Cardamom Rice Pudding", ("vegetarian", "gluten_free"), 5, 40, None,
     (("pudding rice", 100, "g"), ("milk", 600, "ml"), ("sugar", 3, "tbsp"),
     ("cardamom pods", 4, None))),
    ("Black Bean Chilli", ("vegan", "gluten_free"), 20, 45, None,
     (("black beans", 260, "g"), ("chopped tomatoes", 400, "g"), ("red peppers", 2, None),
      ("smoked paprika", 2, "tsp"), ("vegetable stock", 150, "ml"))),
)  # fmt: skip
VENUES = words(
    "Boathouse_Hall The_Tithe_Barn The_Glass_House Quayside_Pavilion Assembly_Rooms_Hall "
    "Meadow_Farm The_Cloth_Hall Old_Mill_Courtyard Riverside_Orangerie The_Corn_Exchange "
    "Vineyard_House Rowing_Club_West Garden_Pavilion The_Engine_Shed Hillside_Terrace "
    "Lakeside_Rooms"
)
CATERERS = firms(
    "Plate_&_Vine Ladle_Catering Table_for_All Olive_Branch_Catering The_Feast_Company "
    "Bouchée_Traiteur Party_Kitchen_North Green_Fork_Catering Buffet_Royale Five_Spoons "
    "Laurel_&_Thyme_Catering Tureen_&_Tray"
)
MEAT = words(
    "Braised_Beef_Cheeks Lemon_Chicken_with_Herbs Roast_Salmon_with_Fennel Lamb_Stew_with_Apricots "
    "Pork_Fillet_in_Cider Duck_Breast_with_Plums Baked_Cod_with_Capers"
)
MEATLESS = (
    ("Mushroom Stroganoff", "vegetarian"), ("Aubergine Moussaka", "vegetarian"),
    ("Chickpea Tagine", "vegan"),
    ("Pumpkin Ravioli", "vegetarian"), ("Lentil Roast", "vegan"),
    ("Stuffed Peppers with Rice", "vegan"), ("Spinach and Feta Pie", "vegetarian"),
)  # fmt: skip
SIDES = (  # course, dish
    ("starter", "Tomato Soup with Basil"), ("starter", "Smoked Trout Tartlets"),
    ("starter", "Goat Cheese Crostini"), ("starter", "Beetroot Carpaccio"),
    ("starter", "Chicken Liver Mousse"), ("dessert", "Apple Strudel"),
    ("dessert", "Chocolate Mousse"), ("dessert", "Lemon Tart"), ("dessert", "Berry Trifle"),
    ("dessert", "Mango Sorbet"),
)  # fmt: skip
OCCASIONS = ("wedding", "birthday", "conference", "funeral", "opening")


@sampler
def table_reservation(ctx: SamplingContext) -> tuple[dict, dict]:
    """The booking as it stands; who rang, and the day, hour and number that do not hold."""
    day, time, size = ctx.date(), ctx.one(MEAL_TIMES), ctx.between(2, 14)
    places = ("inside", "bar") if size < 7 else ("inside",)
    places += ("terrace", "garden") if day.month in OUTDOORS else ()
    record = {
        "name": ctx.person().name,
        "party_size": size,
        "date": day.isoformat(),
        "time": time,
    }
    record |= only(ctx, 0.65, seating=ctx.one(places))
    beside = {
        "old_date": ctx.later(day, -8, -1).isoformat(),
        "old_time": ctx.one([other for other in MEAL_TIMES if other != time]),
        "old_size": size + ctx.one((-1, 1, 2) if size > 3 else (1, 2)),
        "booked_on": ctx.later(day, -40, -9).isoformat(),
    }
    return record, beside | {"restaurant": ctx.assigned(RESTAURANTS), "caller": ctx.person().name}


@sampler
def recipe_card(ctx: SamplingContext) -> tuple[dict, dict]:
    """Some of a dish's ingredients for so many people; both times add up to the whole."""
    title, diets, prep, cook, oven, goes_in = ctx.one(RECIPES)
    serves = ctx.one((2, 4, 4, 6, 8))
    prep, cook = prep + ctx.one((0, 0, 5)), cook + ctx.one((-5, 0, 0, 5))
    record = {"title": title, "serves": serves}
    record |= only(ctx, 0.65, diet=ctx.some(diets, 1, len(diets))) if diets else {}
    record["minutes"] = {"prep": prep, "cook": cook, "total": prep + cook}
    record |= only(ctx, 0.8, oven_c=oven) if oven else {}
    record["ingredients"] = [
        {"item": item, "amount": amount * serves // 2} | ({"unit": unit} if unit else {})
        for item, amount, unit in ctx.some(goes_in, 2, 4)
    ]
    other = ctx.one([recipe[0] for recipe in RECIPES if recipe[0] != title])
    rest = ctx.one([m for m in (10, 15, 20, 25, 30, 35, 45) if m not in (prep, cook, prep + cook)])
    beside = {
        "fan_c": (oven or 180) - 20,
        "other_title": other,
        "chill": rest,
        "old_cook": cook + 10,
    }
    return record, beside | {
        "old_serves": serves + ctx.one((1, 2, 4)),
        "day": ctx.workday().isoformat(),
    }


@sampler
def catering_order(ctx: SamplingContext) -> tuple[dict, dict]:
    """Food is guests times the price a head; with the delivery it is the total."""
    ctx.settle("gb", "ie", "us")  # where venues and caterers have English names
    client, phone, guests = ctx.person(), ctx.phone(), ctx.between(24, 180)
    occasion, day = ctx.one(OCCASIONS), ctx.workday()
    hour = ctx.one(LUNCH if occasion == "funeral" else MEAL_TIMES)
    day += timedelta(
        days=5 - day.weekday() if occasion in ("wedding", "birthday") else 0
    )  # on a Saturday
    venue = {"name": ctx.one(VENUES), "street": ctx.street(), "city": ctx.town()[0]}
    record = {
        "order_no": ctx.code("CO-####"),
        "client": {"name": client.name} | only(ctx, 0.55, phone=phone),
        "event": {
            "occasion": occasion,
            "date": day.isoformat(),
            "serve_at": hour,
            "guests": guests,
            "venue": venue,
        },
        "dishes": _menu(ctx, guests),
        "price": _catering_price(ctx, guests),
    }
    beside = {
        "old_guests": guests + ctx.between(3, 20),
        "set_up": f"{int(hour[:2]) - 2:02d}{hour[2:]}",
    }
    beside |= {
        "tasting": ctx.workday_near(day, -60, -15).isoformat(),
        "caterer": ctx.assigned(CATERERS),
    }
    served = {dish["dish"] for dish in record["dishes"]}
    return record, beside | {"dropped": ctx.one([dish for _, dish in SIDES if dish not in served])}


def _menu(ctx: SamplingContext, guests: int) -> list[dict]:
    """A main course, without meat for some, and at times something before or after it for all."""
    meatless = ctx.between(guests // 8, guests // 3)
    dish, diet = ctx.one(MEATLESS)
    mains = [
        {"course": "main", "dish": ctx.one(MEAT), "portions": guests - meatless},
        {"course": "main", "dish": dish, "portions": meatless} | only(ctx, 0.7, diet=diet),
    ]
    course, dish = ctx.one(SIDES)
    side = [{"course": course, "dish": dish, "portions": guests}] if ctx.chance(0.65) else []
    return side + mains if course == "starter" else mains + side


def _catering_price(ctx: SamplingContext, guests: int) -> dict:
    head, delivery = ctx.between(38, 150) * 50, ctx.one((4500, 6000, 8500, 12000))  # cents
    total, pct = guests * head + delivery, ctx.one((20, 25, 30, 40))
    price = {"per_head": head / 100, "food": guests * head / 100, "delivery": delivery / 100}
    price |= {"total": total / 100, "currency": ctx.place.currency}
    return price | only(ctx, 0.55, deposit={"pct": pct, "amount": (total * pct + 50) // 100 / 100})
