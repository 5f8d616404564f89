"""Tokens as HTML: where a text is cut, and which of its tokens count."""

import html
from collections.abc import Container, Sequence

SHADES = "#80808055", "#80808022"  # in turn, translucent, so that they suit any ground
MARKED = "#009e7388"


def token_boxes(tokenizer, tokens: Sequence[int], marked: Container[int] = ()) -> str:
    """Tokens as boxes of alternating shade; a box shows its id when pointed at.

    Args:
        tokenizer: the model's.
        tokens: their ids.
        marked: places of tokens whose boxes are green.
    """
    boxes = []
    for place, token in enumerate(tokens):
        colour = MARKED if place in marked else SHADES[place % 2]
        piece = html.escape(tokenizer.decode([int(token)])).replace("\n", "⏎<br>")
        boxes.append(f'<span title="{token}" style="background: {colour}">{piece}</span>')
    style = "white-space: pre-wrap; font-family: monospace"
    return f'<div style="{style}">{"".join(boxes)}</div>'
