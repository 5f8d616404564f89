"""A client for any server that speaks OpenAI's chat protocol: vLLM, llama.cpp, Ollama, hosted ones.

The `openai` package speaks the protocol, event stream included. Its own retries are switched off:
they end where the stream begins, while a stream may be cut and an answer may be nonsense, so a
whole answer is tried again here, with `tenacity`. Answers are streamed for the time to the first
token and because a server stops working on a stream that nobody reads. The event loop runs in a
thread of its own, so that the client works in a notebook, which has a loop already.

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
from dataclasses import asdict, dataclass, field
from itertools import islice
from urllib.parse import urlsplit

import anyio
from anyio.from_thread import start_blocking_portal
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity import wait_random_exponential as random_exponential

from slmlib.core import tables
from slmlib.engines.base import TIMEOUT, Message

LONGEST_WAIT = 120.0  # seconds between two tries, whatever the server asks for
AGAIN = (408, 409, 425, 429)  # statuses that pass, as do all from 500 up


class EndpointError(RuntimeError):
    """The server cannot be used: says which, what is wrong and how to mend it."""


class Fault(Exception):
    """One try that failed. `kind` is what is counted; a `passing` fault is worth another try."""

    def __init__(
        self, kind: str, message: str, *, passing: bool = True, after: float | None = None
    ):
        super().__init__(message)
        self.kind, self.passing, self.after = kind, passing, after


@dataclass(frozen=True)
class Endpoint:
    """Where a model is served, and how patient to be.

    Attributes:
        base_url: address of the API, for most servers ending in `/v1`.
        model: the name under which the server knows the model.
        concurrency: requests under way at once.
        timeout: seconds for one try, from the request to the last token.
        retries: further tries after the first, for faults that may pass.
        backoff: upper bound of the first wait in seconds; it doubles from try to try.
        key_variable: environment variable that holds the API key; it may be unset.
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
        if (
            "@" in parts.netloc or parts.query
        ):  # base_url is shown in messages, so it must hold no secret
            raise ValueError(
                f"base_url: put the key into the variable {self.key_variable}, not the address"
            )
        if self.concurrency < 1 or self.retries < 0 or self.timeout <= 0:
            raise ValueError(
                "concurrency must be at least 1, retries at least 0, and timeout above 0"
            )

    @property
    def key(self) -> str:
        """The API key; servers on one's own machine take any."""
        return os.environ.get(self.key_variable) or "none"


@dataclass(frozen=True)
class Call:
    """What to ask. A seed is honoured by servers that know seeds, a schema by those that decode under one."""

    messages: Sequence[Message]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    schema: Mapping | None = None


@dataclass(frozen=True)
class Reply:
    """What came back. Times count from the start of the try that succeeded."""

    text: str
    finish: str  # "stop", "length", or "error", and then `error` says why
    tokens_in: int
    tokens_out: int
    seconds: float
    first_token_seconds: float
    tries: int = 1
    error: str = ""


@dataclass
class Usage:
    """What a client has used so far. `faults` counts failed tries by kind."""

    requests: int = 0
    retries: int = 0
    answers: int = 0
    failures: int = 0  # calls given up
    tokens_in: int = 0
    tokens_out: int = 0
    untold: int = 0  # answers whose server did not count tokens
    faults: Counter = field(default_factory=Counter)

    def as_dict(self) -> dict:
        return asdict(self) | {"faults": dict(sorted(self.faults.items()))}


