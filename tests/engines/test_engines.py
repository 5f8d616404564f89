"""Engines: would break if batching, padding or early stops changed what a model answers."""

import json
import sys
from types import SimpleNamespace

import pytest
import toy
import toy_server
from jsonschema import Draft202012Validator

from slmlib.core import machine
from slmlib.engines import base as engines
from slmlib.engines import openvino
from slmlib.engines.base import Request
from slmlib.engines.openai import OpenAI
from slmlib.engines.openai_client import Client, Endpoint
from slmlib.engines.sequences import Lookup, Row, encode
from slmlib.engines.transformers import Transformers

TALK = [
    Request(row["id"], [{"role": "user", "content": f"{row['input']['text']} Reply with a JSON object."}], 24)
    for row in toy.rows()
]


def answers(engine, requests) -> dict:
    return {c.id: c for batch in engine.batches(requests) for c in engine.generate(batch)}


def test_dtype_is_checked_and_resolved(monkeypatch):
    assert engines.resolve_dtype("float32") == "float32"
    monkeypatch.setattr(machine, "torch_has_gpu", lambda: False)
    for features, expected in (({"avx2", "fma"}, "float32"), ({"avx2", "avx512_bf16"}, "bfloat16")):
        monkeypatch.setattr(machine, "features", lambda features=features: features)
        assert engines.resolve_dtype("auto") == expected
    assert engines.resolve_dtype("auto", engine="llamacpp") == "q8_0"
    with pytest.raises(
        ValueError, match=r"unknown dtype of openvino 'q8_0'.* Valid: auto, float32, bfloat16"
    ):
        engines.resolve_dtype("q8_0", engine="openvino")


def test_a_missing_package_is_named_with_its_install_line(monkeypatch):
    """Engines need more than the rest of the library, and some machines lack a wheel."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(engines.EngineError, match=r"needs xllamacpp.* Run: pip install xllamacpp"):
        engines.start("llamacpp", "smollm2-135m-instruct", dtype="source", batch_size=1)


def test_a_container_s_memory_is_what_there_is(tmp_path, monkeypatch):
    """The kernel kills a process that takes more than its container has; no error would come before."""
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    whole = machine.available_memory()
    (tmp_path / "memory.current").write_text("400\n")
    (tmp_path / "memory.stat").write_text("anon 300\nfile 100\n")
    for limit, free in (("1000\n", 700), ("200\n", 0)):
        (tmp_path / "memory.max").write_text(limit)
        assert machine.available_memory() == free
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available_memory() > 0.5 * whole > 1000


def test_an_unknown_engine_is_refused():
    with pytest.raises(ValueError, match=r"unknown engine 'vllm'.* Valid: transformers, openvino"):
        engines.start("vllm", "smollm2-135m-instruct", dtype="auto", batch_size=1)


def test_lookup_goes_on_as_the_text_did_before():
    """From the last place where the two newest tokens stood, up to so many tokens ahead."""
    lookup = Lookup([1, 2, 3, 4, 1, 2, 5, 6])
    assert lookup.draft() == []
    lookup.add(1)
    assert lookup.draft() == []  # 6, 1 is new
    lookup.add(2)
    assert lookup.draft() == [5, 6, 1, 2]
    lookup.add(3)
    assert lookup.draft() == [4, 1, 2, 5, 6, 1, 2, 3]


def test_cores_are_those_that_a_container_may_use(tmp_path, monkeypatch):
    """With a quota of one core on a machine of many, more threads only wait for each other."""
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    whole = machine.available_threads()
    for limit, cores in (("100000 100000\n", 1), ("50000 100000\n", 1), ("max 100000\n", whole)):
        (tmp_path / "cpu.max").write_text(limit)
        assert machine.available_threads() == cores


def test_openvino_says_that_this_cpu_has_no_bfloat16(monkeypatch):
    monkeypatch.setattr(openvino, "kernels", lambda: ["FP32", "INT8"])
    with pytest.raises(engines.EngineError, match=r"AVX512-BF16 or AMX.* Use dtype float32"):
        engines.start("openvino", "smollm2-135m-instruct", dtype="bfloat16", batch_size=1)


@pytest.mark.parametrize(("name", "module"), [("llamacpp", "httpx"), ("openvino", "xgrammar")])
def test_what_an_engine_needs_later_is_missed_at_its_start(name, module, monkeypatch):
    """And not in the middle of a run."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(engines.EngineError, match=rf"the engine {name} needs {module}"):
        engines.start(name, "smollm2-135m-instruct", dtype="auto", batch_size=1)


