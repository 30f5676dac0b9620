"""Continuous relaxations (Liu et al., 2018b): every edge is a mixture of all operations, weighed by a rule.

Both models hold the parameters of the architecture in ``architecture``, one row for each edge of a cell. Edges are
ordered as in the space: by target node, then by source.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines.relaxations.method import NONE
from baselines.relaxations.partial import PartialCell, PartialCNN, partial_cell
from baselines.relaxations.rule import CellArchitecture, Edges, Mixture, MixtureRule, Moment, PruningRule
from conas.cnn.one_shot import mixed_cell
from conas.cnn.one_shot_plain import OneShotCell, PlainOneShotCNN
from conas.cnn.operations import OPERATIONS
from conas.cnn.sharing import Node, entry
from conas.genotype import Cell, Choice
from conas.names import unknown
from conas.rnn.cell_plain import ACTIVATIONS, Masks, PlainRecurrentCell, highway
from conas.rnn.language_model import Dropout, LanguageModel, Run
from conas.space import Space
from conas.torch_seeds import torch_generator


def pairs(space: Space) -> list[tuple[int, int]]:
    """The (source, target) of every row of a cell's architecture parameters."""
    targets = range(space.inputs, space.inputs + space.nodes)
    return [(source, target) for target in targets for source in range(target)]


class Architecture(nn.ParameterDict):
    """The parameters of the architecture by cell; under a rule that prunes, with what it has kept as buffers."""

    def __init__(self, rule: MixtureRule, space: Space, operations: tuple[str, ...], seed: int) -> None:
        super().__init__()
        self.rule, self.edges = rule, Edges.of(space, operations)
        for cell in space.cells:
            self[cell] = nn.Parameter(rule.start(self.edges, torch_generator(seed, "architecture", cell)))
            if isinstance(rule, PruningRule):
                self.register_buffer(f"{cell}_kept", torch.ones(self.edges.shape, dtype=torch.bool))

    def cells(self) -> dict[str, CellArchitecture]:
        """The architecture of every cell, as it is now."""
        return {cell: CellArchitecture(self.edges, self[cell], getattr(self, f"{cell}_kept", None)) for cell in self}

    def mixtures(self, at: Moment, generator: torch.Generator) -> dict[str, Mixture]:
        """The mixtures of one pass; drawn once for all cells of a kind."""
        cells = self.cells()
        if not at.learning:
            cells = {name: replace(cell, parameters=cell.parameters.detach()) for name, cell in cells.items()}
        return {name: self.rule.mixture(cell, at, generator) for name, cell in cells.items()}

    def shares(self) -> dict[str, NDArray[np.float64]]:
        """What the operations of every cell's edges weigh in the end, shape (edges, operations)."""
        return {name: self.rule.shares(_exact(cell)).numpy() for name, cell in self.cells().items()}


def _exact(cell: CellArchitecture) -> CellArchitecture:
    kept = None if cell.kept is None else cell.kept.cpu()
    return replace(cell, parameters=cell.parameters.detach().cpu().double(), kept=kept)


def _check(operations: tuple[str, ...], allowed: Mapping[str, object]) -> None:
    for operation in operations:
        if operation not in allowed and operation != NONE:
            raise ValueError(unknown("operation", operation, [*allowed, NONE]))
    if not set(operations) - {NONE}:
        raise ValueError(f"a relaxation needs an operation other than {NONE!r} (allowed: {', '.join(allowed)})")


class RelaxedCNN(nn.Module):
    """The one-shot CNN with mixed edges; ``none`` among the operations takes its share of an edge and adds nothing.

    Args:
        space: which nodes and cells there are; its operations are not used.
        operations: the operations mixed on every edge.
        rule: how they are mixed.
        channels, layers, classes, in_channels: see `conas.cnn.one_shot_plain.PlainOneShotCNN`.
        seed: decides the initial weights and architecture.

    Raises:
        ValueError: an operation that does not exist, or none at all; too few channels for a rule that mixes a part.
    """

    def __init__(
        self,
        space: Space,
        operations: tuple[str, ...],
        rule: MixtureRule,
        channels: int,
        layers: int,
        classes: int,
        in_channels: int = 3,
        *,
        seed: int,
    ) -> None:
        super().__init__()
        _check(operations, OPERATIONS)
        mixed = replace(space, operations=operations)
        self.network: PlainOneShotCNN = (
            PlainOneShotCNN(mixed, channels, layers, classes, in_channels, seed=seed)
            if rule.partial == 1
            else PartialCNN(rule.partial, mixed, channels, layers, classes, in_channels, seed=seed)
        )
        self.architecture = Architecture(rule, space, operations, seed)

    def forward(self, images: Tensor, at: Moment, generator: torch.Generator) -> Tensor:
        """Logits, shape (N, classes), for images (N, in_channels, H, W); ``generator`` draws the mixture."""
        mixtures = self.architecture.mixtures(at, generator)
        before = last = entry(self.network.stem, images)
        for cell in self.network.layers:
            before, last = last, _mixed(cell, before, last, mixtures[cell.kind])
        return self.network.classifier(last.value.mean(dim=(2, 3)))


