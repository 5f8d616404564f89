"""Words of the world: names, places, firms and things, grouped so that they fit together.

A `Place` keeps names, towns, postcodes, streets, telephone numbers and currency of one country
together. Surnames and firms are dealt out by split (`dealt`), so that a test case never holds a
person or a company that training has seen.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """One country's names and formats; `#` in a pattern stands for a digit, `@` for a letter."""

    code: str
    currency: str
    first: tuple[str, ...]
    last: tuple[str, ...]
    streets: tuple[str, ...]
    number_first: bool  # 12 Mill Lane, or Lindenstraße 12
    towns: tuple[tuple[str, str], ...]  # (town, postcode pattern)
    phone: tuple[str, ...]
    plate: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in text.split())


PLACES = (
    Place(
        "gb", "GBP",
        _words(
            "Amelia Oliver Priya Callum Sophie Imran Grace Rhys Fiona Marcus Nadia Hugh Bethan Tom Yasmin "
            "Duncan"
        ),
        _words(
            "Whitfield Hargreaves Okafor Brennan Patel Ashworth Lyndon Mercer Coates Rahman Pritchard "
            "Sinclair Thornton Bexley Adeyemi Forsyth Ridley Campion Hollis Marsden Nuttall Osgood "
            "Penrose Quigley Radcliffe Saunders Tanner Underhill Vickers Wainwright"
        ),
        _words(
            "Mill_Lane Station_Road Kirkgate Albion_Street Orchard_Close Quay_Street Beech_Avenue "
            "Castle_Terrace"
        ),
        True,
        (("Leeds", "LS# #@@"), ("Bristol", "BS# #@@"), ("Norwich", "NR# #@@"), ("Cardiff", "CF## #@@"),
         ("Stirling", "FK# #@@"), ("Exeter", "EX# #@@")),
        ("+44 7700 900###", "+44 113 496 0###", "+44 20 7946 0###"),
        ("LS## @@@", "BD## @@@", "CV## @@@"),
    ),
    Place(
        "ie", "EUR",
        _words(
            "Aoife Cormac Niamh Eoin Saoirse Declan Orla Ronan Ciara Fergal Maeve Padraig"
        ),
        _words(
            "Kavanagh Doyle Gallagher Nolan Tierney Costello Hanlon Lacey Mulvaney Riordan Scanlon Cleary "
            "Geraghty Brosnan Devlin Fallon Hegarty Keane Lenihan Moriarty Rafferty Shanahan Tuohy Whelan"
        ),
        _words(
            "Main_Street Abbey_Road Harbour_View Castle_Park College_Road Bridge_Street"
        ),
        True,
        (("Galway", "H91 @@##"), ("Cork", "T12 @@##"), ("Limerick", "V94 @@##"), ("Sligo", "F91 @@##")),
        ("+353 1 555 0###", "+353 91 555 ###"),
        ("231-G-####", "242-C-####", "232-D-####"),
    ),
    Place(
        "de", "EUR",
        _words(
            "Lena Jonas Miriam Felix Katrin Matthias Aylin Stefan Greta Tobias Hanna Ruben Clara Emil"
        ),
        _words(
            "Brandt Hoffmann Yilmaz Lindner Seidel Krüger Vogt Althaus Bergmann Dietz Ebert Fromm Gerlach "
            "Hartwig Jansen Kessler Lorenz Möller Neuhaus Ostermann Pohl Reuter Sandner Thiele Ulrich "
            "Wegner"
        ),
        _words(
            "Lindenstraße Gartenweg Hafenstraße Am_Markt Schillerstraße Bergweg Mühlenweg"
        ),
        False,
        (("Bremen", "28###"), ("Leipzig", "04###"), ("Freiburg", "79###"), ("Kassel", "34###"),
         ("Rostock", "18###")),
        ("+49 421 5550###", "+49 341 5550###", "+49 170 555####"),
        ("HB @@ ####", "L @@ ###", "KS @ ####"),
    ),
    Place(
        "nl", "EUR",
        _words("Sanne Daan Femke Joris Lotte Bram Noor Thijs Esmee Ruud Anouk Wouter"),
        _words(
            "Visser Bakker Dekker Hoekstra Postma Verhoeven Kuipers Brouwer Scholten Dijkstra Meijer "
            "Peeters Kramer Willems Hermans Timmermans Vermeulen Schouten Prins Koster Blom Veenstra"
        ),
        _words("Kerkstraat Molenweg Stationsplein Havenkade Tulpenlaan Dorpsstraat"),
        False,
        (("Utrecht", "35## @@"), ("Groningen", "97## @@"), ("Zwolle", "80## @@"), ("Breda", "48## @@")),
        ("+31 30 555 ####", "+31 6 5550 ####"),
        ("@@-###-@", "@-###-@@"),
    ),
    Place(
        "us", "USD",
        _words(
            "Dana Marcus Elena Tyrell Joanne Kevin Rosa Wesley Monica Curtis Hannah Luis Teresa Grant"
        ),
        _words(
            "Alvarez Bennett Carver Dawson Espinoza Fletcher Garrison Holloway Iverson Jarvis Kowalski "
            "Langford McBride Navarro Osborne Pruitt Ramsey Sandoval Tillman Vaughn Whitaker Youngblood "
            "Zamora Ballard"
        ),
        _words(
            "Maple_Avenue Cedar_Street Lakeview_Drive Juniper_Court Old_Mill_Road Franklin_Street"
        ),
        True,
        (("Boise", "837##"), ("Dayton", "454##"), ("Tucson", "857##"),
         ("Duluth", "558##"), ("Macon", "312##")),
        ("+1 208 555 01##", "+1 520 555 01##", "+1 937 555 01##"),
        ("@@@ ####", "#@@ @###"),
    ),
)  # fmt: skip

