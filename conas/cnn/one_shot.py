"""The one-shot CNN at speed: the numbers of `conas.cnn.one_shot_plain`, from the same parameters."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from conas.cnn.one_shot_plain import OneShotCell, PlainOneShotCNN
from conas.cnn.sharing import Concatenation, Node, edge, entry, total
from conas.space import Alpha


class OneShotCNN(PlainOneShotCNN):
    """`PlainOneShotCNN`, in the channels-last memory format and without computing anything twice."""

    def forward(self, images: Tensor, alpha: Alpha) -> Tensor:
        """Logits, shape (N, classes), of the sub-network ``alpha``, shape (n,), for images (N, in_channels, H, W)."""
        active = self.active(alpha)
        before = last = entry(self.stem, images)
        for cell in self.layers:
            before, last = last, _cell(cell, before, last, active[cell.kind])
        return self.classifier(last.value.mean(dim=(2, 3)))


class WholeOneShotCNN(OneShotCNN):
    """The one-shot CNN of the released code: training computes every operation of every edge, times 1 or 0.

    So inactive operations see batch-norm statistics, and weight decay and momentum move their weights. The factors are
    parameters, as there: whoever clips the gradient of all parameters counts those of the active edges' factors. What
    an optimiser makes of the factors is overwritten by the next sub-network.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        edges = {kind: sum(edge.cell == kind for edge in self.space.edges) for kind in self.space.cells}
        self.factors = nn.ParameterDict({kind: nn.Parameter(torch.ones(count)) for kind, count in edges.items()})

    def forward(self, images: Tensor, alpha: Alpha) -> Tensor:
        """As `OneShotCNN.forward`."""
        if not self.training:
            return super().forward(images, alpha)
        with torch.no_grad():
            for kind, active in self.active(alpha).items():
                self.factors[kind].copy_(torch.tensor(active))
        shares = {kind: factors.relu() for kind, factors in self.factors.items()}  # no gradient for a factor of 0
        before = last = entry(self.stem, images)
        for cell in self.layers:
            before, last = last, mixed_cell(cell, before, last, shares[cell.kind])
        return self.classifier(last.value.mean(dim=(2, 3)))


def _cell(cell: OneShotCell, before: Node, last: Node, active: Sequence[bool]) -> Node:
    nodes = [Node(edge(cell.preprocess[0], before)), Node(edge(cell.preprocess[1], last))]
    chosen = [(e, module) for e, module, on in zip(cell.edges, cell.operations, active, strict=True) if on]
    for target in range(2, 2 + cell.nodes):
        parts = [edge(module, nodes[e.source]) for e, module in chosen if e.target == target]
        nodes.append(Node(total(parts or [cell.empty(nodes[0].value)])))
    return Concatenation(nodes[2:])


def mixed_cell(
    cell: OneShotCell, before: Node, last: Node, shares: Tensor, computed: Sequence[bool] | None = None
) -> Node:
    """c_k from c_{k-2} and c_{k-1}, each edge's operation weighted by its entry of ``shares``, shape (edges,).

    Edges that are not ``computed`` add nothing; all are if it is None.
    """
    nodes = [Node(edge(cell.preprocess[0], before)), Node(edge(cell.preprocess[1], last))]
    wanted = [True] * len(cell.edges) if computed is None else computed
    rows = zip(cell.edges, cell.operations, shares, wanted, strict=True)
    mixed = [(e, module, share) for e, module, share, on in rows if on and e.operation != "none"]
    for target in range(2, 2 + cell.nodes):
        parts = [share * edge(module, nodes[e.source]) for e, module, share in mixed if e.target == target]
        nodes.append(Node(total(parts or [cell.empty(nodes[0].value)])))
    return Concatenation(nodes[2:])
