"""The architecture's gradient under every rule, against plain float64 arithmetic: one operation at a time, and the
derivatives of the rule written out."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.relaxations.gdas import HardGumbel
from baselines.relaxations.models import RelaxedCNN, RelaxedRNN
from baselines.relaxations.rule import Edges, MixtureRule, Moment
from baselines.relaxations.snas import Concrete
from conas.space import space

FIGURE2 = space("cnn-figure2")
OPERATIONS = ("none", "avg_pool_3x3", "skip_connect", "sep_conv_3x3")
SNAS = Concrete(1.0, 0.03, 10.0)
GDAS = HardGumbel(10.0, 0.1)
Gradients = dict[str, np.ndarray]


def relaxed(rule: MixtureRule, channels: int = 2) -> RelaxedCNN:
    """A model whose parameters are far from equal."""
    model = RelaxedCNN(FIGURE2, OPERATIONS, rule, channels, layers=3, classes=3, in_channels=1, seed=0).double()
    with torch.no_grad():
        for parameters in model.architecture.values():
            parameters.add_(torch.randn(parameters.shape, generator=torch.Generator().manual_seed(3)))
    return model


def images() -> tuple[Tensor, Tensor]:
    drawn = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return drawn, torch.arange(6) % 3


def drawing() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def gradients(model: RelaxedCNN, at: Moment) -> Gradients:
    """What the rule and the quick cells make of it."""
    pictures, labels = images()
    loss = F.cross_entropy(model(pictures, at, drawing()), labels)
    found = torch.autograd.grad(loss, list(model.architecture.values()))
    return dict(zip(model.architecture, (gradient.numpy() for gradient in found), strict=True))


def by_share(model: RelaxedCNN, at: Moment) -> tuple[Gradients, Gradients]:
    """The mixtures' shares, and the derivatives of the loss by them, one operation of one edge at a time."""
    mixtures = model.architecture.mixtures(at, drawing())
    shares = {cell: mixture.shares.detach().requires_grad_() for cell, mixture in mixtures.items()}
    pictures, labels = images()
    before = last = model.network.stem(pictures)
    for cell in model.network.layers:
        states = [cell.preprocess[0](before), cell.preprocess[1](last)]
        rows = list(zip(cell.edges, cell.operations, shares[cell.kind].flatten(), strict=True))
        for target in range(2, 4):
            states.append(sum(share * module(states[e.source]) for e, module, share in rows if e.target == target))
        before, last = last, torch.cat(states[2:], dim=1)
    loss = F.cross_entropy(model.network.classifier(last.mean(dim=(2, 3))), labels)
    found = torch.autograd.grad(loss, list(shares.values()), materialize_grads=True)
    derivatives = dict(zip(shares, (gradient.numpy() for gradient in found), strict=True))
    return {cell: share.detach().numpy() for cell, share in shares.items()}, derivatives


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def through_softmax(p: np.ndarray, by_p: np.ndarray) -> np.ndarray:
    """sum_j p_j (delta_ij - p_i) by_p_j, row by row."""
    jacobian = np.einsum("rj,ij->rij", p, np.eye(p.shape[1])) - np.einsum("rj,ri->rij", p, p)
    return np.einsum("rij,rj->ri", jacobian, by_p)


def noise(model: RelaxedCNN) -> Gradients:
    """The Gumbel noise of a pass, cell by cell."""
    generator = drawing()
    drawn = {}
    for cell, parameters in model.architecture.items():
        exponential = torch.empty(parameters.shape, dtype=torch.float64).exponential_(generator=generator)
        drawn[cell] = -np.log(exponential.numpy())
    return drawn


def parameters(model: RelaxedCNN) -> Gradients:
    return {cell: values.detach().numpy() for cell, values in model.architecture.items()}


def close(found: Gradients, wanted: Gradients) -> None:
    assert found.keys() == wanted.keys()
    for cell, gradient in wanted.items():
        assert np.abs(gradient).max() > 0
        np.testing.assert_allclose(found[cell], gradient, rtol=1e-9, atol=1e-14)


def test_snas_has_the_gradient_of_a_sample_of_the_concrete_distribution() -> None:
    model, at = relaxed(SNAS), Moment(1, 4, learning=True)
    temperature = 0.03 + 0.97 * 3 / 4
    _, derivatives = by_share(model, at)
    wanted = {}
    for cell, drawn in noise(model).items():
        p = softmax((parameters(model)[cell] + drawn) / temperature)
        wanted[cell] = through_softmax(p, derivatives[cell]) / temperature
    close(gradients(model, at), wanted)


