"""Where a completion ends: a mistake cuts good answers short, or lets a model write on."""

import json
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from slmlib.engines.stopping import JsonEnd, LineEnd, cut

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


def end_of(pieces) -> int | None:
    """Characters read when the completion has ended."""
    end, count = JsonEnd(), 0
    for piece in pieces:
        count += len(piece)
        if end.feed(piece):
            return count
    return None


@checked
@given(containers, st.sampled_from(FRAMES), st.sampled_from([None, 2]))
def test_a_completion_ends_with_its_value_or_its_fence(value, frame, indent):
    body = json.dumps(value, indent=indent, ensure_ascii=False)
    text = frame.replace("{}", body)
    end = text.index(body) + len(body)
    if frame.startswith("```"):
        end = text.index("```", end) + 3
    assert end_of(text) == end and cut(text, "json") == text[:end]


@checked
@given(st.text('{}[]"\\`a \n', max_size=40), st.lists(st.integers(0, 40)))
def test_the_end_does_not_depend_on_the_pieces(text, cuts):
    places = sorted({0, len(text), *(place for place in cuts if place < len(text))})
    pieces = [text[a:b] for a, b in pairwise(places)]
    whole, end = JsonEnd().feed(text), end_of(text)
    assert (end_of(pieces) is not None) == whole == (end is not None)
    if whole:
        assert JsonEnd().feed(text[:end]) and not JsonEnd().feed(text[: end - 1])


def test_only_an_open_fence_that_can_close_is_waited_for():
    assert end_of("```text``` {} ```") == len("```text``` {}")
    assert end_of("```json\n{} so") == len("```json\n{} s")
    assert end_of("```json\n{}\n``x") == len("```json\n{}\n``x")
    assert end_of("```json\n{}  \n ``") is None


def test_a_line_ends_behind_its_first_word():
    assert cut("\n  lights_on\nand more", "line") == "\n  lights_on\n"
    assert cut("\n \n", "line") == "\n \n" and not LineEnd().feed(" \n")
    assert cut("a\nb", "eos") == "a\nb"
