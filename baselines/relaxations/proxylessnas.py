"""ProxylessNAS by gradients (Cai et al., 2019): one operation per edge trains the weights, two train the architecture.

Its space is not that of the cells here, and its authors released no search on CIFAR-10: the rule is that of the paper,
which their released search on ImageNet has as an option (``two``), without its penalty for latency; there the
architecture learns after the weights of a minibatch, here before.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from baselines import checks
from baselines.checks import at_least
from baselines.relaxations.draws import one_hot, positive, straight_through
from baselines.relaxations.method import RelaxationSettings, relaxation
from baselines.relaxations.rule import CellArchitecture, Mixture, MixtureRule, Moment
from conas.settings import setting

CODE = "Cai et al. (2019), released search on ImageNet"


@dataclass(frozen=True)
class TwoGates(MixtureRule):
    """Weights learn under one operation per edge, drawn by the softmax of the parameters.

    After the share ``warm_up`` of training, before every ``every``-th step of the weights in an epoch (before the last
    one if there are fewer), the architecture learns from two operations per edge, drawn without replacement: one of
    them is active, drawn by their two probabilities, and the gradients of both their gates go through these. Operations
    that are not drawn keep their probability.
    """

    every: int
    warm_up: float
    adam: tuple[float, float]

    @property
    def price(self) -> float:
        """One operation per edge in place of half of five, and two, forward and backward, in some of the steps."""
        return 0.4 + 0.8 / self.every

    @property
    def betas(self) -> tuple[float, float]:
        """``adam``."""
        return self.adam

    def learns(self, at: Moment, step: int) -> bool:
        """Now and then, after the warm-up."""
        every = min(self.every, at.steps)
        return at.share >= self.warm_up and step % every == every - 1

    def mixture(self, cell: CellArchitecture, at: Moment, generator: torch.Generator) -> Mixture:
        """One active operation on each edge; for a step of the architecture, beside one that is not."""
        if not at.learning:
            (drawn,) = _draw(cell.parameters, 1, generator).unbind(-1)
            active = one_hot(drawn, cell.parameters)
            return Mixture(active, positive(active))
        two, place = _two(cell, generator)
        active = one_hot(two.gather(-1, place[:, None]).squeeze(-1), cell.parameters)
        both = torch.zeros_like(active).scatter(-1, two, cell.parameters.gather(-1, two).softmax(-1))
        return Mixture(straight_through(active, both), positive(both))

    def stepped(self, before: CellArchitecture, after: Tensor, at: Moment, generator: torch.Generator) -> Tensor:
        """Both that were drawn lowered or raised alike, so that together they are as probable as before."""
        two, _ = _two(before, generator)
        gained = after.gather(-1, two).logsumexp(-1) - before.parameters.gather(-1, two).logsumexp(-1)
        return after.scatter(-1, two, after.gather(-1, two) - gained[:, None])


def _two(cell: CellArchitecture, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two operations of each edge, shape (edges, 2), and which of the two is active, shape (edges,)."""
    two = _draw(cell.parameters, 2, generator)
    (place,) = _draw(cell.parameters.gather(-1, two), 1, generator).unbind(-1)
    return two, place


def _draw(logits: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Different columns of each row, shape (rows, count), drawn on the CPU."""
    probabilities = logits.detach().cpu().double().softmax(-1)
    return torch.multinomial(probabilities, count, generator=generator).to(logits.device)


@dataclass(frozen=True)
class ProxylessNASSettings(RelaxationSettings):
    """What is mixed, how and from what a cell is derived.

    Attributes:
        every: so many steps of the weights follow a step of the architecture.
        warm_up: the share of the epochs in which only the weights learn.
        adam: the two rates of the means of Adam.
    """

    every: int = setting(5, CODE)
    warm_up: float = setting(0.25, f"{CODE}: 40 epochs before 120")
    adam: tuple[float, float] = setting((0.0, 0.999), CODE)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "every")
        checks.share(self, "warm_up")
        checks.adam(self, "adam")


METHOD = relaxation(
    "proxylessnas",
    "two binary gates per edge, by gradients (Cai et al., 2019)",
    ProxylessNASSettings,
    lambda settings: TwoGates(settings.every, settings.warm_up, settings.adam),
    tasks=("image",),
)
