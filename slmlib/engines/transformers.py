"""Hugging Face transformers: the reference engine, in fp32, bf16, or with weights of 8 or 4 bits.

Greedy decoding in batches. Prompts are read one by one, each from the first token that differs from
the previous prompt; then all go on together, and a sequence leaves its batch when it ends. Logits
are computed in fp32 even where the rest runs in bf16, because bf16 logits tie too often to be
trusted. In int8 a completion may depend on those beside it, since bitsandbytes looks for outlying
columns in all of them together.

No more sequences are decoded at once than the free memory holds. If memory still runs out, or
PyTorch fails otherwise, half as many go on. A request that fails alone is an error of that request;
if the next one fails too, the engine is broken, and the run stops.
"""

import copy
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import takewhile

import torch
import transformers
from torch.nn.functional import pad
from transformers import DynamicCache

from slmlib.core import machine
from slmlib.engines.base import (
    FAILURE,
    Choice,
    Completion,
    EngineError,
    OnTokens,
    Request,
    UnsupportedConstraint,
    ignore,
)
from slmlib.engines.chat import by_prefix, prompt_tokens
from slmlib.engines.constraints import Grammars, labels
from slmlib.engines.sequences import SequenceState
from slmlib.models import weights

NO_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")


def start(model: str, *, dtype: str, batch_size: int, threads: int | None, **_) -> "Transformers":
    """Load a registered model, on the GPUs if there are any."""
    loaded = weights.load(model, dtype=dtype, device="auto")
    return Transformers(loaded, batch_size=batch_size, threads=threads)


