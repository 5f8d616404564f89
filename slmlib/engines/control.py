"""The engine of controls: completions that need no model."""

from collections.abc import Callable, Iterator, Sequence

import slmlib
from slmlib.engines.base import Completion, OnTokens, Request, ignore


class Control:
    """Completes each request by a function of it."""

    def __init__(self, answer: Callable[[Request], str]):
        self.answer = answer

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

    def generate(
        self, batch: Sequence[Request], on_tokens: OnTokens = ignore
    ) -> Iterator[Completion]:
        for request in batch:
            yield Completion(request.id, self.answer(request), "stop", 0, 0, 0.0, 0.0)
