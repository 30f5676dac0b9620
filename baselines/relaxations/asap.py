"""ASAP (Noy et al., 2019): a softmax that is annealed, and operations that are pruned as it grows sharp.

Its authors released no code; the rule is from memory of the paper, and as a third party has it (UniNAS).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from baselines import checks
from baselines.checks import ASSUMPTION
from baselines.relaxations.draws import positive
from baselines.relaxations.method import RelaxationSettings, relaxation
from baselines.relaxations.rule import CellArchitecture, Mixture, Moment, PruningRule
from conas.settings import setting

PAPER = f"{ASSUMPTION}: from memory of Noy et al. (2019), and as in UniNAS"


@dataclass(frozen=True)
class Annealed(PruningRule):
    """The softmax of the parameters over a temperature of ``hottest``, times ``decay`` with every epoch of ``length``.

    A training of another number of epochs is annealed as far. While the temperature is above ``grace``, only the
    weights learn. Afterwards, each epoch ends by giving up the operations that weigh less than ``threshold`` over the
    number of those left on their edge, never the heaviest one; what is given up is not computed any more.
    """

    hottest: float
    decay: float
    length: int
    grace: float
    threshold: float

    @property
    def price(self) -> float:
        """That of DARTS of first order at the start, that of one operation per edge in the end."""
        return (4.0 + 0.8) / 2

    def temperature(self, epoch: int, epochs: int) -> float:
        """That of the epoch number ``epoch``, counted from 0, of ``epochs``."""
        return float(self.hottest * self.decay ** (self.length * epoch / epochs))

    def learns(self, at: Moment, step: int) -> bool:
        """After the grace."""
        return self.temperature(at.epoch, at.epochs) <= self.grace

    def mixture(self, cell: CellArchitecture, at: Moment, generator: torch.Generator) -> Mixture:
        """The softmax over what is left."""
        return Mixture(self._weights(cell, at), positive(cell.left))

    def _weights(self, cell: CellArchitecture, at: Moment) -> Tensor:
        sharp = cell.parameters.masked_fill(~cell.left, -torch.inf)
        return (sharp / self.temperature(at.epoch, at.epochs)).softmax(-1)

    def prune(self, cell: CellArchitecture, at: Moment) -> tuple[Tensor, Tensor]:
        """Without what weighs too little, at the temperature of the epoch that has ended."""
        if not self.learns(at, 0):
            return cell.parameters, cell.left
        weights = self._weights(cell, at)
        heavy = weights >= self.threshold / cell.left.sum(-1, keepdim=True)
        heaviest = weights == weights.amax(-1, keepdim=True)
        return cell.parameters, cell.left & (heavy | heaviest)

    def shares(self, cell: CellArchitecture) -> Tensor:
        """The softmax at temperature 1, in which edges with a single operation left still differ; 0 for the others."""
        return cell.parameters.softmax(-1) * cell.left


@dataclass(frozen=True)
class ASAPSettings(RelaxationSettings):
    """What is mixed, how and from what a cell is derived.

    Attributes:
        hottest, decay: the temperature at the start, and its factor with every epoch of ``length``.
        length: of the annealing, in epochs; a training of another length is annealed as far.
        grace: only the weights learn while the temperature is above it.
        threshold: operations that weigh less than it, over the number of those left on an edge, are given up.
    """

    hottest: float = setting(1.6, PAPER)
    decay: float = setting(0.95, PAPER)
    length: int = setting(50, f"{ASSUMPTION}: as long as DARTS' search; Noy et al. stop when one operation is left")
    grace: float = setting(1.0, PAPER)
    threshold: float = setting(0.4, PAPER)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive(self, "hottest", "length", "grace")
        checks.share(self, "decay", "threshold")
        coldest = self.hottest * self.decay**self.length
        if coldest >= self.grace:
            raise ValueError(f"grace is {self.grace} (allowed: above {coldest:g}, the temperature at the end)")


METHOD = relaxation(
    "asap",
    "an annealed softmax whose operations are pruned (Noy et al., 2019)",
    ASAPSettings,
    lambda settings: Annealed(settings.hottest, settings.decay, settings.length, settings.grace, settings.threshold),
    tasks=("image",),
)
