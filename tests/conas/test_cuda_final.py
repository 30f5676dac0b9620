"""A final network in kernels, run by Triton's interpreter, against its plain modules in float64."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("triton")

from conas.cnn.cuda.final import FusedFinal
from conas.cnn.cuda.plan import UnsupportedError
from conas.cnn.network import FinalNetwork
from conas.genotype import Genotype
from conas.torch_seeds import torch_generator
from tests.conas.test_cuda_kernels import close


def genotype(normal, reduce, concat=(2, 3), also=()):
    """Cells that return ``concat``, and the normal one ``also``."""
    cells = {
        "normal": {"nodes": normal, "concat": [*concat, *also]},
        "reduce": {"nodes": reduce, "concat": list(concat)},
    }
    return Genotype.from_json({"inputs": 2, "cells": cells})


EVERYTHING = genotype(
    [
        ["sep_conv_3x3@0", "skip_connect@1", "max_pool_3x3@1", "max_pool_3x3@1"],
        ["dil_conv_3x3@2", "avg_pool_3x3@0", "none@1"],
    ],
    [["sep_conv_3x3@0", "skip_connect@1", "max_pool_3x3@0"], ["skip_connect@2", "avg_pool_3x3@1", "dil_conv_5x5@0"]],
)
FROM_ONE_INPUT = genotype(
    [["skip_connect@0"], ["sep_conv_3x3@2"]], [["max_pool_3x3@1"], ["skip_connect@0", "skip_connect@2"]], [3]
)


def data(model, count, drop, seed, size=8):
    rng = torch_generator(seed, "data")
    images, labels = torch.randn(count, 2, size, size, generator=rng), torch.randint(5, (count,), generator=rng)
    return images, labels, model.draw(images, 0.4, rng) if drop else None


def step(forward, model, images, labels, keep):
    """The loss, and all gradients."""
    logits, auxiliary = forward(images, keep)
    loss = F.cross_entropy(logits, labels) + (0 if auxiliary is None else 0.4 * F.cross_entropy(auxiliary, labels))
    return loss, torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)


def compare(cells, batches=((3, False),), channels=4, auxiliary=True, size=8):
    model = FinalNetwork(cells, channels, 3, 5, 2, auxiliary=auxiliary, seed=3)
    with torch.no_grad():  # weights of norms that differ, of either sign
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn(parameter.shape, generator=torch_generator(0, name)))
    exact = deepcopy(model).double()
    fused = FusedFinal(model, "ieee")
    for i, (count, drop) in enumerate(batches):
        images, labels, keep = data(model, count, drop, i, size)
        truth = step(exact.train_forward, exact, images.double(), labels, None if keep is None else keep.double())
        found = step(fused.train_forward, model, images, labels, keep)
        torch.testing.assert_close(found[0], truth[0].float(), rtol=1e-4, atol=1e-5)
        names = [name for name, _ in model.named_parameters()]
        for name, got, expected in zip(names, found[1], truth[1], strict=True):
            assert (got is None) == (expected is None), name
            if got is not None:
                close(got, expected, name)
        for (name, got), expected in zip(model.state_dict().items(), exact.state_dict().values(), strict=True):
            close(got, expected, name)


def test_every_operation_with_and_without_drop_path_on_batches_that_share_memory():
    compare(EVERYTHING, [(3, True), (2, False)])


@pytest.mark.parametrize("auxiliary", [True, False])
def test_what_the_loss_does_not_reach_gets_no_gradient(auxiliary):
    compare(FROM_ONE_INPUT, auxiliary=auxiliary)


def test_a_smaller_shape_takes_no_memory_and_a_pass_waits_for_the_one_before_it():
    model = FinalNetwork(genotype([["skip_connect@0"]], [["skip_connect@1"]], [2]), 4, 3, 5, 2)
    fused = FusedFinal(model, "ieee")
    images, _, _ = data(model, 3, False, 0)
    larger, smaller = (fused.prepared(images[:count].shape).buffers for count in (3, 2))
    assert all(larger[name] is smaller[name] for name in ("act", "sta", "prt", "dep"))
    logits, _ = fused.train_forward(images, None)
    fused.train_forward(images, None)
    with pytest.raises(RuntimeError, match="another forward pass has taken the memory"):
        logits.sum().backward()


def test_a_cell_that_returns_an_input():
    compare(genotype([["dil_conv_3x3@0", "skip_connect@1"]], [["skip_connect@1"]], [2], [1]), [(2, True)])


@pytest.mark.parametrize("channels", [36, pytest.param(60, marks=pytest.mark.slow)])
def test_widths_in_use(channels):
    narrow = genotype([["sep_conv_3x3@0", "dil_conv_5x5@1"]], [["sep_conv_5x5@0", "skip_connect@1"]], [2])
    compare(narrow, [(2, True)], channels=channels, auxiliary=False, size=4)


@pytest.mark.parametrize(
    ("cells", "pool_bn", "said"),
    [
        (genotype([["conv_3x3_bottleneck@0"]], [["skip_connect@1"]], [2]), True, "operation conv_3x3_bottleneck"),
        (genotype([["max_pool_3x3@0"]], [["skip_connect@1"]], [2]), False, "operation max_pool_3x3"),
        (genotype([["skip_connect@0"]] * 2, [["skip_connect@1"]] * 2, [3]), True, "a node that nothing reads"),
    ],
)
def test_what_no_kernel_computes_is_refused(cells, pool_bn, said):
    model = FinalNetwork(cells, 4, 3, 5, 2, pool_bn=pool_bn)
    with pytest.raises(UnsupportedError, match=said):
        FusedFinal(model, "ieee").prepared(torch.Size((2, 2, 8, 8)))
