"""Engines: would break if batching, constraints, stops or scores changed what a model answers."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from jsonschema import Draft202012Validator
from transformers import LlamaConfig, LlamaForCausalLM

from slmlib.core import machine
from slmlib.engines import base, chat, constraints, launch, openvino, transformers
from slmlib.engines.base import Choice, JsonSchema, Request, ToolCalls, UnsupportedConstraint
from slmlib.engines.sequences import SequenceState
from slmlib.engines.transformers import Transformers
from slmlib.models import registry, weights

MODEL = "smollm2-135m-instruct"
NAMES = ("Ann", "Bob", "Cleo", "Dev", "Eve", "Finn", "Gus", "Hana")
SCHEMA = {
    "title": "T",
    "type": "object",
    "required": ["on", "kind", "code"],
    "additionalProperties": False,
    "properties": {
        "on": {"type": "string", "format": "date"},
        "kind": {"enum": ["red", "blue"]},
        "code": {"type": "string", "pattern": "^[A-Z]{2}-\\d{3}$"},
        "tags": {"type": "array", "maxItems": 2, "items": {"type": "string", "maxLength": 8}},
    },
}
LABELS = ("light", "light_on", "light_off", "heat up")
ARGUMENTS = {
    "type": "object",
    "properties": {"room": {"enum": ["kitchen", "bath"]}, "on": {"type": "boolean"}},
    "required": ["room", "on"],
}
TOOL = {"type": "function", "function": {"name": "set_light", "parameters": ARGUMENTS}}


def user(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


TALK = [
    Request(name, user(f"{name} is {20 + i}." + " Nice to meet you." * i + " Reply in JSON."), 24)
    for i, name in enumerate(NAMES)
]
ASKED = user("It was a blue one, 12 of them, on 3 May 2026. JSON:")
HELLO = user("hello")


def complete(engine, requests) -> dict[str, base.Completion]:
    return {c.id: c for batch in engine.batches(requests) for c in engine.generate(batch)}


def plain_generate(loaded, request: Request) -> str:
    """The library's own loop: batch of one, no early stop."""
    prompt = torch.tensor([SequenceState(request, loaded.vocabulary).prompt])
    output = loaded.network.generate(prompt, do_sample=False, max_new_tokens=request.max_new_tokens)
    return loaded.tokenizer.decode(output[0, prompt.shape[1] :], skip_special_tokens=True)


def logprob_by_hand(loaded, request: Request, tokens: list[int]) -> float:
    """The log-probability of tokens after a prompt, in one pass of the network."""
    prompt = SequenceState(request, loaded.vocabulary).prompt
    with torch.inference_mode():
        logits = loaded.network(torch.tensor([prompt + tokens])).logits[0].float()
    following = logits[len(prompt) - 1 : -1].log_softmax(-1)
    return following[range(len(tokens)), tokens].sum().item()


# --- starting -----------------------------------------------------------------------------------


def test_dtype_is_checked_and_resolved(monkeypatch):
    assert launch.resolve_dtype("float32") == "float32"
    monkeypatch.setattr(machine, "torch_has_gpu", lambda: False)
    for features, dtype in (({"avx2", "fma"}, "float32"), ({"avx2", "avx512_bf16"}, "bfloat16")):
        monkeypatch.setattr(machine, "features", lambda features=features: features)
        assert launch.resolve_dtype("auto") == dtype
    assert launch.resolve_dtype("auto", engine="llamacpp") == "q8_0"
    with pytest.raises(ValueError, match=r"unknown dtype of openvino 'q8_0'.* auto, float32, bfl"):
        launch.resolve_dtype("q8_0", engine="openvino")