class Transformers:
    """Greedy decoding of batches with a loaded model."""

    def __init__(self, loaded: weights.Loaded, *, batch_size: int = 16, threads: int | None = None):
        self.network, self.vocabulary, self.dtype = loaded.network, loaded.vocabulary, loaded.dtype
        self.batch_size = self.fitting = batch_size
        self.halvings, self.failure = 0, ""
        self._broken = False  # the last sequence that ended has failed, alone
        self.threads = threads or machine.available_threads()
        torch.set_num_threads(self.threads)

    def describe(self) -> dict:
        device = self.network.device
        description = {
            "name": "transformers",
            "version": transformers.__version__,
            "dtype": self.dtype,
            "batch_size": self.batch_size,
            "threads": self.threads,
            "device": str(device),
            "kernels": torch.backends.cpu.get_cpu_capability(),
            "attention": self.network.config._attn_implementation,
            "computed_in": str(self.network.dtype).removeprefix("torch."),
            "weights_bytes": self.network.get_memory_footprint(),
        }
        if device.type == "cuda":
            description["kernels"] = torch.cuda.get_device_name(device)
        if self.fitting < self.batch_size:
            description["fitting"] = self.fitting
        if self.halvings:
            description |= {"halvings": self.halvings, "halved_after": self.failure}
        return description

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        self.fitting = min(self.batch_size, self._fitting(requests))
        return by_prefix(requests, self.vocabulary.tokenizer, self.batch_size)

    def _fitting(self, requests: Sequence[Request]) -> int:
        """The number of sequences that fit the memory; a KV cache is copied as it grows."""
        config = self.network.config.get_text_config()
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        values = 2 * config.num_hidden_layers * config.num_key_value_heads * size
        tokenizer = self.vocabulary.tokenizer
        longest = max(
            len(prompt_tokens(tokenizer, r.messages, tools=r.tools, chat=r.chat)) + r.max_new_tokens
            for r in requests
        )
        longest = min(longest, self.vocabulary.context)
        free = _free_memory(self.network.device) - self._head.nbytes
        return max(1, free // (2 * longest * values * self.network.dtype.itemsize))

    def generate(
        self, batch: Sequence[Request], on_tokens: OnTokens = ignore
    ) -> Iterator[Completion]:
        start, waiting = time.perf_counter(), []
        for request in batch:
            sequence = SequenceState(request, self.vocabulary)
            try:
                sequence.check("transformers", self.vocabulary.context)
                waiting.append(self._with_matcher(sequence))
            except (UnsupportedConstraint, EngineError) as error:
                yield sequence.completion(start, str(error))
        size = self.fitting  # how many are decoded at once
        while waiting:
            sequences, waiting = waiting[:size], waiting[size:]
            try:
                for sequence in self._decode(sequences, start, on_tokens):
                    self._broken = False
                    yield sequence.completion(start)
                size = min(2 * size, self.fitting)
                continue
            except (MemoryError, RuntimeError) as error:
                short = isinstance(error, MemoryError) or any(t in str(error) for t in NO_MEMORY)
                if len(sequences) == 1 and self._broken and not short:
                    raise
                self.failure = f"{type(error).__name__}: {error}"[:FAILURE]
            # leaving `except` has freed the memory held by the traceback
            if len(sequences) == 1:
                self._broken = not short
                reason = "not enough memory for" if short else "the engine fails at"
                yield sequences[0].completion(start, f"{reason} this case alone: {self.failure}")
                continue
            left = [sequence.request for sequence in sequences if not sequence.finish]
            again = [SequenceState(request, self.vocabulary) for request in left]
            waiting = [*map(self._with_matcher, again), *waiting]
            self.halvings, size = self.halvings + 1, max(1, len(sequences) // 2)
            if short:
                self.fitting = size

    def _with_matcher(self, sequence: SequenceState) -> SequenceState:
        if sequence.request.constraint is not None:
            sequence.matcher = self._grammars.matcher(sequence.request.constraint)
        return sequence

    def _decode(
        self, sequences: list[SequenceState], start: float, on_tokens: OnTokens
    ) -> Iterator[SequenceState]:
        """Decode sequences together; yields each when it ends, and goes on with the others."""
        with torch.inference_mode():
            hidden, cache, mask = self._read(sequences)
        while True:
            with torch.inference_mode():
                chosen = self._choose(self._logits(hidden), sequences)
            for sequence, token in zip(sequences, chosen, strict=True):
                sequence.append(token, start)
            on_tokens(len(sequences))
            yield from (sequence for sequence in sequences if sequence.finish)
            rows = [row for row, sequence in enumerate(sequences) if not sequence.finish]
            if not rows:
                return
            with torch.inference_mode():
                if len(rows) < len(sequences):
                    sequences, mask = [sequences[row] for row in rows], mask[rows]
                    cache.batch_select_indices(torch.tensor(rows))
                tokens = torch.tensor([[sequence.tokens[-1]] for sequence in sequences])
                mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
                hidden = self._forward(tokens, cache, mask)[:, -1]

    def _read(self, sequences: Sequence[SequenceState]):
        """Read prompts one by one, each from the first token that differs from the one before it.

        Returns:
            The last hidden states, (rows, size); a cache of all prompts, padded on the left; and
            its mask, (rows, columns).
        """
        cache, before, hiddens, caches = DynamicCache(), [], [], []
        for sequence in sequences:
            prompt = sequence.prompt
            alike = takewhile(lambda pair: pair[0] == pair[1], zip(before, prompt, strict=False))
            shared = min(len(list(alike)), len(prompt) - 1)
            cache = copy.deepcopy(cache)
            cache.crop(shared - len(before))
            hiddens.append(self._forward(torch.tensor([prompt[shared:]]), cache)[:, -1])
            caches.append(cache)
            before = prompt
            if sequence.request.want_scores:
                sequence.label_logprobs = self._score_labels(sequence, hiddens[-1], cache)
        width = max(len(sequence.prompt) for sequence in sequences)
        gaps = [width - len(sequence.prompt) for sequence in sequences]

        def together(tensors):
            pairs = zip(tensors, gaps, strict=True)
            return torch.cat([pad(tensor, (0, 0, gap, 0)) for tensor, gap in pairs])

        joint = DynamicCache()
        for index in range(len(cache.layers)):
            layers = [cache.layers[index] for cache in caches]
            keys, values = [layer.keys for layer in layers], [layer.values for layer in layers]
            joint.update(together(keys), together(values), index)
        mask = torch.tensor([[0] * gap + [1] * (width - gap) for gap in gaps])
        return torch.cat(hiddens), joint, mask

    def _forward(self, tokens, cache, mask=None):
        """Read (rows, columns) tokens after the cached ones; returns (rows, columns, size)."""
        device, options = self.network.device, {}
        if mask is not None:
            positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
            options = {"attention_mask": mask.to(device), "position_ids": positions.to(device)}
        return self.network.base_model(
            input_ids=tokens.to(device), past_key_values=cache, use_cache=True, **options
        ).last_hidden_state

    def _logits(self, hidden):
        """Logits in fp32, (…, vocabulary) from (…, size)."""
        return hidden.to(self._head.device).float() @ self._head.T

    def _choose(self, logits, sequences: Sequence[SequenceState]) -> list[int]:
        """The most probable next token of each sequence, within its grammar if it has one."""
        matchers = [sequence.matcher for sequence in sequences]
        if any(matchers):
            logits = logits.cpu()
            self._grammars.mask(logits, matchers)
        return logits.argmax(-1).tolist()

    def _score_labels(self, sequence: SequenceState, hidden, cache) -> dict[str, float]:
        """The log-probability of each label of a choice, with an end token, after a prompt.

        The prompt's cache and last hidden state, (1, size), are given; labels are read in batches,
        padded on the right.
        """
        if not isinstance(sequence.request.constraint, Choice):
            return {}
        texts, ends = labels(sequence.request.constraint), sorted(self.vocabulary.ends)
        scores: dict[str, float] = {}
        for i in range(0, len(texts), self.fitting):
            part = texts[i : i + self.fitting]
            spelled = self.vocabulary.tokenizer(list(part), add_special_tokens=False)["input_ids"]
            width, copies = max(map(len, spelled)), copy.deepcopy(cache)
            copies.batch_repeat_interleave(len(part))
            tokens = torch.tensor([ids + [0] * (width - len(ids)) for ids in spelled])
            following = self._forward(tokens, copies)
            for label, ids, states in zip(part, spelled, following, strict=True):
                logprobs = self._logits(torch.cat([hidden, states[: len(ids)]])).log_softmax(-1)
                end = logprobs[-1, ends].logsumexp(0)
                scores[label] = (logprobs[range(len(ids)), ids].sum() + end).item()
        return scores

    @cached_property
    def _grammars(self) -> Grammars:
        return Grammars(self.vocabulary.tokenizer, self._head.shape[0])

    @cached_property
    def _head(self):
        return self.network.get_output_embeddings().weight.detach().float()


def _free_memory(device) -> int:
    """Free bytes of a device; of several GPUs, those of the one that has least."""
    if device.type == "cuda":
        return min(torch.cuda.mem_get_info(each)[0] for each in range(torch.cuda.device_count()))
    return machine.available_memory()