@pytest.mark.model
def test_a_prompt_may_go_without_the_chat_template(loaded):
    """The messages as they are: nothing that the model's template would add."""
    assert engines.prompt_text(loaded.tokenizer, HELLO, chat=False) == "hello\n"
    assert "<|im_start|>" in engines.prompt_text(loaded.tokenizer, HELLO)


def test_a_text_begins_as_its_tokenizer_says_where_no_template_does():
    """Llama's tokenizers put a token in front, which its templates hold already."""

    class Llama:
        chat_template = "a template"

        def __call__(self, text, add_special_tokens):
            return {"input_ids": [1] * add_special_tokens + [2]}

        def apply_chat_template(self, messages, **options):
            return f"on {options['date_string']}"

    asked = [Request("r", HELLO, 9, chat=chat) for chat in (True, False)]
    assert [encode(Llama(), request) for request in asked] == [[2], [1, 2]]
    assert engines.prompt_text(Llama(), HELLO) == "on 1 Jan 2026"


@pytest.mark.model
class TestTransformers:
    def test_a_batch_that_the_memory_does_not_hold_is_halved(self, loaded, monkeypatch):
        """The run goes on with the same answers, and the result says so; one that fails alone is an error."""
        engine = Transformers(loaded, batch_size=4)
        whole, real = answers(engine, TALK[:4]), engine._advance

        def tight(rows, *arguments, **options):
            if len(rows) > 1 or rows[0].request.id == TALK[3].id:
                raise RuntimeError(
                    "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
                )
            return real(rows, *arguments, **options)

        monkeypatch.setattr(engine, "_advance", tight)
        found = answers(engine, TALK[:4])
        assert all(found[r.id].text == whole[r.id].text for r in TALK[:3])
        assert found[TALK[3].id].error.startswith("the memory does not hold this case alone: RuntimeError")
        assert engine.describe()["halvings"] == 2

    def test_a_case_that_breaks_the_engine_breaks_no_other(self, loaded, monkeypatch):
        """An error that is not of memory: it is told with the case, and the others have their answers."""
        engine = Transformers(loaded, batch_size=4)
        whole, real = answers(engine, TALK[:4]), engine._advance

        def broken(rows, *arguments, **options):
            if any(row.request.id == TALK[0].id for row in rows):
                raise RuntimeError("a matrix of no shape")
            return real(rows, *arguments, **options)

        monkeypatch.setattr(engine, "_advance", broken)
        found = answers(engine, TALK[:4])
        assert all(found[r.id].text == whole[r.id].text for r in TALK[1:4])
        told = "RuntimeError: a matrix of no shape"
        assert found[TALK[0].id].error == f"this case cannot be answered: {told}"
        assert engine.describe()["halved_after"] == told and engine.at_once == engine.fitting

    def test_an_engine_that_fails_at_every_case_stops_the_run(self, loaded, monkeypatch):
        """What was answered is in the journal; the rest is not counted as wrong."""
        engine = Transformers(loaded, batch_size=4)

        def broken(*_, **__):
            raise RuntimeError("device-side assert triggered")

        monkeypatch.setattr(engine, "_advance", broken)
        with pytest.raises(RuntimeError, match="device-side assert"):
            answers(engine, TALK[:4])

    def test_no_more_rows_go_together_than_the_memory_holds(self, loaded, monkeypatch):
        """The room for keys and values is reckoned beforehand: 2 x 30 layers x 3 heads x 64, in fp32."""
        engine = Transformers(loaded, batch_size=4)
        row = 2 * 30 * 3 * 64 * 4 * (256 + max(len(encode(loaded.tokenizer, r)) for r in TALK[:4]) + 24)
        head = 49152 * 576 * 4
        for copies, rows in ((0, 1), (2, 1), (4, 2), (5, 2), (99, 4)):
            free = head + copies * row
            monkeypatch.setattr("slmlib.engines.transformers._free", lambda _, free=free: free)
            found = answers(engine, TALK[:4])
            assert (len(found), engine.at_once) == (4, rows)
        monkeypatch.setattr("slmlib.engines.transformers._free", lambda _: 0)
        engine.batches(TALK)
        assert engine.describe()["fitting"] == 1

    @pytest.mark.parametrize("at_once", [1, 2, 5])
    def test_answers_are_those_of_the_plain_loop(self, loaded, at_once):
        """One at a time by prompt lookup, with rows that enter late, and all together."""
        requests = [Request(r.id, r.messages, r.max_new_tokens, "none") for r in TALK[:5]]
        found = answers(Transformers(loaded, batch_size=at_once), requests)
        assert {name: c.text for name, c in found.items()} == {
            r.id: plain_generate(loaded, r) for r in requests
        }

    def test_what_prompts_share_is_read_once(self, loaded, monkeypatch):
        """The second of two alike is read from where they part; nothing is read twice or left out."""
        engine = Transformers(loaded, batch_size=4)
        read, real = [], engine._forward

        def counting(tokens, mask, cache):
            read.append(tokens.shape[1])
            return real(tokens, mask, cache)

        monkeypatch.setattr(engine, "_forward", counting)
        words = "A long instruction that both share, word for word, up to here. "
        alike = [Request(n, [{"role": "user", "content": words + n}], 1) for n in ("apples", "pears")]
        sizes = [c.tokens_in for c in answers(engine, alike).values()]
        assert read[0] == sizes[0] and 0 < read[1] < 10 < sizes[1]

    def test_a_copied_answer_takes_fewer_steps(self, loaded, monkeypatch):
        """Prompt lookup guesses several tokens where the answer repeats the prompt."""
        engine = Transformers(loaded, batch_size=1)
        steps, real = [], engine._forward
        monkeypatch.setattr(engine, "_forward", lambda *given: steps.append(1) or real(*given))
        words = "Repeat exactly: one two three four five six one two three four five six one two three"
        found = answers(engine, [Request("r", [{"role": "user", "content": words}], 24, "none")])["r"]
        assert found.tokens_out > 1.5 * len(steps)

    def test_an_answer_ends_with_its_json_value(self, loaded):
        """The early stop cuts the plain answer behind the value, and nowhere else."""
        prompt = [{"role": "user", "content": 'Repeat exactly: {"a": [1, 2]} Thank you!'}]
        whole, cut = (
            answers(Transformers(loaded), [Request("r", prompt, 24, stop)])["r"] for stop in ("none", "json")
        )
        assert whole.text.startswith(cut.text) and cut.tokens_out < whole.tokens_out
        assert cut.text.count("{") == cut.text.count("}") == 1 and cut.text.endswith("}")

    def test_the_partition_does_not_depend_on_order(self, loaded, monkeypatch):
        monkeypatch.setattr(engines, "BATCH", 3)
        engine = Transformers(loaded, batch_size=3)
        ids = [[r.id for r in batch] for batch in engine.batches(TALK)]
        assert ids == [[r.id for r in batch] for batch in engine.batches(TALK[::-1])]
        assert sorted(sum(ids, [])) == sorted(r.id for r in TALK)

    def test_tokens_and_times_are_counted(self, loaded):
        for completion in answers(Transformers(loaded, batch_size=8), TALK[:2]).values():
            assert 0 < completion.tokens_out <= 24 and completion.tokens_in > 20
            assert 0 < completion.first_token_seconds <= completion.seconds

    @pytest.mark.parametrize(("dtype", "bits"), [("int8", 8), ("nf4", 4)])
    def test_weights_of_fewer_bits_are_held_and_answer(self, dtype, bits, loaded, caplog, capfd):
        """The matrices of the layers have so many bits, the embeddings as many as before; a grammar binds."""
        import torch

        pytest.importorskip("bitsandbytes")
        engine = engines.start("transformers", "smollm2-135m-instruct", dtype=dtype, batch_size=2)
        words = [{"role": "user", "content": "It was a blue one, 12 of them, on 3 May 2026. JSON:"}]
        asked = [Request("free", words, 24, "json"), Request("bound", words, 60, "json", SCHEMA)]
        found = answers(engine, asked)
        assert Draft202012Validator(SCHEMA).is_valid(json.loads(found["bound"].text)) and found["free"].text
        told, (layers, embeddings) = engine.describe(), (106.2e6, 28.3e6)
        width = 4 if told["computed_in"] == "float32" else 2
        assert told["weights_bytes"] < 1.05 * (layers * bits / 8 + embeddings * width)
        read = torch.tensor([encode(loaded.tokenizer, asked[0])])
        with torch.inference_mode():
            both = [network(read).logits.float().flatten() for network in (engine.network, loaded.network)]
        assert torch.corrcoef(torch.stack(both))[0, 1] > 0.7
        assert "MatMul8bitLt" not in caplog.text + capfd.readouterr().err  # 150,000 lines in a run

    def test_a_prompt_beyond_the_context_is_an_error_of_that_case(self, loaded):
        long = Request("long", [{"role": "user", "content": "word " * 9000}], 24)
        found = answers(Transformers(loaded, batch_size=2), [long, TALK[0]])
        assert found["long"].finish == "error" and found["long"].text == ""
        assert found[TALK[0].id].finish != "error"


