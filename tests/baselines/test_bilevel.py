import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.relaxations.bilevel import Loss, Parameters, WeightStep, call, first_order, second_order, split
from baselines.relaxations.darts import Softmax
from baselines.relaxations.models import RelaxedCNN, RelaxedRNN
from baselines.relaxations.rule import Moment
from conas.rnn.language_model import Dropout
from conas.space import space

FIGURE2 = space("cnn-figure2")
LEARNING = Moment(0, 1, learning=True)


class Mixture(torch.nn.Module):
    """A network with a batch norm and mixed operations that can be differentiated twice, as the quick ones cannot."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weights = torch.nn.Parameter(0.3 * torch.randn(2, 4, 4, generator=generator))
        self.norm = torch.nn.BatchNorm1d(4)
        self.architecture = torch.nn.ParameterDict({"cell": torch.nn.Parameter(torch.zeros(2, 3))})

    def forward(self, x: Tensor) -> Tensor:
        for weight, shares in zip(self.weights, self.architecture["cell"].softmax(-1), strict=True):
            y = self.norm(x @ weight)
            x = shares[0] * torch.tanh(y) + shares[1] * torch.sigmoid(y) + shares[2] * y
        return x


def mixture_losses() -> tuple[torch.nn.Module, Loss, Loss]:
    model = Mixture().double()
    data = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    train, valid = (
        lambda parameters, k=k: F.cross_entropy(call(model, parameters, data[k]), torch.arange(6) % 4) for k in range(2)
    )
    return model, train, valid


def cnn_losses() -> tuple[torch.nn.Module, Loss, Loss]:
    operations = ("none", "avg_pool_3x3", "skip_connect", "sep_conv_3x3")
    model = RelaxedCNN(FIGURE2, operations, Softmax(1), channels=2, layers=3, classes=3, in_channels=1, seed=0).double()
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 6, 1, 8, 8, generator=generator, dtype=torch.float64)
    labels = torch.arange(12).reshape(2, 6) % 3
    train, valid = (
        lambda parameters, k=k: F.cross_entropy(
            call(model, parameters, images[k], LEARNING, torch.Generator()), labels[k]
        )
        for k in range(2)
    )
    return model, train, valid


def rnn_losses() -> tuple[torch.nn.Module, Loss, Loss]:
    small = dataclasses.replace(space("rnn"), nodes=3)
    model = RelaxedRNN(small, ("none", "tanh", "sigmoid", "identity"), Softmax(1), words=7, size=5, seed=0).double()
    model.dropout = Dropout(0.2, 0.2, 0.2, 0.2, 0.0)
    tokens = torch.randint(7, (2, 4, 3), generator=torch.Generator().manual_seed(0))

    def loss(parameters: Parameters, k: int) -> Tensor:
        masks = torch.Generator().manual_seed(k)
        run = call(model, parameters, tokens[k], model.initial_hidden(3), masks, LEARNING, torch.Generator())
        logits = run.dropped @ parameters["embedding"].T + parameters["bias"]
        return F.cross_entropy(logits.flatten(0, 1), tokens[k].flatten())

    train, valid = (lambda parameters, k=k: loss(parameters, k) for k in range(2))
    return model, train, valid


def test_the_original_s_recurrent_step_leaves_the_embedding_and_stretches_the_rate() -> None:
    model, train, valid = rnn_losses()
    weights, architecture = split(model)
    step = WeightStep(20.0, decay=5e-7, clip=1e3, original=True)
    got = second_order(train, valid, weights, architecture, step, difference=1e-4)
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in {**weights, **architecture}.items()}
    gradients = torch.autograd.grad(train(leaves), [leaves[name] for name in weights], create_graph=True)
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    moved = {
        name: weight if name == "embedding" else weight - 20.0 * (gradient + 5e-7 * weight)
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
    }
    there = {name: tensor.detach().requires_grad_() for name, tensor in {**moved, **architecture}.items()}
    both = dict(zip(there, torch.autograd.grad(valid(there), list(there.values())), strict=True))
    direction = torch.cat([both[name].flatten() for name in weights])
    outer = [leaves[name] for name in architecture]
    products = torch.autograd.grad(flat @ direction, outer)
    stretched = 20.0 * 1e3 / flat.norm().item()
    for name, product in zip(architecture, products, strict=True):
        torch.testing.assert_close(got[name], both[name] - stretched * product, rtol=1e-4, atol=1e-9)


def exact(train: Loss, valid: Loss, weights: Parameters, architecture: Parameters, step: WeightStep) -> Parameters:
    """The same gradient by differentiating through the weights' step."""
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in {**weights, **architecture}.items()}
    inner = {name: leaves[name] for name in weights}
    outer = {name: leaves[name] for name in architecture}
    gradients = torch.autograd.grad(train(leaves), list(inner.values()), create_graph=True)
    moved = step(inner, dict(zip(inner, gradients, strict=True)))
    loss = valid({**moved, **outer})
    return dict(zip(outer, torch.autograd.grad(loss, list(outer.values())), strict=True))


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("losses", [mixture_losses, rnn_losses])
def test_the_second_order_gradient_agrees_with_differentiating_through_the_step(losses, nesterov: bool) -> None:
    model, train, valid = losses()
    weights, architecture = split(model)
    velocity = {name: torch.full_like(tensor, 0.01) for name, tensor in weights.items()}
    step = WeightStep(rate=0.5, momentum=0.9, decay=3e-4, velocity=velocity, nesterov=nesterov)
    wanted = exact(train, valid, weights, architecture, step)
    found = second_order(train, valid, weights, architecture, step, difference=1e-6)
    at_once = first_order(valid, weights, architecture)
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-6, atol=0)
        assert (at_once[name] - gradient).norm() > 0.1 * gradient.norm()


