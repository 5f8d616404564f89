"""The controls' engine: answers that need no model."""

from collections.abc import Iterator, Mapping, Sequence

import slmlib
from slmlib.engines.base import Completion, OnTokens, Request, ignore


class Control:
    """Each case's completion is given."""

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
