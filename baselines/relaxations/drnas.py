"""DrNAS (Chen et al., 2021): a mixture drawn from a Dirichlet distribution, learned by pathwise gradients.

The distance of the concentrations to their start, the regulariser of the paper, is the weight decay of Adam on their
parameters, as in the released code. There, a stage of one sixth of the channels and all operations is followed by a
wider one, of a quarter of the channels and four operations per edge; here both stages have a quarter of the channels,
since a rule widens no network.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Dirichlet

from baselines import checks
from baselines.checks import ASSUMPTION, at_least
from baselines.relaxations.draws import positive
from baselines.relaxations.method import RelaxationSettings, relaxation
from baselines.relaxations.rule import CellArchitecture, Mixture, Moment, PruningRule
from conas.cnn.operations import default_initialisation
from conas.settings import setting

CODE = "Chen et al. (2021), released code"


@dataclass(frozen=True)
class DirichletMixture(PruningRule):
    """A draw from the Dirichlet distribution whose concentrations are 1 + elu of the parameters, in each pass anew.

    Half of the training is a stage of its own, of an odd number of epochs the first is longer by one: after it the
    ``kept`` largest parameters of each edge are left. In each stage the architecture learns after the share
    ``warm_up``. Operations compute one of ``parts`` of the
    channels.
    """

    parts: int
    kept: int
    warm_up: float

    @property
    def price(self) -> float:
        """Two gradients of most operations, on a part of the channels, and what is computed beside operations."""
        return 1.0

    @property
    def partial(self) -> int:
        """``parts``."""
        return self.parts

    def learns(self, at: Moment, step: int) -> bool:
        """After the warm-up of each stage."""
        first = self._first(at)
        begin, length = (0, first) if at.epoch < first else (first, at.epochs - first)
        return (at.epoch - begin + at.passed) / length >= self.warm_up

    @staticmethod
    def _first(at: Moment) -> int:
        """The epochs of the first stage."""
        return math.ceil(at.epochs / 2)

    def mixture(self, cell: CellArchitecture, at: Moment, generator: torch.Generator) -> Mixture:
        """A draw, of which what is left is scaled to 1."""
        left = dirichlet(1 + F.elu(cell.parameters), generator) * cell.left
        return Mixture(left / left.sum(-1, keepdim=True), positive(cell.left))

    def prune(self, cell: CellArchitecture, at: Moment) -> tuple[Tensor, Tensor]:
        """After the first stage, the largest parameters; the others are set to 0 and count for nothing."""
        if at.epoch + 1 != self._first(at):
            return cell.parameters, cell.left
        largest = cell.parameters.topk(min(self.kept, cell.parameters.shape[-1]), dim=-1).indices
        left = torch.zeros_like(cell.left).scatter(-1, largest, True)
        return cell.parameters * left, left

    def shares(self, cell: CellArchitecture) -> Tensor:
        """The softmax of the parameters, of which what is left is scaled to 1, as in the released code."""
        left = cell.parameters.softmax(-1) * cell.left
        return left / left.sum(-1, keepdim=True)


def dirichlet(concentrations: Tensor, generator: torch.Generator) -> Tensor:
    """A draw for each row, on the CPU, with pathwise gradients; torch draws it from its own generator only."""
    with default_initialisation(int(torch.randint(2**62, (), generator=generator))):
        return Dirichlet(concentrations.cpu()).rsample().to(concentrations.device)


@dataclass(frozen=True)
class DrNASSettings(RelaxationSettings):
    """What is mixed, how and from what a cell is derived.

    Attributes:
        parts: operations compute one of so many parts of the channels.
        kept: operations per edge in the second half of the training.
        warm_up: the share of each half in which only the weights learn.
    """

    parts: int = setting(4, f"{ASSUMPTION}: that of the released code's second stage; its first has 6")
    kept: int = setting(4, f"{CODE}, of seven operations")
    warm_up: float = setting(0.4, f"{CODE}: 10 of the 25 epochs of a stage")

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(2, self, "parts", "kept")
        checks.share(self, "warm_up")


METHOD = relaxation(
    "drnas",
    "a mixture from a Dirichlet distribution, in two stages (Chen et al., 2021)",
    DrNASSettings,
    lambda settings: DirichletMixture(settings.parts, settings.kept, settings.warm_up),
    sizes={"smoke": {"parts": 2}},
    tasks=("image",),
)
