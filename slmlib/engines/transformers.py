"""Hugging Face transformers: the reference engine, in fp32 or bf16.

Greedy; prompts sorted by length and padded on the left; a row leaves its batch as soon as its answer
is complete; the last layer runs in fp32 also where the rest runs in bf16, because bf16 logits tie too
often to be trusted. Where the memory does not hold a batch, it is halved and the run goes on.
"""

import time
from collections.abc import Iterator, Sequence
from functools import cached_property

from slmlib import models
from slmlib.decoding import Grammars, UnsupportedSchema
from slmlib.engines import Completion, OnTokens, Request, available_threads, by_length, ignore
from slmlib.engines.rows import Row, encode

PREFILL_TOKENS = 2048  # of prompts, read in one pass
NO_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")


def start(model: str, *, dtype: str, batch_size: int, threads: int | None, **_) -> "Transformers":
    """The engine with a registered model loaded."""
    return Transformers(models.load(model, dtype=dtype), batch_size=batch_size, threads=threads)


class Transformers:
    """Greedy generation in length-sorted, left-padded batches."""

    def __init__(self, loaded: models.Loaded, *, batch_size: int = 16, threads: int | None = None):
        import torch

        self.network, self.tokenizer = loaded.network, loaded.tokenizer
        self.batch_size, self.halvings = batch_size, 0
        self.threads = threads or available_threads()
        torch.set_num_threads(self.threads)

    def describe(self) -> dict:
        import transformers

        found = {
            "name": "transformers",
            "version": transformers.__version__,
            "dtype": str(self.network.dtype).removeprefix("torch."),
            "batch_size": self.batch_size,
            "threads": self.threads,
            "device": str(self.network.device),
            "weights_bytes": self.network.get_memory_footprint(),
        }
        return found | ({"halvings": self.halvings} if self.halvings else {})

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        return by_length(requests, self.tokenizer, self.batch_size)

    def generate(self, batch: Sequence[Request], on_tokens: OnTokens = ignore) -> Iterator[Completion]:
        start, fitting = time.perf_counter(), []
        for request in batch:
            row = Row(request, encode(self.tokenizer, request), self.tokenizer, self._end_tokens)
            fault = row.too_long(self._context)
            try:
                row.matcher = self._matcher(request)
            except UnsupportedSchema as error:
                fault = str(error)
            if fault:
                yield row.failed(fault, start)
            else:
                fitting.append(row)
        yield from self._within_memory(fitting, start, on_tokens)

    def _matcher(self, request: Request):
        return self._grammars.matcher(request.schema) if request.schema is not None else None

    def _afresh(self, row: Row) -> Row:
        return Row(row.request, row.prompt, self.tokenizer, self._end_tokens, self._matcher(row.request))

    def _within_memory(self, rows: list[Row], start: float, on_tokens: OnTokens) -> Iterator[Completion]:
        """Answers of the rows; those that the memory does not hold together are done again in halves."""
        try:
            yield from self._decode(rows, start, on_tokens)
            return
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and not any(words in str(error) for words in NO_MEMORY):
                raise
            left = [row for row in rows if not row.finish]
        if len(left) == 1:
            yield left[0].failed("the memory does not hold this case alone", start)
            return
        self.halvings += 1
        again = [self._afresh(row) for row in left]
        for part in (again[: len(again) // 2], again[len(again) // 2 :]):
            yield from self._within_memory(part, start, on_tokens)

    def _decode(self, rows: list[Row], start: float, on_tokens: OnTokens) -> Iterator[Completion]:
        import torch

        state = None
        on_tokens(0)
        while rows:
            with torch.inference_mode():
                state = self._prefill(rows, on_tokens) if state is None else self._step(state, rows)
                chosen = self._choose(state["hidden"], [row.matcher for row in rows])
            on_tokens(len(chosen))
            for row, token in zip(rows, chosen, strict=True):
                row.take(token, start)
            for row in rows:
                if row.finish:
                    yield row.completion(start)
            keep = [i for i, row in enumerate(rows) if not row.finish]
            if len(keep) < len(rows):
                state = _select(state, keep)
            rows = [rows[i] for i in keep]

    def _prefill(self, rows: list[Row], on_tokens: OnTokens) -> dict:
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

    def _step(self, state: dict, rows: list[Row]) -> dict:
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