LETTERS = "ABCDEFGHJKLMNPRSTVWXY"  # no letter that is taken for a digit

FIRMS = _words(
    "Northgate_Tools Beacon_Print Halden_Optics Corrib_Foods Alder_&_Finch Meridian_Dental "
    "Tidewater_Books Kestrel_Bikes Larch_Interiors Orrin_Textiles Brightwell_Lighting "
    "Sable_Ceramics Fennel_Kitchen Pinnacle_Audio Quarry_Stone_Works Rivet_&_Co Saltmarsh_Bakery "
    "Tamarind_Spices Umber_Studio Vesper_Watches Willow_Pharmacy Yarrow_Garden_Centre "
    "Zephyr_Sails Copperfield_Music Driftwood_Gifts Ember_Stoves Foxglove_Florist Granite_Gym "
    "Harbour_Hardware Ironbridge_Cycles Juniper_Labs Kingfisher_Framing Lantern_Toys Mosaic_Tiles "
    "Nettle_&_Thyme Oakmoss_Candles Pebble_Dental Quill_Stationers Redstart_Outdoor "
    "Silverline_Opticians Thistle_Tea_Rooms Upland_Wool Viaduct_Wines Wharfside_Fish "
    "Xenia_Fashion Yewtree_Nursery Zenith_Cameras Anchor_Chandlers Birchwood_Doors Cobalt_Paints "
    "Dovetail_Joinery Elmhurst_Vets Fairwind_Travel Goldcrest_Jewellers Hazel_&_Sons "
    "Inglenook_Stoves Jasper_Flooring Kiln_House_Pottery Lockside_Garage Maplewood_School "
    "Nordlicht_Lamps Orchard_Surgery Plover_Press Quince_Deli Rosehip_Soaps Sundial_Clocks "
    "Tinder_Box Umbra_Blinds Verdant_Salads Walnut_Tree_Café Yardarm_Rigging Zinnia_Garden_Shop"
)
MERCHANTS = {
    "meal": _words(
        "Trattoria_Lucia The_Copper_Kettle Café_Morgenrot Noodle_Bar_Hana Bistro_Marais The_Ferryman "
        "Casa_Olmo"
    ),
    "taxi": _words("CityCab Blue_Line_Taxis Funk_Taxi_24 Harbour_Cars Metro_Minicabs"),
    "hotel": _words("Hotel_Bellevue The_Linden_Arms Stay_Inn_Central Hotel_am_Park Quayside_Lodge"),
    "parking": _words("ParkRite Q-Park_Centrum Airport_Parking_P3 Station_Car_Park"),
    "supplies": _words("Papierhaus_Winkler Office_Corner Staple_&_Co Bürobedarf_Lenz Inkwell_Stationers"),
}
MERCHANT_PRICES = {
    "meal": (900, 9500),
    "taxi": (700, 7800),
    "hotel": (6900, 48000),
    "parking": (250, 4800),
    "supplies": (400, 18500),
}
ROOMS = _words(
    "kitchen study bedroom living_room bathroom hallway nursery guest_room conservatory attic "
    "dining_room garage workshop laundry_room sunroom home_office"
)
LOST_ITEMS = _words(
    "umbrella rucksack scarf wallet laptop_sleeve cycle_helmet violin_case lunch_box "
    "walking_stick headphones school_bag raincoat passport_holder tote_bag camera_bag pencil_case "
    "sports_bag woollen_hat suitcase key_ring"
)
LINES = _words(
    "bus_42 bus_7A tram_11 tram_3 line_U6 line_S2 night_bus_N14 line_RE7 bus_118 coach_X30 tram_9 "
    "line_RB26 bus_64 line_U3 shuttle_B5 tram_16"
)
HOTELS = _words(
    "Hotel_Aurora The_Old_Mill_Inn Pension_Rosengarten Hotel_Miramar Kelvin_House Hotel_Zur_Post "
    "Casa_del_Puerto The_Juniper_Hotel Strandhotel_Anna Lakeside_Lodge Hotel_Belvedere "
    "Northern_Light_Hotel"
)
SITES = _words(
    "boiler_house cold_store_2 paint_shop line_4_gearbox compressor_room press_hall "
    "pump_station_B tank_farm drying_tunnel server_room loading_bay_3 kiln_1 mixing_hall "
    "cooling_tower_A packing_line_2 turbine_deck"
)
FIELDS = _words(
    "Long_Acre Church_Field Mühlfeld Top_Meadow Ten_Acre Kiln_Piece Birkenschlag Lower_Paddock "
    "Windmill_Field Stony_Bank Roman_Field Brook_Piece Seefeld Hangar_Field Quarry_Ground"
)
PRODUCTS_FARM = _words(
    "Cerovant_250 Fungara_Pro Herbistop_SL Aphidex_100 Triguard_EC Rustoban_Plus Weedline_40 "
    "Potanil_F Maizor_WG Granoshield"
)
BRANDS = _words("Norvia Aquatek Halberg Lumero Brandis Frostal Ketola Domeva Siltex Ravenna")
SOFTWARE = _words(
    "Ledgerly FieldMate Paperdeck Tillpoint RosterBee Stocklamp NoteHarbor Crewplan ShopWarden Voltaire_Sync"
)
GOODS = (  # as ordered by the two or more, cents from, to, most in one order
    ("cartons of oat milk", 169, 249, 12), ("bags of ground coffee", 549, 899, 6),
    ("rye loaves", 280, 420, 4), ("bottles of olive oil", 890, 1490, 4),
    ("boxes of free-range eggs", 289, 399, 5), ("bags of brown rice", 199, 349, 8),
    ("jars of wild honey", 590, 890, 6), ("bottles of dish soap", 145, 260, 6),
    ("packs of AA batteries", 395, 650, 5), ("E27 LED bulbs", 349, 699, 10),
    ("pairs of garden gloves", 690, 1190, 4), ("bags of potting soil", 590, 850, 8),
    ("packets of tomato seeds", 195, 320, 10), ("rolls of masking tape", 290, 450, 6),
    ("boxes of wood screws", 490, 790, 5), ("reams of A4 paper", 430, 590, 10),
    ("blue ballpoint pens", 80, 150, 24), ("A5 notebooks", 240, 480, 12), ("tins of cat food", 79, 129, 24),
    ("boxes of dog biscuits", 420, 690, 4), ("packets of green tea", 310, 520, 6),
    ("packs of smoked salmon", 490, 690, 5), ("crates of sparkling water", 390, 560, 6),
    ("bars of dark chocolate", 159, 289, 12), ("candles", 120, 340, 12), ("dust sheets", 210, 480, 6),
    ("tubes of wood glue", 380, 620, 4), ("bicycle tubes", 450, 790, 4), ("wax crayons", 60, 110, 20),
)  # fmt: skip
DRUGS = (  # name, usual doses in mg, usual times a day, for which reason
    ("ramipril", (2.5, 5.0, 10.0), (1,), "hypertension"), ("amlodipine", (5.0, 10.0), (1,), "hypertension"),
    ("bisoprolol", (1.25, 2.5, 5.0), (1,), "hypertension"),
    ("indapamide", (1.5, 2.5), (1,), "hypertension"), ("amoxicillin", (250.0, 500.0), (3,), "infection"),
    ("doxycycline", (100.0,), (1, 2), "infection"), ("paracetamol", (500.0, 1000.0), (3, 4), "infection"),
    ("ibuprofen", (200.0, 400.0), (2, 3), "infection"), ("naproxen", (250.0, 500.0), (2,), "back_pain"),
    ("diclofenac", (50.0, 75.0), (2,), "back_pain"), ("omeprazole", (20.0,), (1,), "back_pain"),
    ("methocarbamol", (750.0,), (3, 4), "back_pain"), ("prednisolone", (5.0, 20.0, 30.0), (1,), "asthma"),
    ("montelukast", (10.0,), (1,), "asthma"), ("loratadine", (10.0,), (1,), "asthma"),
    ("theophylline", (200.0, 300.0), (2,), "asthma"),
    ("metformin", (500.0, 850.0, 1000.0), (1, 2), "diabetes"),
    ("gliclazide", (40.0, 80.0), (1, 2), "diabetes"), ("sitagliptin", (50.0, 100.0), (1,), "diabetes"),
    ("atorvastatin", (10.0, 20.0, 40.0), (1,), "diabetes"),
)  # fmt: skip
ALLERGIES = _words("penicillin latex aspirin codeine peanuts sulfonamides iodine nickel")
# quantity: (id prefix, unit, steps per unit, upper limits from and to, lower limits), limits in steps
SENSORS = {
    "temperature": ("TMP", "°C", 10, (400, 950), (20, 150)),
    "pressure": ("PRS", "bar", 10, (40, 160), (10, 35)),
    "humidity": ("HUM", "%", 1, (55, 80), (20, 40)),
    "vibration": ("VIB", "mm/s", 10, (28, 112), None),
    "flow": ("FLW", "l/min", 1, (120, 480), (20, 90)),
}


def dealt(words: tuple[str, ...], split: str) -> tuple[str, ...]:
    """The part of a list that a split may use: of every ten, test and val get two each, train the rest."""
    hands = {"test": (3, 7), "val": (5, 9), "train": (0, 1, 2, 4, 6, 8)}
    mine = hands.get(split, hands["train"])
    return tuple(word for i, word in enumerate(words) if i % 10 in mine)