def test_an_engine_that_cannot_start_says_why(monkeypatch):
    """At its start, and not in the middle of a run."""
    with pytest.raises(ValueError, match=r"unknown engine 'vllm'.* Valid: transformers, openvino"):
        launch.start("vllm", MODEL, dtype="auto", batch_size=1)
    with pytest.raises(base.EngineError, match="needs the address of a server"):
        launch.start("openai", MODEL, dtype="served", batch_size=1)
    monkeypatch.setattr(openvino, "kernels", lambda: ["FP32", "INT8"])
    with pytest.raises(base.EngineError, match=r"AVX512-BF16 or AMX.* Use dtype float32"):
        launch.start("openvino", MODEL, dtype="bfloat16", batch_size=1)
    for engine, package in (("llamacpp", "xllamacpp"), ("openvino", "xgrammar")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(base.EngineError, match=rf"{package}.*'slmlib\[engines\]'"):
                launch.start(engine, MODEL, dtype="source", batch_size=1)


def test_what_an_engine_does_not_support_is_refused_with_the_engines_that_do():
    for constraint in (None, JsonSchema(SCHEMA), Choice(LABELS), ToolCalls((TOOL,))):
        for want_scores in (False, True):
            launch.require_support("transformers", constraint, want_scores)
    for engine, want_scores, message in (
        ("openai", False, r"openai .* Choice\. Use: transformers, openvi"),
        ("llamacpp", True, r"of labels\. Use: transformers\."),
    ):
        with pytest.raises(UnsupportedConstraint, match=message):
            launch.require_support(engine, Choice(LABELS), want_scores)


# --- transformers -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny():
    """A random network, a thousandth of the embedded model, with its tokenizer."""
    vocabulary = weights.vocabulary(MODEL)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary.tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=2,
    )
    network = LlamaForCausalLM(config).eval()
    return weights.Loaded(registry.get(MODEL), network, vocabulary, "float32")