@pytest.fixture(scope="module", params=["openvino-float32", "llamacpp-f16"])
def batching(request):
    """An engine that lets requests enter as others leave."""
    name, dtype = request.param.split("-")
    return engines.start(name, "smollm2-135m-instruct", dtype=dtype, batch_size=2)


@pytest.mark.model
class TestBatchingEngines:
    def test_answers_are_those_of_the_plain_loop(self, batching, loaded):
        """More requests than slots, so that some enter late; weights of sixteen bits."""
        requests = [Request(r.id, r.messages, 16, "none") for r in TALK[:5]]
        found = {name: c.text for name, c in answers(batching, requests).items()}
        assert found == {r.id: plain_generate(loaded, r) for r in requests}

    def test_an_answer_ends_with_its_json_value(self, batching):
        prompt = [{"role": "user", "content": 'Repeat exactly: {"a": [1, 2]} Thank you!'}]
        whole, cut = (answers(batching, [Request("r", prompt, 24, stop)])["r"] for stop in ("none", "json"))
        assert whole.text.startswith(cut.text) and cut.tokens_out < whole.tokens_out
        assert cut.finish == "stop" and cut.text.endswith("}")

    def test_tokens_and_times_are_counted(self, batching, loaded):
        told, made = [], 0
        for completion in batching.generate(TALK[:2], told.append):
            assert completion.tokens_in == len(
                loaded.tokenizer(
                    engines.prompt_text(
                        loaded.tokenizer, next(r for r in TALK if r.id == completion.id).messages
                    ),
                    add_special_tokens=False,
                )["input_ids"]
            )
            assert 0 < completion.tokens_out <= 24
            made += completion.tokens_out
            assert 0 < completion.first_token_seconds <= completion.seconds
        assert sum(told) == made

    def test_a_prompt_beyond_the_context_is_an_error_of_that_case(self, batching):
        long = Request("long", [{"role": "user", "content": "word " * 9000}], 24)
        found = answers(batching, [long, TALK[0]])
        assert found["long"].finish == "error" and "do not fit the context" in found["long"].error
        assert found[TALK[0].id].finish != "error"

    def test_under_a_schema_answers_are_valid(self, batching):
        """The untuned model would not keep to it; white space is fixed, so that all engines write alike."""
        words = [{"role": "user", "content": "It was a blue one, 12 of them, on 3 May 2026. JSON:"}]
        answer = answers(batching, [Request("r", words, 60, "json", SCHEMA)])["r"]
        assert answer.finish == "stop"
        value = json.loads(answer.text)
        assert not list(Draft202012Validator(SCHEMA).iter_errors(value))
        assert answer.text == json.dumps(value, ensure_ascii=False)

    def test_under_a_schema_answers_are_those_of_the_reference(self, batching, loaded):
        """Each engine brings a grammar of its own, and all of them must allow the same: letters of any
        script in strings with bounds and without, units, addresses."""
        words = 'Sensor "Nord" of Zoë Öz (zoe@mail.example.com) said 21.5 °C on 3 May 2026. JSON: '
        beginning = [{"role": "user", "content": words}]
        properties = {
            "sensor": {"type": "string", "minLength": 1, "maxLength": 12},
            "owner": {"type": "string"},
            "email": {"type": "string", "format": "email"},
            "value": {"type": "number", "minimum": 0, "maximum": 99},
            "unit": {"enum": ["°C", "%"]},
            "on": {"type": "string", "format": "date"},
        }
        schema = {"type": "object", "required": [*properties], "additionalProperties": False}
        request = Request("r", beginning, 90, "json", schema | {"properties": properties})
        expected = answers(Transformers(loaded), [request])["r"].text
        assert json.loads(expected)["unit"] == "°C"
        assert answers(batching, [request])["r"].text == expected

    def test_a_schema_that_cannot_be_a_grammar_is_an_error_of_that_case(self, batching):
        strange = {"type": "object", "properties": {"n": {"type": "number", "multipleOf": 0.5}}}
        found = answers(batching, [Request("r", TALK[0].messages, 8, "json", strange), TALK[0]])
        assert found["r"].finish == "error" and "cannot enforce multipleOf" in found["r"].error
        assert found[TALK[0].id].finish != "error"

    def test_a_result_says_what_computed(self, batching):
        described = batching.describe()
        assert described["kernels"] and described["weights_bytes"] > 50e6

    def test_leaving_early_leaves_nothing_behind(self, batching):
        """A run that is stopped in the middle of a batch may go on with the same engine."""
        first = next(iter(batching.generate(TALK[:4])))
        again = answers(batching, TALK[:2])
        assert first.finish and all(c.finish != "error" for c in again.values())