def test_gdas_has_the_gradient_of_the_softmax_where_an_operation_was_drawn() -> None:
    model, at = relaxed(GDAS), Moment(1, 4, learning=True)
    temperature = 10.0 - 9.9 / 3
    shares, derivatives = by_share(model, at)
    wanted = {}
    for cell, drawn in noise(model).items():
        p = softmax((parameters(model)[cell] + drawn) / temperature)
        assert (shares[cell] == (p == p.max(axis=1, keepdims=True))).all()
        wanted[cell] = through_softmax(p, derivatives[cell] * shares[cell]) / temperature
    close(gradients(model, at), wanted)


def test_gdas_computes_one_operation_per_edge_and_trains_no_other() -> None:
    model = relaxed(GDAS)
    pictures, labels = images()
    F.cross_entropy(model(pictures, Moment(0, 4), drawing()), labels).backward()
    mixtures = model.architecture.mixtures(Moment(0, 4), drawing())
    for cell in model.network.layers:
        computed = mixtures[cell.kind].computed
        assert computed is not None
        for edge, module, on in zip(cell.edges, cell.operations, computed, strict=True):
            assert all((parameter.grad is not None) == on for parameter in module.parameters()), edge


@pytest.mark.parametrize(
    ("rule", "first", "last"), [(SNAS, 1.0, 0.03 + 0.97 / 150), (GDAS, 10.0, 0.1)], ids=["snas", "gdas"]
)
def test_a_temperature_falls_from_the_hottest_to_the_coldest(rule, first: float, last: float) -> None:
    model = relaxed(rule)
    cell = model.architecture.cells()["normal"]
    logits = cell.parameters.detach() if rule is SNAS else cell.parameters.detach().log_softmax(-1)
    for epoch, temperature in ((0, first), (149, last)):
        shares = rule.mixture(cell, Moment(epoch, 150, learning=True), drawing()).shares
        exponential = torch.empty(logits.shape, dtype=torch.float64).exponential_(generator=drawing())
        soft = ((logits - exponential.log()) / temperature).softmax(-1)
        if rule is SNAS:
            torch.testing.assert_close(shares, soft)
        else:
            weights = torch.randn(soft.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
            (by_shares,) = torch.autograd.grad((shares * weights).sum(), cell.parameters)
            logits_too = cell.parameters.detach().requires_grad_()
            again = ((logits_too.log_softmax(-1) - exponential.log()) / temperature).softmax(-1)
            (by_soft,) = torch.autograd.grad((again * weights).sum(), logits_too)
            torch.testing.assert_close(by_shares, by_soft)


@pytest.mark.parametrize("rule", [SNAS, GDAS], ids=["snas", "gdas"])
def test_a_mixture_is_one_of_its_generator_and_weighs_every_edge_with_1(rule: MixtureRule) -> None:
    model = relaxed(rule)
    at = Moment(0, 2, learning=True)
    first, again = (model.architecture.mixtures(at, drawing()) for _ in range(2))
    other = model.architecture.mixtures(at, torch.Generator().manual_seed(6))
    for cell in FIGURE2.cells:
        assert torch.equal(first[cell].shares, again[cell].shares)
        assert not torch.equal(first[cell].shares, other[cell].shares)
        torch.testing.assert_close(first[cell].shares.sum(-1), torch.ones(5, dtype=torch.float64))


@pytest.mark.parametrize("rule", [SNAS, GDAS], ids=["snas", "gdas"])
def test_the_weights_of_a_rule_that_holds_data_out_leave_no_gradient_in_the_architecture(rule: MixtureRule) -> None:
    model = relaxed(rule)
    pictures, labels = images()
    F.cross_entropy(model(pictures, Moment(0, 2), drawing()), labels).backward()
    assert all(parameters.grad is None for parameters in model.architecture.values())
    assert model.network.classifier.weight.grad is not None


def test_rules_for_text_have_a_gradient_for_every_edge() -> None:
    at, tokens = Moment(0, 2, learning=True), torch.arange(6).reshape(2, 3)
    for rule in (SNAS, GDAS):
        model = RelaxedRNN(space("rnn"), ("none", "tanh", "relu"), rule, words=7, size=4, seed=0)
        run = model(tokens, model.initial_hidden(3), torch.Generator().manual_seed(0), at, drawing())
        model.cross_entropy(run.dropped, tokens).backward()
        gradient = model.architecture["recurrent"].grad
        assert gradient is not None
        assert gradient.shape == Edges.of(space("rnn"), ("none", "tanh", "relu")).shape
        assert gradient.abs().sum() > 0
