"""Which rows of the kernels' tables a sub-network has."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conas.cnn.one_shot_plain import OneShotCell
from conas.cnn.operations import Zero
from conas.space import Alpha

STEM, HEAD = -1, -2
"""Layers for `Masks.trained` beside those of the cells."""


@dataclass(frozen=True)
class _Row:
    """Active if any of ``bits`` is (always, if None), and if the loss depends on ``layer`` (if not None)."""

    bits: frozenset[int] | None
    layer: int | None = None


class Masks:
    """The conditions that rows have; an index stands for each."""

    def __init__(self, cells: Sequence[OneShotCell], kinds: Mapping[str, Sequence[int]]) -> None:
        self._rows: dict[_Row, int] = {}
        self._inputs = [[_out_of(cell, kinds[cell.kind], source) for source in (0, 1)] for cell in cells]

    def __len__(self) -> int:
        return len(self._rows)

    def computed(self, bits: Collection[int] | None = None) -> int:
        """The condition that any of ``bits`` is active; always, without."""
        return self._index(_Row(None if bits is None else frozenset(bits)))

    def trained(self, layer: int, bits: Collection[int] | None = None) -> int:
        """The same, and that the loss depends on the output of ``layer``, so that there is a gradient."""
        return self._index(_Row(None if bits is None else frozenset(bits), layer))

    def values(self, alpha: Alpha) -> NDArray[np.int32]:
        """For the encoder ``alpha``, shape (n,), whether each condition holds, 0 or 1."""
        on = set(np.flatnonzero(np.asarray(alpha) > 0).tolist())
        live = self._live(on)
        return np.array([_holds(row, on, live) for row in self._rows], dtype=np.int32)

    def _index(self, row: _Row) -> int:
        return self._rows.setdefault(row, len(self._rows))

    def _live(self, on: set[int]) -> set[int]:
        """The layers that the loss depends on."""
        last = len(self._inputs) - 1
        live = {HEAD, last}
        for layer in range(last, -1, -1):
            for source in (0, 1):
                if layer in live and on & self._inputs[layer][source]:
                    live.add(max(layer - 2 + source, STEM))
        return live


def _out_of(cell: OneShotCell, bits: Sequence[int], source: int) -> frozenset[int]:
    """The bits that make the output of a cell depend on one of its inputs: zeros pass no gradient."""
    edges = zip(bits, cell.edges, cell.operations, strict=True)
    return frozenset(bit for bit, edge, module in edges if edge.source == source and not isinstance(module, Zero))


def _holds(row: _Row, on: set[int], live: set[int]) -> bool:
    return (row.bits is None or bool(on & row.bits)) and (row.layer is None or row.layer in live)
