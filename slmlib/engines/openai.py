"""Any server that speaks OpenAI's chat protocol: vLLM, llama.cpp, Ollama, LM Studio, a hosted one.

The server applies the chat template and counts the tokens. With a schema, `response_format` asks it
for answers under that schema; how strictly it keeps to it is the server's matter, and SchemaCompliance
shows it. An answer is read to its end, so that its tokens are counted; what follows its first JSON value
is dropped where the task ends with it, as in the other engines. What cannot be had from a server that
has gone is an error of each case, and the run goes on.
"""

from collections.abc import Iterator, Sequence

from slmlib.engines import constraints
from slmlib.engines.base import (
    BATCH,
    TIMEOUT,
    Completion,
    EngineError,
    OnTokens,
    Request,
    UnsupportedConstraint,
    ignore,
)
from slmlib.engines.openai_client import Call, Client, Endpoint, EndpointError, Reply
from slmlib.engines.stopping import cut


def start(
    model: str, *, batch_size: int, endpoint: str = "", timeout: float = TIMEOUT, **_
) -> "OpenAI":
    """The engine with a server that is there and serves the model."""
    if not endpoint:
        raise EngineError(
            "the engine openai needs the address of a server, such as endpoint=http://127.0.0.1:8000/v1"
        )
    client = Client(Endpoint(endpoint, model, concurrency=batch_size, timeout=timeout))
    client.check()
    return OpenAI(client)


class OpenAI:
    """Greedy answers of a server, several at a time."""

    def __init__(self, client: Client):
        self.client = client

    def describe(self) -> dict:
        from importlib.metadata import version

        return {
            "name": "openai",
            "version": version("openai"),
            "dtype": "served",
            "batch_size": self.client.endpoint.concurrency,
            "threads": 1,
            "device": "server",
            "usage": self.client.usage.as_dict(),
        }

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        size = max(BATCH, self.client.endpoint.concurrency)
        return [list(requests[i : i + size]) for i in range(0, len(requests), size)]

    def generate(
        self, batch: Sequence[Request], on_tokens: OnTokens = ignore
    ) -> Iterator[Completion]:
        asked, left = [], {request.id for request in batch}
        for request in batch:
            try:
                asked.append((request, _call(request)))
            except (UnsupportedConstraint, EngineError) as error:
                left.remove(request.id)
                yield _failed(request, str(error))
        try:
            for index, reply in self.client.answers([call for _, call in asked]):
                on_tokens(reply.tokens_out)
                request = asked[index][0]
                left.remove(request.id)
                yield _completion(request, reply)
        except EndpointError as error:
            yield from (_failed(request, str(error)) for request in batch if request.id in left)


def _call(request: Request) -> Call:
    if not request.chat:
        raise EngineError("a server applies its chat template: choose a prompt that has one")
    schema = None if request.constraint is None else constraints.portable(request.constraint.schema)
    return Call(request.messages, request.max_new_tokens, schema=schema)


def _completion(request: Request, reply: Reply) -> Completion:
    text = cut(reply.text, request.stop)
    counts, times = (reply.tokens_in, reply.tokens_out), (reply.seconds, reply.first_token_seconds)
    return Completion(request.id, text, reply.finish, *counts, *times, reply.error)


def _failed(request: Request, why: str) -> Completion:
    return Completion(request.id, "", "error", 0, 0, 0.0, 0.0, why)
