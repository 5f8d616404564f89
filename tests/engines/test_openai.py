"""The endpoint client: would break if a bad server lost an answer, doubled one, or hung a run."""

import asyncio
import time

import pytest
import toy_server
from toy_server import MODEL, piece, serving

from slmlib.engines import openai_client
from slmlib.engines.openai_client import Call, Client, Endpoint, EndpointError

HELLO = Call([{"role": "user", "content": "hello"}], 20, temperature=0.5, top_p=0.9, seed=3)
PATIENT = {"timeout": 5.0, "retries": 3, "backoff": 0.01}


def client(server, **options) -> Client:
    return Client(Endpoint(server.url, MODEL, **PATIENT | options))


def replies(client: Client, calls=(HELLO,)) -> list:
    return [reply for _, reply in sorted(client.answers(calls), key=lambda pair: pair[0])]


def first(*scripts):
    """A script that does these in turn, and then says hello."""

    def script(handler):
        if handler.number <= len(scripts):
            scripts[handler.number - 1](handler)
        else:
            handler.say("hello you")

    return script


def test_an_answer_is_whole_counted_and_asked_for_as_told():
    with serving(first()) as server:
        asked = client(server)
        (reply,) = replies(asked)
    assert (reply.text, reply.finish, reply.tokens_in, reply.tokens_out) == (
        "hello you",
        "stop",
        7,
        2,
    )
    assert 0 < reply.first_token_seconds <= reply.seconds and reply.tries == 1
    body = server.bodies[0]
    assert {key: body[key] for key in ("model", "max_tokens", "temperature", "top_p", "seed")} == {
        "model": MODEL, "max_tokens": 20, "temperature": 0.5, "top_p": 0.9, "seed": 3,
    }  # fmt: skip
    assert asked.usage.as_dict() == {
        "requests": 1, "retries": 0, "answers": 1, "failures": 0,
        "tokens_in": 7, "tokens_out": 2, "untold": 0, "faults": {},
    }  # fmt: skip


def test_many_calls_at_once_but_no_more_than_allowed_each_with_its_own_answer():
    def script(handler):
        time.sleep(0.02)
        handler.say(f"I say {handler.body['messages'][0]['content']}")

    calls = [Call([{"role": "user", "content": str(number)}], 9) for number in range(30)]
    with serving(script) as server:
        found = replies(client(server, concurrency=5), calls)
    assert [reply.text for reply in found] == [f"I say {number}" for number in range(30)]
    assert 2 <= server.most <= 5


def test_a_server_that_hangs_is_tried_again():
    with serving(first(toy_server.sleep(1.5))) as server:
        asked = client(server, timeout=0.3)
        (reply,) = replies(asked)
    assert (reply.text, reply.tries) == ("hello you", 2)
    assert asked.usage.faults == {"timeout": 1} and asked.usage.retries == 1


def test_a_server_that_trickles_is_given_up_in_time():
    """A byte now and then keeps a connection alive for ever; the limit is on the whole answer."""
    start = time.perf_counter()
    with serving(lambda handler: handler.events(*[piece("drip ")] * 600, pause=0.05)) as server:
        (reply,) = replies(client(server, timeout=0.4, retries=0))
        assert time.perf_counter() - start < 15
    assert reply.finish == "error" and "no complete answer in 0.4 s" in reply.error


def test_429_waits_as_long_as_the_server_asks():
    with serving(first(lambda handler: handler.fail(429, "slow down", retry_after=1))) as server:
        asked, start = client(server), time.perf_counter()
        (reply,) = replies(asked)
    assert 1 <= time.perf_counter() - start < 15
    assert reply.text == "hello you" and asked.usage.faults == {"status 429": 1}


def test_retry_after_may_be_a_date_or_nonsense():
    assert openai_client._seconds({}) is None
    assert openai_client._seconds({"retry-after": "2.5"}) == 2.5
    assert openai_client._seconds({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}) < 0
    assert openai_client._seconds({"retry-after": "soon"}) is None
    assert openai_client._seconds({"retry-after": "nan"}) is None


