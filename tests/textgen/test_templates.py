"""Templates: the language, the evidence of values, phrase tables, and who may use which."""

from random import Random

import pytest

from slmlib.textgen import lexicon, parsers, templates
from slmlib.textgen.phrase_tables import PhraseTables
from slmlib.textgen.templates import Fields, Renderer

FILE = """\
=== email
{^colour:noun} [paint|colour] for {~agent}< by {by}>: {*items}{.n:words} {.name}{/, | and }.

{?urgent=true}{urgent}{;}no hurry{/}
=== log
{total:with_currency}|\\[{~code}\\]
=== phrases colour:noun
red: crimson | scarlet
=== phrases urgent
true: right away
false: some day
"""
LEAVES = {
    "/colour": {"enum": ["red"]},
    "/by": {"type": "string", "format": "date"},
    "/items/*/n": {"type": "integer"},
    "/items/*/name": {"type": "string"},
    "/urgent": {"type": "boolean"},
    "/total": {"type": "number"},
    "/currency": {"enum": ["EUR"]},
}
RECORD = {
    "colour": "red",
    "items": [{"n": 2, "name": "tins"}, {"n": 1, "name": "brush"}],
    "urgent": True,
    "total": 1234.5,
}
CONTEXT = {"agent": "Kim", "code": "X-1", "currency": "EUR", "phones": {}}


@pytest.fixture
def toy(tmp_path):
    """The parsed templates of the file above, and how its values are written."""
    (tmp_path / "paint.txt").write_text(FILE)
    tables = {"/colour": "paint.colour", "/urgent": "paint.urgent"}
    return templates.read(tmp_path / "paint.txt"), Fields(LEAVES, tables, PhraseTables(tmp_path))


def render(toy, place: int, record: dict):
    every, fields = toy
    template = every[place]
    return Renderer(fields, template.register, record, CONTEXT, Random(1)).passage(template.nodes)


def test_a_text_states_every_value_with_its_evidence(toy):
    """A wrong span or a wrong rule would make a case undecidable."""
    passage = render(toy, 0, RECORD)
    values = {"/colour": "red", "/items/0/n": 2, "/items/0/name": "tins", "/items/1/n": 1}
    values |= {"/items/1/name": "brush", "/urgent": True}
    assert passage.evidence.keys() == values.keys()
    for pointer, place in passage.evidence.items():
        span = passage.text[place["start"] : place["end"]]
        assert parsers.apply(place["rule"], span, toy[1].phrases) == values[pointer]
    assert passage.text.partition(" ")[0] in ("Crimson", "Scarlet")
    assert "for Kim: two tins and one brush." in passage.text


def test_parts_with_absent_values_are_omitted(toy):
    """A text must not mention a field that its record lacks."""
    assert " by " not in render(toy, 0, RECORD).text
    assert " by " in render(toy, 0, RECORD | {"by": "2026-05-14"}).text
    later = render(toy, 0, RECORD | {"urgent": False})
    assert "no hurry" in later.text
    assert "/urgent" not in later.evidence


def test_context_values_are_not_evidence_and_escapes_are_literal(toy):
    """A distractor with evidence would be taken for the answer."""
    passage = render(toy, 1, RECORD | {"currency": "EUR"})
    assert passage.text.endswith("|[X-1]")
    assert passage.evidence.keys() == {"/total", "/currency"}
    total, currency = passage.evidence["/total"], passage.evidence["/currency"]
    assert total["start"] <= currency["start"] < currency["end"] <= total["end"]


def test_unclosed_brackets_and_broken_lines_of_phrase_tables_are_refused(tmp_path):
    for template in ("{&}a{;}b", "[a|b", "{*items}x", "<a"):
        with pytest.raises(ValueError, match="never closed"):
            templates.parse(template)
    (tmp_path / "x.txt").write_text("=== phrases size\nsmall little\n")
    with pytest.raises(ValueError, match=r"x\.txt: 'small little'"):
        len(PhraseTables(tmp_path))


def test_templates_and_names_are_assigned_to_one_role_each():
    """A name or a template of two roles would let a model recognise a test case."""
    roles = templates.assign_roles(240, "seed")
    assert {role: roles.count(role) for role in roles} == {"train": 140, "test": 60, "val": 40}
    for names in (lexicon.FIRMS, *(place.last for place in lexicon.PLACES)):
        parts = [set(lexicon.assigned(names, role)) for role in ("train", "val", "test")]
        assert sum(map(len, parts)) == len(set().union(*parts)) == len(names)
    with pytest.raises(ValueError, match="not a role"):
        lexicon.assigned(lexicon.FIRMS, "test_unseen")