def test_the_second_order_gradient_of_the_cnn_agrees_with_differences_of_the_loss_after_the_step() -> None:
    model, train, valid = cnn_losses()
    weights, architecture = split(model)
    step = WeightStep(rate=0.02)

    def after(architecture: Parameters) -> float:
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in weights.items()}
        gradients = torch.autograd.grad(train({**leaves, **architecture}), list(leaves.values()))
        with torch.no_grad():
            return float(valid({**step(leaves, dict(zip(leaves, gradients, strict=True))), **architecture}))

    found = second_order(train, valid, weights, architecture, step, difference=1e-6)
    base = {name: tensor.detach() for name, tensor in architecture.items()}
    for name, gradient in found.items():
        for place in (0, 7, 13):
            nudge = torch.zeros(gradient.numel(), dtype=torch.float64).index_fill(0, torch.tensor(place), 1e-6)
            ahead, behind = ({**base, name: base[name] + sign * nudge.view_as(gradient)} for sign in (1, -1))
            slope = (after(ahead) - after(behind)) / 2e-6
            assert float(gradient.flatten()[place]) == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_without_a_rate_second_order_is_first_order() -> None:
    model, train, valid = cnn_losses()
    weights, architecture = split(model)
    found = second_order(train, valid, weights, architecture, WeightStep(rate=0.0))
    for name, gradient in first_order(valid, weights, architecture).items():
        torch.testing.assert_close(found[name], gradient)


def test_a_step_that_clips_is_one_of_a_lower_rate_towards_a_shorter_gradient() -> None:
    model, train, valid = mixture_losses()
    weights, architecture = split(model)
    unclipped = WeightStep(rate=20.0)
    gradients = dict(
        zip(weights, torch.autograd.grad(train({**weights, **architecture}), weights.values()), strict=True)
    )
    norm = float(torch.cat([tensor.flatten() for tensor in gradients.values()]).norm())
    clipped, factor = WeightStep(rate=20.0, clip=norm / 50).clipped(gradients)
    assert factor == pytest.approx(1 / 50)
    assert unclipped.clipped(gradients)[1] == 1.0
    moved = unclipped(weights, clipped)
    torch.testing.assert_close(moved, WeightStep(rate=0.4)(weights, gradients))
    found = second_order(train, valid, weights, architecture, WeightStep(20.0, clip=norm / 50), difference=1e-6)
    lower = second_order(train, valid, weights, architecture, WeightStep(0.4), difference=1e-6)
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in moved.items()}
    outer = torch.autograd.grad(valid({**leaves, **architecture}), list(leaves.values()))
    wanted = min(1.0, norm / 50 / float(torch.cat([tensor.flatten() for tensor in outer]).norm()))
    first = first_order(valid, moved, architecture)
    for name, gradient in found.items():
        share = (gradient - first[name]) / (lower[name] - first[name])
        torch.testing.assert_close(share, torch.full_like(share, wanted), rtol=1e-3, atol=0)


def test_gradients_leave_the_model_alone() -> None:
    model, train, valid = cnn_losses()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    weights, architecture = split(model)
    second_order(train, valid, weights, architecture, WeightStep(rate=0.1))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("nesterov", [False, True])
def test_the_predicted_step_is_the_one_that_sgd_takes(nesterov: bool) -> None:
    model, train, _ = cnn_losses()
    weights, _ = split(model)
    optimizer = torch.optim.SGD(weights.values(), lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=nesterov)
    for _ in range(3):
        optimizer.zero_grad()
        train(dict(model.named_parameters())).backward()
        gradients = {name: tensor.grad for name, tensor in weights.items()}
        predicted = WeightStep.of(optimizer, weights)({n: w.detach().clone() for n, w in weights.items()}, gradients)
        optimizer.step()
        for name, tensor in weights.items():
            torch.testing.assert_close(predicted[name], tensor.detach())
