"""Any server that speaks OpenAI's chat protocol: vLLM, llama.cpp, Ollama, LM Studio, a hosted one.

The server applies the chat template and counts the tokens. A JSON Schema is sent as
`response_format`, tools as `tools`; servers may not enforce them. The model's tool calls are
written back into its text, so that completions look the same under all engines. An answer is read
to its end, so that its tokens are counted, and then cut where the request stops.

The retries of the `openai` package are off: they end where the stream begins, but a stream can
break and an answer can be malformed, so the whole call is retried here. Answers are streamed for
the time to the first token, and because a server stops working on a stream that nobody reads. The
event loop runs in a thread of its own, so that the engine works in a notebook, which already has a
loop.

The API key comes from the environment variable OPENAI_API_KEY, goes to the server and nowhere else.
"""

import email.utils
import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import islice
from urllib.parse import urlsplit

import anyio
import openai
from anyio.from_thread import start_blocking_portal

from slmlib.core import tables
from slmlib.engines import constraints
from slmlib.engines.base import (
    BATCH,
    FAILURE,
    TIMEOUT,
    Completion,
    EngineError,
    JsonSchema,
    Message,
    OnTokens,
    Request,
    ToolCalls,
    UnsupportedConstraint,
    ignore,
)
from slmlib.engines.chat import arguments_text, calls_text
from slmlib.engines.launch import require_support
from slmlib.engines.stopping import cut

KEY = "OPENAI_API_KEY"
LONGEST_WAIT = 120.0  # seconds between two tries, whatever the server asks for
TRANSIENT = (408, 409, 425, 429)  # statuses that are retried, as are all from 500 up
ADVICE = {  # by kind of a fault that ends the work
    "no connection": "Start the server (`vllm serve {model}`), or correct the address.",
    "timeout": "Raise the timeout, or lower the batch size.",
    "status 401": f"Put the server's API key into the environment variable {KEY}.",
    "status 403": f"The key in {KEY} may not use this model.",
    "status 404": "Either the address lacks /v1, or the server has no model {model!r}.",
    "status 429": "Lower the batch size, or wait for the quota.",
    "status 503": "The server may be loading its model: wait, and run again.",
}


def start(
    model: str, *, batch_size: int, endpoint: str = "", timeout: float = TIMEOUT, **_
) -> "OpenAI":
    """Connect to a server, and check that it serves the model."""
    if not endpoint:
        raise EngineError(
            "the engine openai needs the address of a server, such as "
            "endpoint=http://127.0.0.1:8000/v1"
        )
    engine = OpenAI(endpoint, model, batch_size=batch_size, timeout=timeout)
    engine.check()
    return engine


class Fault(Exception):
    """A try that failed; `kind` is counted, and a `transient` fault is retried."""

    def __init__(
        self, kind: str, message: str, *, transient: bool = True, after: float | None = None
    ):
        super().__init__(message)
        self.kind, self.transient, self.after = kind, transient, after


@dataclass(frozen=True)
class Call:
    """One question to a server; `options` are further parameters of the protocol."""

    messages: Sequence[Message]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    options: Mapping = field(default_factory=dict)


