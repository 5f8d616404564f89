"""llama.cpp: its server on loopback in this process, GGUF weights, several slots at once.

This is what many edge devices run. `dtype` names the weights: "source" is the registry's own file,
the others are made from it. Prompts are sent as the model's tokens and answers come back as tokens, so
that the chat template and the tokenizer are those of the reference engine. An answer that is complete
ends by closing its connection. Schemas go to llguidance, which llama.cpp has built in.
"""

import json
import queue
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from slmlib.core import machine, paths
from slmlib.engines import constraints
from slmlib.engines.base import (
    Completion,
    EngineError,
    OnTokens,
    Request,
    UnsupportedConstraint,
    ignore,
)
from slmlib.engines.chat import by_prefix
from slmlib.engines.sequences import Row
from slmlib.models import gguf_files, registry, weights

CONTEXT = 4096  # tokens of a slot, or the model's own context if that is shorter
CACHE_MIB = 1024  # of prompts read before, beside the slots
PATIENCE = 600.0  # seconds without a token


def start(
    model: str, *, dtype: str, batch_size: int, threads: int | None, reuse: bool = True, **_
) -> "LlamaCpp":
    """The engine with a registered model loaded."""
    path = weights.gguf(registry.get(model), dtype)
    sizes = {"batch_size": batch_size, "threads": threads, "reuse": reuse}
    return LlamaCpp(path, weights.vocabulary(model), dtype=dtype, **sizes)


class LlamaCpp:
    """Greedy generation by llama.cpp's server."""

    def __init__(
        self,
        path: Path,
        vocabulary: weights.Vocabulary,
        *,
        dtype: str = "q8_0",
        batch_size: int = 8,
        threads: int | None = None,
        reuse: bool = True,
    ):
        self.path, self.vocabulary = path, vocabulary
        self.dtype, self.batch_size, self.reuse = dtype, batch_size, reuse
        self.threads = threads or machine.available_threads()
        self.context = min(CONTEXT, vocabulary.context)
        self.at_once, self.halvings = min(batch_size, self._fitting()), 0
        self.server = self._server()

    def _fitting(self) -> int:
        """Slots whose keys and values the free memory holds; all of their room is taken at the start."""
        free = machine.available_memory() - self.path.stat().st_size
        return max(1, free // (self.context * gguf_files.cache_bytes(self.path)))

    def _server(self):
        """A server with as many slots as can be had."""
        import xllamacpp

        options = xllamacpp.CommonParams()
        options.model.path, options.port = str(self.path), 0
        options.cpuparams.n_threads = options.cpuparams_batch.n_threads = self.threads
        options.warmup, options.verbosity = False, 0
        options.cache_ram_mib = CACHE_MIB if self.reuse else 0
        while True:
            options.n_ctx, options.n_parallel = self.context * self.at_once, self.at_once
            try:
                return xllamacpp.Server(options)
            except RuntimeError as error:
                if self.at_once == 1:
                    raise EngineError(
                        f"llama.cpp cannot load {self.path}: {error}. Free some memory; if the file is in "
                        f"the cache ({paths.cache()}), it may be damaged: delete it, and it is made again."
                    ) from error
            self.at_once, self.halvings = self.at_once // 2, self.halvings + 1

    def describe(self) -> dict:
        from importlib.metadata import version

        found = {
            "name": "llamacpp",
            "version": version("xllamacpp"),
            "dtype": self.dtype,
            "batch_size": self.batch_size,
            "threads": self.threads,
            "device": "cpu",
            "kernels": _kernels(),
            "weights": self.dtype
            if self.dtype in gguf_files.WEIGHED
            else gguf_files.kind_of(self.path),
            **weights.describe_file(self.path),
        }
        fewer = {"fitting": self.at_once} if self.at_once < self.batch_size else {}
        return found | fewer | ({"halvings": self.halvings} if self.halvings else {})

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        return by_prefix(requests, self.vocabulary.tokenizer, self.batch_size)

    def generate(
        self, batch: Sequence[Request], on_tokens: OnTokens = ignore
    ) -> Iterator[Completion]:
        import httpx

        start, found, stopped = time.perf_counter(), queue.SimpleQueue(), []
        rows = [Row(request, self.vocabulary) for request in batch]
        timeout = httpx.Timeout(PATIENCE, connect=10.0)
        options = {
            "base_url": self.server.listening_address,
            "timeout": timeout,
            "trust_env": False,
        }
        options["limits"] = httpx.Limits(max_connections=None)
        with httpx.Client(**options) as client, ThreadPoolExecutor(self.at_once) as pool:
            for row in rows:
                pool.submit(self._work, client, row, start, found, stopped)
            try:
                for _ in rows:
                    completion = found.get()
                    on_tokens(completion.tokens_out)
                    yield completion
            finally:
                stopped.append(True)
                pool.shutdown(wait=True, cancel_futures=True)

    def _work(
        self, client, row: Row, start: float, found: queue.SimpleQueue, stopped: list
    ) -> None:
        """Answer one request; whatever goes wrong becomes a completion."""
        try:
            fault = row.too_long(self.context)
            if not fault:
                self._stream(client, row, start, stopped)
                fault = (
                    row.left_its_grammar()
                )  # where it cannot go on with a grammar, it goes on without one
            found.put(row.failed(fault, start) if fault else row.completion(start))
        except UnsupportedConstraint as error:
            found.put(row.failed(str(error), start))
        except Exception as error:
            found.put(row.failed(f"{type(error).__name__}: {error}", start))

    def _stream(self, client, row: Row, start: float, stopped: list) -> None:
        asked = {
            "prompt": row.prompt,
            "n_predict": row.request.max_new_tokens,
            "samplers": ["top_k"],
            "top_k": 1,
            "temperature": 0,
            "stream": True,
            "return_tokens": True,
            "cache_prompt": self.reuse,
        }
        if row.request.constraint is not None:
            asked["grammar"] = constraints.lark(row.request.constraint)
        with client.stream("POST", "/completion", json=asked) as response:
            if response.status_code != 200:
                raise EngineError(
                    f"status {response.status_code}: {response.read()[:300].decode(errors='replace')}"
                )
            for line in response.iter_lines():
                if stopped:
                    return
                if not line.startswith("data: "):
                    continue
                event = json.loads(line.removeprefix("data: "))
                if "error" in event:
                    raise EngineError(str(event["error"])[:300])
                for token in event.get("tokens", ()):
                    if not row.finish:
                        row.take(token, start)
                if row.finish:
                    return
                if event.get("stop"):
                    row.finish = "length" if event.get("stop_type") == "limit" else "stop"
                    return
        raise EngineError("the server broke off its answer")


def _kernels() -> str:
    """What this build of llama.cpp computes with; a wheel may use less than the CPU has."""
    import xllamacpp

    return " ".join(re.findall(r"(\w+) = 1", xllamacpp.get_system_info()))
