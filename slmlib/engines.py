"""Engines: requests in, completions out.

Every engine splits the requests of a run into a fixed partition of batches and answers one batch
at a time. What is in a batch depends on the run only, never on where it was interrupted, so a
batch that is done again gives the same answers.

Notable choices of the first engine, on Hugging Face transformers: greedy; prompts sorted by length
and padded on the left; a row leaves its batch as soon as its answer is complete; the last layer
runs in fp32 also where the rest runs in bf16, because bf16 logits tie too often to be trusted.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import slmlib
from slmlib import models
from slmlib.decoding import Grammars
from slmlib.scoring import Completeness
from slmlib.tasks import Message, choose

ENGINES = ("transformers",)
DECODINGS = ("free", "schema")
PREFILL_TOKENS = 2048  # of prompts, read in one pass
DTYPES = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Request:
    """One case to complete.

    `stop` is "json" (end with the first JSON value) or "none"; with a schema, the answer can only be
    JSON that is valid under it.
    """

    id: str
    messages: Sequence[Message]
    max_new_tokens: int
    stop: str = "json"
    schema: Mapping | None = None


@dataclass(frozen=True)
class Completion:
    """One answer. `seconds` and `first_token_seconds` count from the start of the batch."""

    id: str
    text: str
    finish: str  # "stop", "length" or "error"
    tokens_in: int
    tokens_out: int
    seconds: float
    first_token_seconds: float


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


def available_threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resolve_dtype(dtype: str, *, device: str = "cpu") -> str:
    """Turn "auto" into a type: bf16 on a GPU, and on a CPU that multiplies it faster than fp32."""
    choose("dtype", dtype, DTYPES)
    if dtype != "auto":
        return dtype
    return "bfloat16" if device != "cpu" or _bfloat16_is_faster() else "float32"


def _bfloat16_is_faster() -> bool:
    import torch

    def seconds(kind) -> float:
        a, b = torch.ones(512, 1536, dtype=kind), torch.ones(1536, 1536, dtype=kind)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            a @ b
            times.append(time.perf_counter() - start)
        return min(times)

    return seconds(torch.bfloat16) < 0.8 * seconds(torch.float32)


def prompt_text(tokenizer, messages: Sequence[Message]) -> str:
    """The messages in the model's own chat template, ready for the assistant's turn."""
    return tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)


class Control:
    """Answers that need no model: each case's completion is given."""

    def __init__(self, answers: Mapping[str, str]):
        self.answers = answers

    def describe(self) -> dict:
        return {
            "name": "control",
            "version": slmlib.__version__,
            "dtype": None,
            "batch_size": 1,
            "threads": 1,
            "device": "cpu",
        }

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        return [[request] for request in requests]

    def generate(self, batch: Sequence[Request], on_tokens: OnTokens = ignore) -> Iterator[Completion]:
        for request in batch:
            yield Completion(request.id, self.answers[request.id], "stop", 0, 0, 0.0, 0.0)


