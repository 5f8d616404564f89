"""Sampled answers in this process: the calls that an endpoint takes, through transformers.

Each call draws from a generator of its own, seeded by the call: to add Gumbel noise to the logits
and take the largest is to draw from their softmax (Gumbel, 1954). So a text depends on its call,
not on the batch it was made in, and no global state is touched.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from slmlib.core import paths
from slmlib.engines import base as engines
from slmlib.engines.openai_client import Call, Reply, Usage
from slmlib.models import registry as models


class Local:
    """A network and its tokenizer that answer calls in batches."""

    def __init__(self, network, tokenizer, *, batch_size: int = 8):
        self.network, self.tokenizer, self.batch_size = network, tokenizer, batch_size
        self.usage = Usage()

    def describe(self) -> dict:
        """What made the answers, for the records."""
        return {"engine": "transformers", "dtype": str(self.network.dtype).removeprefix("torch.")}

    def answers(self, calls: Iterable[Call]) -> Iterator[tuple[int, Reply]]:
        """Position and reply of each call, batch by batch in the calls' order."""
        waiting = enumerate(calls)
        while batch := list(islice(waiting, self.batch_size)):
            replies = self._answer([call for _, call in batch])
            yield from zip([index for index, _ in batch], replies, strict=True)

    def _answer(self, calls: Sequence[Call]) -> list[Reply]:
        import torch

        start = time.perf_counter()
        texts = [engines.prompt_text(self.tokenizer, call.messages) for call in calls]
        tokens = self.tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        room = self.network.config.max_position_embeddings - tokens["input_ids"].shape[1]
        longest = min(max(call.max_tokens for call in calls), room)
        if longest < 1 and len(calls) > 1:
            return [reply for call in calls for reply in self._answer([call])]
        if longest < 1:
            return [Reply("", "error", 0, 0, 0.0, 0.0, error="the prompt fills the model's whole context")]
        with torch.inference_mode():
            output = self.network.generate(
                **tokens.to(self.network.device),
                do_sample=False,
                temperature=None,  # the sampling of the model's own configuration is not asked for
                top_p=None,
                top_k=None,
                max_new_tokens=longest,
                logits_processor=[_Draw(calls)],
            )
        made = output[:, tokens["input_ids"].shape[1] :].tolist()
        sizes, seconds = tokens["attention_mask"].sum(1).tolist(), time.perf_counter() - start
        return [self._reply(*parts, seconds) for parts in zip(calls, made, sizes, strict=True)]

    def _reply(self, call: Call, tokens: list[int], size: int, seconds: float) -> Reply:
        ends = self.network.generation_config.eos_token_id
        ends = {self.tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])}
        length = next((i for i, token in enumerate(tokens) if token in ends), None)
        whole = length is not None and length <= call.max_tokens
        kept = tokens[: length if whole else call.max_tokens]
        self.usage.requests, self.usage.answers = self.usage.requests + 1, self.usage.answers + 1
        self.usage.tokens_in += size
        self.usage.tokens_out += len(kept)
        text = self.tokenizer.decode(kept, skip_special_tokens=True)
        return Reply(text, "stop" if whole else "length", size, len(kept), seconds, 0.0)


class _Draw:
    """A logits processor after which the largest logit is a draw at each row's temperature."""

    def __init__(self, calls: Sequence[Call]):
        import torch

        self.calls = calls
        self.chances = [torch.Generator().manual_seed(call.seed or 0) for call in calls]

    def __call__(self, tokens, scores):
        for row, (call, chance) in enumerate(zip(self.calls, self.chances, strict=True)):
            if call.temperature > 0:
                scores[row] = self._drawn(scores[row].float() / call.temperature, call.top_p, chance)
        return scores

    @staticmethod
    def _drawn(scores, top_p: float, chance):
        import torch
        from transformers import TopPLogitsWarper

        if top_p < 1:
            scores = TopPLogitsWarper(top_p)(None, scores[None])[0]
        noise = torch.empty(scores.shape).exponential_(generator=chance)
        return scores - noise.log().to(scores.device)


def load(
    name: str,
    *,
    hub: str = "",
    revision: str = "",
    dtype: str = "float32",
    device: str = "cpu",
    batch_size: int = 8,
) -> Local:
    """Load a model to write with.

    Args:
        name: a model of the registry, or a folder of safetensors in the local model folder.
        hub: hub repository of safetensors, for a model that is in neither; `revision` pins it.
        revision: commit of the hub repository.
        dtype: "float32" or "bfloat16".
        device: a torch device.
        batch_size: calls answered together.

    Raises:
        ModelError: the weights are nowhere to be had.
    """
    if name in models.MODELS:
        loaded = models.load(name, dtype=dtype, device=device)
        return Local(loaded.network, loaded.tokenizer, batch_size=batch_size)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = paths.models() / name
    source, pin = (folder, {}) if folder.is_dir() else (hub, {"revision": revision})
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, padding_side="left", **pin)
        network = AutoModelForCausalLM.from_pretrained(
            source, dtype=getattr(torch, dtype), use_safetensors=True, **pin
        )
    except (OSError, ValueError) as error:
        raise models.ModelError(
            f"weights of {name} not found: {str(error).splitlines()[0]} Put the folder with its "
            f"safetensors at {folder}, or log in with `hf auth login` where {hub or 'the hub'} asks for it."
        ) from error
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token  # Llama's has none
    return Local(network.eval().to(device), tokenizer, batch_size=batch_size)
