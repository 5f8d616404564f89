"""OpenVINO GenAI: continuous batching on a CPU, with a prefix cache and grammars of its own.

Weights are read from an F16 GGUF file; OpenVINO reads Q4_1 too, but its answers are then worse than
those of the same weights elsewhere. Prompts are tokenized and completions decoded by the model's
own tokenizer, as in the reference engine. A request enters when another one ends, in an order in
which prompts that begin alike follow one another, so that their common part is computed once.
"float32" computes everything in fp32, the cache included, which gives the answers of a plain loop;
"bfloat16" is faster. If a step fails, as it does when memory is short, half as many requests go on
in a new pipeline with half the cache.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import openvino
import openvino_genai

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
from slmlib.engines.sequences import SequenceState
from slmlib.models import registry, weights

PRECISION = {"float32": "f32", "bfloat16": "bf16"}
CACHE_GB = 3  # of keys and values, at most; what does not fit waits, or is computed again
STEP_TOKENS = 2048  # of prompts and completions, computed in one step


def start(
    model: str, *, dtype: str, batch_size: int, threads: int | None, reuse: bool = True, **_
) -> "OpenVino":
    """Load a registered model."""
    if dtype == "bfloat16" and "BF16" not in kernels():
        raise EngineError(
            "OpenVINO computes in bfloat16 only on CPUs with AVX512-BF16 or AMX, and this one has "
            "neither. Use dtype float32, or the engine transformers."
        )
    path = weights.gguf(registry.get(model), "f16")
    sizes = {"batch_size": batch_size, "threads": threads, "reuse": reuse}
    return OpenVino(path, weights.vocabulary(model), dtype=dtype, **sizes)


def kernels() -> list[str]:
    """Types in which OpenVINO computes on this CPU, such as FP32, BF16 and INT8."""
    return sorted(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


class OpenVino:
    """Greedy decoding with a continuous-batching pipeline."""

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
        # half of the free memory
        self.cache_gb = max(1, min(CACHE_GB, machine.available_memory() // 2**31))
        self.pipeline = self._pipeline()

    def _pipeline(self) -> openvino_genai.ContinuousBatchingPipeline:
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.max_num_seqs, scheduler.cache_size = self.batch_size, self.cache_gb
        scheduler.max_num_batched_tokens = STEP_TOKENS
        scheduler.enable_prefix_caching = self.reuse
        hints = {
            "INFERENCE_PRECISION_HINT": PRECISION[self.dtype],
            "KV_CACHE_PRECISION": PRECISION[self.dtype],
            "INFERENCE_NUM_THREADS": self.threads,
            "ENABLE_CPU_PINNING": False,  # alone as fast; a fifth faster beside a busy process
        }
        return openvino_genai.ContinuousBatchingPipeline(str(self.path), scheduler, "CPU", hints)

    def describe(self) -> dict:
        description = {
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
        if self.halvings:
            description |= {"halvings": self.halvings, "halved_after": self.failure[:FAILURE]}
        return description

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        return by_prefix(requests, self.vocabulary.tokenizer, self.batch_size)

    def generate(
        self, batch: Sequence[Request], on_tokens: OnTokens = ignore
    ) -> Iterator[Completion]:
        start, running = time.perf_counter(), []
        waiting = deque(SequenceState(request, self.vocabulary) for request in batch)
        self.at_once = self.batch_size
        try:
            while waiting or running:
                # one enters at a time, so that it finds the prompt of the one before in the cache
                if waiting and len(running) < self.at_once:
                    sequence = waiting.popleft()
                    try:
                        sequence.check("openvino", self.vocabulary.context)
                        running.append((sequence, self._add(sequence)))
                    except (UnsupportedConstraint, RuntimeError) as error:
                        yield sequence.completion(start, str(error))
                        continue
                try:
                    self.pipeline.step()
                except RuntimeError as error:
                    # half as many go on in a new pipeline
                    failed, self.failure = [sequence for sequence, _ in running], str(error)
                    running.clear()
                    self._restart()
                    if len(failed) == 1 and self.at_once == 1:
                        self.at_once = self.batch_size
                        reason = f"OpenVINO cannot complete this case: {error}"
                        yield failed[0].completion(start, reason)
                        continue
                    self.at_once, self.halvings = max(1, len(failed) // 2), self.halvings + 1
                    again = [SequenceState(each.request, self.vocabulary) for each in failed]
                    waiting.extendleft(reversed(again))
                    continue
                on_tokens(sum(self._read(*pair, start) for pair in running))
                for sequence, handle in running:
                    if sequence.finish:
                        handle.cancel()
                        yield sequence.completion(start, sequence.violates_constraint())
                running[:] = [pair for pair in running if not pair[0].finish]
        finally:
            self._drop([handle for _, handle in running])

    def _restart(self) -> None:
        """Start a pipeline with half the cache, or with less if even that cannot be allocated."""
        self.pipeline = None  # frees its memory before the next one takes its own
        while self.pipeline is None:
            self.cache_gb = max(1, self.cache_gb // 2)
            try:
                self.pipeline = self._pipeline()
            except RuntimeError as error:
                if self.cache_gb == 1:
                    message = f"OpenVINO cannot start again: {error}. Free memory."
                    raise EngineError(message) from error

    def _add(self, sequence: SequenceState):
        """Hand a sequence to the pipeline; returns the pipeline's handle of it."""
        request, options = sequence.request, openvino_genai.GenerationConfig()
        options.do_sample, options.max_new_tokens = False, request.max_new_tokens
        options.stop_token_ids = set(self.vocabulary.ends)
        if request.constraint is not None:
            options.structured_output_config = openvino_genai.StructuredOutputConfig(
                grammar=ebnf(request.constraint)
            )
        prompt = openvino.Tensor(np.array([sequence.prompt], dtype=np.int64))
        self._count += 1
        return self.pipeline.add_request(self._count, prompt, options)

    @staticmethod
    def _read(sequence: SequenceState, handle, start: float) -> int:
        """Append a sequence's new tokens; returns how many."""
        before = len(sequence.tokens)
        while handle.can_read() and not sequence.finish:
            for output in handle.read().values():
                for token in output.generated_ids:
                    if not sequence.finish:
                        sequence.append(token, start)
        status = handle.get_status().name
        if not sequence.finish and status == "FINISHED":
            sequence.finish = "stop"
        elif not sequence.finish and status != "RUNNING":
            sequence.finish = "error"
            sequence.error = f"OpenVINO dropped the request ({status.lower()})"
        return len(sequence.tokens) - before

    def _drop(self, handles: list) -> None:
        """Remove requests from the pipeline: these, and those that were cancelled before."""
        for handle in handles:
            handle.cancel()
        try:
            while self.pipeline and self.pipeline.has_non_finished_requests():
                self.pipeline.step()
        except RuntimeError:
            self._restart()
