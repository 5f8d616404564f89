"""Any server that speaks OpenAI's chat protocol: vLLM, llama.cpp, Ollama, LM Studio, a hosted one.

The server applies the chat template and counts the tokens. A JSON Schema is sent as
`response_format`, tools as `tools`; servers may not enforce them. The model's tool calls are
written back into its text, so that completions look the same under all engines. An answer is read
to its end, so that its tokens are counted, and then cut where the request stops. If the server goes
away, the requests that are left fail, and the run goes on.
"""

from collections.abc import Iterator, Sequence

from slmlib.engines import constraints
from slmlib.engines.base import (
    BATCH,
    TIMEOUT,
    Completion,
    EngineError,
    JsonSchema,
    Message,
    OnTokens,
    Request,
    ToolCalls,
    UnsupportedConstraint,
    ignore,
)
from slmlib.engines.chat import arguments_text, calls_text
from slmlib.engines.launch import require_support
from slmlib.engines.openai_client import Call, Client, Endpoint, EndpointError, Reply
from slmlib.engines.stopping import cut


def start(
    model: str, *, batch_size: int, endpoint: str = "", timeout: float = TIMEOUT, **_
) -> "OpenAI":
    """Connect to a server, and check that it serves the model."""
    if not endpoint:
        raise EngineError(
            "the engine openai needs the address of a server, such as "
            "endpoint=http://127.0.0.1:8000/v1"
        )
    client = Client(Endpoint(endpoint, model, concurrency=batch_size, timeout=timeout))
    client.check()
    return OpenAI(client)


class OpenAI:
    """Greedy completions by a server, several at a time."""

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
        calls: list[Call] = []
        asked: dict[int, Request] = {}  # by position of the call
        for request in batch:
            try:
                calls.append(_call(request))
                asked[len(calls) - 1] = request
            except (UnsupportedConstraint, EngineError) as error:
                yield _failed(request, str(error))
        try:
            for index, reply in self.client.answers(calls):
                on_tokens(reply.tokens_out)
                yield _completion(asked.pop(index), reply)
        except EndpointError as error:
            yield from (_failed(request, str(error)) for request in asked.values())


def _call(request: Request) -> Call:
    """A request as a call.

    Raises:
        UnsupportedConstraint: a server cannot enforce the constraint or give the scores.
        EngineError: the prompt has no chat template.
    """
    constraint = request.constraint
    require_support("openai", constraint, request.want_scores)
    if not request.chat:
        raise EngineError("a server applies its chat template: choose a prompt that has one")
    tools, schema = list(request.tools), None
    if isinstance(constraint, JsonSchema):
        schema = constraints.portable(constraint.schema)
    elif isinstance(constraint, ToolCalls):
        tools = [
            {
                "type": "function",
                "function": {
                    **tool["function"],
                    "parameters": constraints.portable(constraints.parameters(tool)),
                    "strict": True,
                },
            }
            for tool in constraint.tools
        ]
    return Call(
        [_as_served(message) for message in request.messages],
        request.max_new_tokens,
        schema=schema,
        tools=tools,
        must_call=isinstance(constraint, ToolCalls) and not constraint.text,
        logprobs=request.want_scores == "tokens",
    )


def _as_served(message: Message) -> Message:
    """A message whose calls have their arguments as JSON, as the protocol wants."""
    if "tool_calls" not in message:
        return message
    calls = [
        {**call, "function": {**call["function"], "arguments": arguments_text(call)}}
        for call in message["tool_calls"]
    ]
    return {**message, "tool_calls": calls}


def _completion(request: Request, reply: Reply) -> Completion:
    text = cut(reply.text, request.stop)
    if reply.calls:
        notation = getattr(request.constraint, "notation", "hermes")
        text = "\n".join(filter(None, (text, calls_text(reply.calls, notation))))
    return Completion(
        request.id,
        text,
        reply.finish,
        reply.tokens_in,
        reply.tokens_out,
        reply.seconds,
        reply.first_token_seconds,
        reply.error,
        token_logprobs=reply.logprobs,
    )


def _failed(request: Request, error: str) -> Completion:
    return Completion(request.id, "", "error", 0, 0, 0.0, 0.0, error)
