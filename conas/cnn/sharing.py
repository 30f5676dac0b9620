"""The edges of a cell, computed quickly: whatever several edges out of one node need is computed once.

The numbers are those of calling the modules of `conas.cnn.operations` one by one, up to rounding.
"""

from collections.abc import Callable, Iterable
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conas.cnn.kernels import average_pool, batch_norm, corners, depthwise, max_pool, normalised, track
from conas.cnn.operations import (
    FactorizedReduce,
    NormalisedPool,
    Pool,
    ReLUConv7Norm,
    ReLUConvNorm,
    Separable,
    SeparableTwice,
)


class Node:
    """A node of a cell (N, C, H, W) and the tensors made from it that its edges share."""

    def __init__(self, value: Tensor) -> None:
        self._value = value
        self._pooled: dict[tuple[type[Pool], int], Tensor] = {}
        self._normalised: dict[tuple[type[Pool], int], tuple[Tensor, Tensor, Tensor]] = {}

    @property
    def value(self) -> Tensor:
        """The node itself."""
        return self._value

    @cached_property
    def rectified(self) -> Tensor:
        """Behind a ReLU."""
        return F.relu(self.value)

    @cached_property
    def corners(self) -> tuple[Tensor, Tensor]:
        """Behind a ReLU, the pixels of even rows and columns, and those of odd rows and columns."""
        return corners(self.rectified)

    def pooled(self, pool: Pool) -> Tensor:
        """Behind a 3x3 pool."""
        kind = _kind(pool)
        if kind not in self._pooled:
            quick = average_pool if isinstance(pool, nn.AvgPool2d) else max_pool
            self._pooled[kind] = quick(self.value, kind[1])
        return self._pooled[kind]

    def normalised(self, pool: Pool, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor, Tensor]:
        """Behind a 3x3 pool and a batch norm without weights; with the batch's mean and unbiased variance."""
        kind = _kind(pool)
        if kind not in self._normalised:
            self._normalised[kind] = normalised(self.pooled(pool), norm)
        return self._normalised[kind]


def entry(stem: Callable[[Tensor], Tensor], images: Tensor) -> Node:
    """The stem's output, channels-last whatever the images are: with one channel, they have no format to follow."""
    last = torch.channels_last
    images = images.contiguous(memory_format=last)
    value = _behind_batch_norm(stem, images) if isinstance(stem, nn.Sequential) else stem(images)
    return Node(value.contiguous(memory_format=last))


def _behind_batch_norm(module: nn.Sequential, x: Tensor) -> Tensor:
    """``module(x)``, whose last part is a batch norm."""
    *parts, norm = module
    assert isinstance(norm, nn.BatchNorm2d)
    for part in parts:
        x = part(x)
    return batch_norm(x, norm)


def _kind(pool: Pool) -> tuple[type[Pool], int]:
    assert isinstance(pool.stride, int)
    return type(pool), pool.stride


class Concatenation(Node):
    """A cell's output: some of its nodes side by side."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._nodes = list(nodes)

    @cached_property
    def value(self) -> Tensor:
        """The nodes' channels, in order."""
        return torch.cat([node.value for node in self._nodes], dim=1)

    @cached_property
    def rectified(self) -> Tensor:
        """After a ReLU, of which the nodes' own edges have usually computed most already."""
        return torch.cat([node.rectified for node in self._nodes], dim=1)


def edge(module: nn.Module, node: Node) -> Tensor:
    """``module(node.value)``, for an operation or the preprocessing of a cell."""
    match module:
        case Separable():
            return _separable(module, node.rectified)
        case SeparableTwice():
            return _separable(module.second, _separable(module.first, node.rectified).relu_())
        case NormalisedPool():
            return _normalised_pool(module, node)
        case nn.MaxPool2d() | nn.AvgPool2d():
            return node.pooled(module)
        case FactorizedReduce():
            even, odd = node.corners
            halves = [F.conv2d(even, module.even.weight), F.conv2d(odd, module.odd.weight)]
            return batch_norm(torch.cat(halves, dim=1), module.norm)
        case ReLUConvNorm():
            return batch_norm(module.convolution(node.rectified), module.norm)
        case ReLUConv7Norm():
            return _behind_batch_norm(module, node.value)
        case _:
            return module(node.value)


def _separable(module: Separable, rectified: Tensor) -> Tensor:
    return batch_norm(module.pointwise(depthwise(rectified, module.depthwise)), module.norm)


def _normalised_pool(module: NormalisedPool, node: Node) -> Tensor:
    norm = module.norm
    if norm.affine or not norm.training:
        return batch_norm(node.pooled(module.pool), norm)
    y, mean, variance = node.normalised(module.pool, norm)
    if norm.track_running_stats:
        track(norm, mean, variance)
    return y


def total(parts: list[Tensor]) -> Tensor:
    """The sum of ``parts``, at least one; none of them is changed."""
    if len(parts) == 1:
        return parts[0]
    result = parts[0] + parts[1]
    for part in parts[2:]:
        result += part
    return result
