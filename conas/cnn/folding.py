"""A one-shot CNN in evaluation, for computing many sub-networks on the same images.

With running statistics a batch norm is a fixed scale and shift, so it is folded into the linear map before it, once
for all sub-networks; and what does not depend on the choice of edges is computed once for all of them.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conas.cnn.one_shot import OneShotCNN
from conas.cnn.one_shot_plain import OneShotCell
from conas.cnn.operations import FactorizedReduce, NormalisedPool, ReLUConvNorm, Separable, SeparableTwice
from conas.cnn.sharing import Concatenation, Node, entry
from conas.space import Alpha


class FoldedCNN:
    """A one-shot model in evaluation, its batch norms folded into the linear maps before them."""

    @torch.no_grad()
    def __init__(self, model: OneShotCNN) -> None:
        self._active = model.active
        self._stem = _fold_stem(model.stem)
        self._cells = [FoldedCell(cell) for cell in model.layers]
        self._classifier = model.classifier

    def logits(self, images: Tensor, alphas: Alpha) -> Iterator[Tensor]:
        """Logits, shape (N, classes), of each encoder of ``alphas``, shape (k, n), for the same images."""
        stem = entry(self._stem, images)
        first, *rest = self._cells
        shared = [SharedNode(first.preprocess[0](stem)), SharedNode(first.preprocess[1](stem))]
        carried = SharedNode(rest[0].preprocess[0](stem)) if rest else None
        for active in map(self._active, alphas):
            before, last = stem, first(shared, active[first.kind])
            for cell in rest:
                skipped = carried if cell is rest[0] and carried else Node(cell.preprocess[0](before))
                nodes = [skipped, Node(cell.preprocess[1](last))]
                before, last = last, cell(nodes, active[cell.kind])
            yield self._classifier(last.value.mean(dim=(2, 3)))


class SharedNode(Node):
    """A node that is the same for every sub-network, so what its edges compute is kept: the edge's bit -> features."""

    def __init__(self, value: Tensor) -> None:
        super().__init__(value)
        self.kept: dict[int, Tensor] = {}


class FoldedCell:
    """A cell whose operations add to a node's value in place."""

    def __init__(self, cell: OneShotCell) -> None:
        self.kind = cell.kind
        self.preprocess = [_fold_preprocessing(module) for module in cell.preprocess]
        self._edges = list(zip(cell.edges, map(_fold, cell.operations), strict=True))
        self._nodes, self._stride = cell.nodes, cell.stride(0)

    def __call__(self, inputs: Sequence[Node], active: Sequence[bool]) -> Node:
        """The cell's output from its two preprocessed inputs; ``active`` is by edge."""
        nodes = list(inputs)
        for target in range(2, 2 + self._nodes):
            edges = [
                (bit, nodes[edge.source], operation)
                for bit, (edge, operation) in enumerate(self._edges)
                if active[bit] and edge.target == target
            ]
            nodes.append(Node(self._sum(edges, inputs[0].value)))
        return Concatenation(nodes[2:])

    def _sum(self, edges: Sequence[tuple[int, Node, "Folded"]], like: Tensor) -> Tensor:
        count, channels, height, width = like[:, :, :: self._stride, :: self._stride].shape
        shift = sum((operation.shift for _, _, operation in edges), like.new_zeros(channels))
        value = shift.expand(count, height, width, channels).contiguous()
        for bit, node, operation in edges:
            operation.add(value, node, bit)
        return value.permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Folded:
    """An operation: ``matrix`` or ``scale`` times its features, plus ``shift``; one of the first two, or none."""

    features: Callable[[Node], Tensor]
    shift: Tensor
    matrix: Tensor | None = None
    scale: Tensor | None = None

    def add(self, value: Tensor, node: Node, bit: int) -> None:
        """Add all but the shift to ``value``, shape (N, H, W, channels), in place."""
        if self.matrix is not None:
            features = self._kept(node, bit).permute(0, 2, 3, 1)
            value.flatten(0, 2).addmm_(features.flatten(0, 2), self.matrix)
        elif self.scale is not None:
            value.addcmul_(self.features(node).permute(0, 2, 3, 1), self.scale)
        else:
            value.add_(self.features(node).permute(0, 2, 3, 1))

    def _kept(self, node: Node, bit: int) -> Tensor:
        if not isinstance(node, SharedNode):
            return self.features(node)
        if bit not in node.kept:
            node.kept[bit] = self.features(node)
        return node.kept[bit]


def _folded(weight: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution that ``norm`` follows."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var + norm.eps).rsqrt()
    scale = scale * norm.weight if norm.affine else scale
    bias = norm.bias if norm.affine else 0
    return weight * scale[:, None, None, None], bias - scale * norm.running_mean


def _fold_stem(stem: nn.Sequential) -> Callable[[Tensor], Tensor]:
    convolution, norm = stem
    assert isinstance(norm, nn.BatchNorm2d)
    weight, bias = _folded(cast(Tensor, convolution.weight), norm)
    return lambda images: F.conv2d(images, weight, bias, padding=1)


def _fold_preprocessing(module: nn.Module) -> Callable[[Node], Tensor]:
    if isinstance(module, FactorizedReduce):
        weight, shift = _fold_reduction(module)
        return lambda node: F.conv2d(_both_corners(node), weight, shift)
    assert isinstance(module, ReLUConvNorm)
    weight, shift = _folded(module.convolution.weight, module.norm)
    return lambda node: F.conv2d(node.rectified, weight, shift)


def _fold_reduction(module: FactorizedReduce) -> tuple[Tensor, Tensor]:
    both = torch.block_diag(module.even.weight.flatten(1), module.odd.weight.flatten(1))
    return _folded(both[:, :, None, None], module.norm)


def _both_corners(node: Node) -> Tensor:
    return torch.cat(node.corners, dim=1)


def _fold(module: nn.Module) -> Folded:
    match module:
        case SeparableTwice():
            return _fold_twice(module)
        case Separable():
            weight, shift = _folded(module.pointwise.weight, module.norm)
            return Folded(lambda node: module.depthwise(node.rectified), shift, weight.flatten(1).t())
        case FactorizedReduce():
            weight, shift = _fold_reduction(module)
            return Folded(_both_corners, shift, weight.flatten(1).t())
        case NormalisedPool():
            pool, norm = module.pool, module.norm
            assert norm.running_mean is not None
            scale, shift = _folded(norm.running_mean.new_ones(norm.num_features, 1, 1, 1), norm)
            return Folded(lambda node: node.pooled(pool), shift, scale=scale.flatten())
        case _:
            fixed = copy.deepcopy(module).eval()
            return Folded(lambda node: fixed(node.value), torch.zeros(()))


def _fold_twice(module: SeparableTwice) -> Folded:
    first, second = module.first, module.second
    inner, inner_shift = _folded(first.pointwise.weight, first.norm)
    weight, shift = _folded(second.pointwise.weight, second.norm)

    def features(node: Node) -> Tensor:
        hidden = F.conv2d(first.depthwise(node.rectified), inner, inner_shift).relu_()
        return second.depthwise(hidden)

    return Folded(features, shift, weight.flatten(1).t())
