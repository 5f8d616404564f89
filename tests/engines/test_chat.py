"""Prompts: would break if a template lost a message, a tool or a result, or a prompt changed."""

import json

import pytest

from slmlib.engines import chat

HELLO = [{"role": "user", "content": "hello"}]
TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
CALL = {"type": "function", "id": "c1", "function": {"name": "now", "arguments": {"zone": "Öst"}}}
TALK = [
    {"role": "system", "content": "You keep time."},
    {"role": "user", "content": "What time is it?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL, CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "12:00"},
    {"role": "tool", "tool_call_id": "c1", "content": "12:01"},
]
TOOL_TEMPLATE = """{% for tool in tools or [] %}[tool {{ tool.function.name }}]{% endfor %}
{%- for message in messages %}<{{ message.role }}>{{ message.content }}
{%- for call in message.tool_calls or [] %}{{ call.function.arguments | tojson }}{% endfor %}
{%- endfor %}"""


class Tokenizer:
    """A tokenizer that puts a token in front, as Llama's do, whose templates already contain it."""

    chat_template = "a template"

    def __call__(self, text, add_special_tokens):
        return {"input_ids": [1] * add_special_tokens + [2]}

    def apply_chat_template(self, messages, **options):
        return f"on {options['date_string']}"


def test_special_tokens_are_added_only_where_no_template_has_written_them():
    assert chat.prompt_tokens(Tokenizer(), HELLO) == [2]
    assert chat.prompt_tokens(Tokenizer(), HELLO, chat=False) == [1, 2]


def test_a_prompt_is_the_same_on_every_day():
    assert chat.prompt_text(Tokenizer(), HELLO) == "on 1 Jan 2026"


@pytest.fixture(scope="module")
def tokenizer():
    """The embedded model's tokenizer, whose template knows nothing of tools."""
    from slmlib.models import weights

    return weights.vocabulary("smollm2-135m-instruct").tokenizer


@pytest.mark.model
def test_a_prompt_may_go_without_the_chat_template(tokenizer):
    assert chat.prompt_text(tokenizer, HELLO, chat=False) == "hello\n"
    assert chat.prompt_text(tokenizer, HELLO).endswith(
        "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.model
def test_a_template_that_knows_tools_gets_them(tokenizer, monkeypatch):
    """Arguments go in as objects, whether the conversation holds objects or JSON."""
    monkeypatch.setattr(tokenizer, "chat_template", TOOL_TEMPLATE)
    written = json.dumps(CALL["function"]["arguments"])
    as_json = {**CALL, "function": {"name": "now", "arguments": written}}
    for call in (CALL, as_json):
        talk = [*TALK[:2], {"role": "assistant", "content": None, "tool_calls": [call]}, TALK[3]]
        text = chat.prompt_text(tokenizer, talk, tools=[TOOL])
        assert text.startswith("[tool now]") and text.endswith("<tool>12:00")
        assert '<assistant>{"zone": ' in text


@pytest.mark.model
def test_calls_with_malformed_arguments_are_shown_as_they_were_written(tokenizer, monkeypatch):
    """A model may write anything; the conversation goes on."""
    monkeypatch.setattr(tokenizer, "chat_template", TOOL_TEMPLATE)
    for arguments in ('{"zone": ', "[1]", "now", "[" * 100_000):
        call = {"type": "function", "function": {"name": "now", "arguments": arguments}}
        reply = {"role": "assistant", "content": "Wait.", "tool_calls": [CALL, call]}
        text = chat.prompt_text(tokenizer, [TALK[1], reply, TALK[3]], tools=[TOOL])
        assert "<assistant>Wait.\n<tool_call>" in text and f'"arguments": {arguments}}}' in text


@pytest.mark.model
def test_tools_become_part_of_the_contents_where_the_template_does_not_know_them(tokenizer):
    for options in ({}, {"chat": False}):
        text = chat.prompt_text(tokenizer, TALK, tools=[TOOL], **options)
        parts = [
            "You keep time.",
            f"<tools>\n{json.dumps(TOOL)}\n</tools>",
            "What time is it?",
            '<tool_call>\n{"name": "now", "arguments": {"zone": "Öst"}}\n</tool_call>\n<tool_call>',
            "<tool_response>\n12:00\n</tool_response>\n<tool_response>\n12:01\n</tool_response>",
        ]
        places = [text.find(part) for part in parts]
        assert places == sorted(places) and places[0] >= 0, text
    assert text.count("<|im_start|>") == 0
    assert TOOL["function"]["name"] in chat.prompt_text(tokenizer, HELLO, tools=[TOOL])


def test_tool_calls_as_text():
    calls = [("f", '{"a": 1}'), ("g", "{")]
    assert chat.calls_text(calls) == (
        '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>\n'
        '<tool_call>\n{"name": "g", "arguments": {}\n</tool_call>'
    )
    assert chat.calls_text([]) == ""
