"""The operations of the CNN cells and the blocks around them, as plain modules.

The names are those of DARTS (Liu et al., 2018b). Every operation maps (N, C, H, W) to (N, C, H / stride,
W / stride); ``H`` and ``W`` must be even where ``stride`` is 2. ``affine`` says whether batch norms have
weights: no in the one-shot model, yes in the final network.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from conas.names import unknown

Pool = nn.MaxPool2d | nn.AvgPool2d


@contextmanager
def default_initialisation(seed: int) -> Iterator[None]:
    """Inside, modules get torch's default initialisation from ``seed``; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


class Separable(nn.Module):
    """ReLU, depthwise convolution, pointwise convolution, batch norm; spatial size H / stride."""

    def __init__(self, channels: int, kernel: int, stride: int, dilation: int, affine: bool) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.relu = nn.ReLU()
        self.depthwise = nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W), before its ReLU -> (N, C, H / stride, W / stride)."""
        return self.norm(self.pointwise(self.depthwise(self.relu(x))))


class SeparableTwice(nn.Module):
    """``sep_conv``: two `Separable` blocks, the first of which strides."""

    def __init__(self, channels: int, kernel: int, stride: int, affine: bool, dilation: int = 1) -> None:
        super().__init__()
        self.first = Separable(channels, kernel, stride, dilation, affine)
        self.second = Separable(channels, kernel, 1, dilation, affine)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W), before its ReLU -> (N, C, H / stride, W / stride)."""
        return self.second(self.first(x))


class ReLUConvNorm(nn.Module):
    """ReLU, 1x1 convolution, batch norm."""

    def __init__(self, channels_in: int, channels: int, affine: bool) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.convolution = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, channels_in, H, W), before its ReLU -> (N, channels, H, W)."""
        return self.norm(self.convolution(self.relu(x)))


class FactorizedReduce(nn.Module):
    """Halve the spatial size: two 1x1 convolutions of stride 2, one shifted by a pixel, each half of the channels."""

    def __init__(self, channels_in: int, channels: int, affine: bool) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(channels_in, channels // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(channels_in, channels - channels // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, channels_in, H, W), before its ReLU -> (N, channels, H / 2, W / 2)."""
        x = self.relu(x)
        return self.norm(torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], dim=1))


class ReLUConv7Norm(nn.Sequential):
    """ReLU, 1x7 and 7x1 convolutions over all channels, batch norm (AmoebaNet's ``conv_7x1_1x7``)."""

    def __init__(self, channels: int, stride: int, affine: bool) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, 7), (1, stride), (0, 3), bias=False),
            nn.Conv2d(channels, channels, (7, 1), (stride, 1), (3, 0), bias=False),
            nn.BatchNorm2d(channels, affine=affine),
        )


