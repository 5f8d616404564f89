"""Words of the ctx: names, places, firms, grouped so that they fit together.

A `Place` keeps names, towns, postcodes, streets, telephone numbers and currency of one country
together. Surnames and firms are dealt out by split (`dealt`), so that a test case never holds a
person or a company that training has seen.
"""

from dataclasses import dataclass
from functools import cache


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


def words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in text.split())


PLACES = (
    Place(
        "gb", "GBP",
        words(
            "Amelia Oliver Priya Callum Sophie Imran Grace Rhys Fiona Marcus Nadia Hugh Bethan Tom Yasmin "
            "Duncan Leila Owen Harriet Kofi Megan Stuart Zara Elliot"
        ),
        words(
            "Whitfield Hargreaves Okafor Brennan Patel Ashworth Lyndon Mercer Coates Rahman Pritchard "
            "Sinclair Thornton Bexley Adeyemi Forsyth Ridley Campion Hollis Marsden Nuttall Osgood "
            "Penrose Quigley Radcliffe Saunders Tanner Underhill Vickers Wainwright Abara Bannister "
            "Chaudhry Drummond Ellwood Fairclough Gaskell Haddad Illingworth Jephson Khatri Loxley Mbeki "
            "Neville Oakden Pargeter"
        ),
        words(
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
        words(
            "Aoife Cormac Niamh Eoin Saoirse Declan Orla Ronan Ciara Fergal Maeve Padraig Sinead Conor "
            "Roisin Donal Aisling Killian"
        ),
        words(
            "Kavanagh Doyle Gallagher Nolan Tierney Costello Hanlon Lacey Mulvaney Riordan Scanlon Cleary "
            "Geraghty Brosnan Devlin Fallon Hegarty Keane Lenihan Moriarty Rafferty Shanahan Tuohy Whelan "
            "Ahern Breen Corrigan Daly Egan Finnegan Glynn Hickey Keogh Lavelle Mannion Noonan "
            "Prendergast Quirke Roche Sweeney"
        ),
        words(
            "Main_Street Abbey_Road Harbour_View Castle_Park College_Road Bridge_Street"
        ),
        True,
        (("Galway", "H91 @@##"), ("Cork", "T12 @@##"), ("Limerick", "V94 @@##"), ("Sligo", "F91 @@##")),
        ("+353 1 555 0###", "+353 91 555 ###"),
        ("231-G-####", "242-C-####", "232-D-####"),
    ),
    Place(
        "de", "EUR",
        words(
            "Lena Jonas Miriam Felix Katrin Matthias Aylin Stefan Greta Tobias Hanna Ruben Clara Emil "
            "Svenja Moritz Ines Volker Nele Henrik"
        ),
        words(
            "Brandt Hoffmann Yilmaz Lindner Seidel Krüger Vogt Althaus Bergmann Dietz Ebert Fromm Gerlach "
            "Hartwig Jansen Kessler Lorenz Möller Neuhaus Ostermann Pohl Reuter Sandner Thiele Ulrich "
            "Wegner Arslan Baumgart Clemens Dreyer Eckert Fiedler Grote Hennig Immel Jahnke Kowalczyk "
            "Lutz Mahler Nowak Oelrich Petersen Rahn Schuster"
        ),
        words(
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
        words(
            "Sanne Daan Femke Joris Lotte Bram Noor Thijs Esmee Ruud Anouk Wouter Maaike Sjoerd Iris Gijs "
            "Marloes Koen"
        ),
        words(
            "Visser Bakker Dekker Hoekstra Postma Verhoeven Kuipers Brouwer Scholten Dijkstra Meijer "
            "Peeters Kramer Willems Hermans Timmermans Vermeulen Schouten Prins Koster Blom Veenstra "
            "Achterberg Boersma Claassen Driessen Elzinga Faber Goossens Haverkamp Jonker Kok Lammers "
            "Mulder Nijland Oosting Pronk Reitsma"
        ),
        words("Kerkstraat Molenweg Stationsplein Havenkade Tulpenlaan Dorpsstraat"),
        False,
        (("Utrecht", "35## @@"), ("Groningen", "97## @@"), ("Zwolle", "80## @@"), ("Breda", "48## @@")),
        ("+31 30 555 ####", "+31 6 5550 ####"),
        ("@@-###-@", "@-###-@@"),
    ),
    Place(
        "fr", "EUR",
        words(
            "Camille Julien Manon Bastien Chloé Antoine Inès Rémi Élodie Karim Margaux Thomas Sylvie Yann "
            "Nadège Laurent"
        ),
        words(
            "Lefèvre Moreau Girard Bonnet Chevalier Rousseau Gauthier Perrin Blanchard Marchand Dufour "
            "Renard Lacroix Benali Fontaine Carpentier Mercier Vasseur Leclerc Poirier Roussel Delmas "
            "Barbier Guillot Charpentier Tessier Morvan Aubert Collet Pasquier Hamdi Rivière Jourdan "
            "Besson Cordier Millet"
        ),
        words("rue_des_Lilas avenue_Foch rue_du_Port place_du_Marché chemin_Vert rue_Pasteur quai_Nord"),
        True,
        (("Nantes", "440##"), ("Lyon", "690##"), ("Lille", "590##"), ("Rennes", "350##"), ("Dijon", "210##")),
        ("+33 1 99 00 ## ##", "+33 6 39 98 ## ##"),
        ("@@-###-@@",),
    ),
    Place(
        "es", "EUR",
        words(
            "Lucía Javier Carmen Álvaro Marta Diego Nuria Pablo Sofía Andrés Elvira Rubén Aitana Héctor "
            "Pilar Gonzalo"
        ),
        words(
            "Morales Castaño Ibáñez Serrano Quesada Barrios Herrero Cabrera Lozano Pardo Vidal Molina "
            "Carrasco Esteban Gallego Aguilar Santana Rivas Ferrer Cuesta Valero Soler Peña Marín Benítez "
            "Camacho Rosales Arroyo Segura Montero Duarte Olmedo Prieto Zapata Llorente Crespo"
        ),
        words("calle_Mayor calle_del_Sol avenida_del_Puerto plaza_Nueva calle_Olivo paseo_Marítimo"),
        False,
        (("Bilbao", "480##"), ("Valencia", "460##"), ("Sevilla", "410##"), ("Gijón", "332##"),
         ("Murcia", "300##")),
        ("+34 955 55 ## ##", "+34 655 55 ## ##"),
        ("#### @@@",),
    ),
    Place(
        "it", "EUR",
        words(
            "Giulia Marco Chiara Luca Francesca Matteo Elisa Davide Paola Simone Ilaria Pietro Serena "
            "Nicola Bruna Enrico"
        ),
        words(
            "Ferrari Bianchi Colombo Ricci Marini Greco Bruni Gallo Conti Mancini Cattaneo Giordano Rizzo "
            "Lombardi Moretti Barbieri Fontana Santoro Mariani Rinaldi Caruso Ferrara Galli Martini Leone "
            "Longo Gentile Martinelli Vitale Lombardo Serra Coppola Ferri Marchetti Parisi Valenti"
        ),
        words("via_Garibaldi via_Roma corso_Italia via_dei_Mille piazza_Duomo via_Verdi"),
        False,
        (("Torino", "101##"), ("Verona", "371##"), ("Parma", "431##"), ("Trieste", "341##"),
         ("Bari", "701##")),
        ("+39 06 5555 ####", "+39 333 555 ####"),
        ("@@ ### @@",),
    ),
    Place(
        "us", "USD",
        words(
            "Dana Marcus Elena Tyrell Joanne Kevin Rosa Wesley Monica Curtis Hannah Luis Teresa Grant "
            "Denise Andre Paula Trevor Gloria Nathan"
        ),
        words(
            "Alvarez Bennett Carver Dawson Espinoza Fletcher Garrison Holloway Iverson Jarvis Kowalski "
            "Langford McBride Navarro Osborne Pruitt Ramsey Sandoval Tillman Vaughn Whitaker Youngblood "
            "Zamora Ballard Abernathy Baldwin Castellano Delgado Eubanks Faulkner Guthrie Hutchins Ingram "
            "Kessinger Lockhart Mendez Nakamura Ortega Pickett Quintero"
        ),
        words(
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

FIRM_NAMES: set[str] = set()  # every firm, shop, hotel and carrier of which a text may be


def firms(text: str) -> tuple[str, ...]:
    """Names of firms, to be dealt out by split; `validation` looks for them in all texts."""
    names = words(text)
    FIRM_NAMES.update(names)
    return names


FIRMS = firms(
    "Northgate_Tools Beacon_Print Halden_Optics Corrib_Foods Alder_&_Finch Meridian_Dental "
    "Tidewater_Books Kestrel_Bikes Larch_Interiors Orrin_Textiles Brightwell_Lighting Sable_Ceramics "
    "Fennel_Kitchen Pinnacle_Audio Quarry_Stone_Works Rivet_&_Co Saltmarsh_Bakery Tamarind_Spices "
    "Umber_Studio Vesper_Watches Willow_Pharmacy Yarrow_Garden_Centre Zephyr_Sails Copperfield_Music "
    "Driftwood_Gifts Ember_Stoves Foxglove_Florist Granite_Gym Harbour_Hardware Ironbridge_Cycles "
    "Juniper_Labs Kingfisher_Framing Lantern_Toys Mosaic_Tiles Nettle_&_Thyme Oakmoss_Candles "
    "Pebble_Dental Quill_Stationers Redstart_Outdoor Silverline_Opticians Thistle_Tea_Rooms Upland_Wool "
    "Viaduct_Wines Wharfside_Fish Xenia_Fashion Yewtree_Nursery Zenith_Cameras Anchor_Chandlers "
    "Birchwood_Doors Cobalt_Paints Dovetail_Joinery Elmhurst_Vets Fairwind_Travel Goldcrest_Jewellers "
    "Hazel_&_Sons Inglenook_Stoves Jasper_Flooring Kiln_House_Pottery Lockside_Garage Maplewood_School "
    "Nordlicht_Lamps Orchard_Surgery Plover_Press Quince_Deli Rosehip_Soaps Sundial_Clocks Tinder_Box "
    "Umbra_Blinds Verdant_Salads Walnut_Tree_Café Yardarm_Rigging Zinnia_Garden_Shop Ashdown_Logistics "
    "Brannock_Plumbing Clearwater_Pools Dunmore_Freight Eastgate_Electrical Fenwick_Roofing "
    "Glasswing_Design Hollowell_Timber Ivory_Piano_Rooms Jetty_Seafoods Kendrick_Haulage Lomond_Bakery "
    "Marlow_Carpets Nightjar_Security Oldbury_Cheese Parkside_Physio Quayline_Ferries Rookwood_Farm_Shop "
    "Stonebridge_Legal Turnpike_Motors Ullswater_Tents Vale_Orthodontics Wickham_Signs Yelverton_Estates "
    "Zodiac_Prints Acorn_Nurseries Bluebell_Laundry Castell_Coffee Dunlin_Outfitters Esker_Energy"
)


@cache
def dealt(words: tuple, split: str) -> tuple:
    """The part of a list that a split may use: of every five one for val, one for the tests."""
    hands = {"test": 3, "val": 4}
    mine = hands.get(split.partition("_")[0])
    return tuple(w for i, w in enumerate(words) if (i % 5 == mine if mine else i % 5 < 3))
