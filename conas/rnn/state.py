"""What a language model carries from one window to the next: a tensor, or a tree of them in tuples, lists and dicts."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

State = Any
"""A tensor, or a tuple, a list or a dict of states."""


def leaves(state: State) -> Iterator[Tensor]:
    """The tensors of a state, in a fixed order."""
    if isinstance(state, Tensor):
        yield state
    else:
        for part in state.values() if isinstance(state, Mapping) else state:
            yield from leaves(part)


def copy_(state: State, values: State) -> None:
    """Give every tensor of ``state`` the values of its counterpart, in place."""
    for kept, new in zip(leaves(state), leaves(values), strict=True):
        kept.copy_(new)


def zero_(state: State) -> None:
    """Set every tensor of ``state`` to zero, in place."""
    for kept in leaves(state):
        kept.zero_()