class Bottleneck(nn.Sequential):
    """1x1 to a quarter of the channels, convolutions there, 1x1 back; ReLU before and batch norm behind each.

    AmoebaNet's 3x3 and 1x7-7x1 convolutions in the authors' code. ``kernels`` are (height, width); a kernel
    strides along the sides that are longer than 1.
    """

    def __init__(self, channels: int, kernels: Sequence[tuple[int, int]], stride: int, affine: bool) -> None:
        narrow = channels // 4
        layers = [nn.Conv2d(channels, narrow, 1, bias=False)]
        for high, wide in kernels:
            strides = (stride if high > 1 else 1, stride if wide > 1 else 1)
            layers.append(nn.Conv2d(narrow, narrow, (high, wide), strides, (high // 2, wide // 2), bias=False))
        layers.append(nn.Conv2d(narrow, channels, 1, bias=False))
        blocks = [(nn.ReLU(), layer, nn.BatchNorm2d(layer.out_channels, affine=affine)) for layer in layers]
        super().__init__(*(module for block in blocks for module in block))


class StridedConv(nn.Sequential):
    """``conv_1x1``: ReLU, 1x1 convolution with a stride, batch norm."""

    def __init__(self, channels: int, stride: int, affine: bool) -> None:
        convolution = nn.Conv2d(channels, channels, 1, stride, bias=False)
        super().__init__(nn.ReLU(), convolution, nn.BatchNorm2d(channels, affine=affine))


class MaxPool2x2(nn.Module):
    """2x2 maxima; with stride 1 the window reaches over the right and lower edge, so that the size stays."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.pad = nn.ConstantPad2d((0, 1, 0, 1) if stride == 1 else 0, float("-inf"))
        self.pool = nn.MaxPool2d(2, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H / stride, W / stride)."""
        return self.pool(self.pad(x))


class Zero(nn.Module):
    """The operation ``none``."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Zeros of the size that the other operations return."""
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])


class NormalisedPool(nn.Module):
    """A pool with a batch norm behind it."""

    def __init__(self, pool: Pool, channels: int, affine: bool) -> None:
        super().__init__()
        self.pool = pool
        self.norm = nn.BatchNorm2d(channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H / stride, W / stride)."""
        return self.norm(self.pool(x))


OPERATIONS: dict[str, Callable[[int, int, bool], nn.Module]] = {
    "none": lambda channels, stride, affine: Zero(stride),
    "max_pool_3x3": lambda channels, stride, affine: nn.MaxPool2d(3, stride, 1),
    "avg_pool_3x3": lambda channels, stride, affine: nn.AvgPool2d(3, stride, 1, count_include_pad=False),
    "skip_connect": lambda channels, stride, affine: (
        nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, affine)
    ),
    "sep_conv_3x3": lambda channels, stride, affine: SeparableTwice(channels, 3, stride, affine),
    "sep_conv_5x5": lambda channels, stride, affine: SeparableTwice(channels, 5, stride, affine),
    "sep_conv_7x7": lambda channels, stride, affine: SeparableTwice(channels, 7, stride, affine),
    "dil_conv_3x3": lambda channels, stride, affine: Separable(channels, 3, stride, 2, affine),
    "dil_conv_5x5": lambda channels, stride, affine: Separable(channels, 5, stride, 2, affine),
    "conv_7x1_1x7": lambda channels, stride, affine: ReLUConv7Norm(channels, stride, affine),
    "conv_1x1": lambda channels, stride, affine: StridedConv(channels, stride, affine),
    "conv_3x3_bottleneck": lambda channels, stride, affine: Bottleneck(channels, [(3, 3)], stride, affine),
    "conv_1x7_7x1_bottleneck": lambda channels, stride, affine: Bottleneck(channels, [(1, 7), (7, 1)], stride, affine),
    "max_pool_2x2": lambda channels, stride, affine: MaxPool2x2(stride),
    "dil2_sep_conv_5x5": lambda channels, stride, affine: SeparableTwice(channels, 5, stride, affine, dilation=2),
}


def operation(name: str, channels: int, stride: int, affine: bool, pool_bn: bool) -> nn.Module:
    """The operation called ``name``; ``pool_bn`` puts a batch norm behind the pools.

    Raises:
        ValueError: no such operation.
    """
    if name not in OPERATIONS:
        raise ValueError(unknown("operation", name, OPERATIONS))
    built = OPERATIONS[name](channels, stride, affine)
    if isinstance(built, Pool) and pool_bn:
        return NormalisedPool(built, channels, affine)
    if isinstance(built, MaxPool2x2) and pool_bn:
        return nn.Sequential(built, nn.BatchNorm2d(channels, affine=affine))
    return built


def preprocess(channels_in: int, channels: int, halve: bool, affine: bool) -> nn.Module:
    """What brings a cell's input to ``channels`` channels, and to half the size if the cell before was a reduction."""
    if halve:
        return FactorizedReduce(channels_in, channels, affine)
    return ReLUConvNorm(channels_in, channels, affine)


def reductions(layers: int) -> tuple[int, int]:
    """The reduction cells of a network of ``layers`` cells, counted from 0: at one and at two thirds of the depth."""
    return layers // 3, 2 * layers // 3


@contextmanager
def batch_statistics(model: nn.Module) -> Iterator[None]:
    """Inside, the batch norms of ``model`` normalise by the batch and leave their running statistics alone."""
    training = model.training
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    model.eval()
    for norm in norms:
        norm.train()
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        model.train(training)
