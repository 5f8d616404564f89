"""The contract of an engine: requests in, completions out.

    transformers   Hugging Face transformers: the reference
    openvino       OpenVINO GenAI: continuous batching on a CPU
    llamacpp       llama.cpp's server on loopback: GGUF files, what edge devices run
    openai         any server that speaks OpenAI's chat protocol

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
    """An engine that cannot start, or a request that it cannot complete: says why, and the fix."""


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

    Attributes:
        tools: the tools that may be called.
        text: whether plain text in which no call begins is allowed instead.
    """

    tools: tuple[Tool, ...]
    text: bool = True


Constraint = JsonSchema | Choice | ToolCalls


@dataclass(frozen=True)
class Request:
    """One turn to complete.

    Attributes:
        id: of the sample; unique in a batch.
        messages: the conversation so far, tool calls and tool results included.
        max_new_tokens: limit of the completion.
        tools: shown to the model by its chat template.
        constraint: what the completion can only be; None for unconstrained decoding.
        stop: "eos" (the model's end token), "json" (the first complete JSON value too) or "line"
            (the first line end too).
        chat: whether the model's chat template is applied.
        want_scores: whether the log-probability of each label of a `Choice` is wanted.
    """

    id: str
    messages: Sequence[Message]
    max_new_tokens: int
    tools: Sequence[Tool] = ()
    constraint: Constraint | None = None
    stop: Stop = "eos"
    chat: bool = True
    want_scores: bool = False


@dataclass(frozen=True)
class Completion:
    """One completed turn.

    Attributes:
        id: of the request.
        text: as the model wrote it; cut behind its first JSON value or line where the request
            stops there.
        finish: "stop", "length" or "error".
        tokens_in, tokens_out: tokens of the prompt and of the completion.
        seconds, first_token_seconds: from the start of the batch (under the engine `openai`: of the
            request), so that they are those of one request alone only in batches of one.
        error: why `finish` is "error".
        label_logprobs: natural logarithms of the model's own probabilities by label, summed over
            its tokens and an end token.
    """

    id: str
    text: str
    finish: str
    tokens_in: int
    tokens_out: int
    seconds: float
    first_token_seconds: float
    error: str = ""
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
