"""Engines: requests in, completions out.

    transformers   Hugging Face transformers: the reference
    openvino       OpenVINO GenAI: continuous batching on a CPU
    llamacpp       llama.cpp's server on loopback: GGUF files, what edge devices run
    openai         any server that speaks OpenAI's chat protocol

Every engine splits the requests of a run into batches and answers one batch at a time, some of its requests
at once, others as these are done. Each engine is a module of this package with a function `start`; what it
needs is imported when it is started.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from slmlib.core import machine
from slmlib.core.names import choose
from slmlib.tasks.base import Message, Prompt, Sample, Task

DTYPES = {  # engine -> what it can compute or read; "auto" is the first, or measured
    "transformers": ("float32", "bfloat16", "int8", "nf4"),
    "openvino": ("float32", "bfloat16"),
    "llamacpp": ("q8_0", "f16", "q4_k_m", "q4_k_m_i", "q4_1", "source"),
    "openai": ("served",),
}
NEEDS = {  # engine -> modules that it imports
    "transformers": ("torch", "transformers", "llguidance", "llguidance.hf"),
    "openvino": ("openvino", "openvino_genai", "gguf", "xgrammar"),
    "llamacpp": ("xllamacpp", "gguf", "httpx", "llguidance"),
    "openai": ("openai", "tenacity"),
}
ENGINES = tuple(DTYPES)
DECODINGS = ("free", "schema")
BATCH = 1000  # cases in a batch, of which a few are under way at once: their prompts are held as tokens
TIMEOUT = 300.0  # seconds for one answer of a server
FAILURE = 300  # letters of an engine's error that a result keeps
TODAY = "1 Jan 2026"  # for templates that tell the model the day: a prompt is the same on every day
PACKAGES = {"openvino": "openvino-genai", "openvino_genai": "openvino-genai"}  # module -> what pip calls it


class EngineError(RuntimeError):
    """An engine that cannot be started: says why and how to mend it."""


@dataclass(frozen=True)
class Request:
    """One case to complete.

    `stop` is "json" (end with the first JSON value) or "none"; with a schema, the answer can only be
    JSON that is valid under it; without `chat` the model's chat template is not applied.
    """

    id: str
    messages: Sequence[Message]
    max_new_tokens: int
    stop: str = "json"
    schema: Mapping | None = None
    chat: bool = True


def request(task: Task, example: Sample, prompt: Prompt, decoding: str = "free") -> Request:
    """A case as it is asked of every engine; `decoding` is one of `DECODINGS`."""
    schema = example.input["schema"] if decoding == "schema" else None
    return Request(example.id, prompt.messages(example), task.max_new_tokens, task.stop, schema, prompt.chat)


@dataclass(frozen=True)
class Completion:
    """One answer. `seconds` and `first_token_seconds` count from the start of the batch, and from when it
    was asked under the engine `openai`: only in batches of one they are those of the case alone."""

    id: str
    text: str
    finish: str  # "stop", "length" or "error", and then `error` says why
    tokens_in: int
    tokens_out: int
    seconds: float
    first_token_seconds: float
    error: str = ""


OnTokens = Callable[[int], None]


def ignore(count: int) -> None:
    """Nobody watches."""


class Engine(Protocol):
    """What a run needs of an engine."""

    def describe(self) -> dict:
        """The `engine` block of a result: name, version, dtype, batch_size, threads, device."""

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """A partition of the requests that depends on nothing else."""

    def generate(self, batch: Sequence[Request], on_tokens: OnTokens = ignore) -> Iterator[Completion]:
        """Answers of one batch, each as soon as it is complete.

        `on_tokens` is told how many tokens were generated, now and then, to show that work goes on.
        """


def start(
    name: str,
    model: str,
    *,
    dtype: str,
    batch_size: int,
    threads: int | None = None,
    reuse: bool = True,
    endpoint: str = "",
    timeout: float = TIMEOUT,
) -> Engine:
    """An engine with a model, ready to answer.

    Args:
        name: one of `ENGINES`.
        model: a model of the registry.
        dtype: one of `DTYPES[name]`.
        batch_size: cases under way at once.
        threads: cores to use; all that there are if not given.
        reuse: read what a prompt has in common with an earlier one only once.
        endpoint: address of the server, for "openai".
        timeout: seconds for one answer of a server.

    Raises:
        UnknownName: no such engine.
        EngineError: a package is missing; the message gives the command that installs it.
        ModelError: the weights are missing or damaged.
    """
    choose("engine", name, ENGINES)
    require(name)
    module = importlib.import_module(f"slmlib.engines.base.{name}")
    options = {"dtype": dtype, "batch_size": batch_size, "threads": threads}
    return module.start(model, **options, reuse=reuse, endpoint=endpoint, timeout=timeout)


def require(name: str) -> None:
    """Import what an engine needs, so that nothing is found to be missing in the middle of a run.

    Raises:
        EngineError: a package is missing; the message gives the command that installs it.
    """
    for module in NEEDS[name]:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            lacking = (error.name or module).partition(".")[0]
            package = PACKAGES.get(lacking, lacking)
            raise EngineError(
                f"the engine {name} needs {package}, which is not installed. Run: pip install {package}"
            ) from error


def numbers(described: Mapping) -> str | None:
    """What an engine's weights are in: a GGUF file's own type, else the type that is computed in."""
    return described["weights"] if described["name"] == "llamacpp" else described["dtype"]


def resolve(name: str, *, gguf: bool) -> str:
    """Turn "auto" into an engine: openvino, or transformers on a GPU and for a model without a GGUF file."""
    if name != "auto":
        return name
    return "openvino" if gguf and not machine.torch_has_gpu() else "transformers"


def resolve_dtype(dtype: str, *, engine: str = "transformers") -> str:
    """Turn "auto" into a type: for transformers bf16 on a GPU, and on a CPU that multiplies it faster
    than fp32; for other engines the first that they know.

    Raises:
        UnknownName: the engine knows no such type; the message lists those that it does.
    """
    choose(f"dtype of {engine}", dtype, ("auto", *DTYPES[engine]))
    if dtype != "auto":
        return dtype
    if engine == "transformers":
        return "bfloat16" if machine.torch_has_gpu() or machine.bfloat16_is_faster() else "float32"
    return DTYPES[engine][0]


def has_template(tokenizer, chat: bool = True) -> bool:
    """Whether prompts are put into a chat template: where that is wanted, and the model has one."""
    return chat and tokenizer.chat_template is not None


def prompt_text(tokenizer, messages: Sequence[Message], *, chat: bool = True) -> str:
    """The messages in the model's own chat template, ready for the assistant's turn.

    Without `chat`, or without a template, they stand one after the other.
    """
    if not has_template(tokenizer, chat):
        return "\n\n".join(message["content"] for message in messages) + "\n"
    options = {"tokenize": False, "add_generation_prompt": True, "date_string": TODAY}
    return tokenizer.apply_chat_template(list(messages), **options)


def prompt_tokens(tokenizer, messages: Sequence[Message], *, chat: bool = True) -> list[int]:
    """The prompt as the model's tokens; where no template has said how a text begins, the tokenizer does."""
    text = prompt_text(tokenizer, messages, chat=chat)
    return tokenizer(text, add_special_tokens=not has_template(tokenizer, chat))["input_ids"]


def by_prefix(requests: Sequence[Request], tokenizer, at_once: int) -> list[list[Request]]:
    """Batches of `BATCH` requests, or `at_once` if that is more, in the order of the prompts' texts.

    Prompts that begin alike, with one instruction and one schema, follow one another, so that an engine
    that keeps what it has read reads on where they part.
    """
    texts = {r.id: prompt_text(tokenizer, r.messages, chat=r.chat) for r in requests}
    ordered, size = sorted(requests, key=lambda r: (texts[r.id], r.id)), max(BATCH, at_once)
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]
