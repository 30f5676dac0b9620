"""SNAS (Xie et al., 2019): a mixture drawn from a concrete distribution, learned together with the weights.

Both learn from the same minibatch of the whole training set, in the same step. Left out, as by default in the released
code: the penalty for an expensive cell. The released code keeps the best operation of every edge, ``none`` included;
here a cell is derived as those of all other relaxations.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from baselines import checks
from baselines.relaxations.draws import gumbel
from baselines.relaxations.method import RECURRENT, RECURRENT_SOURCES, RelaxationSettings, relaxation
from baselines.relaxations.rule import CellArchitecture, Edges, Mixture, MixtureRule, Moment
from conas.settings import setting

CODE = "Xie et al. (2019), released code"


@dataclass(frozen=True)
class Concrete(MixtureRule):
    """The softmax of the parameters, the logarithms of unnormalised probabilities, plus Gumbel noise, over a
    temperature that falls linearly from ``hottest`` to ``coldest``; gradients are no longer than ``largest_gradient``.
    """

    held_out: ClassVar[bool] = False
    hottest: float
    coldest: float
    largest_gradient: float

    @property
    def price(self) -> float:
        """All operations instead of half of them, on all images instead of half of them."""
        return 4.0

    @property
    def clip(self) -> float:
        """``largest_gradient``."""
        return self.largest_gradient

    def start(self, edges: Edges, generator: torch.Generator) -> Tensor:
        """About 1, as in the released code."""
        return 1 + 0.01 * torch.randn(edges.shape, generator=generator)

    def mixture(self, cell: CellArchitecture, at: Moment, generator: torch.Generator) -> Mixture:
        """A sample of the concrete distribution."""
        temperature = self.coldest + (self.hottest - self.coldest) * (1 - at.epoch / at.epochs)
        noisy = cell.parameters + gumbel(cell.parameters, generator)
        return Mixture((noisy / temperature).softmax(-1))


@dataclass(frozen=True)
class SNASSettings(RelaxationSettings):
    """What is mixed, how and from what a cell is derived.

    Attributes:
        hottest, coldest: the temperature in the first epoch, and that which it falls to, linearly.
        clip: the largest norm of the architecture's gradient.
    """

    hottest: float = setting(1.0, CODE)
    coldest: float = setting(0.03, f"{CODE}: with its flag for annealing; without it, the temperature stays")
    clip: float = setting(10.0, CODE)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive(self, "hottest", "coldest", "clip")
        if self.coldest > self.hottest:
            raise ValueError(f"coldest is {self.coldest} (allowed: at most hottest, {self.hottest})")


METHOD = relaxation(
    "snas",
    "stochastic architecture search: a mixture from a concrete distribution, one level (Xie et al., 2019)",
    SNASSettings,
    lambda settings: Concrete(settings.hottest, settings.coldest, settings.clip),
    sizes={"text": RECURRENT},
    sources={"text": RECURRENT_SOURCES},
)
