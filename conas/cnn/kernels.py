"""What a CNN cell spends its time in, in forms that a CPU runs quickly and whose gradients need less memory.

Each function returns what the torch functions named in its docstring return, up to rounding. On other devices, and
under autocast, it calls just those.
"""

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def custom(x: Tensor) -> bool:
    """Whether the functions of this module use their own arithmetic for ``x``."""
    return x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def depthwise(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """``convolution(x)`` of a depthwise convolution with odd square kernel and "same" padding.

    oneDNN's weight gradient is slow for kernels wider than 3, and everything is for dilated ones.
    """
    if not custom(x):
        return convolution(x)
    stride, dilation = convolution.stride[0], convolution.dilation[0]
    if dilation == 1:
        return _Depthwise.apply(x, convolution.weight, stride)
    if stride == dilation:  # the taps fall on the pixels that striding keeps
        return _Depthwise.apply(_channels_last(x[:, :, ::stride, ::stride]), convolution.weight, 1)
    if stride > 1:
        return convolution(x)
    apart = _space_to_batch(x, dilation)
    return _batch_to_space(_Depthwise.apply(apart, convolution.weight, 1), x, dilation)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _space_to_batch(x: Tensor, step: int) -> Tensor:
    """Each of the ``step`` squared lattices of pixels as an image of its own."""
    height, width = x.shape[2:]
    x = F.pad(x, (0, -width % step, 0, -height % step))
    count, channels, height, width = x.shape
    split = x.permute(0, 2, 3, 1).reshape(count, height // step, step, width // step, step, channels)
    apart = split.permute(2, 4, 0, 1, 3, 5).reshape(-1, height // step, width // step, channels)
    return apart.permute(0, 3, 1, 2)


def _batch_to_space(apart: Tensor, like: Tensor, step: int) -> Tensor:
    """The inverse, cropped to the size of ``like``."""
    count, _, height, width = like.shape
    split = apart.permute(0, 2, 3, 1).reshape(step, step, count, *apart.shape[2:], -1)
    joined = split.permute(2, 3, 0, 4, 1, 5).reshape(count, apart.shape[2] * step, apart.shape[3] * step, -1)
    return _channels_last(joined.permute(0, 3, 1, 2)[:, :, :height, :width])


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x if weight.requires_grad or stride > 1 else None, weight)
        ctx.stride = stride
        return F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, groups=x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        g = _channels_last(g)
        gx = _input_gradient(g, x, weight, ctx.stride) if ctx.needs_input_grad[0] else None
        gw = _weight_gradient(g, x, weight, ctx.stride) if ctx.needs_input_grad[1] else None
        return gx, gw, None


def _input_gradient(g: Tensor, x: Tensor | None, weight: Tensor, stride: int) -> Tensor:
    """Without a stride, the quicker forward convolution by the kernel turned around."""
    padding = weight.shape[-1] // 2
    if stride == 1:
        return F.conv2d(g, weight.flip(2, 3), None, 1, padding, groups=weight.shape[0])
    assert x is not None
    return _backward(g, x, weight, stride, (padding, padding), 0)


def _backward(g: Tensor, x: Tensor, weight: Tensor, stride: int, padding: tuple[int, int], which: int) -> Tensor:
    """torch's gradient of a depthwise convolution for its input (``which`` 0) or its weight (1)."""
    mask = [which == 0, which == 1, False]
    return torch.ops.aten.convolution_backward(
        g, x, weight, None, [stride, stride], list(padding), [1, 1], False, [0, 0], x.shape[1], mask
    )[which]


def _weight_gradient(g: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """In strips of three columns of the kernel, for which oneDNN is quick whatever their height."""
    kernel, strip = weight.shape[-1], 3
    padding = kernel // 2
    if kernel <= strip:
        return _backward(g, x, weight, stride, (padding, padding), 1)
    gradient = torch.empty_like(weight)
    width = stride * (g.shape[-1] - 1) + strip
    for first in [*range(0, kernel - strip, strip), kernel - strip]:
        left = padding - first
        seen = _shifted(x, left, width)
        part = weight[..., first : first + strip].contiguous()
        gradient[..., first : first + strip] = _backward(g, seen, part, stride, (padding, 0), 1)
    return gradient


def _shifted(x: Tensor, left: int, width: int) -> Tensor:
    """``width`` columns of ``x``, the first of them ``left`` before its own first, zeros outside."""
    shape = x.shape
    y = x.new_empty(shape[0], shape[2], width, shape[1]).permute(0, 3, 1, 2)
    first, last = max(left, 0), min(left + shape[3], width)
    y[..., :first] = 0
    y[..., first:last] = x[..., first - left : last - left]
    y[..., last:] = 0
    return y


def average_pool(x: Tensor, stride: int) -> Tensor:
    """3x3 ``F.avg_pool2d`` with padding 1, over the pixels inside the image.

    A convolution, which oneDNN has a quick kernel for, unlike the pool.
    """
    if not custom(x):
        return F.avg_pool2d(x, 3, stride, 1, count_include_pad=False)
    ones = x.new_ones(1, 1, 3, 3)
    counts = F.conv2d(x.new_ones(1, 1, *x.shape[2:]), ones, None, stride, 1)
    return _Depthwise.apply(x, ones.expand(x.shape[1], 1, 3, 3), stride) / counts


def max_pool(x: Tensor, stride: int) -> Tensor:
    """3x3 ``F.max_pool2d`` with padding 1.

    For a gradient, 2 bytes per pixel are kept, where torch keeps 8 and ``x``; without one, the maximum of rows and then
    of columns is quicker.
    """
    if not custom(x) or x.shape[2] * x.shape[3] > torch.iinfo(torch.int16).max:
        return F.max_pool2d(x, 3, stride, 1)
    if x.requires_grad:
        return _MaxPool.apply(x, stride)
    return _max_of_three(_max_of_three(x, 3), 2) if stride == 1 else F.max_pool2d(x, 3, stride, 1)


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, stride: int) -> Tensor:
        y, pixels = F.max_pool2d(x, 3, stride, 1, return_indices=True)
        ctx.save_for_backward(pixels.to(torch.int16))
        ctx.shape, ctx.stride = x.shape, stride
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        (pixels,) = ctx.saved_tensors
        g = _channels_last(g)
        shaped_like_x = torch.empty(ctx.shape, dtype=g.dtype, memory_format=torch.channels_last)  # never read
        gx = torch.ops.aten.max_pool2d_with_indices_backward(
            g, shaped_like_x, [3, 3], [ctx.stride] * 2, [1, 1], [1, 1], False, pixels.long()
        )
        return gx, None


def _max_of_three(x: Tensor, dim: int) -> Tensor:
    y, size = x.clone(), x.shape[dim] - 1
    for ours, neighbours in ((0, 1), (1, 0)):
        part = y.narrow(dim, ours, size)
        torch.maximum(part, x.narrow(dim, neighbours, size), out=part)
    return y


_SHORT = 64
"""Pixels that are added up one by one in float32, at least."""
_WIDE = 4096
"""Sums that are carried side by side, at most: as many as stay in the fastest cache."""


def batch_norm(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """``norm(x)`` with exact sums, see `normalised`."""
    if not norm.training or not _sums_exactly(x, norm):
        return norm(x)
    y, mean, variance = normalised(x, norm)
    if norm.track_running_stats:
        track(norm, mean, variance)
    return y


def normalised(x: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor, Tensor]:
    """What ``norm`` makes of ``x`` in training, with the batch's mean and unbiased variance.

    torch adds up the pixels of a channels-last tensor one by one in float32, which at 64x48x32x32 is a hundred times
    less exact than its sums in the default format. Here they are as exact as those.
    """
    if _sums_exactly(x, norm):
        return _BatchNorm.apply(x, norm.weight, norm.bias, norm.eps)
    precise = torch.promote_types(x.dtype, torch.float32)
    mean, variance = x.new_zeros(x.shape[1], dtype=precise), x.new_ones(x.shape[1], dtype=precise)
    # momentum 1 keeps the statistics of this batch only
    return F.batch_norm(x, mean, variance, norm.weight, norm.bias, True, 1.0, norm.eps), mean, variance


def track(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """What ``norm`` does to its running statistics when it sees a batch of this mean and unbiased variance."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance, norm.momentum)
    norm.num_batches_tracked.add_(1)


def sum_like_torch(network: nn.Module) -> None:
    """Let all batch norms of ``network`` sum as torch does, as they did in runs recorded before sums were exact."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.sums_like_torch = True  # type: ignore[assignment]


def _sums_exactly(x: Tensor, norm: nn.BatchNorm2d) -> bool:
    return custom(x) and not hasattr(norm, "sums_like_torch") and _groups(x.numel() // x.shape[1], x.shape[1]) > 1


@cache
def _groups(pixels: int, channels: int) -> int:
    """Into how many equal parts of at least `_SHORT` pixels the pixels are divided, each to be summed on its own."""
    most = min(pixels // _SHORT, _WIDE // channels)
    return next((parts for parts in range(most, 1, -1) if pixels % parts == 0), 1)


class _BatchNorm(torch.autograd.Function):
    """Exact statistics; torch's gradient, whose sums of terms of both signs lose nothing that matters."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        x, pixels = _channels_last(x), x.numel() // x.shape[1]
        exact_mean, exact_variance = _statistics(x)
        mean, variance = exact_mean.to(x.dtype), exact_variance.to(x.dtype)
        unbiased = (exact_variance * (pixels / (pixels - 1))).to(x.dtype)
        ctx.save_for_backward(x, weight, mean, (exact_variance + eps).rsqrt().to(x.dtype))
        ctx.mark_non_differentiable(mean, unbiased)
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps), mean, unbiased

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor, *_: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight, mean, inverse_deviation = ctx.saved_tensors
        wanted = list(ctx.needs_input_grad[:3])
        gradients = torch.ops.aten.native_batch_norm_backward(
            _channels_last(g), x, weight, None, None, mean, inverse_deviation, True, 0.0, wanted
        )
        return *gradients, None


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of every channel in float64, from those of its parts: rows of several pixels to torch."""
    groups, channels = _groups(x.numel() // x.shape[1], x.shape[1]), x.shape[1]
    rows = x.permute(0, 2, 3, 1).reshape(1, -1, 1, groups * channels).permute(0, 3, 1, 2)
    parts = torch.stack(torch.batch_norm_update_stats(rows, None, None, 0.0)).double().view(2, groups, channels)
    mean, variance = parts.mean(dim=1)
    return mean, variance + parts[0].var(dim=0, correction=0)


def corners(x: Tensor) -> tuple[Tensor, Tensor]:
    """``x[:, :, ::2, ::2]`` and ``x[:, :, 1::2, 1::2]``."""
    return _Corners.apply(x)


class _Corners(torch.autograd.Function):
    """One gradient is written, where each slice would write and add up one of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.shape = x.shape
        return _channels_last(x[:, :, ::2, ::2]), _channels_last(x[:, :, 1::2, 1::2])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, even: Tensor, odd: Tensor) -> Tensor:
        g = even.new_zeros(ctx.shape[0], *ctx.shape[2:], ctx.shape[1]).permute(0, 3, 1, 2)
        g[:, :, ::2, ::2] = even
        g[:, :, 1::2, 1::2] = odd
        return g