@pytest.mark.model
class TestTransformers:
    @pytest.mark.parametrize("batch_size", [1, 3, 8])
    def test_completions_are_those_of_the_library_s_loop(self, tiny, batch_size):
        """Prompts of several lengths, of which some end before others."""
        lengths = (24, 3, 24, 1, 17, 24, 9, 24)
        requests = [replace(r, max_new_tokens=n) for r, n in zip(TALK, lengths, strict=True)]
        completions = complete(Transformers(tiny, batch_size=batch_size), requests)
        expected = {request.id: plain_generate(tiny, request) for request in requests}
        assert len(set(expected.values())) == len(expected)
        assert {name: c.text for name, c in completions.items()} == expected
        assert [completions[r.id].tokens_out for r in requests] == list(lengths)

    def test_constrained_and_free_rows_do_not_disturb_each_other(self, tiny):
        bound = [
            replace(TALK[0], constraint=Choice(LABELS)),
            replace(TALK[1], constraint=JsonSchema(SCHEMA), max_new_tokens=200, stop="json"),
            replace(TALK[2], constraint=ToolCalls((TOOL,), text=False), max_new_tokens=90),
        ]
        together = complete(Transformers(tiny, batch_size=5), [*bound, *TALK[3:5]])
        for request in (*bound, *TALK[3:5]):
            (alone,) = Transformers(tiny, batch_size=1).generate([request])
            assert together[request.id].text == alone.text
        assert together[TALK[0].id].text in LABELS
        for request in bound:
            completion = together[request.id]
            whole = completion.finish == "stop"
            assert constraints.follows(request.constraint, completion.text, whole=whole)

    @pytest.mark.parametrize("batch_size", [1, 3, 9])
    def test_label_scores_are_sums_over_the_tokens_with_the_end(self, tiny, batch_size):
        request = replace(TALK[0], want_scores=True, constraint=Choice(LABELS))
        engine = Transformers(tiny, batch_size=batch_size)
        scores = complete(engine, [request, TALK[1]])[request.id].label_logprobs
        spelled = tiny.tokenizer([*LABELS], add_special_tokens=False)["input_ids"]
        for label, tokens in zip(LABELS, spelled, strict=True):
            by_hand = logprob_by_hand(tiny, request, [*tokens, tiny.tokenizer.eos_token_id])
            assert scores[label] == pytest.approx(by_hand, abs=1e-3)
        assert list(scores) == list(LABELS)

    def test_a_batch_that_the_memory_does_not_hold_is_halved(self, tiny, monkeypatch):
        """Completions stay the same, and the result says so; one that fails alone is an error."""
        whole = complete(Transformers(tiny, batch_size=4), TALK[:4])
        engine, long = Transformers(tiny, batch_size=4), TALK[3].id
        choose = engine._choose

        def tight(logits, sequences):
            if len(sequences) > 1 or sequences[0].request.id == long:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes.")
            return choose(logits, sequences)

        monkeypatch.setattr(engine, "_choose", tight)
        completions = complete(engine, TALK[:4])
        assert all(completions[r.id].text == whole[r.id].text for r in TALK[:3])
        assert "this case alone: RuntimeError: DefaultCPU" in completions[long].error
        assert engine.describe()["halvings"] == 2 and engine.describe()["fitting"] == 1

    def test_a_case_fails_alone_but_a_broken_engine_stops_the_run(self, tiny, monkeypatch):
        """Completed cases are kept; with a broken engine the rest must not count as wrong."""
        engine, bad = Transformers(tiny, batch_size=4), {TALK[0].id}
        whole, choose = complete(engine, TALK[:4]), engine._choose

        def broken(logits, sequences):
            if bad & {sequence.request.id for sequence in sequences}:
                raise RuntimeError("device-side assert triggered")
            return choose(logits, sequences)

        monkeypatch.setattr(engine, "_choose", broken)
        completions = complete(engine, TALK[:4])
        assert all(completions[r.id].text == whole[r.id].text for r in TALK[1:4])
        message = "RuntimeError: device-side assert triggered"
        assert completions[TALK[0].id].error.endswith(message)
        assert engine.describe()["halved_after"] == message and engine.fitting == 4
        bad |= {request.id for request in TALK}
        with pytest.raises(RuntimeError, match="device-side assert"):
            complete(engine, TALK[:4])

    def test_no_more_are_decoded_at_once_than_the_memory_holds(self, tiny, monkeypatch):
        engine, sizes = Transformers(tiny, batch_size=4), []
        for free, most in ((0, 1), (2**40, 4)):
            monkeypatch.setattr(transformers, "_free_memory", lambda _, free=free: free)
            sizes.clear()
            for batch in engine.batches(TALK[:4]):
                assert len(list(engine.generate(batch, sizes.append))) == 4
            assert max(sizes) == most

    def test_the_partition_does_not_depend_on_order(self, tiny, monkeypatch):
        monkeypatch.setattr(chat, "BATCH", 3)
        engine = Transformers(tiny, batch_size=3)
        ids = [[r.id for r in batch] for batch in engine.batches(TALK)]
        assert ids == [[r.id for r in batch] for batch in engine.batches(TALK[::-1])]
        assert sorted(sum(ids, [])) == sorted(NAMES) and max(map(len, ids)) == 3

    def test_weights_of_fewer_bits_answer_under_a_constraint(self, loaded, caplog, capfd):
        """The matrices of the layers have so many bits, the embeddings as many as before."""
        pytest.importorskip("bitsandbytes")
        short = {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["red"]}}}
        bound = Request("bound", ASKED, 20, constraint=JsonSchema(short), stop="json")
        prompt = torch.tensor([SequenceState(bound, loaded.vocabulary).prompt])
        for dtype, bits in (("int8", 8), ("nf4", 4)):
            engine = launch.start("transformers", MODEL, dtype=dtype, batch_size=2)
            completions = complete(engine, [Request("free", ASKED, 4), bound])
            assert completions["bound"].text == '{"kind": "red"}' and completions["free"].text
            description, layers, embeddings = engine.describe(), 106.2e6, 28.3e6
            width = 4 if description["computed_in"] == "float32" else 2
            assert description["weights_bytes"] < 1.05 * (layers * bits / 8 + embeddings * width)
            with torch.inference_mode():
                networks = engine.network, loaded.network
                both = [network(prompt).logits.float().flatten() for network in networks]
            assert torch.corrcoef(torch.stack(both))[0, 1] > 0.7
        assert "MatMul8bitLt" not in caplog.text + capfd.readouterr().err  # 150,000 lines in a run


