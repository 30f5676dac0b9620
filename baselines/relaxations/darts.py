"""DARTS (Liu et al., 2018b): a softmax mixture, whose architecture lowers the loss on held-out data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from baselines.checks import LIU, one_of
from baselines.relaxations.bilevel import Loss, Parameters, WeightStep, first_order, second_order
from baselines.relaxations.method import RECURRENT, RelaxationSettings, relaxation
from baselines.relaxations.rule import CellArchitecture, Mixture, MixtureRule, Moment
from conas.settings import setting

_GRADIENTS = {1: 2, 2: 6}
"""By the order of the architecture's gradient."""


@dataclass(frozen=True)
class Softmax(MixtureRule):
    """The softmax of the parameters, with the architecture's gradient of ``order`` 1 or 2."""

    order: int

    @property
    def gradients(self) -> int:
        """Two or six."""
        return _GRADIENTS[self.order]

    @property
    def price(self) -> float:
        """All operations instead of half of them, for every gradient."""
        return 2.0 * self.gradients

    def identity(self) -> dict[str, Any]:
        """The order, which was all there was when it was the only rule."""
        return {"order": self.order}

    def mixture(self, cell: CellArchitecture, at: Moment, generator: torch.Generator) -> Mixture:
        """The softmax."""
        return Mixture(cell.parameters.softmax(-1))

    def gradient(
        self,
        train: Loss,
        valid: Loss,
        weights: Parameters,
        architecture: Parameters,
        next_step: Callable[[], WeightStep],
    ) -> Parameters:
        """At the present weights, or after the step that they are about to take."""
        if self.order == 1:
            return first_order(valid, weights, architecture)
        return second_order(train, valid, weights, architecture, next_step())


@dataclass(frozen=True)
class DARTSSettings(RelaxationSettings):
    """What is mixed, how its architecture learns and how a cell is derived.

    Attributes:
        order: of the architecture's gradient, 1 or 2.
    """

    operations: str = setting("five", "Table 1: DARTS in the search space of five operations")
    order: int = setting(2, f"{LIU}, the better of its two")
    inputs: int = setting(2, f"{LIU}: two inputs per node, one in the recurrent cell")

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self, "order", (1, 2))


METHOD = relaxation(
    "darts",
    "differentiable architecture search (Liu et al., 2018b)",
    DARTSSettings,
    lambda settings: Softmax(settings.order),
    sizes={"text": RECURRENT},
)