class Client:
    """Asks one endpoint, several calls at a time, and keeps account in `usage`."""

    def __init__(self, endpoint: Endpoint):
        self.endpoint, self.usage = endpoint, Usage()
        self._failed_in_a_row = 0

    def describe(self) -> dict:
        """What made the answers, for the records; the address is left out, since servers move."""
        return {"engine": "openai-compatible"}

    def check(self) -> None:
        """Make sure that the server answers and knows the model, before any work.

        Raises:
            EndpointError: no server, a wrong key, or another model; the message says what to do.
        """
        with self._connected() as (portal, client):
            served = portal.call(self._served, client)
        if served and self.endpoint.model not in served:
            raise EndpointError(
                f"{self.endpoint.base_url} does not serve {self.endpoint.model!r}. It serves: "
                f"{self._shown(', '.join(served))}. Choose one of these, or start the server with that model."
            )

    def answers(self, calls: Iterable[Call]) -> Iterator[tuple[int, Reply]]:
        """Ask all calls; yields position and reply of each as soon as it is there.

        A call that fails for good gives a reply with `finish` "error". Leaving the loop cancels what
        is under way.

        Raises:
            EndpointError: nothing can be had from this server any more.
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
                    yield (
                        running.pop(future),
                        future.result(),
                    )  # what is answered comes before an error

    @contextmanager
    def _connected(self):
        import openai

        options = {
            "base_url": self.endpoint.base_url,
            "api_key": self.endpoint.key,
            "max_retries": 0,
        }
        with start_blocking_portal() as portal:
            timeout = openai.Timeout(
                self.endpoint.timeout, connect=min(10.0, self.endpoint.timeout)
            )
            client = openai.AsyncOpenAI(**options, timeout=timeout)
            with portal.wrap_async_context_manager(client):
                yield portal, client

    async def _served(self, client) -> list[str]:
        """Names of the models that the server lists; empty if it keeps no list."""
        try:
            with self._faults(), anyio.fail_after(self.endpoint.timeout):
                page = await client.models.list()
        except Fault as fault:
            if fault.kind in ("status 404", "status 405", "nonsense"):
                return []  # the list is optional: the first call shows whether the address is right
            raise EndpointError(f"{fault} {self._advice(fault)}") from None
        return sorted(
            name for model in page.data or () if isinstance(name := getattr(model, "id", 0), str)
        )

    async def _answer(self, client, call: Call) -> Reply:
        """A call with its retries; what cannot be had is a reply too."""
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.endpoint.retries + 1),
            wait=self._pause,
            retry=retry_if_exception(lambda error: isinstance(error, Fault) and error.passing),
            before_sleep=self._count_retry,
            reraise=True,
        )
        start = time.perf_counter()
        try:
            reply = await retrying(self._try, client, call)
        except Fault as fault:
            return self._given_up(fault, retrying.statistics["attempt_number"], start)
        self._failed_in_a_row = 0
        self.usage.answers += 1
        self.usage.tokens_in += reply.tokens_in
        self.usage.tokens_out += reply.tokens_out
        return Reply(**asdict(reply) | {"tries": retrying.statistics["attempt_number"]})

    def _pause(self, state: RetryCallState) -> float:
        """Seconds before the next try: what the server asks for, else random and growing."""
        after = state.outcome.exception().after
        if after is not None:
            return min(max(after, 0.0), LONGEST_WAIT)
        return random_exponential(multiplier=self.endpoint.backoff, max=LONGEST_WAIT)(state)

    def _count_retry(self, state: RetryCallState) -> None:
        self.usage.retries += 1

    def _given_up(self, fault: Fault, tries: int, start: float) -> Reply:
        self.usage.failures += 1
        self._failed_in_a_row += fault.passing
        if fault.kind in ("no connection", "status 401", "status 403", "status 404"):
            raise EndpointError(f"{fault} {self._advice(fault)}")
        if self._failed_in_a_row >= max(4, self.endpoint.concurrency):
            raise EndpointError(
                f"{self.endpoint.base_url}: {self._failed_in_a_row} calls in a row failed, each tried "
                f"{tries} times; the last: {fault} {self._advice(fault)}"
            )
        return Reply("", "error", 0, 0, time.perf_counter() - start, 0.0, tries, error=str(fault))

    async def _try(self, client, call: Call) -> Reply:
        self.usage.requests += 1
        with self._faults(), anyio.fail_after(self.endpoint.timeout):
            return await self._stream(client, call)

    async def _stream(self, client, call: Call) -> Reply:
        start, pieces, first, finish, usage = time.perf_counter(), [], 0.0, None, None
        stream = await client.chat.completions.create(
            model=self.endpoint.model,
            messages=list(call.messages),
            max_tokens=call.max_tokens,
            temperature=call.temperature,
            top_p=call.top_p,
            seed=call.seed,
            stream=True,
            stream_options={"include_usage": True},
            **_response_format(call.schema),
        )
        async with stream:
            async for chunk in stream:
                piece, reason = _read(chunk)
                first = first or (time.perf_counter() - start if piece else 0.0)
                pieces.append(piece)
                finish, usage = finish or reason, getattr(chunk, "usage", None) or usage
        if finish is None:
            raise Fault(
                "cut", f"{self.endpoint.base_url}: the answer ended without a finish reason."
            )
        counts = self._counts(usage)
        error = "" if finish in ("stop", "length") else f"finish reason {finish!r}"
        seconds = time.perf_counter() - start
        return Reply(
            "".join(pieces), "error" if error else finish, *counts, seconds, first, error=error
        )

    def _counts(self, usage) -> tuple[int, int]:
        """Tokens in and out as the server counts them, or zeros, and then it is noted."""
        counts = [getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")]
        if all(isinstance(count, int) for count in counts):
            return counts[0], counts[1]
        self.usage.untold += 1
        return 0, 0

    @contextmanager
    def _faults(self):
        """Turn whatever goes wrong in a try into a `Fault`, and count it."""
        try:
            yield
        except Exception as error:
            fault = error if isinstance(error, Fault) else self._fault(error)
            self.usage.faults[fault.kind] += 1
            raise fault from error.__cause__

    def _fault(self, error: Exception) -> Fault:
        import openai

        where = self.endpoint.base_url
        if isinstance(error, TimeoutError | openai.APITimeoutError):
            return Fault("timeout", f"{where}: no complete answer in {self.endpoint.timeout:g} s.")
        if isinstance(error, openai.APIStatusError):
            return self._status(error)
        if isinstance(error, openai.APIConnectionError):
            if type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout"):
                return Fault(
                    "no connection", f"{where}: nothing answers there ({error.__cause__})."
                )
            return Fault("cut", f"{where}: the connection broke in the middle of an answer.")
        said = self._shown(error)
        if isinstance(error, openai.APIError):
            return Fault("server error", f"{where}: {said}")
        if isinstance(error, ValueError | TypeError | AttributeError | LookupError):
            return Fault("nonsense", f"{where}: the answer is not of the chat protocol: {said}")
        raise error

    def _status(self, error) -> Fault:
        code, said = error.status_code, self._shown(error.message)
        passing = code in AGAIN or code >= 500
        message = f"{self.endpoint.base_url}: status {code}: {said}"
        return Fault(
            f"status {code}", message, passing=passing, after=_seconds(error.response.headers)
        )

    def _shown(self, said: object) -> str:
        """What a server said, without the key and without what a terminal would obey."""
        text = (
            str(said)
            if self.endpoint.key == "none"
            else str(said).replace(self.endpoint.key, "***")
        )
        return tables.plain(text)[:300]

    def _advice(self, fault: Fault) -> str:
        """What to do about a fault that ends the work."""
        variable, model = self.endpoint.key_variable, self.endpoint.model
        return {
            "no connection": f"Start the server, such as `vllm serve {model}`, or correct the address.",
            "timeout": "Raise the timeout, or lower the concurrency.",
            "status 401": f"Put the server's API key into the environment variable {variable}.",
            "status 403": f"The key in {variable} may not use this model.",
            "status 404": f"Either the address lacks its /v1, or the server has no model {model!r}.",
            "status 429": "Lower the concurrency, or wait for the quota.",
            "status 503": "The server may be loading its model: wait, and run again.",
        }.get(fault.kind, "See the server's log.")


def _response_format(schema: Mapping | None) -> dict:
    if schema is None:
        return {}
    wanted = {"name": "answer", "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": wanted}}


def _read(chunk) -> tuple[str, str | None]:
    """Text and finish reason of one event; an event with the token counts has neither."""
    if isinstance(chunk, str | list | int | None):
        raise ValueError(f"an event holds {chunk!r:.80}")
    if not chunk.choices:
        return "", None
    choice = chunk.choices[0]
    piece = choice.delta.content or ""
    if not isinstance(piece, str):
        raise ValueError(f"content is {piece!r:.80}")
    return piece, choice.finish_reason


def _seconds(headers) -> float | None:
    """What `Retry-After` asks for: a number of seconds, or a date."""
    value = headers.get("retry-after")
    if value is None or re.fullmatch(r"\d+(\.\d+)?", value):
        return None if value is None else float(value)
    moment = email.utils.parsedate_tz(value)
    return None if moment is None else email.utils.mktime_tz(moment) - time.time()
