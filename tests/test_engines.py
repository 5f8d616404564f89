"""Engines: would break if batching, padding or early stops changed what a model answers."""

import pytest
import toy

from slmlib import engines
from slmlib.engines import Request, Transformers

TALK = [
    Request(row["id"], [{"role": "user", "content": f"{row['input']['text']} Reply with a JSON object."}], 24)
    for row in toy.rows()
]


def answers(engine, requests) -> dict:
    return {c.id: c for batch in engine.batches(requests) for c in engine.generate(batch)}


def test_dtype_is_checked_and_resolved():
    assert engines.resolve_dtype("float32") == "float32"
    assert engines.resolve_dtype("auto") in ("float32", "bfloat16")
    with pytest.raises(ValueError, match=r"unknown dtype 'fp8'.* Valid: auto, float32, bfloat16"):
        engines.resolve_dtype("fp8")


@pytest.mark.model
class TestTransformers:
    def test_batched_answers_equal_unbatched_generate(self, loaded):
        requests = [Request(r.id, r.messages, r.max_new_tokens, "none") for r in TALK[:4]]
        batched = answers(Transformers(loaded, batch_size=4), requests)
        assert {name: c.text for name, c in batched.items()} == {
            r.id: plain_generate(loaded, r) for r in requests
        }

    def test_an_answer_ends_with_its_json_value(self, loaded):
        """The early stop cuts the plain answer behind the value, and nowhere else."""
        prompt = [{"role": "user", "content": 'Repeat exactly: {"a": [1, 2]} Thank you!'}]
        whole, cut = (
            answers(Transformers(loaded), [Request("r", prompt, 24, stop)])["r"] for stop in ("none", "json")
        )
        assert whole.text.startswith(cut.text) and cut.tokens_out < whole.tokens_out
        assert cut.text.count("{") == cut.text.count("}") == 1 and cut.text.endswith("}")

    def test_the_partition_does_not_depend_on_order(self, loaded):
        engine = Transformers(loaded, batch_size=3)
        ids = [[r.id for r in batch] for batch in engine.batches(TALK)]
        assert ids == [[r.id for r in batch] for batch in engine.batches(TALK[::-1])]
        assert sorted(sum(ids, [])) == sorted(r.id for r in TALK)

    def test_tokens_and_times_are_counted(self, loaded):
        for completion in answers(Transformers(loaded, batch_size=8), TALK[:2]).values():
            assert 0 < completion.tokens_out <= 24 and completion.tokens_in > 20
            assert 0 < completion.first_token_seconds <= completion.seconds

    def test_a_prompt_beyond_the_context_is_an_error_of_that_case(self, loaded):
        long = Request("long", [{"role": "user", "content": "word " * 9000}], 24)
        found = answers(Transformers(loaded, batch_size=2), [long, TALK[0]])
        assert found["long"].finish == "error" and found["long"].text == ""
        assert found[TALK[0].id].finish != "error"


def plain_generate(loaded, request: Request) -> str:
    """The plain loop: batch of one, fp32, no early stop."""
    text = engines.prompt_text(loaded.tokenizer, request.messages)
    tokens = loaded.tokenizer(text, return_tensors="pt", add_special_tokens=False)
    output = loaded.network.generate(**tokens, do_sample=False, max_new_tokens=request.max_new_tokens)
    return loaded.tokenizer.decode(output[0, tokens["input_ids"].shape[1] :], skip_special_tokens=True)