def test_500_is_tried_again_and_then_given_up():
    with serving(first(*[lambda handler: handler.fail(500)] * 2)) as server:
        (reply,) = replies(client(server))
    assert (reply.text, reply.tries) == ("hello you", 3)
    with serving(lambda handler: handler.fail(500, "out of memory")) as server:
        asked = client(server, retries=2)
        (reply,) = replies(asked)
    assert (reply.finish, reply.text, reply.tries, server.requests) == ("error", "", 3, 3)
    assert "status 500" in reply.error and "out of memory" in reply.error
    assert asked.usage.failures == 1 and asked.usage.faults == {"status 500": 3}


def test_400_is_not_tried_again():
    with serving(lambda handler: handler.fail(400, "prompt too long")) as server:
        (reply,) = replies(client(server))
    assert server.requests == 1 and reply.finish == "error" and "prompt too long" in reply.error


@pytest.mark.parametrize(
    "cut",
    [
        lambda handler: handler.events(piece("hello "), done=False),
        lambda handler: handler.events(piece("hello "), done=True),
        lambda handler: handler.raw(b"", kind="text/event-stream"),
        lambda handler: handler.events(piece("hello "), {"error": {"message": "the GPU fell out"}}),
    ],
    ids=["connection", "no finish reason", "nothing", "error event"],
)
def test_a_stream_cut_in_the_middle_is_asked_for_again_whole(cut):
    with serving(first(cut)) as server:
        asked = client(server)
        (reply,) = replies(asked)
    assert (reply.text, reply.tries) == ("hello you", 2)
    assert sum(asked.usage.faults.values()) == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda handler: handler.raw(b"<html>It works!</html>"),
        lambda handler: handler.json(["hello"]),
        lambda handler: handler.events("{not json"),
        lambda handler: handler.events([1, 2]),
        lambda handler: handler.events('"hello"'),
        lambda handler: handler.events({"choices": "abc"}),
        lambda handler: handler.events(
            {"choices": [{"delta": {"content": 5}, "finish_reason": "stop"}]}
        ),
        lambda handler: handler.events({"choices": [{}]}),
        lambda handler: handler.events({"choices": []}),
    ],
    ids=[
        "html",
        "array",
        "not json",
        "array event",
        "string event",
        "string",
        "number",
        "empty",
        "none",
    ],
)
def test_nonsense_is_an_error_of_that_call_and_never_an_exception(nonsense):
    with serving(nonsense) as server:
        asked = client(server, retries=1)
        (reply,) = replies(asked)
    assert reply.finish == "error" and reply.text == "" and server.requests == 2
    assert set(asked.usage.faults) <= {"nonsense", "cut"} and sum(asked.usage.faults.values()) == 2


def test_null_content_is_an_empty_answer_and_missing_counts_are_noted():
    with serving(lambda handler: handler.events(piece(None), piece(None, "stop"))) as server:
        asked = client(server)
        (reply,) = replies(asked)
    assert (reply.text, reply.finish, reply.tokens_out) == ("", "stop", 0)
    assert asked.usage.untold == 1


def test_truncation_and_odd_endings_are_told():
    with serving(lambda handler: handler.say("and so on", "length")) as server:
        assert replies(client(server))[0].finish == "length"
    with serving(lambda handler: handler.say("", "content_filter")) as server:
        (reply,) = replies(client(server))
    assert reply.finish == "error" and "content_filter" in reply.error


def test_a_wrong_key_ends_the_work_and_is_never_shown(monkeypatch):
    monkeypatch.setenv("TOY_KEY", "sk-very-secret")

    def script(handler):
        handler.fail(401, f"wrong key: {handler.headers['authorization']} \x1b[2J")

    with serving(script) as server:
        asked = client(server, key_variable="TOY_KEY")
        with pytest.raises(EndpointError) as told:
            replies(asked, [HELLO] * 3)
    assert server.keys[0] == "Bearer sk-very-secret"
    assert "environment variable TOY_KEY" in str(told.value) and server.url in str(told.value)
    assert "secret" not in str(told.value) + repr(asked.usage) + repr(asked.endpoint)
    assert str(told.value).isprintable()


