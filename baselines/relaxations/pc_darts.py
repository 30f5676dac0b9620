"""PC-DARTS (Xu et al., 2020): a softmax mixture on a part of the channels, and a softmax over the edges into a node."""

from dataclasses import dataclass

import torch
from torch import Tensor

from baselines import checks
from baselines.checks import at_least
from baselines.relaxations.method import RelaxationSettings, relaxation
from baselines.relaxations.rule import SPREAD, CellArchitecture, Edges, Mixture, MixtureRule, Moment
from conas.settings import setting

CODE = "Xu et al. (2020), released code"


@dataclass(frozen=True)
class PartialSoftmax(MixtureRule):
    """Operations compute one of ``parts`` of the channels, and are mixed by the softmax of their parameters; the edges
    into a node by that of their own, the last column. The architecture learns after the share ``warm_up`` of training.
    """

    parts: int
    warm_up: float

    @property
    def price(self) -> float:
        """Two gradients of all operations, on a part of the channels, and what is computed beside operations."""
        return 1.0

    @property
    def partial(self) -> int:
        """``parts``."""
        return self.parts

    def start(self, edges: Edges, generator: torch.Generator) -> Tensor:
        """One column more than operations."""
        count, operations = edges.shape
        return SPREAD * torch.randn((count, operations + 1), generator=generator)

    def learns(self, at: Moment, step: int) -> bool:
        """After the warm-up."""
        return at.share >= self.warm_up

    def mixture(self, cell: CellArchitecture, at: Moment, generator: torch.Generator) -> Mixture:
        """Both softmaxes."""
        operations, edges = cell.parameters[:, :-1], cell.parameters[:, -1]
        into = [logits.softmax(0) for logits in edges.split(cell.edges.sources)]
        return Mixture(operations.softmax(-1), edges=torch.cat(into))

    def shares(self, cell: CellArchitecture) -> Tensor:
        """The products of operations and edges."""
        return self.mixture(cell, Moment(0, 1), torch.Generator()).weighed


@dataclass(frozen=True)
class PCDARTSSettings(RelaxationSettings):
    """What is mixed, how and from what a cell is derived.

    Attributes:
        parts: operations compute one of so many parts of the channels.
        warm_up: the share of the epochs in which only the weights learn.
    """

    parts: int = setting(4, CODE)
    warm_up: float = setting(0.3, f"{CODE}: 15 of its 50 epochs")

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(2, self, "parts")
        checks.share(self, "warm_up")


METHOD = relaxation(
    "pc_darts",
    "DARTS on a part of the channels, with weights of edges (Xu et al., 2020)",
    PCDARTSSettings,
    lambda settings: PartialSoftmax(settings.parts, settings.warm_up),
    sizes={"smoke": {"parts": 2}},
    tasks=("image",),
)
