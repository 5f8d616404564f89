"""OpenVINO GenAI: continuous batching on a CPU, with prefix caching and grammars of its own.

Weights are read from an F16 GGUF file, to which they are rounded; it takes Q4_1 too, but its answers are
then worse than those of the same weights elsewhere. Prompts are tokenised and answers read by the model's
own tokenizer, as in the reference engine. Requests enter as others leave, in an order in which prompts that
begin alike follow one another, so that what they share is read once. "float32" computes everything in fp32,
the cache included, which makes answers those of the plain loop, and "bfloat16" is faster. Where a step
fails, as it does when the memory is short, half as many requests go on in a new pipeline with half the cache.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from slmlib.core import machine
from slmlib.engines.base import (
    FAILURE,
    Completion,
    EngineError,
    OnTokens,
    Request,
    UnsupportedConstraint,
    ignore,
)
from slmlib.engines.chat import by_prefix
from slmlib.engines.openvino_grammar import ebnf
from slmlib.engines.sequences import Row
from slmlib.models import registry, weights

PRECISION = {"float32": "f32", "bfloat16": "bf16"}
CACHE_GB = 3  # of keys and values, at most; what does not fit waits, or is computed again
STEP_TOKENS = 2048  # of prompts and answers, computed in one step


def start(
    model: str, *, dtype: str, batch_size: int, threads: int | None, reuse: bool = True, **_
) -> "OpenVino":
    """The engine with a registered model loaded.

    Raises:
        EngineError: this CPU does not compute in that type.
    """
    if dtype == "bfloat16" and "BF16" not in kernels():
        raise EngineError(
            "OpenVINO computes in bfloat16 only on CPUs with AVX512-BF16 or AMX, and this one has neither. "
            "Use dtype float32, or the engine transformers."
        )
    path = weights.gguf(registry.get(model), "f16")
    sizes = {"batch_size": batch_size, "threads": threads, "reuse": reuse}
    return OpenVino(path, weights.vocabulary(model), dtype=dtype, **sizes)


def kernels() -> list[str]:
    """What OpenVINO computes in on this CPU, such as FP32, BF16 and INT8."""
    import openvino

    return sorted(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


class OpenVino:
    """Greedy generation with a continuous-batching pipeline."""

    def __init__(
        self,
        path: Path,
        vocabulary: weights.Vocabulary,
        *,
        dtype: str = "float32",
        batch_size: int = 16,
        threads: int | None = None,
        reuse: bool = True,
    ):
        self.path, self.vocabulary = path, vocabulary
        self.dtype, self.batch_size, self.reuse = dtype, batch_size, reuse
        self.threads = threads or machine.available_threads()
        self.at_once, self.halvings, self._count = batch_size, 0, 0
        self.failure = ""  # of the step after which fewer went on
        self.cache_gb = max(
            1, min(CACHE_GB, machine.available_memory() // 2**31)
        )  # half of what is free
        self.pipeline = self._pipeline()

    def _pipeline(self):
        import openvino_genai

        scheduler = openvino_genai.SchedulerConfig()
        scheduler.max_num_seqs, scheduler.cache_size = self.batch_size, self.cache_gb
        scheduler.max_num_batched_tokens = STEP_TOKENS
        scheduler.enable_prefix_caching = self.reuse
        hints = {
            "INFERENCE_PRECISION_HINT": PRECISION[self.dtype],
            "KV_CACHE_PRECISION": PRECISION[self.dtype],
            "INFERENCE_NUM_THREADS": self.threads,
        }
        return openvino_genai.ContinuousBatchingPipeline(str(self.path), scheduler, "CPU", hints)

    def describe(self) -> dict:
        import openvino_genai

        found = {
            "name": "openvino",
            "version": openvino_genai.__version__.partition("-")[0],
            "dtype": self.dtype,
            "batch_size": self.batch_size,
            "threads": self.threads,
            "device": "cpu",
            "kernels": " ".join(kernels()),
            "weights": "f16",
            "cache_gb": self.cache_gb,
            **weights.describe_file(self.path),
        }
        return found | (
            {"halvings": self.halvings, "halved_after": self.failure} if self.halvings else {}
        )

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        return by_prefix(requests, self.vocabulary.tokenizer, self.batch_size)

    def generate(
        self, batch: Sequence[Request], on_tokens: OnTokens = ignore
    ) -> Iterator[Completion]:
        start, running = time.perf_counter(), []
        waiting = deque(Row(request, self.vocabulary) for request in batch)
        self.at_once = self.batch_size
        try:
            while waiting or running:
                # one enters at a time: it finds what the one before it has read in the cache
                if waiting and len(running) < self.at_once:
                    row = waiting.popleft()
                    fault = row.too_long(self.vocabulary.context)
                    try:
                        running += [] if fault else [(row, self._add(row))]
                    except (UnsupportedConstraint, RuntimeError) as error:
                        fault = str(error)
                    if fault:
                        yield row.failed(fault, start)
                        continue
                try:
                    self.pipeline.step()
                except RuntimeError as error:
                    yield from self._with_fewer(error, running, waiting, start)
                    continue
                on_tokens(sum(self._read(row, handle, start) for row, handle in running))
                for row, handle in running:
                    if row.finish:
                        handle.cancel()
                        fault = row.left_its_grammar()
                        yield row.failed(fault, start) if fault else row.completion(start)
                running[:] = [(row, handle) for row, handle in running if not row.finish]
        finally:
            self._drop([handle for _, handle in running])

    def _with_fewer(self, error: RuntimeError, running: list, waiting: deque, start: float):
        """After an error, of memory mostly: a new pipeline, in which half as many go on at once."""
        rows = [row for row, _ in running]
        running.clear()
        self.failure = str(error)[:FAILURE]
        self.pipeline = None  # frees its memory before the next one takes its own
        self.pipeline = self._smaller_pipeline()
        if len(rows) == 1 and self.at_once == 1:
            self.at_once = self.batch_size
            yield rows[0].failed(f"OpenVINO cannot answer this case alone: {error}", start)
            return
        self.at_once, self.halvings = max(1, len(rows) // 2), self.halvings + 1
        waiting.extendleft(Row(row.request, self.vocabulary) for row in reversed(rows))

    def _smaller_pipeline(self):
        """A pipeline with half of the cache, or less if even that cannot be had."""
        while True:
            self.cache_gb = max(1, self.cache_gb // 2)
            try:
                return self._pipeline()
            except RuntimeError as why:
                if self.cache_gb == 1:
                    raise EngineError(f"OpenVINO cannot start again: {why}. Free memory.") from why

    def _add(self, row: Row):
        import numpy as np
        import openvino
        import openvino_genai

        options = openvino_genai.GenerationConfig()
        options.do_sample, options.max_new_tokens = False, row.request.max_new_tokens
        options.stop_token_ids = set(self.vocabulary.ends)
        if row.request.constraint is not None:
            grammar = ebnf(row.request.constraint)
            options.structured_output_config = openvino_genai.StructuredOutputConfig(
                grammar=grammar
            )
        prompt = openvino.Tensor(np.array([row.prompt], dtype=np.int64))
        self._count += 1
        return self.pipeline.add_request(self._count, prompt, options)

    @staticmethod
    def _read(row: Row, handle, start: float) -> int:
        """Give a row its new tokens; returns how many."""
        before = len(row.tokens)
        while handle.can_read() and not row.finish:
            for output in handle.read().values():
                for token in output.generated_ids:
                    if not row.finish:
                        row.take(token, start)
        status = handle.get_status().name
        if not row.finish and status != "RUNNING":
            row.finish = "stop" if status == "FINISHED" else "error"
            row.error = (
                "" if status == "FINISHED" else f"OpenVINO gave the request up: {status.lower()}"
            )
        return len(row.tokens) - before

    def _drop(self, handles: list) -> None:
        """Take requests out of the pipeline: these, and those that were cancelled before."""
        for handle in handles:
            handle.cancel()
        try:
            while self.pipeline and self.pipeline.has_non_finished_requests():
                self.pipeline.step()
        except RuntimeError:  # what is dropped is not wanted: a new pipeline has none of it
            self.pipeline = None
            self.pipeline = self._smaller_pipeline()