def test_an_answer_that_left_its_grammar_is_told():
    """An engine's own grammar may let through what the schema does not, or drop out before the end."""
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"enum": ["ng/l", "g/dl"]}}}
    request = Request("r", HELLO, 9, schema=schema)

    def told(text: str, finish: str, request: Request = request) -> str:
        return Row.left_its_grammar(SimpleNamespace(request=request, text=text, finish=finish))

    assert not told('{"a": "ng/l"}', "stop") and not told('{"a": "n', "length")
    assert not told('{"a": "n\ufffd', "length") and not told("anything", "stop", Request("r", HELLO, 9))
    assert told('{"a": "ng/dl"}', "stop").endswith("""'{"a": "ng/dl"}'""")
    assert told('{"a": "ng/l"', "stop") and told('{"b": "n', "length")


class Failing:
    """A pipeline whose steps fail."""

    def __init__(self, real):
        self.add_request, self.has_non_finished_requests = real.add_request, lambda: False

    def step(self):
        raise RuntimeError("std::bad_alloc")


@pytest.mark.model
def test_openvino_goes_on_in_a_new_pipeline_where_a_step_fails(loaded):
    """With half as many requests at once; the answers are what they would have been."""
    engine = engines.start("openvino", "smollm2-135m-instruct", dtype="float32", batch_size=2)
    engine.pipeline = Failing(engine.pipeline)
    requests = [Request(r.id, r.messages, 8, "none") for r in TALK[:2]]
    assert {name: c.text for name, c in answers(engine, requests).items()} == {
        r.id: plain_generate(loaded, r) for r in requests
    }
    assert engine.at_once == engine.halvings == 1
    assert engine.describe()["halved_after"] == "std::bad_alloc"


