"""What the transformers engine has read: its key/value cache, in rows that enter, grow and leave.

Rows are aligned on the right, as prompts padded on the left are: `mask` says where a row begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

SPARE = 256  # tokens of room added at a time


@cache
def _layer_class():
    from transformers.cache_utils import DynamicLayer

    class Growing(DynamicLayer):
        """Keys and values of a layer, (rows, heads, tokens, size), that grow in place.

        The library's own concatenates, which copies the whole cache for each token
        (`tests/performance/engine.py` measures what that costs).
        """

        def hold(self, keys, values):
            """Begin with these."""
            if not self.is_initialized:
                self.lazy_initialization(keys, values)
            self.room, self.keys, self.values = (keys, values), keys, values

        def update(self, keys, values, *args, **kwargs):
            if not self.is_initialized:
                self.hold(keys[:, :, :0], values[:, :, :0])
            length = self.get_seq_length()
            end = length + keys.shape[-2]
            if end > self.room[0].shape[-2]:
                self.room = tuple(_moved(room, length, end + SPARE) for room in self.room)
            for room, new in zip(self.room, (keys, values), strict=True):
                room[:, :, length:end] = new
            self.cut(end)
            return self.keys, self.values

        def cut(self, length: int):
            """Forget what comes behind so many tokens."""
            self.keys, self.values = (room[:, :, :length] for room in self.room)

    return Growing


def _moved(old, length: int, width: int):
    rows, heads, _, size = old.shape
    new = old.new_empty(rows, heads, width, size)
    new[:, :, :length] = old[:, :, :length]
    return new


def empty():
    """A cache of no tokens, as networks of transformers take it."""
    from transformers.cache_utils import Cache

    return Cache(layer_class_to_replicate=_layer_class())


@dataclass
class State:
    """What a network has read of some rows.

    Attributes:
        hidden: the last layer's output at the newest token, (rows, size).
        mask: 1 where a row has a token, (rows, tokens).
        cache: keys and values of each layer.
    """

    hidden: object
    mask: object
    cache: object

    @property
    def width(self) -> int:
        return self.mask.shape[1]

    def beginning(self, length: int):
        """A cache of its own that holds the first tokens of a single row."""
        return _held(
            [[pair[:, :, :length].clone() for pair in layer.room] for layer in self.cache.layers]
        )

    def cut(self, length: int) -> None:
        """Forget what comes behind so many tokens."""
        self.mask = self.mask[:, :length]
        for layer in self.cache.layers:
            layer.cut(length)

    def select(self, keep: Sequence[int]) -> "State":
        """These rows only."""
        index = self.mask.new_tensor(keep)
        there = index.to(self.hidden.device)
        parts = [
            [pair[index.to(pair.device)] for pair in layer.room] for layer in self.cache.layers
        ]
        return State(self.hidden[there], self.mask[index], _held(parts, self.width))


def merged(states: Sequence[State]) -> State:
    """All rows together, the shorter ones padded on the left; columns that no row uses are dropped."""
    import torch

    if len(states) == 1:
        return states[0]
    unused = [int(state.mask.argmax(1).min()) for state in states]
    widths = [state.width - gap for state, gap in zip(states, unused, strict=True)]
    width = max(widths)
    masks = [state.mask[:, gap:] for state, gap in zip(states, unused, strict=True)]
    mask = torch.cat([torch.nn.functional.pad(m, (width - m.shape[1], 0)) for m in masks])
    layers = [
        [_aligned(pairs, unused, width) for pairs in zip(*map(_pair, layers), strict=True)]
        for layers in zip(*(state.cache.layers for state in states), strict=True)
    ]
    return State(torch.cat([state.hidden for state in states]), mask, _held(layers, width))


def _pair(layer):
    return layer.keys, layer.values


def _aligned(parts: Sequence, unused: Sequence[int], width: int):
    """Rows of several tensors in one, ends together at `width`, with room behind."""
    _, heads, _, size = parts[0].shape
    whole = parts[0].new_zeros(sum(part.shape[0] for part in parts), heads, width + SPARE, size)
    first = 0
    for part, gap in zip(parts, unused, strict=True):
        length = part.shape[-2] - gap
        whole[first : first + part.shape[0], :, width - length : width] = part[:, :, gap:]
        first += part.shape[0]
    return whole


def _held(layers: Sequence[Sequence], length: int | None = None):
    """A cache of these rooms, of which `length` tokens are used."""
    cache = empty()
    for keys, values in layers:
        layer = _layer_class()()
        layer.hold(keys, values)
        if length is not None:
            layer.cut(length)
        cache.layers.append(layer)
    return cache
