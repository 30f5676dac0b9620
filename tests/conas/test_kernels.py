import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conas.cnn import kernels
from conas.torch_seeds import torch_generator


def image(size, channels=3, requires_grad=True):
    x = torch.randn(2, channels, *size, generator=torch_generator(0, "image"), dtype=torch.float64)
    return x.contiguous(memory_format=torch.channels_last).requires_grad_(requires_grad)


def same(function, reference, x, *parameters):
    """Values and all gradients agree."""
    values = function(x), reference(x)
    torch.testing.assert_close(values[0], values[1])
    g = torch.randn(values[0].shape, generator=torch_generator(0, "gradient"), dtype=torch.float64)
    gradients = [torch.autograd.grad(value, (x, *parameters), g) for value in values]
    for got, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (5, 1), (7, 1), (3, 2), (5, 2)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (2, 2), (14, 14), (7, 7), (5, 6)])
def test_depthwise_equals_torch(kernel, dilation, stride, size):
    padding = dilation * (kernel - 1) // 2
    convolution = nn.Conv2d(3, 3, kernel, stride, padding, dilation, groups=3, bias=False, dtype=torch.float64)
    same(lambda x: kernels.depthwise(x, convolution), convolution, image(size), convolution.weight)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (7, 7), (2, 2), (1, 1)])
def test_pools_equal_torch(stride, size):
    same(
        lambda x: kernels.average_pool(x, stride),
        lambda x: F.avg_pool2d(x, 3, stride, 1, count_include_pad=False),
        image(size),
    )
    same(lambda x: kernels.max_pool(x, stride), lambda x: F.max_pool2d(x, 3, stride, 1), image(size))
    x = image(size, requires_grad=False)
    assert torch.equal(kernels.max_pool(x, stride), F.max_pool2d(x, 3, stride, 1))


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("size", [(8, 8), (7, 7), (2, 2)])
def test_corners_equal_slices(which, size):
    same(lambda x: kernels.corners(x)[which], lambda x: x[:, :, which::2, which::2], image(size))


def test_other_precisions_go_through_torch():
    convolution = nn.Conv2d(4, 4, 5, padding=2, groups=4, bias=False)
    with torch.autocast("cpu", torch.bfloat16):
        x = torch.randn(2, 4, 8, 8, generator=torch_generator(0, "image"))
        assert kernels.depthwise(x, convolution).dtype == torch.bfloat16


def norm(channels, affine=True, dtype=torch.float64):
    module = nn.BatchNorm2d(channels, affine=affine, dtype=dtype)
    if affine:
        nn.init.normal_(module.weight, generator=torch_generator(0, "weight"))
        nn.init.normal_(module.bias, generator=torch_generator(0, "bias"))
    return module


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("size", [(16, 16), (7, 9), (2, 2)])
def test_batch_norm_equals_torch(size, affine):
    ours, theirs = norm(3, affine), norm(3, affine)
    x = torch.randn(26, 3, *size, generator=torch_generator(0, "image"), dtype=torch.float64) * 3 + 5
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    g = torch.randn(x.shape, generator=torch_generator(0, "gradient"), dtype=torch.float64)
    values = kernels.batch_norm(x, ours), theirs(x)
    torch.testing.assert_close(*values)
    for got, expected in zip(
        *(torch.autograd.grad(y, (x, *of.parameters()), g) for y, of in zip(values, (ours, theirs), strict=True)),
        strict=True,
    ):
        torch.testing.assert_close(got, expected)
    for got, expected in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("shape", [(64, 48, 32, 32), (64, 8, 32, 32), (63, 36, 14, 14)])
def test_batch_norm_is_as_exact_as_that_of_torch_s_default_format(shape):
    x = torch.randn(shape, generator=torch_generator(0, "image")) + 1
    exact = F.batch_norm(x.double(), None, None, training=True)
    contiguous = (F.batch_norm(x, None, None, training=True) - exact).abs().max()
    x = x.contiguous(memory_format=torch.channels_last)
    ours, theirs = norm(shape[1], False, torch.float32), norm(shape[1], False, torch.float32)
    assert (kernels.batch_norm(x, ours) - exact).abs().max() < 3 * contiguous
    assert (theirs(x) - exact).abs().max() > 10 * contiguous  # else torch has repaired it, and ours can go
    kernels.sum_like_torch(ours)
    assert torch.equal(kernels.batch_norm(x, ours), F.batch_norm(x, None, None, training=True))
