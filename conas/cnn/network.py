"""The final network of a genotype, with the DARTS recipe's structure (section 4.1; Liu et al., 2018b)."""

from collections.abc import Iterator
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conas.cnn.operations import OPERATIONS, default_initialisation, operation, preprocess, reductions
from conas.cnn.sharing import Concatenation, Node, edge, entry, total
from conas.genotype import Cell, Genotype, GenotypeError
from conas.names import unknown


class FinalCell(nn.Module):
    """One cell of a genotype; ``operations`` follow the genotype's choices, node by node."""

    def __init__(
        self, cell: Cell, widths: tuple[int, int], channels: int, reduce: bool, halve: bool, pool_bn: bool
    ) -> None:
        super().__init__()
        self.cell, self.reduce = cell, reduce
        self.preprocess = nn.ModuleList(
            [preprocess(widths[0], channels, halve, True), preprocess(widths[1], channels, False, True)]
        )
        self.operations = nn.ModuleList(
            operation(choice.operation, channels, 2 if reduce and choice.source < 2 else 1, True, pool_bn)
            for node in cell.nodes
            for choice in node
        )

    def forward(self, before: Tensor, last: Tensor) -> Tensor:
        """Outputs c_{k-2} and c_{k-1} of the cells before -> c_k, each operation called as its module."""
        states = [self.preprocess[0](before), self.preprocess[1](last)]
        modules = iter(self.operations)
        for node in self.cell.nodes:
            states.append(sum(next(modules)(states[choice.source]) for choice in node))
        return torch.cat([states[node] for node in self.cell.concat], dim=1)

    def train_forward(self, before: Node, last: Node, keep: Iterator[Tensor] | None) -> Node:
        """The same, faster. ``keep`` yields the drop-path factor, shape (N, 1, 1, 1), of one operation after the
        other; an identity has none."""
        nodes = [Node(edge(self.preprocess[0], before)), Node(edge(self.preprocess[1], last))]
        modules = iter(self.operations)
        for choices in self.cell.nodes:
            parts = [self._kept(next(modules), nodes[choice.source], keep) for choice in choices]
            nodes.append(Node(total(parts)))
        return Concatenation([nodes[node] for node in self.cell.concat])

    def _kept(self, module: nn.Module, node: Node, keep: Iterator[Tensor] | None) -> Tensor:
        value = edge(module, node)
        return value if keep is None or isinstance(module, nn.Identity) else value * next(keep)


