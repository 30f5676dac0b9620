"""The one-shot CNN of section 4.1, written for the reader: one active edge after the other.

`conas.cnn.one_shot` computes the same numbers faster, from the same parameters; tests compare the two.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from conas.cnn.operations import default_initialisation, operation, preprocess, reductions
from conas.space import Alpha, Space


class OneShotCell(nn.Module):
    """One cell with every operation of the space on every edge; ``operations[i]`` belongs to ``edges[i]``.

    ``widths`` are the channels of c_{k-2} and c_{k-1}; ``halve`` says that c_{k-2} has twice the size of c_{k-1}.
    """

    def __init__(self, space: Space, widths: tuple[int, int], channels: int, reduce: bool, halve: bool) -> None:
        super().__init__()
        self.kind = "reduce" if reduce else "normal"
        self.edges = tuple(edge for edge in space.edges if edge.cell == self.kind)
        self.nodes = space.nodes
        self.reduce = reduce
        self.preprocess = nn.ModuleList(
            [
                preprocess(widths[0], channels, halve, affine=False),
                preprocess(widths[1], channels, False, affine=False),
            ]
        )
        self.operations = self._operations(channels)

    def _operations(self, channels: int) -> nn.ModuleList:
        return nn.ModuleList(
            operation(edge.operation, channels, self.stride(edge.source), affine=False, pool_bn=True)
            for edge in self.edges
        )

    def stride(self, source: int) -> int:
        """2 on the edges out of a reduction cell's two inputs."""
        return 2 if self.reduce and source < 2 else 1

    def forward(self, before: Tensor, last: Tensor, active: Sequence[bool]) -> Tensor:
        """Outputs c_{k-2} and c_{k-1} of the cells before -> c_k, the nodes' concatenation; ``active`` is by edge."""
        states = [self.preprocess[0](before), self.preprocess[1](last)]
        for target in range(2, 2 + self.nodes):
            total = self.empty(states[0])
            for edge, module, on in zip(self.edges, self.operations, active, strict=True):
                if on and edge.target == target:
                    total = total + module(states[edge.source])
            states.append(total)
        return torch.cat(states[2:], dim=1)

    def empty(self, state: Tensor) -> Tensor:
        """A node without any input, in a cell whose inputs have the shape of ``state``."""
        stride = self.stride(0)
        return torch.zeros_like(state[:, :, ::stride, ::stride])


class PlainOneShotCNN(nn.Module):
    """All sub-networks of a space in one network with shared weights (section 4.1).

    ``layers`` cells, the ones at one and two thirds of the depth being reduction cells that halve the
    image and double the ``channels``; stem of 3 x ``channels``; batch norms without weights but for the
    stem's. A node is the plain sum of its active edges, zeros if it has none. An inactive operation is not
    computed at all, so its parameters get no gradient (``None``, after ``zero_grad(set_to_none=True)``)
    and a torch optimiser leaves them alone: no weight decay, no momentum; and its batch norms see no
    statistics. The released code computes every operation and multiplies by 0: there, weight decay and
    momentum go on moving the weights of inactive operations, and their running statistics change too.

    Args:
        space: the edges of a ``normal`` and a ``reduce`` cell.
        seed: decides the initial weights (torch's default distributions).
    """

    def __init__(
        self, space: Space, channels: int, layers: int, classes: int, in_channels: int = 3, *, seed: int
    ) -> None:
        super().__init__()
        self.space = space
        with default_initialisation(seed):
            self._build(channels, layers, classes, in_channels)

    def _build(self, channels: int, layers: int, classes: int, in_channels: int) -> None:
        width = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.cells = nn.ModuleList()
        widths, halve = (width, width), False
        for layer in range(layers):
            reduce = layer in reductions(layers)
            channels = 2 * channels if reduce else channels
            self.cells.append(self._cell(widths, channels, reduce, halve))
            widths, halve = (widths[1], self.space.nodes * channels), reduce
        self.classifier = nn.Linear(widths[1], classes)

    def _cell(self, widths: tuple[int, int], channels: int, reduce: bool, halve: bool) -> OneShotCell:
        return OneShotCell(self.space, widths, channels, reduce, halve)

    @property
    def layers(self) -> list[OneShotCell]:
        """The cells in order."""
        return [cast(OneShotCell, cell) for cell in self.cells]

    def active(self, alpha: Alpha) -> dict[str, list[bool]]:
        """For each kind of cell, which of its edges the encoder ``alpha``, shape (n,), activates."""
        chosen: dict[str, list[bool]] = {name: [] for name in self.space.cells}
        for edge, bit in zip(self.space.edges, self.space.check(alpha), strict=True):
            chosen[edge.cell].append(bool(bit > 0))
        return chosen

    def forward(self, images: Tensor, alpha: Alpha) -> Tensor:
        """Logits, shape (N, classes), of the sub-network ``alpha``, shape (n,), for images (N, in_channels, H, W)."""
        active = self.active(alpha)
        before = last = self.stem(images)
        for cell in self.layers:
            before, last = last, cell(before, last, active[cell.kind])
        return self.classifier(last.mean(dim=(2, 3)))
