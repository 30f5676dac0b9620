"""Search spaces: ``n`` named bits, each one edge ``(cell, source, target, operation)``.

The order of the bits is fixed: cells as listed in the space, in each cell the target nodes in order, for
each target its sources from 0 upwards, for each source the operations as listed. So bit ``i`` of the
paper's CNN space belongs to cell ``i // 70``. An architecture encoder ``alpha`` (section 3) is an int8
array of shape (n,) whose entries are +1 (edge active) or -1 (edge inactive).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conas.genotype import Cell, Choice, Genotype, GenotypeError
from conas.names import unknown

Alpha = NDArray[np.int8]
Array = NDArray[np.float64]
"""Real numbers; what its shape is, its user says."""


class Edge(NamedTuple):
    """What one bit switches: ``operation`` from node ``source`` to node ``target`` of ``cell``."""

    cell: str
    source: int
    target: int
    operation: str

    def __str__(self) -> str:
        return f"{self.cell}:{self.source}->{self.target}:{self.operation}"


class Encoding(ABC):
    """``n`` named bits; an encoder is an int8 array of shape (n,), or (..., n) for several, of entries -1 and +1."""

    name: str

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """What every bit is called, in order."""

    @property
    def n(self) -> int:
        """The number of bits."""
        return len(self.names)

    @property
    def groups(self) -> tuple[range, ...]:
        """Bits of which exactly one is +1: none, unless said otherwise."""
        return ()

    @property
    def exclusive(self) -> bool:
        """Whether every bit is in a group."""
        return False

    def check(self, alpha: ArrayLike) -> Alpha:
        """``alpha`` as an int8 array of shape (..., n).

        Raises:
            ValueError: the wrong length, or entries other than -1 and +1.
        """
        array = np.asarray(alpha)
        if array.ndim == 0 or array.shape[-1] != self.n:
            got = array.shape[-1] if array.ndim else "a single number"
            raise ValueError(f"an encoder of space {self.name!r} has {self.n} bits, got {got}")
        if not ((array == 1) | (array == -1)).all():
            raise ValueError("an encoder is made of -1 (inactive) and +1 (active) only")
        return array.astype(np.int8)

    def parse(self, text: str) -> Alpha:
        """The encoder written as a string of ``n`` characters 0 (-1, inactive) and 1 (+1, active).

        Raises:
            ValueError: another length, or another character.
        """
        if set(text) - {"0", "1"}:
            bad = next(character for character in text if character not in "01")
            raise ValueError(f"an encoder string is made of 0 and 1 only, got {bad!r}")
        return self.check(np.array([1 if character == "1" else -1 for character in text], dtype=np.int8))

    def format(self, alpha: ArrayLike) -> str:
        """The inverse of `parse`."""
        return "".join("1" if bit > 0 else "0" for bit in self.check(alpha))

    def sample(self, rng: np.random.Generator, size: int, p: float = 0.5) -> Alpha:
        """``size`` encoders, shape (size, n): every free bit +1 with probability ``p``, one bit of each group +1."""
        alphas = np.where(rng.random((size, self.n)) < p, 1, -1).astype(np.int8)
        for group in map(list, self.groups):
            alphas[:, group] = -1
            alphas[np.arange(size), np.array(group)[rng.integers(len(group), size=size)]] = 1
        return alphas


class Bits(Encoding):
    """Bits that mean whatever their ``names`` say: the variables of any pseudo-Boolean function.

    Of each of ``groups``, ranges of bits, exactly one bit is +1; bits in no group are free.

    Raises:
        ValueError: a name twice, or none at all; a group that is empty, or holds a bit that is another's or not there.
    """

    name = "bits"

    def __init__(self, names: Iterable[object], groups: Iterable[range] = ()) -> None:
        self._names, self._groups = tuple(map(str, names)), tuple(groups)
        twice = next((name for name in self._names if self._names.count(name) > 1), None)
        if not self._names or twice is not None:
            said = "no names of bits" if twice is None else f"the name {twice!r} twice"
            raise ValueError(f"{said} (allowed: one or more, all of them different)")
        grouped = [bit for group in self._groups for bit in group]
        if not all(self._groups) or len(set(grouped)) < len(grouped) or not set(grouped) <= set(range(self.n)):
            raise ValueError(
                f"groups {list(self._groups)} (allowed: ranges of the bits 0 to {self.n - 1}, none shared)"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """What every bit is called, in order."""
        return self._names

    @property
    def groups(self) -> tuple[range, ...]:
        """Bits of which exactly one is +1."""
        return self._groups

    @property
    def exclusive(self) -> bool:
        """Whether every bit is in a group."""
        return sum(map(len, self._groups)) == self.n


@dataclass(frozen=True)
class Space(Encoding):
    """A directed acyclic graph of ``inputs`` + ``nodes`` nodes for each cell, every node reading every earlier one.

    Attributes:
        repair_operation: what a node without any input takes (section 3: Identity; section 4.3: ReLU).
        repair_source: where such a node takes it from: ``first`` is node 0 (c_{k-2}), ``previous`` the node before.
        exclusive: exactly one operation per edge, as in the tabular benchmarks; the paper's spaces are free.
    """

    name: str
    cells: tuple[str, ...]
    inputs: int
    nodes: int
    operations: tuple[str, ...]
    repair_operation: str
    repair_source: Literal["first", "previous"]
    exclusive: bool = False

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """The edge of every bit, in bit order."""
        return tuple(
            Edge(cell, source, target, operation)
            for cell in self.cells
            for target in range(self.inputs, self.inputs + self.nodes)
            for source in range(target)
            for operation in self.operations
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The edge of every bit, written out."""
        return tuple(map(str, self.edges))

    @property
    def n(self) -> int:
        """The number of bits: 140 for the paper's CNN space (section 3.2)."""
        return len(self.edges)

    @cached_property
    def groups(self) -> tuple[range, ...]:
        """The bits of which exactly one is active: those of every edge of an exclusive space, else none."""
        k = len(self.operations)
        return tuple(range(first, first + k) for first in range(0, self.n, k)) if self.exclusive else ()

    @cached_property
    def _index(self) -> dict[Edge, int]:
        return {edge: i for i, edge in enumerate(self.edges)}

    @property
    def changes(self) -> int:
        """How many strings are one change away: a bit the other way, or another operation on an exclusive edge."""
        return self.n - len(self.groups)

    def changed(self, alphas: Alpha, which: NDArray[np.int64]) -> Alpha:
        """The encoders ``alphas``, shape (k, n), each after its change number ``which``, shape (k,), of `changes`."""
        changed, rows = alphas.copy(), np.arange(len(alphas))
        if not self.exclusive:
            changed[rows, which] *= -1
            return changed
        off, on = (np.nonzero(side)[1].reshape(len(alphas), -1) for side in (alphas < 0, alphas > 0))
        bits = off[rows, which]
        changed[rows, on[rows, bits // len(self.operations)]] = -1
        changed[rows, bits] = 1
        return changed

    def neighbours(self, alpha: Alpha) -> Alpha:
        """The encoders, shape (changes, n), one change away from ``alpha``, shape (n,)."""
        return self.changed(np.tile(alpha, (self.changes, 1)), np.arange(self.changes))

    def decode(self, alpha: ArrayLike) -> Genotype:
        """The genotype of exactly the edges whose bit in ``alpha``, shape (n,), is +1; nodes may stay empty."""
        active = [edge for edge, bit in zip(self.edges, self.check(alpha), strict=True) if bit > 0]
        return Genotype(self.inputs, {cell: self._cell(cell, active) for cell in self.cells})

    def _cell(self, name: str, active: Iterable[Edge]) -> Cell:
        targets = range(self.inputs, self.inputs + self.nodes)
        chosen: dict[int, list[Choice]] = {target: [] for target in targets}
        for edge in active:
            if edge.cell == name:
                chosen[edge.target].append(Choice(edge.operation, edge.source))
        return Cell(tuple(tuple(chosen[target]) for target in targets), tuple(targets))

    def encode(self, genotype: Genotype) -> Alpha:
        """The inverse of `decode`: an encoder of shape (n,).

        Raises:
            GenotypeError: a cell, node or operation that this space does not have, or a cell that it cannot tell from
                another: not all of whose nodes are its output, or with one choice twice.
        """
        if set(genotype.cells) != set(self.cells) or genotype.inputs != self.inputs:
            raise GenotypeError(
                f"space {self.name!r} has the cells {', '.join(self.cells)} with {self.inputs} inputs, got "
                f"{', '.join(genotype.cells)} with {genotype.inputs}"
            )
        alpha = np.full(self.n, -1, dtype=np.int8)
        for name, cell in genotype.cells.items():
            if len(cell.nodes) != self.nodes:
                raise GenotypeError(f"{name} cell: {len(cell.nodes)} nodes, space {self.name!r} has {self.nodes}")
            if set(cell.concat) != set(range(self.inputs, self.inputs + self.nodes)):
                raise GenotypeError(f"{name} cell: its output is of nodes {cell.concat}, in space {self.name!r} of all")
            if any(len(set(node)) < len(node) for node in cell.nodes):
                raise GenotypeError(f"{name} cell: a node takes one operation from one source twice")
            for target, node in enumerate(cell.nodes, start=self.inputs):
                for choice in node:
                    if choice.operation not in self.operations:
                        raise GenotypeError(f"{name} cell: {unknown('operation', choice.operation, self.operations)}")
                    alpha[self._index[Edge(name, choice.source, target, choice.operation)]] = 1
        return alpha

    def repair(self, genotype: Genotype) -> Genotype:
        """``genotype`` with the repair rule applied to every node without input, so that it can be built."""
        return Genotype(
            genotype.inputs,
            {
                name: Cell(
                    tuple(
                        node or (Choice(self.repair_operation, self._repair_source(target)),)
                        for target, node in enumerate(cell.nodes, start=self.inputs)
                    ),
                    cell.concat,
                )
                for name, cell in genotype.cells.items()
            },
        )

    def _repair_source(self, target: int) -> int:
        return 0 if self.repair_source == "first" else target - 1

    def build(self, alpha: ArrayLike) -> Genotype:
        """Decode ``alpha``, shape (n,), and repair: the genotype whose network can be built."""
        return self.repair(self.decode(alpha))

    def sample(self, rng: np.random.Generator, size: int, p: float = 0.5) -> Alpha:
        """``size`` encoders, shape (size, n): every bit +1 with probability ``p``; an exclusive space draws one
        operation per edge, uniformly."""
        return self._sample_exclusive(rng, size) if self.exclusive else super().sample(rng, size, p)

    def _sample_exclusive(self, rng: np.random.Generator, size: int) -> Alpha:
        k = len(self.operations)
        drawn = rng.integers(k, size=(size, self.n // k, 1))
        return np.where(drawn == np.arange(k), 1, -1).astype(np.int8).reshape(size, self.n)


def hamming(first: ArrayLike, second: ArrayLike) -> int:
    """The number of bits in which two encoders differ (appendix A.6)."""
    return int(np.count_nonzero(np.asarray(first) != np.asarray(second)))


FIVE_OPERATIONS = ("max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5")
SEVEN_OPERATIONS = (*FIVE_OPERATIONS, "dil_conv_3x3", "dil_conv_5x5")
EIGHT_OPERATIONS = ("none", *SEVEN_OPERATIONS)
ACTIVATIONS = ("tanh", "relu", "sigmoid", "identity")


def _cnn(name: str, nodes: int, operations: tuple[str, ...]) -> Space:
    return Space(name, ("normal", "reduce"), 2, nodes, operations, "skip_connect", "first")


SPACES = {
    space.name: space
    for space in (
        _cnn("cnn", 4, FIVE_OPERATIONS),
        _cnn("cnn-release", 4, SEVEN_OPERATIONS),
        _cnn("cnn-darts", 4, EIGHT_OPERATIONS),  # that of DARTS, RSWS and ASHA
        _cnn("cnn-figure2", 2, FIVE_OPERATIONS),
        _cnn("cnn-tiny", 1, ("max_pool_3x3", "skip_connect", "sep_conv_3x3")),  # 12 bits: all can be measured
        Space("rnn", ("recurrent",), 1, 8, ACTIVATIONS, "relu", "previous"),
        Space(
            "nasbench201",
            ("cell",),
            1,
            3,
            ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"),
            "none",
            "first",
            exclusive=True,
        ),
        Space(
            "nasbench-macro",
            tuple(f"layer{i}" for i in range(8)),
            1,
            1,
            ("identity", "mb3_k3", "mb6_k5"),
            "identity",
            "first",
            exclusive=True,
        ),
    )
}


def space(name: str) -> Space:
    """The space called ``name``: the paper's ``cnn`` (140 bits) and ``rnn`` (144), ``cnn-release`` (196), ...

    Raises:
        ValueError: no such space.
    """
    if name not in SPACES:
        raise ValueError(unknown("space", name, SPACES))
    return SPACES[name]
