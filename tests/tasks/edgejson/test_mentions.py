"""Finding values in texts: a mistake here takes a copied value for a made-up one."""

from bounded import bounded
from json_values import published

from slmlib.tasks.edgejson.mentions import mentions
from slmlib.tasks.edgejson.scoring import leaves

GIVEN = {  # text: values that it gives
    "a lamp for ann  LEE.": ["Ann Lee"],
    "line U-6": ["U6"],
    "call +31 30 555 0148": ["+31305550148"],
    "write to r dot lane at example dot com": ["r.lane@example.com"],
    "12,500 kg and 12 600 kg": [12500, 12600.0],
    "5x120L of acid": [120],
    "4.50 each below -7 degrees": [4.5, 7],
    "Twenty-one point five degrees": [21.5],
    "one thousand two hundred and five; it rang twice": [1205, 2],
    "forty-two pounds fifty": [42.5, "GBP"],
    "€12": ["EUR"],
    "by 3 May 2026": ["2026-05-03"],
    "from 3\nMay 2026": ["2026-05-03"],
    "May 3, 2026 or 14.05.2026": ["2026-05-03", "2026-05-14"],
    "the third of May twenty twenty-six": ["2026-05-03"],
    "at 4:15 pm, 1715h or 11.00 sharp": ["16:15", "17:15", "11:00"],
    "a quarter past four in the afternoon": ["16:15"],
    "by noon": ["12:00"],
    "5 Aug 2025 at 23:18 UTC": ["2025-08-05T23:18:00Z"],
    "2025-08-05 23:18:00Z": ["2025-08-05T23:18:00Z"],
    "(-)": ["-"],
}
NOT_GIVEN = {
    "Anna Leeds": ["Ann Lee"],
    "Ann Lee": ["nn Le"],
    "120 L at 4.50 each": [12, 4],
    "1,250.00": [250],
    "Twenty-one point five": [21],
    "31 April 2026": ["2026-04-30"],
    "13 May 2026": ["2026-05-03"],
    "3 May": ["2026-05-03"],
    "4:15 am": ["16:15"],
    "yes, it is true: 1": [True],
    "none": [None],
    "": [""],
}


def test_values_are_found_in_every_notation_and_no_others():
    for table, given in ((GIVEN, True), (NOT_GIVEN, False)):
        for text, values in table.items():
            for value in values:
                assert mentions(text, value) == given, (text, value)


def test_phrases_count_for_the_field_that_has_them():
    rule = "phrase.fuel_stop.fuel"
    assert mentions("40 litres of autogas", "lpg", rule)
    assert mentions("40 litres of autogas", "lpg", f"respelt+{rule}")
    assert not mentions("40 litres of autogas", "lpg")
    assert not mentions("40 litres of autogas", "petrol", rule)


def test_published_values_are_found_in_their_texts():
    """Except those that noise has misspelt or run together with others: under one in a hundred."""
    lost = total = 0
    for row in published():
        values = dict(leaves(row["target"]))
        for pointer, mark in row["meta"]["evidence"].items():
            lost += not mentions(row["input"]["text"], values[pointer], mark["rule"])
            total += 1
    assert lost < total / 100


def test_long_texts_and_values_take_linear_time():
    for piece in ("1", "1,", "1 ", "one ", "a", "half past ", "may ", "2024-", "٣", "é ", "x at "):
        text = piece * (50_000 // len(piece))
        with bounded():
            for value in (text * 20, text[: len(text) // 2] + "!", piece, 10**40, "2024-03-05"):
                mentions(text, value)
