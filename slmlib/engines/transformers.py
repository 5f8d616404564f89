"""Hugging Face transformers: the reference engine, in fp32, bf16, or weights of eight or four bits.

Greedy. Rows leave when their answer is complete and others enter. A prompt is read from where it parts with
the one before it, and the order of the prompts makes that late. The last row alone, as every row in batches
of one, goes on by several tokens at a time where its answer copies its prompt (prompt lookup): a token is
taken only if the model would have chosen it. Logits are made in fp32 also where the rest runs in bf16,
because bf16 logits tie too often to be trusted. In int8 an answer may depend on the rows beside it, since
bitsandbytes looks for outlying columns in all of them together. No more rows go together than the free
memory holds; where it is short all the same, or PyTorch fails otherwise, half as many go on. A case that
fails alone is an error; if the next one does too, it is the engine that is broken, and the run stops.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cached_property

from slmlib.core import machine
from slmlib.engines.base import (
    FAILURE,
    Completion,
    OnTokens,
    Request,
    UnsupportedConstraint,
    ignore,
)
from slmlib.engines.chat import by_prefix
from slmlib.engines.constraints import Grammars
from slmlib.engines.kv_cache import SPARE, State, empty, merged
from slmlib.engines.sequences import Lookup, Row, encode
from slmlib.models import weights

NO_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")


def start(model: str, *, dtype: str, batch_size: int, threads: int | None, **_) -> "Transformers":
    """The engine with a registered model loaded, on the GPUs if there are any."""
    loaded = weights.load(model, dtype=dtype, device="auto")
    return Transformers(loaded, batch_size=batch_size, threads=threads)


class Transformers:
    """Greedy generation in batches that rows enter and leave."""

    def __init__(self, loaded: weights.Loaded, *, batch_size: int = 16, threads: int | None = None):
        import torch

        self.network, self.vocabulary, self.dtype = loaded.network, loaded.vocabulary, loaded.dtype
        self.batch_size = self.at_once = self.fitting = batch_size
        self.halvings, self.failure = 0, ""
        self.broken = False  # whether the last case that ended failed, alone
        self.threads = threads or machine.available_threads()
        self._newest: tuple[list[int], State | None] = [], None  # the prompt read last
        torch.set_num_threads(self.threads)

    def describe(self) -> dict:
        import torch
        import transformers

        found = {
            "name": "transformers",
            "version": transformers.__version__,
            "dtype": self.dtype,
            "batch_size": self.batch_size,
            "threads": self.threads,
            "device": str(self.network.device),
            "kernels": _kernels(torch, self.network.device),
            "attention": self.network.config._attn_implementation,
            "computed_in": str(self.network.dtype).removeprefix("torch."),
            "weights_bytes": self.network.get_memory_footprint(),
        }
        fewer = {"fitting": self.fitting} if self.fitting < self.batch_size else {}
        halved = {"halvings": self.halvings, "halved_after": self.failure} if self.halvings else {}
        return found | fewer | halved

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        self.fitting = min(self.batch_size, self._fitting(requests))
        return by_prefix(requests, self.vocabulary.tokenizer, self.batch_size)

    def generate(
        self, batch: Sequence[Request], on_tokens: OnTokens = ignore
    ) -> Iterator[Completion]:
        import torch

        start, waiting = time.perf_counter(), deque()
        self._newest = [], None  # a batch is the same whether or not one came before it
        for request in batch:
            row = Row(request, self.vocabulary)
            fault = row.too_long(self.vocabulary.context)
            try:
                row.matcher = self._matcher(request)
            except UnsupportedConstraint as error:
                fault = str(error)
            if fault:
                yield row.failed(fault, start)
            else:
                waiting.append(row)
        self.at_once = self.fitting
        rows: list[Row] = []
        state: State | None = None
        while waiting or rows:
            try:
                with torch.inference_mode():
                    state = self._enter(waiting, rows, state, on_tokens)
                    on_tokens(self._advance(rows, state, start, alone=not waiting))
            except (MemoryError, RuntimeError) as error:
                state = None  # before anything else, so that its memory is free
                yield from self._with_fewer(error, rows, waiting, start)
                continue
            for row in rows:
                if row.finish:
                    self.broken = False
                    yield row.completion(start)
            keep = [i for i, row in enumerate(rows) if not row.finish]
            if len(keep) < len(rows):
                rows[:] = [rows[i] for i in keep]
                state = state.select(keep) if keep else None

    def _matcher(self, request: Request):
        return (
            self._grammars.matcher(request.constraint) if request.constraint is not None else None
        )

    def _fitting(self, requests: Sequence[Request]) -> int:
        """Rows whose keys and values the free memory holds, twice: they are copied when another enters."""
        config = self.network.config.get_text_config()
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        values = 2 * config.num_hidden_layers * config.num_key_value_heads * size
        lengths = (len(encode(self.vocabulary.tokenizer, r)) + r.max_new_tokens for r in requests)
        longest = min(max(lengths, default=0), self.vocabulary.context) + SPARE
        row = 2 * longest * values * self.network.dtype.itemsize
        return max(1, (_free(self.network.device) - self._head.nbytes) // row)

    def _with_fewer(self, error: Exception, rows: list[Row], waiting: deque, start: float):
        """After an error, of memory mostly: unfinished rows wait again, and half as many go on at once."""
        short = isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY)
        self._newest, self.failure = ([], None), f"{type(error).__name__}: {error}"[:FAILURE]
        unfinished = [row for row in rows if not row.finish]
        yield from (row.completion(start) for row in rows if row.finish)
        rows.clear()
        if len(unfinished) == 1 and self.at_once == 1:
            self.at_once = 1 if short else self.fitting
            if self.broken and not short:
                raise error
            self.broken = not short
            why = (
                "the memory does not hold this case alone"
                if short
                else "this case cannot be answered"
            )
            yield unfinished[0].failed(f"{why}: {self.failure}", start)
            return
        self.at_once, self.halvings = max(1, len(unfinished) // 2), self.halvings + 1
        for row in reversed(unfinished):
            again = Row(row.request, self.vocabulary)
            again.matcher = self._matcher(row.request)
            waiting.appendleft(again)

    # --- reading ------------------------------------------------------------------------------

    def _enter(self, waiting: deque, rows: list[Row], state: State | None, on_tokens: OnTokens):
        """Read prompts where a quarter of the places are free: each time, the whole cache is copied."""
        free = self.at_once - len(rows)
        if not waiting or (rows and free < max(1, self.at_once // 4)):
            return state if state is None or not rows else self._step(state, rows)
        if rows:
            state = self._step(state, rows)
        states = [state] if rows else []
        for _ in range(min(free, len(waiting))):
            rows.append(waiting.popleft())
            states.append(self._read(rows[-1].prompt))
            on_tokens(0)
        return merged(states)

    def _read(self, prompt: list[int]) -> State:
        """A state of one row, read from where the prompt parts with the one before it."""
        import torch

        before, state = self._newest
        shared = _shared(before, prompt[:-1])
        cache = state.beginning(shared) if shared else empty()
        tokens = torch.tensor([prompt[shared:]])
        mask = torch.ones(1, len(prompt), dtype=torch.long)
        read = self._forward(tokens, mask, cache)
        read.hidden = read.hidden[:, -1]
        self._newest = prompt, read
        return read

    def _step(self, state: State, rows: Sequence[Row]) -> State:
        """Read the newest token of each row."""
        import torch

        tokens = torch.tensor([[row.tokens[-1]] for row in rows])
        read = self._forward(tokens, _longer(state.mask, 1), state.cache)
        read.hidden = read.hidden[:, -1]
        return read

    def _forward(self, tokens, mask, cache) -> State:
        device = self.network.device
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        output = self.network.base_model(
            input_ids=tokens.to(device),
            attention_mask=mask.to(device),
            position_ids=positions.to(device),
            past_key_values=cache,
            use_cache=True,
        )
        return State(output.last_hidden_state, mask, cache)

    # --- choosing -----------------------------------------------------------------------------

    def _advance(self, rows: list[Row], state: State, start: float, *, alone: bool) -> int:
        """Give each row its next token; a row that is alone gets all that are left to it."""
        chosen = self._best(self._logits(state.hidden), [row.matcher for row in rows])
        for row, token in zip(rows, chosen, strict=True):
            row.take(token, start)
        if len(rows) > 1 or not (alone or self.at_once == 1):
            return len(chosen)
        return len(chosen) + self._alone(rows[0], state, start)

    def _alone(self, row: Row, state: State, start: float) -> int:
        """Finish one answer by prompt lookup; returns how many tokens that took."""
        import torch

        lookup, before = Lookup([*row.prompt, *row.tokens]), len(row.tokens)
        while not row.finish:
            draft = lookup.draft()
            length = state.width
            tokens = torch.tensor([[row.tokens[-1], *draft]])
            state = self._forward(tokens, _longer(state.mask, tokens.shape[1]), state.cache)
            taken = 0
            for logits, guess in zip(self._logits(state.hidden[0]), [*draft, None], strict=True):
                (token,) = self._best(logits[None], [row.matcher])
                row.take(token, start)
                lookup.add(token)
                taken += 1
                if row.finish or token != guess:
                    break
            state.cut(length + taken)
        return len(row.tokens) - before

    def _logits(self, hidden):
        """In fp32, (rows, vocabulary) from (rows, size)."""
        return hidden.to(self._head.device).float() @ self._head.T

    def _best(self, logits, matchers: list) -> list[int]:
        """The most probable next token of each row, within its grammar if it has one."""
        if any(matchers):
            logits = logits.cpu()
            self._grammars.mask(logits, matchers)
        return logits.argmax(-1).tolist()

    @cached_property
    def _grammars(self) -> Grammars:
        return Grammars(self.vocabulary.tokenizer, self._head.shape[0])

    @cached_property
    def _head(self):
        return self.network.get_output_embeddings().weight.detach().float()


def _kernels(torch, device) -> str:
    cuda = device.type == "cuda"
    return torch.cuda.get_device_name(device) if cuda else torch.backends.cpu.get_cpu_capability()


def _free(device) -> int:
    """Bytes of memory that a device has left; of several GPUs, the one that has least."""
    import torch

    if device.type == "cuda":
        return min(torch.cuda.mem_get_info(each)[0] for each in range(torch.cuda.device_count()))
    return machine.available_memory()


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    """Tokens with which both begin."""
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )


def _longer(mask, tokens: int):
    import torch

    return torch.cat([mask, mask.new_ones(mask.shape[0], tokens)], dim=1)