class AuxiliaryHead(nn.Module):
    """A second classifier on an earlier cell's output, used in training only.

    DARTS pools the 8x8 map of a 32x32 image by 5x5 windows of stride 3, which gives 2x2. Other sizes (2x2
    and more) get the windows that give 2x2 as well.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        """A cell's output behind a ReLU (N, channels, H, W), H = W -> logits (N, classes).

        Raises:
            ValueError: the images were too small.
        """
        size = min(x.shape[2:])
        if size < 2:
            raise ValueError(f"the auxiliary head needs a map of 2x2 pixels or more, got {x.shape[2]}x{x.shape[3]}")
        window = max(min(5, size - 1), (size + 1) // 2)
        x = F.avg_pool2d(x, window, stride=size - window, count_include_pad=False)
        return self.classifier(self.features(x).flatten(1))


class FinalNetwork(nn.Module):
    """``layers`` cells of ``genotype`` over a 3x3 stem of 3 x ``channels``; reductions at one and two thirds.

    Args:
        genotype: cells ``normal`` and ``reduce`` over two inputs, with any number of choices in a node but
            none empty (`conas.space.Space.repair`).
        auxiliary: with the auxiliary head behind the second reduction cell.
        pool_bn: a batch norm behind each pool, as the released CoNAS code has and DARTS has not. With it, and only
            with it, the second-order DARTS cell counts as the paper's 548 M (`conas.counting`: 547.75, else 547.47).
        seed: decides the initial weights (torch's default distributions).

    Raises:
        GenotypeError: missing cells, another number of inputs, an empty node or an unknown operation.
    """

    def __init__(
        self,
        genotype: Genotype,
        channels: int,
        layers: int,
        classes: int,
        in_channels: int = 3,
        *,
        auxiliary: bool = False,
        pool_bn: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check(genotype)
        self.genotype = genotype
        self.pool_bn = pool_bn
        self.auxiliary_layer = reductions(layers)[1]
        with default_initialisation(seed):
            widths = self._build(channels, layers, in_channels)
            self.pool = nn.AdaptiveAvgPool2d(1)
            self.classifier = nn.Linear(widths[-1], classes)
            self.auxiliary = AuxiliaryHead(widths[self.auxiliary_layer], classes) if auxiliary else None

    def _build(self, channels: int, layers: int, in_channels: int) -> list[int]:
        self.width = width = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.cells = nn.ModuleList()
        self.choices = 0
        widths, halve = [width, width], False
        for layer in range(layers):
            reduce = layer in reductions(layers)
            channels = 2 * channels if reduce else channels
            cell = self.genotype.cells["reduce" if reduce else "normal"]
            self.cells.append(FinalCell(cell, (widths[-2], widths[-1]), channels, reduce, halve, self.pool_bn))
            self.choices += sum(map(len, cell.nodes))
            widths.append(len(cell.concat) * channels)
            halve = reduce
        return widths[2:]

    def forward(
        self, images: Tensor, drop_path_prob: float = 0.0, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Logits (N, classes), and the auxiliary head's while training, for images (N, in_channels, H, W).

        While training, each operation's output other than an identity's is dropped for a whole image with
        probability ``drop_path_prob``, drawn from ``generator``, and scaled up otherwise.

        Raises:
            ValueError: there is something to draw but no generator.
        """
        if self.training:
            keep = self.draw(images, drop_path_prob, generator) if drop_path_prob > 0 else None
            return self.train_forward(images, keep)
        before = last = entry(self.stem, images).value
        for cell in self.cells:
            before, last = last, cell(before, last)
        return self.classified(last, None)

    def train_forward(self, images: Tensor, keep: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """As `forward` while training, with the drop-path factors given, see `draw`. None: nothing is dropped."""
        factors = None if keep is None else iter(keep.unbind())
        early = None
        before = last = entry(self.stem, images)
        for layer, cell in enumerate(self.layers):
            before, last = last, cell.train_forward(before, last, factors)
            if layer == self.auxiliary_layer and self.auxiliary is not None:
                early = last.rectified
        return self.classified(last.value, early)

    def classified(self, last: Tensor, early: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The logits, and the auxiliary head's, from the last cell's output and an earlier one's behind a ReLU."""
        logits = self.classifier(self.pool(last).flatten(1))
        return logits, None if early is None or self.auxiliary is None else self.auxiliary(early)

    @property
    def layers(self) -> list[FinalCell]:
        """The cells in order."""
        return [cast(FinalCell, cell) for cell in self.cells]

    def draw(self, images: Tensor, drop_path_prob: float, generator: torch.Generator | None) -> Tensor:
        """Drop-path factors, 0 or 1 / (1 - ``drop_path_prob``), of every operation and image: (choices, N, 1, 1, 1).

        Raises:
            ValueError: there is no ``generator``.
        """
        if generator is None:
            raise ValueError("drop-path needs a generator to draw from")
        drawn = torch.rand(self.choices, len(images), 1, 1, 1, generator=generator, device=images.device)
        return ((drawn >= drop_path_prob) / (1 - drop_path_prob)).to(images.dtype)


def check(genotype: Genotype) -> None:
    """Refuse what cannot be built.

    Raises:
        GenotypeError: one line that says what is wrong and what is allowed.
    """
    if genotype.inputs != 2 or set(genotype.cells) != {"normal", "reduce"}:
        cells = ", ".join(genotype.cells)
        raise GenotypeError(f"a CNN has the cells normal and reduce with 2 inputs, got {cells} with {genotype.inputs}")
    for name, cell in genotype.cells.items():
        if name == "reduce" and min(cell.concat) < 2:
            raise GenotypeError(f"reduce cell: concat {list(cell.concat)} (its inputs 0, 1 have twice the size)")
        for target, node in enumerate(cell.nodes, start=2):
            if not node:
                raise GenotypeError(f"{name} cell: node {target} has no input (the space's repair rule gives it one)")
            for choice in node:
                if choice.operation not in OPERATIONS:
                    raise GenotypeError(f"{name} cell: {unknown('operation', choice.operation, OPERATIONS)}")