class Transformers:
    """Greedy generation with Hugging Face transformers in length-sorted, left-padded batches."""

    def __init__(self, loaded: models.Loaded, *, batch_size: int = 16, threads: int | None = None):
        import torch

        self.network, self.tokenizer = loaded.network, loaded.tokenizer
        self.batch_size = batch_size
        self.threads = threads or available_threads()
        torch.set_num_threads(self.threads)

    def describe(self) -> dict:
        import transformers

        return {
            "name": "transformers",
            "version": transformers.__version__,
            "dtype": str(self.network.dtype).removeprefix("torch."),
            "batch_size": self.batch_size,
            "threads": self.threads,
            "device": str(self.network.device),
        }

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Requests by prompt length in tokens, longest first so that memory peaks at once."""
        lengths = {request.id: len(self._encode(request)) for request in requests}
        ordered = sorted(requests, key=lambda request: (-lengths[request.id], request.id))
        return [ordered[i : i + self.batch_size] for i in range(0, len(ordered), self.batch_size)]

    def generate(self, batch: Sequence[Request], on_tokens: OnTokens = ignore) -> Iterator[Completion]:
        start = time.perf_counter()
        rows = [_Row(request, self._encode(request), self._matcher(request)) for request in batch]
        for row in rows:
            if len(row.prompt) + row.request.max_new_tokens > self._context:
                yield row.completion("", "error", start)
        yield from self._decode([row for row in rows if not row.finish], start, on_tokens)

    def _encode(self, request: Request) -> list[int]:
        text = prompt_text(self.tokenizer, request.messages)
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _decode(self, rows: list["_Row"], start: float, on_tokens: OnTokens) -> Iterator[Completion]:
        import torch

        state = None
        on_tokens(0)
        while rows:
            with torch.inference_mode():
                state = self._prefill(rows, on_tokens) if state is None else self._step(state, rows)
                chosen = self._choose(state["hidden"], [row.matcher for row in rows])
            on_tokens(len(chosen))
            for row, token in zip(rows, chosen, strict=True):
                self._take(row, token, start)
            for row in rows:
                if row.finish:
                    yield row.completion(self._text(row), row.finish, start)
            keep = [i for i, row in enumerate(rows) if not row.finish]
            if len(keep) < len(rows):
                state = _select(state, keep)
            rows = [rows[i] for i in keep]

    def _prefill(self, rows: list["_Row"], on_tokens: OnTokens) -> dict:
        """Read the prompts, a few rows at a time. `tokens` and `mask` are (rows, longest prompt).

        One pass over a whole batch of long prompts is more than twice as slow on a CPU: what it writes
        between layers no longer fits the caches.
        """
        import torch

        width = max(len(row.prompt) for row in rows)
        padding = [width - len(row.prompt) for row in rows]
        pad = self.tokenizer.pad_token_id or 0
        tokens = torch.tensor([[pad] * gap + row.prompt for gap, row in zip(padding, rows, strict=True)])
        mask = torch.tensor([[0] * gap + [1] * (width - gap) for gap in padding])
        few, parts = max(1, PREFILL_TOKENS // width), []
        for part in range(0, len(rows), few):
            parts.append(self._forward(tokens[part : part + few], mask[part : part + few], _cache()))
            on_tokens(0)
        return _joined(parts)

    def _step(self, state: dict, rows: list["_Row"]) -> dict:
        import torch

        tokens = torch.tensor([[row.tokens[-1]] for row in rows])
        mask = torch.cat([state["mask"], state["mask"].new_ones(len(rows), 1)], dim=1)
        return self._forward(tokens, mask, state["cache"])

    def _forward(self, tokens, mask, cache) -> dict:
        device = self.network.device
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        output = self.network.base_model(
            input_ids=tokens.to(device),
            attention_mask=mask.to(device),
            position_ids=positions.to(device),
            past_key_values=cache,
            use_cache=True,
        )
        return {"hidden": output.last_hidden_state[:, -1], "mask": mask, "cache": cache}

    def _choose(self, hidden, matchers: list) -> list[int]:
        """The most probable next token of each row, from fp32 logits, within its grammar if it has one."""
        logits = hidden.float() @ self._head.T
        if any(matchers):
            logits = logits.cpu()
            self._grammars.mask(logits, matchers)
        return logits.argmax(-1).tolist()

    def _matcher(self, request: Request):
        return self._grammars.matcher(request.schema) if request.schema is not None else None

    @cached_property
    def _grammars(self) -> Grammars:
        return Grammars(self.tokenizer, self._head.shape[0])

    @cached_property
    def _head(self):
        return self.network.get_output_embeddings().weight.detach().float()

    @cached_property
    def _context(self) -> int:
        return self.network.config.max_position_embeddings

    @cached_property
    def _end_tokens(self) -> set[int]:
        declared = self.network.generation_config.eos_token_id
        declared = declared if isinstance(declared, list) else [declared]
        return {self.tokenizer.eos_token_id, *declared} - {None}

    def _take(self, row: "_Row", token: int, start: float) -> None:
        """Add a token to a row and decide whether its answer is complete."""
        row.first_token_seconds = row.first_token_seconds or time.perf_counter() - start
        row.tokens.append(token)
        if row.matcher is not None:
            row.matcher.accept_token(token)
        if token in self._end_tokens or self._closes(row, token):
            row.finish = "stop"
        elif len(row.tokens) >= row.request.max_new_tokens:
            row.finish = "length"

    def _closes(self, row: "_Row", token: int) -> bool:
        # braces and quotes are ASCII, so a token that holds part of a character does no harm
        return row.request.stop == "json" and row.completeness.feed(self.tokenizer.decode([token]))

    def _text(self, row: "_Row") -> str:
        """The row's text; one that ended with its JSON value is cut right behind that value."""
        text = self.tokenizer.decode(row.tokens, skip_special_tokens=True)
        if row.request.stop != "json":
            return text
        completeness = Completeness()
        ends = (i for i, character in enumerate(text, 1) if completeness.feed(character))
        return text[: next(ends, len(text))]


