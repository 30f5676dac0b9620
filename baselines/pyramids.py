"""What residual networks that widen block by block have in common (Han et al., 2017): widths, shortcut, start."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

STEM = 16
"""Channels of the first convolution."""
EXPANSION = 4
"""Channels behind a bottleneck, per channel within."""
STAGES = 3


class Place(NamedTuple):
    """Where a block stands: its number from 0, the channels of its input, those within it, and its stride."""

    number: int
    entering: int
    within: int
    stride: int


def places(per_stage: int, widening: float, even: bool = False) -> Iterator[Place]:
    """The blocks of a network of ``STAGES`` stages, whose width grows by ``widening`` channels in all.

    Widths are rounded to the nearest number, and then down to an ``even`` one if they are to be split.
    """
    entering, blocks = STEM, STAGES * per_stage
    for number in range(blocks):
        within = math.floor(STEM + widening * (number + 1) / blocks + 0.5)
        within -= within % 2 if even else 0
        yield Place(number, entering, within, 2 if number and number % per_stage == 0 else 1)
        entering = EXPANSION * within


class Shortcut(nn.Module):
    """The way around a block: 2x2 means where it strides, and zeros for the channels that it adds."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.more = EXPANSION * place.within - place.entering
        self.pool = nn.AvgPool2d(2, ceil_mode=True) if place.stride == 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, entering, H, W) -> (N, EXPANSION * within, H / stride, W / stride)."""
        return F.pad(self.pool(x), (0, 0, 0, 0, 0, self.more))


def he_by_fan_out(network: nn.Module) -> None:
    """Convolutions as He et al. (2015) start them: normal, with the variance 2 / (kernel's pixels * channels of a group
    behind it)."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            fan = math.prod(part.kernel_size) * part.out_channels / part.groups
            nn.init.normal_(part.weight, 0, math.sqrt(2 / fan))
