"""A client for any server that speaks OpenAI's chat protocol: vLLM, llama.cpp, Ollama, hosted ones.

The `openai` package speaks the protocol, event stream included. Its own retries are off: they end
where the stream begins, but a stream can break and an answer can be malformed, so the whole call is
retried here, with `tenacity`. Answers are streamed for the time to the first token, and because a
server stops working on a stream that nobody reads. The event loop runs in a thread of its own, so
that the client works in a notebook, which already has a loop.

The API key comes from the environment, goes to the server and nowhere else.
"""

import email.utils
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from urllib.parse import urlsplit

import anyio
from anyio.from_thread import start_blocking_portal
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity import wait_random_exponential as random_exponential

from slmlib.core import tables
from slmlib.engines.base import FAILURE, TIMEOUT, Message

LONGEST_WAIT = 120.0  # seconds between two tries, whatever the server asks for
TRANSIENT = (408, 409, 425, 429)  # statuses that are retried, as are all from 500 up


class EndpointError(RuntimeError):
    """A server that cannot be used: says which, why and how to fix it."""


class Fault(Exception):
    """A try that failed; `kind` is counted in `Usage`, and a `transient` fault is retried."""

    def __init__(
        self, kind: str, message: str, *, transient: bool = True, after: float | None = None
    ):
        super().__init__(message)
        self.kind, self.transient, self.after = kind, transient, after


@dataclass(frozen=True)
class Endpoint:
    """A served model, and how to call it.

    Attributes:
        base_url: address of the API, for most servers ending in `/v1`.
        model: the name by which the server knows the model.
        concurrency: calls at once.
        timeout: seconds for one try, from the request to the last token.
        retries: further tries after the first, for transient faults.
        backoff: upper bound of the first wait in seconds; it doubles from try to try.
        key_variable: environment variable with the API key; it may be unset.
    """

    base_url: str
    model: str
    concurrency: int = 8
    timeout: float = TIMEOUT
    retries: int = 5
    backoff: float = 1.0
    key_variable: str = "OPENAI_API_KEY"

    def __post_init__(self):
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"base_url {self.base_url!r}: give an address such as http://127.0.0.1:8000/v1"
            )
        if "@" in parts.netloc or parts.query:  # messages show base_url, so it must hold no secret
            raise ValueError(
                f"base_url: put the key into the variable {self.key_variable}, not the address"
            )
        if self.concurrency < 1 or self.retries < 0 or self.timeout <= 0:
            raise ValueError(
                "concurrency must be at least 1, retries at least 0, and timeout above 0"
            )

    @property
    def key(self) -> str:
        """The API key; servers on one's own machine accept any."""
        return os.environ.get(self.key_variable) or "none"


@dataclass(frozen=True)
class Call:
    """One question to a server; servers that do not know seeds, schemas or tools ignore them.

    Attributes:
        schema: JSON Schema of the answer.
        tools: tools that the model may call; it must call one if `must_call`.
        logprobs: whether log-probabilities of the tokens are wanted.
    """

    messages: Sequence[Message]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    schema: Mapping | None = None
    tools: Sequence[Mapping] = ()
    must_call: bool = False
    logprobs: bool = False

    def options(self) -> dict:
        """Parameters of the request beside its model."""
        options = {
            "messages": list(self.messages),
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
        }
        if self.schema is not None:
            answer = {"name": "answer", "strict": True, "schema": self.schema}
            options["response_format"] = {"type": "json_schema", "json_schema": answer}
        if self.tools:
            options |= {"tools": list(self.tools)}
            options |= {"tool_choice": "required"} if self.must_call else {}
        return options | ({"logprobs": True} if self.logprobs else {})


@dataclass(frozen=True)
class Reply:
    """A server's answer. Times count from the start of the try that succeeded.

    Attributes:
        finish: "stop", "length" or "error".
        error: why `finish` is "error".
        calls: tool calls, as names and arguments in JSON.
        logprobs: log-probabilities of the tokens.
    """

    text: str
    finish: str
    tokens_in: int
    tokens_out: int
    seconds: float
    first_token_seconds: float
    tries: int = 1
    error: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    logprobs: tuple[float, ...] = ()


@dataclass
class Usage:
    """Counts of a client's work so far; `faults` counts failed tries by kind."""

    requests: int = 0
    retries: int = 0
    answers: int = 0
    failures: int = 0  # calls given up
    tokens_in: int = 0
    tokens_out: int = 0
    uncounted: int = 0  # answers whose server did not count tokens
    faults: Counter = field(default_factory=Counter)

    def as_dict(self) -> dict:
        return asdict(self) | {"faults": dict(sorted(self.faults.items()))}


