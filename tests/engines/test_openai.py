"""The engine of servers: would break if a bad server lost an answer, doubled one, or hung a run."""

import asyncio
import json
import time

import pytest
import toy_server
from jsonschema import Draft202012Validator
from toy_server import MODEL, call_piece, piece, serving

from slmlib.engines import launch
from slmlib.engines.base import Choice, Completion, EngineError, JsonSchema, Request, ToolCalls
from slmlib.engines.openai import Call, OpenAI, retry_after

HELLO = [{"role": "user", "content": "hello"}]
CALL = Call(HELLO, 20, temperature=0.5, top_p=0.9, seed=3)
SCHEMA = {
    "type": "object",
    "required": ["on", "code"],
    "additionalProperties": False,
    "properties": {
        "on": {"type": "string", "format": "date"},
        "code": {"type": "string", "pattern": "^[A-Z]{2}-\\d{3}$"},
    },
    "x-rules": [],
}
FUNCTION = {
    "name": "set",
    "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
}
TOOL = {"type": "function", "function": FUNCTION}


def engine(server, **options) -> OpenAI:
    return OpenAI(server.url, MODEL, **{"timeout": 5.0, "retries": 3, "backoff": 0.01} | options)


def answers(engine: OpenAI, calls=(CALL,)) -> list[Completion]:
    return [answer for _, answer in sorted(engine.answers(calls), key=lambda pair: pair[0])]


def complete(engine: OpenAI, *requests: Request) -> dict[str, Completion]:
    return {c.id: c for batch in engine.batches(requests) for c in engine.generate(batch)}


def first(*scripts):
    """A script that runs these in turn, and then says hello."""

    def script(handler):
        if handler.number <= len(scripts):
            scripts[handler.number - 1](handler)
        else:
            handler.say("hello you")

    return script


# --- calls --------------------------------------------------------------------------------------


def test_an_answer_is_whole_and_counted_and_the_call_is_sent_as_given():
    with serving(first()) as server:
        asked = engine(server)
        (answer,) = answers(asked)
    assert (answer.text, answer.finish) == ("hello you", "stop")
    assert (answer.tokens_in, answer.tokens_out) == (7, 2)
    assert 0 < answer.first_token_seconds <= answer.seconds
    sent = {"model": MODEL, "max_tokens": 20, "temperature": 0.5, "top_p": 0.9, "seed": 3}
    assert sent.items() <= server.bodies[0].items() and server.bodies[0]["messages"] == HELLO
    assert not {"tools", "response_format"} & server.bodies[0].keys()
    assert asked.describe()["usage"] == {"requests": 1, "answers": 1}


def test_no_more_calls_run_at_once_than_allowed_and_each_gets_its_own_answer():
    def script(handler):
        time.sleep(0.02)
        handler.say(f"I say {handler.body['messages'][0]['content']}")

    calls = [Call([{"role": "user", "content": str(number)}], 9) for number in range(30)]
    with serving(script) as server:
        texts = [answer.text for answer in answers(engine(server, batch_size=5), calls)]
    assert texts == [f"I say {number}" for number in range(30)]
    assert 2 <= server.most <= 5


def test_transient_faults_are_retried_whole():
    """A server that hangs, one that fails, and streams that break in the middle."""
    broken = {"error": {"message": "the GPU fell out"}}
    for kind, fault in (
        ("timeout", toy_server.sleep(1.5)),
        ("status 500", lambda handler: handler.fail(500)),
        ("cut", lambda handler: handler.events(piece("hello "), done=False)),
        ("cut", lambda handler: handler.events(piece("hello "), done=True)),
        ("cut", lambda handler: handler.raw(b"", kind="text/event-stream")),
        ("server error", lambda handler: handler.events(piece("hello "), broken)),
    ):
        with serving(first(fault)) as server:
            asked = engine(server, timeout=0.5)
            (answer,) = answers(asked)
        assert answer.text == "hello you" and server.requests == 2, kind
        assert asked.usage == {"requests": 2, "answers": 1, kind: 1}


def test_a_server_that_trickles_is_given_up_in_time():
    """A byte now and then keeps a connection alive for ever; the limit is on the whole answer."""
    start = time.perf_counter()
    with serving(lambda handler: handler.events(*[piece("drip ")] * 600, pause=0.05)) as server:
        (answer,) = answers(engine(server, timeout=0.4, retries=0))
        assert time.perf_counter() - start < 15
    assert answer.finish == "error" and "no complete answer in 0.4 s" in answer.error


def test_429_waits_as_long_as_the_server_asks():
    with serving(first(lambda handler: handler.fail(429, "slow", retry_after=1))) as server:
        asked, start = engine(server), time.perf_counter()
        (answer,) = answers(asked)
    assert 1 <= time.perf_counter() - start < 15
    assert answer.text == "hello you" and asked.usage["status 429"] == 1
    assert [retry_after({}), retry_after({"retry-after": "2.5"})] == [None, 2.5]
    assert retry_after({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}) < 0
    assert retry_after({"retry-after": "soon"}) is retry_after({"retry-after": "nan"}) is None


