"""Prompts as text and tokens, in the model's own chat template."""

from collections.abc import Sequence

from slmlib.engines.base import BATCH, Message, Request, Tool

TEMPLATE_DATE = (
    "1 Jan 2026"  # for templates that state today's date: a prompt is the same on every day
)


def has_template(tokenizer, chat: bool = True) -> bool:
    """Whether prompts go through a chat template: one is wanted, and the model has one."""
    return chat and tokenizer.chat_template is not None


def prompt_text(
    tokenizer, messages: Sequence[Message], *, tools: Sequence[Tool] = (), chat: bool = True
) -> str:
    """Render messages, and tools if any, in the model's chat template, up to the assistant's turn.

    Without `chat`, or without a template, the contents follow one another.
    """
    if not has_template(tokenizer, chat):
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
    return tokenizer(text, add_special_tokens=not has_template(tokenizer, chat))["input_ids"]


def by_prefix(requests: Sequence[Request], tokenizer, batch_size: int) -> list[list[Request]]:
    """Batches of `BATCH` requests (or `batch_size`, if larger), sorted by the text of their prompts.

    Prompts that begin alike follow one another, so that an engine with a prefix cache reads their
    common part once.
    """
    texts = {r.id: prompt_text(tokenizer, r.messages, tools=r.tools, chat=r.chat) for r in requests}
    ordered, size = sorted(requests, key=lambda r: (texts[r.id], r.id)), max(BATCH, batch_size)
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]
