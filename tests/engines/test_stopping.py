"""Where a completion ends: a mistake cuts good answers short, or lets a model write on."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from slmlib.engines.stopping import balanced, cut, end

checked = settings(max_examples=150, deadline=None, derandomize=True, database=None)
FRAMES = ["{}", "{} more", "So: {}", "```json\n{}\n```", "```\n{}\n``` x {}", "`a` {}\n```", "{}{}"]
scalars = st.integers() | st.booleans() | st.none() | st.text(max_size=8)
containers = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict | list))


@checked
@given(containers, st.sampled_from(FRAMES), st.sampled_from([None, 2]))
def test_a_completion_ends_with_its_value_or_its_fence(value, frame, indent):
    body = json.dumps(value, indent=indent, ensure_ascii=False)
    text = frame.replace("{}", body)
    place = text.index(body) + len(body)
    if frame.startswith("```"):
        place = text.index("```", place) + 3
    assert end(text, "json") == place and cut(text, "json") == text[:place]
    assert next(balanced(text)) == (text.index(body), text.index(body) + len(body))


@checked
@given(st.text('{}[]"\\`a \n', max_size=40), st.sampled_from(["json", "line"]))
def test_the_end_is_seen_when_it_is_written_and_does_not_move(text, stop):
    place = end(text, stop)
    for length in range(len(text) + 1):
        expected = place if 0 <= place <= length else -1
        assert end(text[:length], stop) == expected


def test_only_an_open_fence_that_can_close_is_waited_for():
    for text, written in (
        ("```text``` {} ```", "```text``` {}"),
        ("```json\n{} so", "```json\n{} s"),
        ("```json\n{}\n``x", "```json\n{}\n``x"),
    ):
        assert end(text, "json") == len(written)
    assert end("```json\n{}  \n ``", "json") == -1


def test_a_line_ends_after_its_first_word():
    assert cut("\n  lights_on\nand more", "line") == "\n  lights_on\n"
    assert cut("\n \n", "line") == "\n \n" and end(" \n", "line") == -1
    assert cut("a\nb", "eos") == "a\nb"
