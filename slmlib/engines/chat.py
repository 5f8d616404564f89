"""Prompts as text and tokens, in the model's own chat template; tool calls as text."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from slmlib.engines.base import BATCH, Message, Request, Tool

TEMPLATE_DATE = "1 Jan 2026"  # for templates that state the date: a prompt is the same on every day
TOOLS = """You can call these functions:
<tools>
{tools}
</tools>

To call one, write its name and its arguments as JSON, in this form:
<tool_call>
{{"name": "…", "arguments": {{…}}}}
</tool_call>"""


def prompt_text(
    tokenizer, messages: Sequence[Message], *, tools: Sequence[Tool] = (), chat: bool = True
) -> str:
    """Render messages, and tools if any, in the model's chat template, up to the assistant's turn.

    Without `chat`, or without a template, the contents follow one another. Where the template does
    not know tools, they and their calls and results become part of the contents.
    """
    templated = chat and tokenizer.chat_template is not None
    if tools or any(message["role"] == "tool" or "tool_calls" in message for message in messages):
        if templated and "tools" in tokenizer.get_chat_template():
            messages = [_with_objects(message) for message in messages]
        else:
            messages, tools = _as_contents(messages, tools), ()
    if not templated:
        return "\n\n".join(message["content"] for message in messages) + "\n"
    return tokenizer.apply_chat_template(
        list(messages),
        tools=list(tools) or None,
        tokenize=False,
        add_generation_prompt=True,
        date_string=TEMPLATE_DATE,
    )


def prompt_tokens(
    tokenizer, messages: Sequence[Message], *, tools: Sequence[Tool] = (), chat: bool = True
) -> list[int]:
    """Tokenize a prompt; special tokens are added only where no template has written them."""
    text = prompt_text(tokenizer, messages, tools=tools, chat=chat)
    templated = chat and tokenizer.chat_template is not None
    return tokenizer(text, add_special_tokens=not templated)["input_ids"]


def by_prefix(requests: Sequence[Request], tokenizer, batch_size: int) -> list[list[Request]]:
    """Batches of `BATCH` requests (or `batch_size`, if larger), sorted by the text of the prompts.

    Prompts that begin alike follow one another, so that an engine with a prefix cache reads their
    common part once.
    """
    texts = {r.id: prompt_text(tokenizer, r.messages, tools=r.tools, chat=r.chat) for r in requests}
    ordered, size = sorted(requests, key=lambda r: (texts[r.id], r.id)), max(BATCH, batch_size)
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]


# --- tool calls ---------------------------------------------------------------------------------


def calls_text(calls: Iterable[tuple[str, str]]) -> str:
    """Tool calls, as names and arguments in JSON, as a model writes them under `ToolCalls`."""
    return "\n".join(
        f'<tool_call>\n{{"name": {json.dumps(name, ensure_ascii=False)}, '
        f'"arguments": {arguments}}}\n</tool_call>'
        for name, arguments in calls
    )


def arguments_text(call: Mapping) -> str:
    """The arguments of a message's tool call as JSON; messages hold JSON or objects."""
    arguments = call["function"]["arguments"]
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _with_objects(message: Message) -> Message:
    """A message whose calls have their arguments as objects, which templates write as JSON.

    If the model wrote arguments that are not an object, its calls become part of the content.
    """
    if "tool_calls" not in message:
        return message
    calls = []
    for call in message["tool_calls"]:
        try:
            arguments = json.loads(arguments_text(call))
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            return _as_content(message)
        function = {"name": call["function"]["name"], "arguments": arguments}
        calls.append({"type": "function", "function": function})
    return {"role": message["role"], "content": message.get("content") or "", "tool_calls": calls}


def _as_content(message: Message) -> Message:
    """A message whose calls, if any, are part of its content."""
    calls = message.get("tool_calls", ())
    calls = [(call["function"]["name"], arguments_text(call)) for call in calls]
    parts = filter(None, (message.get("content"), calls_text(calls)))
    return {"role": message["role"], "content": "\n".join(parts)}


def _as_contents(messages: Sequence[Message], tools: Sequence[Tool]) -> list[Message]:
    """Messages without tools: these, their calls and their results become part of the contents."""
    plain: list[Message] = []
    for is_result, group in groupby(messages, key=lambda message: message["role"] == "tool"):
        if is_result:
            results = [f"<tool_response>\n{m['content']}\n</tool_response>" for m in group]
            plain.append({"role": "user", "content": "\n".join(results)})
            continue
        plain.extend(map(_as_content, group))
    if tools:
        listed = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
        system = plain.pop(0)["content"] + "\n\n" if plain[0]["role"] == "system" else ""
        plain.insert(0, {"role": "system", "content": system + TOOLS.format(tools=listed)})
    return plain