# --- all local engines --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference(loaded):
    """The reference engine's completions of requests; each is completed once."""
    engine, completions = Transformers(loaded, batch_size=4), {}

    def complete_once(requests) -> dict[str, base.Completion]:
        new = [request for request in requests if request.id not in completions]
        completions.update(complete(engine, new) if new else {})
        return {request.id: completions[request.id] for request in requests}

    return complete_once


@pytest.fixture(scope="module", params=["openvino-float32", "llamacpp-f16"])
def engine(request):
    """Another local engine, which completes two requests at once."""
    name, dtype = request.param.split("-")
    return launch.start(name, MODEL, dtype=dtype, batch_size=2)


@pytest.mark.model
class TestOtherLocalEngines:
    def test_completions_are_those_of_the_reference(self, engine, reference, loaded):
        """More requests than are decoded at once; tokens and times are counted."""
        counts, requests = [], [replace(r, max_new_tokens=12) for r in TALK[:5]]
        completions = {c.id: c for c in engine.generate(requests, counts.append)}
        expected = reference(requests)
        assert expected[TALK[0].id].text == plain_generate(loaded, requests[0])
        assert sum(counts) == sum(c.tokens_out for c in completions.values())
        for request in requests:
            completion = completions[request.id]
            prompt = chat.prompt_tokens(loaded.tokenizer, request.messages)
            assert completion.text == expected[request.id].text
            assert completion.tokens_in == len(prompt) and 0 < completion.tokens_out <= 12
            assert 0 < completion.first_token_seconds <= completion.seconds

    def test_a_completion_ends_with_its_json_value_or_its_line(self, engine):
        for prompt, stop, end in (
            ('Repeat exactly: {"a": [1, 2]} Thank you!', "json", "}"),
            ("List three colours, one a line.", "line", "\n"),
        ):
            requests = [Request(each, user(prompt), 24, stop=each) for each in ("eos", stop)]
            completions = complete(engine, requests)
            whole, cut = completions["eos"], completions[stop]
            assert whole.text.startswith(cut.text) and cut.tokens_out < whole.tokens_out
            assert cut.finish == "stop" and cut.text.endswith(end) and cut.text.count(end) == 1

    def test_errors_are_those_of_their_case(self, engine):
        """A prompt beyond the context, a schema that is no grammar, scores that there are not."""
        strange = {"type": "object", "properties": {"n": {"type": "number", "multipleOf": 0.5}}}
        requests = {
            "do not fit the context": Request("long", user("word " * 9000), 24),
            "cannot enforce multipleOf": Request("n", HELLO, 8, constraint=JsonSchema(strange)),
        }
        requests["log-probabilities"] = Request("scores", HELLO, 8, want_scores=True)
        completions = complete(engine, [*requests.values(), TALK[0]])
        for message, request in requests.items():
            completion = completions[request.id]
            assert (completion.finish, completion.text) == ("error", "")
            assert message in completion.error
        assert completions[TALK[0].id].finish != "error"

    def test_under_a_schema_completions_are_those_of_the_reference(self, engine, reference):
        """Engines bring grammars of their own, and all must allow the same: letters of any script
        in strings with bounds and without, units, addresses, patterns."""
        words = 'Sensor "Nord" of Zoë Öz (zoe@mail.example.com) said 21.5 °C on 3 May 2026. JSON: '
        properties = {
            "sensor": {"type": "string", "minLength": 1, "maxLength": 12},
            "owner": {"type": "string"},
            "email": {"type": "string", "format": "email"},
            "value": {"type": "number", "minimum": 0, "maximum": 99},
            "unit": {"enum": ["°C", "%"]},
            "on": {"type": "string", "format": "date"},
        }
        schema = {"type": "object", "required": [*properties], "properties": properties}
        requests = [
            Request("sensor", user(words), 90, constraint=JsonSchema(schema)),
            Request("blue", ASKED, 60, constraint=JsonSchema(SCHEMA)),
        ]
        expected, completions = reference(requests), complete(engine, requests)
        for request in requests:
            completion = completions[request.id]
            value = json.loads(completion.text)
            assert completion.text == expected[request.id].text and completion.finish == "stop"
            assert Draft202012Validator(request.constraint.schema).is_valid(value)
            assert completion.text == json.dumps(value, ensure_ascii=False)

    def test_a_choice_ends_whole(self, engine, reference):
        """Also where a label begins another one: the model decides where it ends."""
        requests = [
            Request("on", user("Repeat: light_on"), 8, constraint=Choice(LABELS)),
            Request("short", user("Repeat: light"), 8, constraint=Choice(LABELS)),
            Request("one", HELLO, 8, constraint=Choice(("°C",))),
        ]
        expected, completions = reference(requests), complete(engine, requests)
        for request in requests:
            completion = completions[request.id]
            assert completion.finish == "stop" and completion.text in request.constraint.labels
            assert completion.text == expected[request.id].text

    def test_tool_calls_are_valid_and_text_only_where_it_is_allowed(self, engine, reference):
        call = {"function": {"name": "set_light", "arguments": {"room": "kitchen", "on": True}}}
        first = user("Turn on the light in the kitchen.")
        second = [
            *first,
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "content": "done"},
        ]
        requests = [
            Request("calls", first, 40, [TOOL], ToolCalls((TOOL,), text=False)),
            Request("calls or text", second, 16, [TOOL], ToolCalls((TOOL,))),
        ]
        expected, completions = reference(requests), complete(engine, requests)
        for request in requests:
            assert completions[request.id].text == expected[request.id].text, request.id
        start = '<tool_call>\n{"name": "set_light", "arguments": {"room": "'
        assert completions["calls"].text.startswith(start)

    def test_leaving_early_leaves_nothing_behind(self, engine):
        """A run that is stopped in the middle of a batch may go on with the same engine."""
        first = next(iter(engine.generate(TALK[:4])))
        again = complete(engine, TALK[:2])
        assert first.finish and all(c.finish != "error" for c in again.values())
        described = engine.describe()
        assert described["kernels"] and described["weights_bytes"] > 50e6