@dataclass
class OpenAI:
    """Completions by a server, several at a time.

    `usage` counts requests, answers, failures (calls given up), answers without a count of tokens
    ("uncounted"), and failed tries by kind.
    """

    base_url: str  # of the API, for most servers ending in `/v1`
    model: str  # the name by which the server knows the model
    batch_size: int = 8  # calls at once
    timeout: float = TIMEOUT  # seconds for one try, from the request to the last token
    retries: int = 5  # further tries after the first, for transient faults
    backoff: float = 1.0  # upper bound of the first wait in seconds; it doubles from try to try

    def __post_init__(self):
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            example = "give an address such as http://127.0.0.1:8000/v1"
            raise ValueError(f"base_url {self.base_url!r}: {example}")
        if "@" in parts.netloc or parts.query:  # messages show base_url, so it must hold no secret
            raise ValueError(f"base_url: put the key into the variable {KEY}, not the address")
        if self.batch_size < 1 or self.timeout <= 0:
            raise ValueError("batch_size must be at least 1, and timeout above 0")
        self.usage, self._failures_in_a_row = Counter(), 0

    # --- the engine ------------------------------------------------------------------------------

    def describe(self) -> dict:
        return {
            "name": "openai",
            "version": version("openai"),
            "dtype": "served",
            "batch_size": self.batch_size,
            "threads": 1,
            "device": "server",
            "usage": dict(self.usage),
        }

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        size = max(BATCH, self.batch_size)
        return [list(requests[i : i + size]) for i in range(0, len(requests), size)]

    def generate(
        self, batch: Sequence[Request], on_tokens: OnTokens = ignore
    ) -> Iterator[Completion]:
        """Complete a batch; if the server goes away, the requests that are left fail."""
        calls: list[Call] = []
        asked: dict[int, Request] = {}  # by position of the call
        for request in batch:
            try:
                calls.append(_call(request))
                asked[len(calls) - 1] = request
            except (UnsupportedConstraint, EngineError) as error:
                yield Completion(request.id, "", "error", 0, 0, 0.0, 0.0, str(error))
        try:
            for index, completion in self.answers(calls):
                on_tokens(completion.tokens_out)
                request = asked.pop(index)
                text = cut(completion.text, request.stop)
                yield replace(completion, id=request.id, text=text)
        except EngineError as error:
            for request in asked.values():
                yield Completion(request.id, "", "error", 0, 0, 0.0, 0.0, str(error))

    # --- calls -----------------------------------------------------------------------------------

    def check(self) -> None:
        """Check that the server answers and serves the model, before any work."""
        try:
            with openai.OpenAI(**self._options()) as client:
                served = sorted(str(model.id) for model in client.models.list().data or ())
        except Exception as error:
            fault = self._fault(error)
            if fault.kind in ("status 404", "status 405", "malformed"):
                return  # the list is optional: the first call shows if the address is right
            raise EngineError(f"{fault} {self._advice(fault)}") from None
        if served and self.model not in served:
            raise EngineError(
                f"{self.base_url} does not serve {self.model!r}. It serves: "
                f"{_clean(', '.join(served))}. Choose one of these, or start the server with "
                "that model."
            )

    def answers(self, calls: Iterable[Call]) -> Iterator[tuple[int, Completion]]:
        """Make all calls; yields the position and the completion of each as soon as it ends.

        A call that fails for good gives a completion with `finish` "error". Leaving the loop
        cancels the calls that are running. Times count from the start of the successful try.

        Raises:
            EngineError: the server cannot be used any more; finished answers are yielded first.
        """
        waiting = enumerate(calls)
        running: dict = {}
        client = openai.AsyncOpenAI(**self._options())
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(client):
            while True:
                for index, call in islice(waiting, self.batch_size - len(running)):
                    running[portal.start_task_soon(self._answer, client, call)] = index
                if not running:
                    return
                done = wait(running, return_when=FIRST_COMPLETED).done
                for future in sorted(done, key=lambda future: future.exception() is not None):
                    index, completion = running.pop(future), future.result()
                    yield index, replace(completion, id=str(index))

    def _options(self) -> dict:
        timeout = openai.Timeout(self.timeout, connect=min(10.0, self.timeout))
        key = os.environ.get(KEY) or "none"  # a server on one's own machine accepts any
        return {"base_url": self.base_url, "api_key": key, "timeout": timeout, "max_retries": 0}

    async def _answer(self, client, call: Call) -> Completion:
        """Make a call with its retries; a failure becomes a completion, unless all would fail."""
        start = time.perf_counter()
        for retry in range(self.retries + 1):
            self.usage["requests"] += 1
            try:
                with anyio.fail_after(self.timeout):
                    completion = await self._try(client, call)
                self.usage["answers"] += 1
                self._failures_in_a_row = 0
                return completion
            except Exception as error:
                fault = self._fault(error)
            self.usage[fault.kind] += 1
            if not fault.transient or retry == self.retries:
                break
            pause = fault.after
            if pause is None:
                pause = random.uniform(0, self.backoff * 2**retry)
            await anyio.sleep(min(max(pause, 0.0), LONGEST_WAIT))
        self.usage["failures"] += 1
        self._failures_in_a_row += fault.transient
        if fault.kind in ("no connection", "status 401", "status 403", "status 404"):
            raise EngineError(f"{fault} {self._advice(fault)}")
        if self._failures_in_a_row >= max(4, self.batch_size):
            raise EngineError(
                f"{self.base_url}: {self._failures_in_a_row} calls in a row failed, each tried "
                f"{retry + 1} times; the last: {fault} {self._advice(fault)}"
            )
        seconds = time.perf_counter() - start
        return Completion("", "", "error", 0, 0, seconds, 0.0, str(fault))

    async def _try(self, client, call: Call) -> Completion:
        """Make a call once, and read its stream to the end."""
        start, first, finish, usage = time.perf_counter(), 0.0, "", None
        text, calls = "", {}
        stream = await client.chat.completions.create(
            model=self.model,
            messages=list(call.messages),
            max_tokens=call.max_tokens,
            temperature=call.temperature,
            top_p=call.top_p,
            seed=call.seed,
            stream=True,
            stream_options={"include_usage": True},
            **call.options,
        )
        async with stream:
            async for chunk in stream:
                usage = getattr(chunk, "usage", None) or usage
                for choice in (chunk.choices or ())[:1]:
                    finish = finish or choice.finish_reason
                    text += choice.delta.content or ""
                    for part in choice.delta.tool_calls or ():
                        written = calls.setdefault(part.index, ["", ""])
                        written[0] += part.function.name or ""
                        written[1] += part.function.arguments or ""
                    if not first and (text or calls):
                        first = time.perf_counter() - start
        if not finish:
            raise Fault("cut", f"{self.base_url}: the answer ended without a finish reason.")
        counts = [getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")]
        if not all(isinstance(count, int) for count in counts):
            self.usage["uncounted"] += 1
            counts = [0, 0]
        if calls:
            text = "\n".join(filter(None, (text, calls_text(calls.values()))))
        error = "" if finish in ("stop", "length", "tool_calls") else f"finish reason {finish!r}"
        finish = "error" if error else finish.replace("tool_calls", "stop")
        return Completion("", text, finish, *counts, time.perf_counter() - start, first, error)

    # --- faults ----------------------------------------------------------------------------------

    def _fault(self, error: Exception) -> Fault:
        """The fault that an error of a try is; an error of another kind is raised again."""
        where, message = self.base_url, _clean(error)
        if isinstance(error, Fault):
            return error
        if isinstance(error, TimeoutError | openai.APITimeoutError):
            return Fault("timeout", f"{where}: no complete answer in {self.timeout:g} s.")
        if isinstance(error, openai.APIStatusError):
            code = error.status_code
            return Fault(
                f"status {code}",
                f"{where}: status {code}: {_clean(error.message)}",
                transient=code in TRANSIENT or code >= 500,
                after=retry_after(error.response.headers),
            )
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__
            if type(cause).__name__ in ("ConnectError", "ConnectTimeout"):
                return Fault("no connection", f"{where}: nothing answers there ({cause}).")
            return Fault("cut", f"{where}: the connection broke in the middle of an answer.")
        if isinstance(error, openai.APIError):
            return Fault("server error", f"{where}: {message}")
        if isinstance(error, ValueError | TypeError | AttributeError | LookupError):
            return Fault("malformed", f"{where}: the answer is not of the chat protocol: {message}")
        raise error

    def _advice(self, fault: Fault) -> str:
        """Advice for a fault that ends a run."""
        return ADVICE.get(fault.kind, "See the server's log.").format(model=self.model)


def _clean(message: object) -> str:
    """A server's message without the key and without control characters."""
    text, key = str(message), os.environ.get(KEY)
    return tables.plain(text.replace(key, "***") if key else text)[:FAILURE]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the header `Retry-After` asks for, as a number or as a date."""
    value = headers.get("retry-after", "")
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    moment = email.utils.parsedate_tz(value)
    return None if moment is None else email.utils.mktime_tz(moment) - time.time()


def _call(request: Request) -> Call:
    """A request as a call; refuses what a server cannot do."""
    constraint, options = request.constraint, {}
    require_support("openai", constraint, request.want_scores)
    if not request.chat:
        raise EngineError("a server applies its chat template: choose a prompt that has one")
    if request.tools:
        options["tools"] = list(request.tools)
    if isinstance(constraint, JsonSchema):
        schema = constraints.portable(constraint.schema)
        answer = {"name": "answer", "strict": True, "schema": schema}
        options["response_format"] = {"type": "json_schema", "json_schema": answer}
    elif isinstance(constraint, ToolCalls):
        options["tools"] = []
        for tool in constraint.tools:
            parameters = constraints.portable(constraints.parameters(tool))
            function = {**tool["function"], "parameters": parameters, "strict": True}
            options["tools"].append({"type": "function", "function": function})
        if not constraint.text:
            options["tool_choice"] = "required"
    messages = []
    for message in request.messages:
        if "tool_calls" in message:  # the protocol wants arguments as JSON
            calls = [
                {**call, "function": {**call["function"], "arguments": arguments_text(call)}}
                for call in message["tool_calls"]
            ]
            message = {**message, "tool_calls": calls}
        messages.append(message)
    return Call(messages, request.max_new_tokens, options=options)