def test_a_call_that_keeps_failing_becomes_an_error_and_400_is_not_retried():
    for status, message, tries in ((500, "out of memory", 3), (400, "prompt too long", 1)):
        with serving(lambda handler, s=status, m=message: handler.fail(s, m)) as server:
            asked = engine(server, retries=2)
            (answer,) = answers(asked)
        assert (answer.finish, answer.text, server.requests) == ("error", "", tries)
        assert f"status {status}" in answer.error and message in answer.error
        assert asked.usage == {"requests": tries, "failures": 1, f"status {status}": tries}


def test_malformed_answers_are_errors_of_their_call_and_never_exceptions():
    for malformed in (
        lambda handler: handler.raw(b"<html>It works!</html>"),
        lambda handler: handler.json(["hello"]),
        lambda handler: handler.events("{not json"),
        lambda handler: handler.events([1, 2]),
        lambda handler: handler.events('"hello"'),
        lambda handler: handler.events({"choices": "abc"}),
        lambda handler: handler.events(piece(5, "stop")),
        lambda handler: handler.events(piece("", "stop", tool_calls=[{"index": 0}])),
        lambda handler: handler.events({"choices": [{}]}),
        lambda handler: handler.events({"choices": []}),
    ):
        with serving(malformed) as server:
            asked = engine(server, retries=1)
            (answer,) = answers(asked)
        assert answer.finish == "error" and answer.text == "" and server.requests == 2
        assert asked.usage["malformed"] + asked.usage["cut"] == 2


def test_odd_endings_are_reported():
    """No content is an empty answer, without counts; unknown reasons are errors."""
    with serving(lambda handler: handler.events(piece(None), piece(None, "stop"))) as server:
        asked = engine(server)
        (answer,) = answers(asked)
    assert (answer.text, answer.finish, answer.tokens_out) == ("", "stop", 0)
    assert asked.usage["uncounted"] == 1
    with serving(lambda handler: handler.say("and so on", "length")) as server:
        assert answers(engine(server))[0].finish == "length"
    with serving(lambda handler: handler.say("", "content_filter")) as server:
        (answer,) = answers(engine(server))
    assert answer.finish == "error" and "content_filter" in answer.error