class Client:
    """Calls one endpoint, several calls at a time, and counts in `usage`."""

    def __init__(self, endpoint: Endpoint):
        self.endpoint, self.usage = endpoint, Usage()
        self._failures_in_a_row = 0

    def describe(self) -> dict:
        """The kind of endpoint, for records; the address is left out, since servers move."""
        return {"engine": "openai-compatible"}

    def check(self) -> None:
        """Check that the server answers and serves the model, before any work.

        Raises:
            EndpointError: no server, a wrong key, or another model; the message says what to do.
        """
        with self._connected() as (portal, client):
            served = portal.call(self._served, client)
        if served and self.endpoint.model not in served:
            raise EndpointError(
                f"{self.endpoint.base_url} does not serve {self.endpoint.model!r}. It serves: "
                f"{self._clean(', '.join(served))}. Choose one of these, or start the server with "
                "that model."
            )

    def answers(self, calls: Iterable[Call]) -> Iterator[tuple[int, Reply]]:
        """Make all calls; yields the position and the reply of each as soon as it ends.

        A call that fails for good gives a reply with `finish` "error". Leaving the loop cancels the
        calls that are running.

        Raises:
            EndpointError: the server cannot be used any more; finished replies are yielded first.
        """
        waiting = enumerate(calls)
        with self._connected() as (portal, client):
            running: dict = {}
            while True:
                for index, call in islice(waiting, self.endpoint.concurrency - len(running)):
                    running[portal.start_task_soon(self._answer, client, call)] = index
                if not running:
                    return
                done = wait(running, return_when=FIRST_COMPLETED).done
                for future in sorted(done, key=lambda future: future.exception() is not None):
                    yield running.pop(future), future.result()

    @contextmanager
    def _connected(self):
        import openai

        seconds = self.endpoint.timeout
        options = {"base_url": self.endpoint.base_url, "api_key": self.endpoint.key}
        timeout = openai.Timeout(seconds, connect=min(10.0, seconds))
        with start_blocking_portal() as portal:
            client = openai.AsyncOpenAI(**options, timeout=timeout, max_retries=0)
            with portal.wrap_async_context_manager(client):
                yield portal, client

    async def _served(self, client) -> list[str]:
        """Names of the models that the server lists; empty if it has no list."""
        try:
            with self._faults(), anyio.fail_after(self.endpoint.timeout):
                page = await client.models.list()
        except Fault as fault:
            if fault.kind in ("status 404", "status 405", "malformed"):
                return []  # the list is optional: the first call shows if the address is right
            raise EndpointError(f"{fault} {self._advice(fault)}") from None
        names = (getattr(model, "id", None) for model in page.data or ())
        return sorted(name for name in names if isinstance(name, str))

    async def _answer(self, client, call: Call) -> Reply:
        """Make a call with its retries; a failure becomes a reply too."""
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.endpoint.retries + 1),
            wait=self._pause,
            retry=retry_if_exception(lambda error: isinstance(error, Fault) and error.transient),
            reraise=True,
        )
        start = time.perf_counter()
        try:
            reply = await retrying(self._try, client, call)
        except Fault as fault:
            tries = retrying.statistics["attempt_number"]
            self._count_failure(fault, tries)
            seconds = time.perf_counter() - start
            return Reply("", "error", 0, 0, seconds, 0.0, tries, error=str(fault))
        self._failures_in_a_row = 0
        self.usage.answers += 1
        self.usage.tokens_in += reply.tokens_in
        self.usage.tokens_out += reply.tokens_out
        return replace(reply, tries=retrying.statistics["attempt_number"])

    def _pause(self, state: RetryCallState) -> float:
        """Seconds before the next try: what the server asks for, else random and growing."""
        self.usage.retries += 1
        after = state.outcome.exception().after
        if after is not None:
            return min(max(after, 0.0), LONGEST_WAIT)
        return random_exponential(multiplier=self.endpoint.backoff, max=LONGEST_WAIT)(state)

    def _count_failure(self, fault: Fault, tries: int) -> None:
        """Count a call that is given up.

        Raises:
            EndpointError: no call can succeed any more.
        """
        self.usage.failures += 1
        self._failures_in_a_row += fault.transient
        if fault.kind in ("no connection", "status 401", "status 403", "status 404"):
            raise EndpointError(f"{fault} {self._advice(fault)}")
        if self._failures_in_a_row >= max(4, self.endpoint.concurrency):
            raise EndpointError(
                f"{self.endpoint.base_url}: {self._failures_in_a_row} calls in a row failed, each "
                f"tried {tries} times; the last: {fault} {self._advice(fault)}"
            )

    async def _try(self, client, call: Call) -> Reply:
        """Make a call once, and read its stream to the end."""
        self.usage.requests += 1
        with self._faults(), anyio.fail_after(self.endpoint.timeout):
            start, first, finish, usage = time.perf_counter(), 0.0, None, None
            pieces, calls, logprobs = [], {}, []
            stream = await client.chat.completions.create(
                model=self.endpoint.model,
                stream=True,
                stream_options={"include_usage": True},
                **call.options(),
            )
            async with stream:
                async for chunk in stream:
                    if isinstance(chunk, str | list | int | None):
                        raise ValueError(f"an event holds {chunk!r:.80}")
                    usage = getattr(chunk, "usage", None) or usage
                    for choice in (chunk.choices or ())[:1]:
                        finish = finish or choice.finish_reason
                        pieces.append(_read(choice, calls, logprobs))
                        if not first and (pieces[-1] or calls):
                            first = time.perf_counter() - start
            if finish is None:
                raise Fault(
                    "cut", f"{self.endpoint.base_url}: the answer ended without a finish reason."
                )
            counts = [getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")]
            if not all(isinstance(count, int) for count in counts):
                self.usage.uncounted += 1
                counts = [0, 0]
            finish = "stop" if finish == "tool_calls" else finish
            known = finish in ("stop", "length")
            return Reply(
                "".join(pieces),
                finish if known else "error",
                *counts,
                time.perf_counter() - start,
                first,
                error="" if known else f"finish reason {finish!r}",
                calls=tuple((name, arguments) for name, arguments in calls.values()),
                logprobs=tuple(logprobs),
            )

    # --- faults -----------------------------------------------------------------------------------

    @contextmanager
    def _faults(self):
        """Turn any error of a try into a `Fault`, and count it."""
        try:
            yield
        except Exception as error:
            fault = error if isinstance(error, Fault) else self._fault(error)
            self.usage.faults[fault.kind] += 1
            raise fault from error.__cause__

    def _fault(self, error: Exception) -> Fault:
        import openai

        where, seconds = self.endpoint.base_url, self.endpoint.timeout
        if isinstance(error, TimeoutError | openai.APITimeoutError):
            return Fault("timeout", f"{where}: no complete answer in {seconds:g} s.")
        if isinstance(error, openai.APIStatusError):
            code = error.status_code
            return Fault(
                f"status {code}",
                f"{where}: status {code}: {self._clean(error.message)}",
                transient=code in TRANSIENT or code >= 500,
                after=_retry_after(error.response.headers),
            )
        if isinstance(error, openai.APIConnectionError):
            if type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout"):
                return Fault(
                    "no connection", f"{where}: nothing answers there ({error.__cause__})."
                )
            return Fault("cut", f"{where}: the connection broke in the middle of an answer.")
        message = self._clean(error)
        if isinstance(error, openai.APIError):
            return Fault("server error", f"{where}: {message}")
        if isinstance(error, ValueError | TypeError | AttributeError | LookupError):
            return Fault("malformed", f"{where}: the answer is not of the chat protocol: {message}")
        raise error

    def _clean(self, message: object) -> str:
        """A server's message without the key and without control characters."""
        text, key = str(message), self.endpoint.key
        return tables.plain(text if key == "none" else text.replace(key, "***"))[:FAILURE]

    def _advice(self, fault: Fault) -> str:
        """How to fix a fault that ends the work."""
        variable, model = self.endpoint.key_variable, self.endpoint.model
        return {
            "no connection": f"Start the server (`vllm serve {model}`), or correct the address.",
            "timeout": "Raise the timeout, or lower the concurrency.",
            "status 401": f"Put the server's API key into the environment variable {variable}.",
            "status 403": f"The key in {variable} may not use this model.",
            "status 404": f"Either the address lacks /v1, or the server has no model {model!r}.",
            "status 429": "Lower the concurrency, or wait for the quota.",
            "status 503": "The server may be loading its model: wait, and run again.",
        }.get(fault.kind, "See the server's log.")


def _read(choice, calls: dict[int, list[str]], logprobs: list[float]) -> str:
    """The text of an event; its parts of tool calls and its log-probabilities are collected."""
    text = choice.delta.content or ""
    if not isinstance(text, str):
        raise ValueError(f"content is {text!r:.80}")
    for part in choice.delta.tool_calls or ():
        call = calls.setdefault(part.index, ["", ""])
        call[0] += part.function.name or ""
        call[1] += part.function.arguments or ""
    if getattr(choice, "logprobs", None):
        logprobs += [token.logprob for token in choice.logprobs.content or ()]
    return text


def _retry_after(headers) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or as a date."""
    value = headers.get("retry-after")
    if value is None or re.fullmatch(r"\d+(\.\d+)?", value):
        return None if value is None else float(value)
    moment = email.utils.parsedate_tz(value)
    return None if moment is None else email.utils.mktime_tz(moment) - time.time()
