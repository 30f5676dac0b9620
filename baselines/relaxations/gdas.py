"""GDAS (Dong & Yang, 2019): one operation per edge, drawn anew in every pass, with the gradient of a softmax.

The released code takes the two best pairs of source and operation into each node, also out of the same node; here the
two sources differ, as in the cells of all other relaxations.
"""

from dataclasses import dataclass

import torch

from baselines import checks
from baselines.relaxations.draws import gumbel, one_hot, positive, straight_through
from baselines.relaxations.method import RECURRENT, RECURRENT_SOURCES, RelaxationSettings, relaxation
from baselines.relaxations.rule import CellArchitecture, Mixture, MixtureRule, Moment
from conas.settings import setting

CODE = "Dong & Yang (2019), released code (AutoDL-Projects)"


@dataclass(frozen=True)
class HardGumbel(MixtureRule):
    """The largest of parameters plus Gumbel noise; nothing else is computed. Its gradient is that of the softmax over a
    temperature that falls linearly from ``hottest`` to ``coldest``."""

    hottest: float
    coldest: float

    @property
    def price(self) -> float:
        """One operation per edge in place of half of five, for the weights and for the architecture."""
        return 0.8

    def mixture(self, cell: CellArchitecture, at: Moment, generator: torch.Generator) -> Mixture:
        """One operation on each edge."""
        temperature = self.hottest + (self.coldest - self.hottest) * at.epoch / max(1, at.epochs - 1)
        noisy = cell.parameters.log_softmax(-1) + gumbel(cell.parameters, generator)
        soft = (noisy / temperature).softmax(-1)
        hard = one_hot(noisy.argmax(-1), soft)
        return Mixture(straight_through(hard, soft), positive(hard))


@dataclass(frozen=True)
class GDASSettings(RelaxationSettings):
    """What is mixed, how and from what a cell is derived.

    Attributes:
        hottest, coldest: the temperature in the first and in the last epoch; it falls linearly.
    """

    hottest: float = setting(10.0, CODE)
    coldest: float = setting(0.1, CODE)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive(self, "hottest", "coldest")
        if self.coldest > self.hottest:
            raise ValueError(f"coldest is {self.coldest} (allowed: at most hottest, {self.hottest})")


METHOD = relaxation(
    "gdas",
    "one operation per edge by hard Gumbel-softmax (Dong & Yang, 2019)",
    GDASSettings,
    lambda settings: HardGumbel(settings.hottest, settings.coldest),
    sizes={"text": RECURRENT},
    sources={"text": RECURRENT_SOURCES},
)
