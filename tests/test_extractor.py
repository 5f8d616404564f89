"""The extractor: would break if what it returns were not valid, or an error did not say why."""

import pytest

import slmlib
from slmlib import extractor, models
from slmlib.decoding import UnsupportedSchema
from slmlib.engines import Completion
from slmlib.extractor import ExtractionError

SCHEMA = {
    "type": "object",
    "required": ["name", "room"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "maxLength": 30},
        "room": {"type": "integer", "minimum": 1, "maximum": 99},
    },
}
TEXT = "Ana Ruiz has room 12 from Monday on."


@pytest.fixture(scope="module")
def extract():
    return slmlib.Extractor("smollm2-135m-instruct")


@pytest.mark.model
def test_what_comes_back_is_valid(extract):
    found = extract(TEXT, SCHEMA)
    assert set(found) == {"name", "room"} and 1 <= found["room"] <= 99 and isinstance(found["name"], str)


@pytest.mark.model
def test_a_schema_that_no_grammar_holds_is_refused_by_name(extract):
    with pytest.raises(UnsupportedSchema, match="cannot enforce oneOf"):
        extract(TEXT, {"oneOf": [SCHEMA]})


@pytest.mark.model
def test_a_text_that_is_too_long_has_an_error_in_its_place(extract):
    (fault,) = extract.batch([("word " * 9000, SCHEMA)])
    assert isinstance(fault, ExtractionError) and "do not fit the context" in str(fault)


@pytest.mark.model
def test_what_is_no_text_is_refused(extract):
    with pytest.raises(TypeError, match="a text and a schema are needed, not NoneType and dict"):
        extract(None, SCHEMA)


@pytest.mark.parametrize(
    ("text", "finish", "told"),
    [
        ('{"name": "Ana', "length", "longer than 400 tokens"),
        ("I cannot do that.", "stop", "no JSON object"),
        ('["Ana"]', "stop", "no JSON object"),
        ('{"name": "Ana", "room": 120}', "stop", r"breaks its schema: \$.room: 120 is greater than"),
    ],
)
def test_a_bad_answer_is_an_error_that_says_why(monkeypatch, text, finish, told):
    """A model that answers freely may write anything; what it wrote is kept."""

    class Engine:
        def batches(self, requests):
            return [requests]

        def generate(self, batch):
            return [Completion(r.id, text, finish, 10, 5, 0.1, 0.1) for r in batch]

    monkeypatch.setattr(extractor.engines, "start", lambda *_, **__: Engine())
    loose = slmlib.Extractor("smollm2-135m-instruct", constrained=False)
    with pytest.raises(ExtractionError, match=told) as caught:
        loose(TEXT, SCHEMA)
    assert caught.value.completion == text


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown model 'cyclecore'.*smollm2-135m-instruct"):
        slmlib.Extractor("cyclecore")


PUBLISHED = "cyclecore-mlm-135m-json"


@pytest.mark.model
def test_the_published_model_reads(capsys):
    """What the untuned model seldom does."""
    assert slmlib.Extractor(PUBLISHED)(TEXT, SCHEMA) == {"name": "Ana Ruiz", "room": 12}


@pytest.mark.model
def test_the_published_model_loads_with_plain_peft():
    """And its record names the weights that are there."""
    from peft import PeftModel

    origin = models.load("smollm2-135m-instruct").network
    before = origin.model.layers[7].mlp.down_proj.weight.clone()
    loaded = PeftModel.from_pretrained(origin, models.get(PUBLISHED).tuned)
    assert models.find(models.get(PUBLISHED)) == models.get(PUBLISHED).tuned
    after = loaded.merge_and_unload().model.layers[7].mlp.down_proj.weight
    assert 1e-3 < float((after - before).norm() / before.norm()) < 1