def _cache():
    """A key/value cache that grows in place.

    The library's own concatenates, which copies the whole cache for each token
    (`tests/performance/engine.py` measures what that costs).
    """
    import torch
    from transformers.cache_utils import Cache, DynamicLayer

    class Growing(DynamicLayer):
        spare = 256  # tokens of room added at a time

        def update(self, keys, values, *args, **kwargs):
            if not self.is_initialized:
                self.lazy_initialization(keys, values)
                self.room = keys[:, :, :0], values[:, :, :0]
            length = self.get_seq_length()
            end = length + keys.shape[-2]
            if end > self.room[0].shape[-2]:
                self.room = tuple(self._moved(old, end + self.spare) for old in self.room)
            for room, new in zip(self.room, (keys, values), strict=True):
                room[:, :, length:end] = new
            self.keys, self.values = (room[:, :, :end] for room in self.room)
            return self.keys, self.values

        def batch_select_indices(self, indices):
            length = self.get_seq_length()
            self.room = tuple(room[indices] for room in self.room)
            self.keys, self.values = (room[:, :, :length] for room in self.room)

        def append_rows(self, others):
            length = self.get_seq_length()
            rooms = zip(self.room, *(other.room for other in others), strict=True)
            self.room = tuple(torch.cat(parts) for parts in rooms)
            self.keys, self.values = (room[:, :, :length] for room in self.room)

        @staticmethod
        def _moved(old, width):
            rows, heads, length, size = old.shape
            new = old.new_empty(rows, heads, width, size)
            new[:, :, :length] = old
            return new

    return Cache(layer_class_to_replicate=Growing)


class _Row:
    """A request under way."""

    def __init__(self, request: Request, prompt: list[int], matcher=None):
        self.request, self.prompt, self.matcher = request, prompt, matcher
        self.tokens: list[int] = []
        self.finish = ""
        self.first_token_seconds = 0.0
        self.completeness = Completeness()

    def completion(self, text: str, finish: str, start: float) -> Completion:
        self.finish = finish
        seconds = time.perf_counter() - start
        counts = len(self.prompt), len(self.tokens)
        return Completion(self.request.id, text, finish, *counts, seconds, self.first_token_seconds)


def _joined(states: list[dict]) -> dict:
    """States of equal width as one, row after row."""
    import torch

    first, *others = states
    for place, layer in enumerate(first["cache"].layers):
        layer.append_rows([state["cache"].layers[place] for state in others])
    return {**first, **{key: torch.cat([state[key] for state in states]) for key in ("hidden", "mask")}}


def _select(state: dict, keep: list[int]) -> dict:
    """Keep these rows only."""
    import torch

    if not keep:
        return state
    index = torch.tensor(keep)
    state["cache"].batch_select_indices(index.to(state["hidden"].device))
    return {**state, "mask": state["mask"][index]}
