"""The contract of an engine: requests in, completions out.

An engine divides the requests of a run into batches and completes one batch at a time. Each engine
is a module of this package with a function `start` (`launch.start` calls it by name).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

# {"role", "content"}; also "tool_calls" (assistant), "tool_call_id" (tool)
Message = dict[str, Any]
Tool = Mapping[str, Any]  # {"type": "function", "function": {"name", "description", "parameters"}}
Stop = Literal["eos", "json", "line"]

BATCH = 1000  # requests in a batch, of which a few are decoded at once: prompts are held as tokens
TIMEOUT = 300.0  # seconds for one completion of a server
FAILURE = 300  # characters of an engine's error that a result keeps


class EngineError(RuntimeError):
    """An engine that cannot start, or a request that it cannot complete.

    The message names the reason and how to fix it.
    """


class UnsupportedConstraint(ValueError):
    """A constraint that an engine or a grammar cannot enforce: names it, and the alternatives."""


@dataclass(frozen=True)
class JsonSchema:
    """The completion is JSON that is valid under a schema."""

    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """The completion is exactly one of the labels."""

    labels: tuple[str, ...]


@dataclass(frozen=True)
class ToolCalls:
    """The completion calls one or more of the tools with valid arguments, or is plain text.

    A call is written as `<tool_call>\\n{"name": …, "arguments": {…}}\\n</tool_call>`.
    """

    tools: tuple[Tool, ...]
    text: bool = True  # whether plain text in which no call begins is allowed instead


Constraint = JsonSchema | Choice | ToolCalls


@dataclass(frozen=True)
class Request:
    """One turn to complete."""

    id: str  # of the sample; unique in a batch
    messages: Sequence[Message]  # the conversation so far, tool calls and results included
    max_new_tokens: int
    tools: Sequence[Tool] = ()  # shown to the model by its chat template
    constraint: Constraint | None = None  # None for unconstrained decoding
    stop: Stop = "eos"  # at the end token only, or also at the first JSON value or line end
    chat: bool = True  # whether the model's chat template is applied
    want_scores: bool = False  # whether the log-probabilities of a `Choice`'s labels are wanted


@dataclass(frozen=True)
class Completion:
    """One completed turn.

    Seconds count from the start of the batch (under the engine `openai`: of the request), so that
    they are those of one request alone only in batches of one.
    """

    id: str  # of the request
    text: str  # as the model wrote it, cut where the request stops
    finish: str  # "stop", "length" or "error"
    tokens_in: int  # of the prompt
    tokens_out: int  # of the completion
    seconds: float
    first_token_seconds: float
    error: str = ""  # why `finish` is "error"
    # natural logarithms of the model's own probabilities of labels, each with an end token
    label_logprobs: Mapping[str, float] = field(default_factory=dict)


OnTokens = Callable[[int], None]


def ignore(count: int) -> None:
    """Default progress callback: does nothing."""


class Engine(Protocol):
    """An engine with a model, ready to complete requests."""

    def describe(self) -> dict:
        """The `engine` block of a result: name, version, dtype, batch_size, threads, device, …"""

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """A partition of the requests that depends on nothing else."""

    def generate(
        self, batch: Sequence[Request], on_tokens: OnTokens = ignore
    ) -> Iterator[Completion]:
        """Complete a batch, yielding each completion as soon as it ends.

        `on_tokens` is called now and then with the number of tokens generated since.
        """
