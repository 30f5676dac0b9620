"""The one-shot CNN at speed: the numbers of `conas.cnn.one_shot_plain`, from the same parameters."""

from collections.abc import Sequence

from torch import Tensor

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


def _cell(cell: OneShotCell, before: Node, last: Node, active: Sequence[bool]) -> Node:
    nodes = [Node(edge(cell.preprocess[0], before)), Node(edge(cell.preprocess[1], last))]
    chosen = [(e, module) for e, module, on in zip(cell.edges, cell.operations, active, strict=True) if on]
    for target in range(2, 2 + cell.nodes):
        parts = [edge(module, nodes[e.source]) for e, module in chosen if e.target == target]
        nodes.append(Node(total(parts or [cell.empty(nodes[0].value)])))
    return Concatenation(nodes[2:])