def _mixed(cell: OneShotCell, before: Node, last: Node, mixture: Mixture) -> Node:
    if isinstance(cell, PartialCell):
        return partial_cell(cell, before, last, mixture)
    return mixed_cell(cell, before, last, mixture.weighed.flatten(), mixture.computed)


@dataclass(frozen=True)
class MixedCell(Cell):
    """A recurrent cell with every choice, and the ``shares`` of the choices, shape (edges, operations).

    ``operations`` are those of the columns.
    """

    shares: Tensor
    operations: tuple[str, ...]


class MixedRecurrentCell(PlainRecurrentCell):
    """The recurrent cell with mixed edges: a node is the sum over all earlier nodes of the mixture on their edge."""

    def recur(self, projected: Tensor, hidden: Tensor, cell: Cell, masks: Masks | None = None) -> tuple[Tensor, Tensor]:
        """As `PlainRecurrentCell.recur`, for a `MixedCell`."""
        assert isinstance(cell, MixedCell)
        keep = torch.ones_like(hidden) if masks is None else masks.state
        shares = cell.shares.split([len({choice.source for choice in node}) for node in cell.nodes])
        outputs = []
        for x in projected:
            states = [self.norm(highway(x + (hidden * keep) @ self.hidden_weight, hidden, "tanh"))]
            for weight, share in zip(self.weights, shares, strict=True):
                states.append(self.norm(_mixed_node(torch.stack(states), keep, weight, share, cell.operations)))
            hidden = torch.stack(states[1:]).mean(dim=0)
            outputs.append(hidden)
        return torch.stack(outputs), hidden


def _mixed_node(states: Tensor, keep: Tensor, weight: Tensor, shares: Tensor, operations: tuple[str, ...]) -> Tensor:
    """Node i from the ``states``, shape (i, B, size), of the nodes before it and their ``shares``, shape (i, k)."""
    carry, update = ((states * keep) @ weight).split(states.shape[-1], dim=-1)
    columns = [(name, shares[:, k, None, None]) for k, name in enumerate(operations) if name != NONE]
    kept = torch.stack([share for _, share in columns]).sum(dim=0) * states
    pooled = torch.stack([share * ACTIVATIONS[name](update) for name, share in columns]).sum(dim=0)
    return (kept + torch.sigmoid(carry) * (pooled - kept)).sum(dim=0)


class RelaxedRNN(LanguageModel):
    """The language model with a mixed recurrent cell, batch-normalised as in the released code of DARTS.

    Args:
        space: a recurrent space; its operations are not used.
        operations: the activations mixed on every edge; ``none`` takes its share and adds nothing.
        rule: how they are mixed.
        words, size, dropout: see `conas.rnn.language_model.LanguageModel`.
        seed: decides the initial weights and architecture.

    Raises:
        ValueError: an activation that does not exist, or none at all; a rule for parts of the channels.
    """

    def __init__(
        self,
        space: Space,
        operations: tuple[str, ...],
        rule: MixtureRule,
        words: int,
        size: int,
        dropout: Dropout | None = None,
        *,
        seed: int,
    ) -> None:
        _check(operations, ACTIVATIONS)
        if rule.partial > 1:
            raise ValueError(f"partial is {rule.partial} (allowed: 1 in a recurrent cell, which has no channels)")
        super().__init__(words, size, space.nodes, seed, dropout, batch_norm=True)
        self.cell = MixedRecurrentCell(size, space.nodes, seed, batch_norm=True)  # type: ignore[assignment]
        self.architecture = Architecture(rule, space, operations, seed)
        self.operations = operations
        sources = [range(target) for target in range(space.inputs, space.inputs + space.nodes)]
        self._nodes = tuple(tuple(Choice(name, j) for j in before for name in operations) for before in sources)

    def forward(
        self, tokens: Tensor, hidden: Tensor, dropping: torch.Generator | None, at: Moment, drawing: torch.Generator
    ) -> Run:
        """A pass over one window, tokens (T, B), see `LanguageModel.run`; ``drawing`` draws the mixture.

        All activations are computed: they cost little beside the product that they share.
        """
        shares = self.architecture.mixtures(at, drawing)["recurrent"].weighed
        concat = tuple(range(1, len(self._nodes) + 1))
        return self.run(tokens, hidden, MixedCell(self._nodes, concat, shares, self.operations), dropping)