def test_a_completion_that_left_its_grammar_is_an_error():
    """An engine's own grammar may allow what the schema does not, or drop out before the end."""
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"enum": ["ng/l", "g/dl"]}}}
    for text, finish, constrained, faulty in (
        ('{"a": "ng/l"}', "stop", True, False),
        ('{"a": "n', "length", True, False),
        ('{"a": "n\ufffd', "length", True, False),
        ("anything", "stop", False, False),
        ('{"a": "ng/dl"}', "stop", True, True),
        ('{"a": "ng/l"', "stop", True, True),
        ('{"b": "n', "length", True, True),
    ):
        request = Request("r", HELLO, 9, constraint=JsonSchema(schema) if constrained else None)
        state = SimpleNamespace(request=request, text=text, finish=finish)
        assert bool(SequenceState.violates_constraint(state)) == faulty, text


class Failing:
    """A pipeline whose steps fail."""

    def __init__(self, real):
        self.add_request, self.has_non_finished_requests = real.add_request, lambda: False

    def step(self):
        raise RuntimeError("std::bad_alloc")


@pytest.mark.model
def test_openvino_goes_on_in_a_new_pipeline_if_a_step_fails(loaded):
    """With half as many requests at once; the completions are what they would have been."""
    engine = launch.start("openvino", MODEL, dtype="float32", batch_size=2)
    engine.pipeline = Failing(engine.pipeline)
    requests = [replace(r, max_new_tokens=8) for r in TALK[:2]]
    expected = {request.id: plain_generate(loaded, request) for request in requests}
    for name, completion in complete(engine, requests).items():
        assert completion.text == expected[name]
    assert engine.at_once == engine.halvings == 1
    assert engine.describe()["halved_after"] == "std::bad_alloc"