def test_check_tells_what_is_wrong_before_any_work():
    with serving(first()) as server:
        client(server).check()
        with pytest.raises(EndpointError, match=rf"does not serve 'other'. It serves: {MODEL}\."):
            Client(Endpoint(server.url, "other")).check()
    with pytest.raises(EndpointError, match=r"nothing answers there.*Start the server"):
        client(server, timeout=1).check()


def test_a_server_that_has_gone_ends_the_work():
    with serving(first()) as server:
        asked = client(server, retries=1)
    with pytest.raises(EndpointError, match="nothing answers there"):
        replies(asked)


def test_what_was_answered_is_handed_over_before_an_error():
    def script(handler):
        if handler.number < 3:
            return handler.say(f"answer {handler.number}")
        time.sleep(0.1)  # the others are sent by now, but only one of them is looked at
        handler.fail(403)

    found = []
    with serving(script) as server, pytest.raises(EndpointError, match="may not use this model"):
        for _, reply in client(server, concurrency=3).answers([HELLO] * 3):
            found.append(reply.text)
            time.sleep(0.2)
    assert sorted(found) == ["answer 1", "answer 2"]


def test_too_many_failures_in_a_row_end_the_work():
    with serving(lambda handler: handler.fail(503, "loading")) as server:
        asked = client(server, retries=0, concurrency=2)
        with pytest.raises(EndpointError, match=r"4 calls in a row failed.*loading its model"):
            replies(asked, [HELLO] * 100)
    assert server.requests < 10


def test_leaving_the_loop_cancels_what_is_under_way():
    start = time.perf_counter()
    with serving(first(lambda handler: handler.say("one"), *[toy_server.sleep(30)] * 3)) as server:
        asked = client(server, concurrency=4)
        for _, reply in asked.answers([HELLO] * 4):
            assert reply.text == "one"
            break
        assert time.perf_counter() - start < 15


def test_it_works_where_a_loop_runs_already_as_in_a_notebook():
    async def cell():
        return replies(asked)

    with serving(first()) as server:
        asked = client(server)
        assert asyncio.run(cell())[0].text == "hello you"


@pytest.mark.parametrize(
    "options, rule",
    [
        ({"base_url": "localhost:8000"}, "http://127.0.0.1:8000/v1"),
        ({"base_url": "http://me:secret@127.0.0.1/v1"}, "OPENAI_API_KEY"),
        ({"base_url": "http://127.0.0.1/v1?key=secret"}, "OPENAI_API_KEY"),
        ({"concurrency": 0}, "at least 1"),
        ({"timeout": 0}, "above 0"),
    ],
)
def test_an_endpoint_that_cannot_work_is_refused_at_once(options, rule):
    with pytest.raises(ValueError, match=rule) as told:
        Endpoint(**{"base_url": "http://127.0.0.1:1/v1", "model": MODEL} | options)
    assert "secret" not in str(told.value)


@pytest.mark.model
def test_llama_cpp_s_own_server_answers():
    server = toy_server.llama()
    asked = Client(
        Endpoint(f"{server.listening_address}/v1", "smollm2-135m-instruct", concurrency=3)
    )
    asked.check()
    question = [{"role": "user", "content": "Name one colour."}]
    calls = [
        Call(question, 12, seed=1),
        Call(question, 12, temperature=0.9, seed=2),
        Call(question, 12, seed=9),
    ]
    found = replies(asked, calls)
    assert all(
        reply.text and reply.finish in ("stop", "length") and reply.tokens_out <= 12
        for reply in found
    )
    assert found[0].text == found[2].text  # greedy, so the seed is nothing
    assert asked.usage.tokens_in == sum(reply.tokens_in for reply in found) > 60
    too_long = Call([{"role": "user", "content": "word " * 9000}], 5)
    assert "exceeds the available context" in replies(asked, [too_long])[0].error
