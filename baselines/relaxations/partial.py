"""Cells whose operations compute a part of the channels only (PC-DARTS, Xu et al., 2020): the others pass by.

Behind an edge the channels are shuffled, so that in the next edge other ones are computed.
"""

from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.checks import parted
from baselines.relaxations.rule import Mixture
from conas.cnn.one_shot_plain import OneShotCell, PlainOneShotCNN
from conas.cnn.sharing import Concatenation, Node, edge, total


class PartialCell(OneShotCell):
    """A cell whose operations compute the first of ``partial`` equal parts of the channels.

    Raises:
        ValueError: the channels cannot be parted so.
    """

    def __init__(self, partial: int, *args: Any) -> None:
        self.partial = partial
        super().__init__(*args)

    def _operations(self, channels: int) -> nn.ModuleList:
        parted(self.partial, channels)
        return super()._operations(channels // self.partial)


class PartialCNN(PlainOneShotCNN):
    """A one-shot CNN of such cells, for relaxations."""

    def __init__(self, partial: int, *args: Any, **kwargs: Any) -> None:
        self.partial = partial
        super().__init__(*args, **kwargs)

    def _cell(self, *args: Any) -> PartialCell:
        return PartialCell(self.partial, self.space, *args)


class _Parts:
    """The channels of a node: those that are computed, as a node of their own, and the others."""

    def __init__(self, node: Node, partial: int) -> None:
        computed = node.value.shape[1] // partial
        self.computed = Node(node.value[:, :computed].contiguous(memory_format=torch.channels_last))
        self._others = node.value[:, computed:]

    def others(self, stride: int) -> Tensor:
        """The other channels, as large as behind an operation with this stride."""
        return self._others if stride == 1 else self._halved

    @cached_property
    def _halved(self) -> Tensor:
        return F.max_pool2d(self._others, 2, 2)


def partial_cell(cell: PartialCell, before: Node, last: Node, mixture: Mixture) -> Node:
    """c_k from c_{k-2} and c_{k-1}, each edge mixed by its row of ``mixture``."""
    nodes = [Node(edge(cell.preprocess[0], before)), Node(edge(cell.preprocess[1], last))]
    parts = [_Parts(node, cell.partial) for node in nodes]
    edges = iter(range(len(mixture.shares)))
    for target in range(2, 2 + cell.nodes):
        nodes.append(Node(total([_edge(cell, next(edges), parts[source], mixture) for source in range(target)])))
        parts.append(_Parts(nodes[-1], cell.partial))
    return Concatenation(nodes[2:])


def _edge(cell: PartialCell, row: int, node: _Parts, mixture: Mixture) -> Tensor:
    """The edge of a row: its operations mixed on a part of the channels, the others beside them, all shuffled."""
    shares = mixture.shares[row]
    first = row * len(shares)
    computed = [True] * len(shares) if mixture.computed is None else mixture.computed[first : first + len(shares)]
    on = [k for k, wanted in enumerate(computed) if wanted and cell.edges[first + k].operation != "none"]
    mixed = total([shares[k] * edge(cell.operations[first + k], node.computed) for k in on])
    others = node.others(cell.stride(cell.edges[first].source))
    whole = F.channel_shuffle(torch.cat([mixed, others], dim=1), cell.partial)
    return whole if mixture.edges is None else mixture.edges[row] * whole
