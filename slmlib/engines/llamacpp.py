"""llama.cpp: its server on loopback in this process, GGUF weights, several slots at once.

This is what many edge devices run. `dtype` names the type of the weights; "source" is the
registry's own file, from which the others are made. Prompts go in and completions come out as
tokens, so that the chat template and the tokenizer are those of the reference engine. When `stop`
is reached, the connection is closed. Constraints go to llguidance, which llama.cpp has built in.
"""

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from importlib.metadata import version
from pathlib import Path

import httpx
import xllamacpp

from slmlib.core import machine, paths
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
from slmlib.engines.constraints import lark
from slmlib.engines.sequences import SequenceState
from slmlib.models import gguf_files, registry, weights

CONTEXT = 4096  # tokens of a slot, or the model's own context if that is shorter
CACHE_MIB = 1024  # for earlier prompts, beside the slots
SILENCE = 600.0  # seconds without a token after which a completion fails


def start(
    model: str, *, dtype: str, batch_size: int, threads: int | None, reuse: bool = True, **_
) -> "LlamaCpp":
    """Load a registered model."""
    path = weights.gguf(registry.get(model), dtype)
    sizes = {"batch_size": batch_size, "threads": threads, "reuse": reuse}
    return LlamaCpp(path, weights.vocabulary(model), dtype=dtype, **sizes)


class LlamaCpp:
    """Greedy decoding by llama.cpp's server."""

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
        # all room for keys and values is allocated at the start
        free = machine.available_memory() - path.stat().st_size
        fitting = free // (self.context * gguf_files.cache_bytes(path))
        self.slots, self.halvings = max(1, min(batch_size, fitting)), 0
        self.server = self._server()

    def _server(self):
        """Start a server with as many slots as the memory allows."""
        options = xllamacpp.CommonParams()
        options.model.path, options.port = str(self.path), 0
        options.cpuparams.n_threads = options.cpuparams_batch.n_threads = self.threads
        options.warmup, options.verbosity = False, 0
        options.cache_ram_mib = CACHE_MIB if self.reuse else 0
        while True:
            options.n_ctx, options.n_parallel = self.context * self.slots, self.slots
            try:
                return xllamacpp.Server(options)
            except RuntimeError as error:
                if self.slots == 1:
                    raise EngineError(
                        f"llama.cpp cannot load {self.path}: {error}. Free memory; if the file "
                        f"is in the cache ({paths.cache()}), it may be damaged: delete it, and it "
                        "is made again."
                    ) from error
            self.slots, self.halvings = self.slots // 2, self.halvings + 1

    def describe(self) -> dict:
        weighed = self.dtype in gguf_files.WEIGHED
        description = {
            "name": "llamacpp",
            "version": version("xllamacpp"),
            "dtype": self.dtype,
            "batch_size": self.batch_size,
            "threads": self.threads,
            "device": "cpu",
            # of this build of llama.cpp; a wheel may use less than the CPU has
            "kernels": " ".join(re.findall(r"(\w+) = 1", xllamacpp.get_system_info())),
            "weights": self.dtype if weighed else gguf_files.file_type(self.path),
            **weights.describe_file(self.path),
        }
        if self.slots < self.batch_size:
            description["fitting"] = self.slots
        if self.halvings:
            description["halvings"] = self.halvings
        return description

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        return by_prefix(requests, self.vocabulary.tokenizer, self.batch_size)

    def generate(
        self, batch: Sequence[Request], on_tokens: OnTokens = ignore
    ) -> Iterator[Completion]:
        start, abandoned = time.perf_counter(), threading.Event()
        options = {
            "base_url": self.server.listening_address,
            "timeout": httpx.Timeout(SILENCE, connect=10.0),
            "limits": httpx.Limits(max_connections=None),
            "trust_env": False,
        }
        sequences = [SequenceState(request, self.vocabulary) for request in batch]
        with httpx.Client(**options) as client, ThreadPoolExecutor(self.slots) as pool:
            try:
                complete = partial(self._complete, client, start, abandoned)
                for done in as_completed([pool.submit(complete, each) for each in sequences]):
                    completion = done.result()
                    on_tokens(completion.tokens_out)
                    yield completion
            finally:
                abandoned.set()
                pool.shutdown(wait=True, cancel_futures=True)

    def _complete(self, client, start: float, abandoned, sequence: SequenceState) -> Completion:
        """Complete one request; whatever fails becomes a completion too."""
        try:
            sequence.check("llamacpp", self.context)
            self._stream(client, start, abandoned, sequence)
            # llama.cpp drops a grammar it cannot follow
            return sequence.completion(start, sequence.violates_constraint())
        except (UnsupportedConstraint, EngineError) as error:
            return sequence.completion(start, str(error))
        except Exception as error:
            return sequence.completion(start, f"{type(error).__name__}: {error}")

    def _stream(self, client, start: float, abandoned, sequence: SequenceState) -> None:
        request = sequence.request
        body = {
            "prompt": sequence.prompt,
            "n_predict": request.max_new_tokens,
            "samplers": ["top_k"],
            "top_k": 1,
            "temperature": 0,
            "stream": True,
            "return_tokens": True,
            "cache_prompt": self.reuse,
        }
        if request.constraint is not None:
            # llama.cpp may take another end token of the model for the one that ends a grammar
            end = self.vocabulary.tokenizer.eos_token_id
            body["grammar"] = lark(request.constraint, end=end)
        with client.stream("POST", "/completion", json=body) as response:
            if response.status_code != 200:
                message = response.read()[:FAILURE].decode(errors="replace")
                raise EngineError(f"status {response.status_code}: {message}")
            for line in response.iter_lines():
                if abandoned.is_set():
                    return
                if not line.startswith("data: "):
                    continue
                event = json.loads(line.removeprefix("data: "))
                if "error" in event:
                    raise EngineError(str(event["error"])[:FAILURE])
                tokens = event.get("tokens", ())
                if event.get("tokens_predicted", 0) > len(sequence.tokens) + len(tokens):
                    # of a character that takes several tokens, only the last one is sent
                    content = event.get("content", "")
                    tokens = sequence.tokenizer(content, add_special_tokens=False)["input_ids"]
                for token in tokens:
                    if not sequence.finish:
                        sequence.append(token, start)
                if sequence.finish:
                    return
                if event.get("stop"):
                    limited = event.get("stop_type") == "limit"
                    sequence.finish = "length" if limited else "stop"
                    return
        raise EngineError(
            "llama.cpp's server closed the connection before the end of the answer. It may lack "
            "memory: free some, and run again."
        )