def served(server, **options) -> OpenAI:
    options = {"timeout": 60.0, "retries": 1, "backoff": 0.01, "concurrency": 2} | options
    return OpenAI(Client(Endpoint(server.url, toy_server.MODEL, **options)))


class TestOpenAI:
    def test_an_answer_ends_with_its_json_value(self):
        with toy_server.serving(lambda handler: handler.say('{"a": 1} Thank you!')) as server:
            engine = served(server)
            found = answers(engine, [Request("json", HELLO, 9), Request("none", HELLO, 9, "none")])
        assert (found["json"].text, found["none"].text) == ('{"a": 1}', '{"a": 1} Thank you!')
        assert found["json"].tokens_in == 7 and found["json"].finish == "stop"
        assert engine.describe()["usage"]["answers"] == 2
        assert server.bodies[0]["temperature"] == 0 and "response_format" not in server.bodies[0]

    def test_a_schema_is_asked_for(self):
        """As OpenAI's protocol has it, without the keys that only validation reads."""
        with toy_server.serving(lambda handler: handler.say("{}")) as server:
            answers(served(server), [Request("r", HELLO, 9, "json", SCHEMA | {"x-rules": []})])
        wanted = server.bodies[0]["response_format"]
        asked = wanted["json_schema"]["schema"]
        assert wanted["type"] == "json_schema" and asked["properties"].keys() == SCHEMA["properties"].keys()
        assert "x-rules" not in asked and asked["properties"]["code"]["pattern"] == "^[A-Z]{2}-[0-9]{3}$"

    def test_a_server_that_dies_in_the_middle_is_an_error_of_each_case_left(self):
        def script(handler):
            if handler.number > 2:
                handler.server.socket.close()
                handler.close_connection = True
            else:
                handler.say("{}")

        with toy_server.serving(script) as server:
            found = answers(served(server, concurrency=1), [Request(f"r{n}", HELLO, 9) for n in range(6)])
        assert [c.finish for _, c in sorted(found.items())] == ["stop", "stop", *["error"] * 4]
        assert all(c.error for c in found.values() if c.finish == "error")

    def test_a_prompt_without_template_is_an_error_of_that_case(self):
        """A server applies its own, so that the answer would be to another prompt."""
        with toy_server.serving(lambda handler: handler.say("{}")) as server:
            found = answers(served(server), [Request("bare", HELLO, 9, chat=False), Request("r", HELLO, 9)])
        assert found["bare"].finish == "error" and "chat template" in found["bare"].error
        assert found["r"].finish == "stop"

    def test_no_address_is_told(self):
        with pytest.raises(engines.EngineError, match="needs the address of a server"):
            engines.start("openai", "smollm2-135m-instruct", dtype="served", batch_size=1)

    @pytest.mark.model
    def test_llama_cpp_s_own_server_keeps_to_a_schema(self):
        server = toy_server.llama()
        model, address = "smollm2-135m-instruct", f"{server.listening_address}/v1"
        engine = engines.start("openai", model, dtype="served", batch_size=2, endpoint=address)
        words = [{"role": "user", "content": "It was a blue one, on 3 May 2026. JSON:"}]
        found = answers(engine, [Request("r", words, 120, "json", SCHEMA), Request("free", words, 8)])
        assert not list(Draft202012Validator(SCHEMA).iter_errors(json.loads(found["r"].text)))
        assert found["free"].finish == "length" and found["free"].tokens_out == 8


HELLO = [{"role": "user", "content": "hello"}]
SCHEMA = {
    "title": "T",
    "type": "object",
    "required": ["on", "kind", "code"],
    "additionalProperties": False,
    "properties": {
        "on": {"type": "string", "format": "date"},
        "kind": {"enum": ["red", "blue"]},
        "code": {"type": "string", "pattern": "^[A-Z]{2}-\\d{3}$"},
        "tags": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string", "maxLength": 8}},
    },
}


def plain_generate(loaded, request: Request) -> str:
    """The plain loop: batch of one, fp32, no early stop."""
    text = engines.prompt_text(loaded.tokenizer, request.messages)
    tokens = loaded.tokenizer(text, return_tensors="pt", add_special_tokens=False)
    output = loaded.network.generate(**tokens, do_sample=False, max_new_tokens=request.max_new_tokens)
    return loaded.tokenizer.decode(output[0, tokens["input_ids"].shape[1] :], skip_special_tokens=True)
