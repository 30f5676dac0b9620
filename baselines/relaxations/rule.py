"""What a rule of relaxation decides: the mixture of a step, who learns from which data, and what is left in the end.

A rule is a frozen dataclass, hashed like everything that a result depends on (`conas.questions.Rule`); a new one is a
subclass of `MixtureRule` in a module of its own. Its functions are pure: what a training changes lies in the model.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from baselines.relaxations.bilevel import Loss, Parameters, WeightStep, first_order
from conas.questions import Rule
from conas.space import Space

SPREAD = 1e-3
"""Standard deviation of the architecture parameters at the start, as in the released code of DARTS and most others."""


@dataclass(frozen=True)
class Moment:
    """When in a training: ``passed`` is the share of the steps of the epoch number ``epoch``, counted from 0, that are
    over. ``learning`` says whether the architecture learns from this pass through the model; ``steps`` are those of an
    epoch."""

    epoch: int
    epochs: int
    passed: float = 0.0
    learning: bool = False
    steps: int = 1

    @property
    def share(self) -> float:
        """The share of all steps that are over."""
        return (self.epoch + self.passed) / self.epochs


@dataclass(frozen=True)
class Edges:
    """The edges of a cell, ordered by target, then by source; ``operations`` are mixed on each.

    Attributes:
        sources: how many edges go into each node, in order.
    """

    sources: tuple[int, ...]
    operations: tuple[str, ...]

    @classmethod
    def of(cls, space: Space, operations: tuple[str, ...]) -> "Edges":
        """Those of every cell of ``space``."""
        return cls(tuple(range(space.inputs, space.inputs + space.nodes)), operations)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """The numbers of edges and of operations."""
        return sum(self.sources), len(self.operations)


@dataclass(frozen=True)
class CellArchitecture:
    """The architecture of a cell.

    Attributes:
        parameters: one row for each edge, whose columns are the operations', and the rule's own behind them.
        kept: which operations a rule that prunes has left, shape (edges, operations); None for other rules.
    """

    edges: Edges
    parameters: Tensor
    kept: Tensor | None = None

    @property
    def left(self) -> Tensor:
        """``kept``, under a rule that prunes."""
        assert self.kept is not None
        return self.kept


@dataclass(frozen=True)
class Mixture:
    """What a pass through the model makes of a cell's edges.

    Attributes:
        shares: the weights of the operations, shape (edges, operations).
        computed: by edge and operation, which are computed at all; None: all.
        edges: a factor of each edge, shape (edges,); None: 1.
    """

    shares: Tensor
    computed: Sequence[bool] | None = None
    edges: Tensor | None = None

    @property
    def weighed(self) -> Tensor:
        """The shares times the factors of their edges, shape (edges, operations)."""
        return self.shares if self.edges is None else self.shares * self.edges[:, None]


@dataclass(frozen=True)
class MixtureRule(Rule):
    """A rule at work. The architecture is trained by Adam, with the rates of the settings.

    Attributes:
        held_out: whether the architecture learns from data that the weights do not see, in steps of its own; otherwise
            it learns from the minibatch of the weights, in the same step.
    """

    held_out: ClassVar[bool] = True

    @property
    def gradients(self) -> int:
        """Of the loss, in a step of the weights and in that of the architecture."""
        return 2 if self.held_out else 1

    @property
    def betas(self) -> tuple[float, float] | None:
        """Of Adam; None: those of DARTS on the same data."""
        return None

    @property
    def partial(self) -> int:
        """Operations compute one of so many channels of an edge; the others pass by."""
        return 1

    @property
    def clip(self) -> float:
        """The largest norm of the architecture's gradient, over all cells."""
        return math.inf

    def start(self, edges: Edges, generator: torch.Generator) -> Tensor:
        """The parameters of a cell at the start, shape (edges, operations or more)."""
        return SPREAD * torch.randn(edges.shape, generator=generator)

    @abstractmethod
    def mixture(self, cell: CellArchitecture, at: Moment, generator: torch.Generator) -> Mixture:
        """The mixture of one pass. Whatever is random comes from ``generator``, on the CPU."""

    def learns(self, at: Moment, step: int) -> bool:
        """Whether the architecture makes a step before the weights make their step number ``step`` of the epoch."""
        return True

    def gradient(
        self,
        train: Loss,
        valid: Loss,
        weights: Parameters,
        architecture: Parameters,
        next_step: Callable[[], WeightStep],
    ) -> Parameters:
        """The architecture's gradient, by the name of the parameter; ``next_step`` is that of the weights."""
        return first_order(valid, weights, architecture)

    def stepped(self, before: CellArchitecture, after: Tensor, at: Moment, generator: torch.Generator) -> Tensor:
        """The parameters after a step of Adam from ``before`` to ``after``; ``generator`` draws the step's mixture."""
        return after

    def shares(self, cell: CellArchitecture) -> Tensor:
        """What the operations weigh in the end, shape (edges, operations)."""
        return cell.parameters.softmax(-1)


@dataclass(frozen=True)
class PruningRule(MixtureRule):
    """A rule that gives up operations on the way."""

    @abstractmethod
    def prune(self, cell: CellArchitecture, at: Moment) -> tuple[Tensor, Tensor]:
        """The parameters, and the operations that are kept, after the epoch ``at.epoch``."""
