"""The softmax of language models, which is computed by pieces."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from conas.rnn.cross_entropy import cross_entropy, in_pieces
from conas.torch_seeds import torch_generator

FORMS = tuple(dict.fromkeys((in_pieces, cross_entropy)))  # one and the same where torch has no form of its own


def problem(count: int) -> tuple[list[Tensor], Tensor]:
    rng = torch_generator(0, "cross-entropy")
    shapes = ((count, 12), (70, 12), (70,))
    parameters = [torch.randn(shape, generator=rng, dtype=torch.float64, requires_grad=True) for shape in shapes]
    return parameters, torch.randint(70, (count,), generator=rng)


@pytest.mark.parametrize("count", [1, 512, 1500], ids=["one word", "one piece", "three pieces, the last one short"])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_pieces_change_neither_the_loss_nor_its_gradients(form, count: int) -> None:
    parameters, targets = problem(count)
    outputs, weight, bias = parameters
    whole = F.cross_entropy(F.linear(outputs, weight, bias), targets)
    ours = form(outputs, weight, bias, targets)
    torch.testing.assert_close(ours, whole)
    expected, found = (torch.autograd.grad(3 * loss, parameters) for loss in (whole, ours))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_without_gradients_and_with_a_diverged_model(form) -> None:
    parameters, targets = problem(600)
    with torch.no_grad():
        outputs, weight, bias = parameters
        torch.testing.assert_close(
            form(outputs, weight, bias, targets), F.cross_entropy(F.linear(outputs, weight, bias), targets)
        )
        assert form(outputs * torch.inf, weight, bias, targets).isnan()