def test_a_wrong_key_ends_the_work_and_is_never_shown(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")

    def script(handler):
        handler.fail(401, f"wrong key: {handler.headers['authorization']} \x1b[2J")

    with serving(script) as server:
        asked = engine(server)
        with pytest.raises(EngineError) as error:
            answers(asked, [CALL] * 3)
    message = str(error.value)
    assert server.keys[0] == "Bearer sk-very-secret"
    assert "environment variable OPENAI_API_KEY" in message and server.url in message
    assert "secret" not in message + repr(asked) + repr(asked.describe())
    assert message.isprintable()


def test_check_says_what_is_wrong_before_any_work():
    with serving(first()) as server:
        engine(server).check()
        with pytest.raises(EngineError, match=rf"does not serve 'other'. It serves: {MODEL}\."):
            OpenAI(server.url, "other").check()
    with pytest.raises(EngineError, match=r"nothing answers there.*Start the server"):
        engine(server, timeout=1).check()
    with pytest.raises(EngineError, match="nothing answers there"):
        answers(engine(server, retries=1))


def test_finished_answers_are_yielded_before_an_error():
    def script(handler):
        if handler.number < 3:
            return handler.say(f"answer {handler.number}")
        time.sleep(0.1)  # the others are sent by now, but only one of them has been read
        handler.fail(403)

    texts = []
    with serving(script) as server, pytest.raises(EngineError, match="may not use this model"):
        for _, answer in engine(server, batch_size=3).answers([CALL] * 3):
            texts.append(answer.text)
            time.sleep(0.2)
    assert sorted(texts) == ["answer 1", "answer 2"]


def test_too_many_failures_in_a_row_end_the_work():
    with serving(lambda handler: handler.fail(503, "loading")) as server:
        asked = engine(server, retries=0, batch_size=2)
        with pytest.raises(EngineError, match=r"4 calls in a row failed.*loading its model"):
            answers(asked, [CALL] * 100)
    assert server.requests < 10


def test_leaving_the_loop_cancels_running_calls():
    start = time.perf_counter()
    with serving(first(lambda handler: handler.say("one"), *[toy_server.sleep(30)] * 3)) as server:
        _, answer = next(engine(server, batch_size=4).answers([CALL] * 4))
        assert answer.text == "one" and time.perf_counter() - start < 15


def test_it_works_where_a_loop_runs_already_as_in_a_notebook():
    async def cell():
        asked.check()
        return answers(asked)

    with serving(first()) as server:
        asked = engine(server)
        assert asyncio.run(cell())[0].text == "hello you"


def test_an_endpoint_that_cannot_work_is_refused_at_once():
    for options, rule in (
        ({"base_url": "localhost:8000"}, "http://127.0.0.1:8000/v1"),
        ({"base_url": "http://me:secret@127.0.0.1/v1"}, "OPENAI_API_KEY"),
        ({"base_url": "http://127.0.0.1/v1?key=secret"}, "OPENAI_API_KEY"),
        ({"batch_size": 0}, "at least 1"),
        ({"timeout": 0}, "above 0"),
    ):
        with pytest.raises(ValueError, match=rule) as error:
            OpenAI(**{"base_url": "http://127.0.0.1:1/v1", "model": MODEL} | options)
        assert "secret" not in str(error.value)


# --- requests -----------------------------------------------------------------------------------


def test_a_completion_is_greedy_and_cut_where_it_stops():
    requests = [Request(stop, HELLO, 9, stop=stop) for stop in ("json", "line", "eos")]
    with serving(lambda handler: handler.say('{"a":\n1} Thank you!')) as server:
        completions = complete(engine(server), *requests)
    texts = {stop: completion.text for stop, completion in completions.items()}
    assert texts == {"json": '{"a":\n1}', "line": '{"a":\n', "eos": '{"a":\n1} Thank you!'}
    assert completions["json"].tokens_in == 7 and completions["json"].finish == "stop"
    assert server.bodies[0]["temperature"] == 0


def test_a_schema_is_sent_as_a_response_format():
    with serving(lambda handler: handler.say("{}")) as server:
        complete(engine(server), Request("r", HELLO, 9, constraint=JsonSchema(SCHEMA)))
    response_format = server.bodies[0]["response_format"]
    schema = response_format["json_schema"]["schema"]
    assert response_format["type"] == "json_schema" and "x-rules" not in schema
    assert schema["properties"]["code"]["pattern"] == "^[A-Z]{2}-[0-9]{3}$"


def test_tools_are_sent_natively_and_calls_come_back_as_text():
    """Behind the text; messages hold arguments as JSON."""

    def script(handler):
        parts = (
            call_piece(0, "set", '{"n"'),
            call_piece(0, None, ": 1}"),
            call_piece(1, "set", "{}"),
        )
        handler.events(piece("Yes."), *parts, piece(None, "tool_calls"))

    past = {"id": "c", "type": "function", "function": {"name": "set", "arguments": {"n": 2}}}
    talk = [*HELLO, {"role": "assistant", "content": "", "tool_calls": [past]}]
    talk.append({"role": "tool", "tool_call_id": "c", "content": "ok"})
    with serving(script) as server:
        completions = complete(
            engine(server, batch_size=1),
            Request("free", talk, 9, tools=[TOOL]),
            Request("bound", HELLO, 9, [TOOL], ToolCalls((TOOL,), text=False)),
        )
    calls = [{"name": "set", "arguments": {"n": 1}}, {"name": "set", "arguments": {}}]
    tagged = "\n".join(f"<tool_call>\n{json.dumps(call)}\n</tool_call>" for call in calls)
    for completion in completions.values():
        assert (completion.text, completion.finish) == (f"Yes.\n{tagged}", "stop")
    free, bound = server.bodies
    assert free["tools"] == [TOOL] and "tool_choice" not in free
    assert free["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"n": 2}'
    assert free["messages"][2] == talk[2]
    assert bound["tool_choice"] == "required" and bound["tools"][0]["function"]["strict"] is True


def test_what_a_server_cannot_do_is_an_error_of_that_case():
    with serving(lambda handler: handler.say("{}")) as server:
        completions = complete(
            engine(server),
            Request("chat template", HELLO, 9, chat=False),
            Request("constraint Choice", HELLO, 9, constraint=Choice(("a",))),
            Request("log-probabilities of labels", HELLO, 9, want_scores=True),
            Request("cannot enforce oneOf", HELLO, 9, constraint=JsonSchema({"oneOf": []})),
            Request("fine", HELLO, 9),
        )
    assert completions.pop("fine").text == "{}" and server.requests == 1
    assert all(c.finish == "error" and name in c.error for name, c in completions.items())


def test_if_the_server_dies_the_cases_that_are_left_are_errors():
    def script(handler):
        if handler.number > 2:
            handler.server.socket.close()
            handler.close_connection = True
        else:
            handler.say("{}")

    with serving(script) as server:
        requests = [Request(f"r{number}", HELLO, 9) for number in range(6)]
        completions = complete(engine(server, batch_size=1, retries=1), *requests)
    assert [c.finish for _, c in sorted(completions.items())] == ["stop"] * 2 + ["error"] * 4
    assert all(c.error for c in completions.values() if c.finish == "error")


@pytest.mark.model
def test_llama_cpp_s_own_server_answers():
    server, model = toy_server.llama(), "smollm2-135m-instruct"
    address = f"{server.listening_address}/v1"
    asked = launch.start("openai", model, dtype="served", batch_size=2, endpoint=address)
    words = [{"role": "user", "content": "It was a blue one, on 3 May 2026. JSON:"}]
    completions = complete(
        asked,
        Request("bound", words, 120, constraint=JsonSchema(SCHEMA)),
        Request("free", words, 8),
        Request("long", [{"role": "user", "content": "word " * 9000}], 5),
    )
    assert Draft202012Validator(SCHEMA).is_valid(json.loads(completions["bound"].text))
    assert (completions["free"].finish, completions["free"].tokens_out) == ("length", 8)
    assert "exceeds the available context" in completions["long"].error
