"""The architecture's gradient under every rule, against plain float64 arithmetic: one operation at a time, and the
derivatives of the rule written out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import beta
from torch import Tensor

from baselines.relaxations.asap import Annealed, ASAPSettings
from baselines.relaxations.darts import Softmax
from baselines.relaxations.drnas import DirichletMixture
from baselines.relaxations.gdas import HardGumbel
from baselines.relaxations.models import RelaxedCNN, RelaxedRNN
from baselines.relaxations.partial import PartialCell
from baselines.relaxations.pc_darts import PartialSoftmax
from baselines.relaxations.proxylessnas import TwoGates
from baselines.relaxations.rule import Edges, MixtureRule, Moment
from baselines.relaxations.snas import Concrete
from conas.questions import Relaxed
from conas.space import space

FIGURE2 = space("cnn-figure2")
OPERATIONS = ("none", "avg_pool_3x3", "skip_connect", "sep_conv_3x3")
SNAS = Concrete(1.0, 0.03, 10.0)
GDAS = HardGumbel(10.0, 0.1)
PC_DARTS = PartialSoftmax(2, 0.3)
PROXYLESS = TwoGates(5, 0.25, (0.0, 0.999))
ASAP = Annealed(1.6, 0.95, 50, 1.0, 0.4)
DRNAS = DirichletMixture(2, 2, 0.4)
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
    ones = torch.ones(5, dtype=torch.float64)
    factors = {
        cell: (ones if mixture.edges is None else mixture.edges.detach()).requires_grad_()
        for cell, mixture in mixtures.items()
    }
    pictures, labels = images()
    before = last = model.network.stem(pictures)
    for cell in model.network.layers:
        if isinstance(cell, PartialCell):
            before, last = last, plain_partial_cell(cell, before, last, shares[cell.kind], factors[cell.kind])
            continue
        states = [cell.preprocess[0](before), cell.preprocess[1](last)]
        rows = list(zip(cell.edges, cell.operations, shares[cell.kind].flatten(), strict=True))
        for target in range(2, 4):
            states.append(sum(share * module(states[e.source]) for e, module, share in rows if e.target == target))
        before, last = last, torch.cat(states[2:], dim=1)
    loss = F.cross_entropy(model.network.classifier(last.mean(dim=(2, 3))), labels)
    leaves = {**shares, **{f"{cell} edges": factor for cell, factor in factors.items()}}
    found = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
    derivatives = dict(zip(leaves, (gradient.numpy() for gradient in found), strict=True))
    return {cell: share.detach().numpy() for cell, share in shares.items()}, derivatives


def plain_partial_cell(cell: PartialCell, before: Tensor, last: Tensor, shares: Tensor, factors: Tensor) -> Tensor:
    """Channel after channel: an edge's output k * c + j is channel j * C / parts + k of what it shuffles."""
    states = [cell.preprocess[0](before), cell.preprocess[1](last)]
    width, row = states[0].shape[1] // cell.partial, 0
    for target in range(2, 4):
        total = 0
        for source in range(target):
            state, modules = states[source], cell.operations[4 * row : 4 * row + 4]
            mixed = sum(share * module(state[:, :width]) for share, module in zip(shares[row], modules, strict=True))
            rest = state[:, width:]
            rest = F.max_pool2d(rest, 2) if cell.reduce and source < 2 else rest
            whole = torch.cat([mixed, rest], dim=1)
            order = [part * width + place for place in range(width) for part in range(cell.partial)]
            total = total + factors[row] * whole[:, order]
            row += 1
        states.append(total)
    return torch.cat(states[2:], dim=1)


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


def test_a_rule_is_known_by_its_name_and_its_fields_and_darts_by_its_order() -> None:
    assert Relaxed(("tanh",), Softmax(2)).identity() == {"operations": ("tanh",), "order": 2}
    assert Relaxed(("tanh",), GDAS).identity() == {
        "operations": ("tanh",),
        "rule": "HardGumbel",
        "hottest": 10.0,
        "coldest": 0.1,
    }


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


def test_pc_darts_has_the_gradients_of_both_softmaxes_on_a_part_of_the_channels() -> None:
    model, at = relaxed(PC_DARTS, channels=4), Moment(1, 2, learning=True)
    _, derivatives = by_share(model, at)
    wanted = {}
    for cell, values in parameters(model).items():
        by_operation = through_softmax(softmax(values[:, :-1]), derivatives[cell])
        factors = np.concatenate([softmax(values[:2, -1][None])[0], softmax(values[2:, -1][None])[0]])
        by_edge = derivatives[f"{cell} edges"]
        into = [through_softmax(factors[None, part], by_edge[None, part])[0] for part in (slice(2), slice(2, 5))]
        wanted[cell] = np.column_stack([by_operation, np.concatenate(into)])
    close(gradients(model, at), wanted)


def test_proxylessnas_has_the_gradient_of_two_gates_through_their_two_probabilities() -> None:
    model, at = relaxed(PROXYLESS), Moment(1, 2, learning=True)
    shares, derivatives = by_share(model, at)
    computed = {cell: mixture.computed for cell, mixture in model.architecture.mixtures(at, drawing()).items()}
    wanted = {}
    for cell, values in parameters(model).items():
        two = np.array(computed[cell]).reshape(values.shape)
        assert (two.sum(axis=1) == 2).all()
        assert (shares[cell].sum(axis=1) == 1).all()
        assert (two[shares[cell] == 1]).all()
        p = softmax(np.where(two, values, -np.inf))
        wanted[cell] = through_softmax(p, derivatives[cell])
    close(gradients(model, at), wanted)


def test_proxylessnas_keeps_the_probability_of_operations_that_were_not_drawn() -> None:
    model, at = relaxed(PROXYLESS), Moment(1, 2, learning=True)
    for name, cell in model.architecture.cells().items():
        two = torch.tensor(PROXYLESS.mixture(cell, at, drawing()).computed).view(cell.parameters.shape)
        before = cell.parameters.detach()
        moved = torch.where(two, before + torch.randn(before.shape, generator=drawing(), dtype=before.dtype), before)
        after = PROXYLESS.stepped(cell, moved, at, drawing()).detach()
        assert not torch.equal(after, before), name
        torch.testing.assert_close(after.softmax(-1)[~two], before.softmax(-1)[~two])
        assert torch.equal(after[~two], before[~two])


def test_proxylessnas_draws_operations_as_probable_as_they_are() -> None:
    cell = relaxed(PROXYLESS).architecture.cells()["normal"]
    generator, at = drawing(), Moment(0, 2)
    drawn = sum(PROXYLESS.mixture(cell, at, generator).shares.detach() for _ in range(4000)) / 4000
    torch.testing.assert_close(drawn, cell.parameters.detach().softmax(-1), rtol=0, atol=0.04)


def test_proxylessnas_learns_now_and_then_after_the_warm_up() -> None:
    assert [step for step in range(10) if PROXYLESS.learns(Moment(1, 4, steps=10), step)] == [4, 9]
    assert not any(PROXYLESS.learns(Moment(0, 4, step / 10, steps=10), step) for step in range(10))
    assert [step for step in range(3) if PROXYLESS.learns(Moment(1, 4, steps=3), step)] == [2]


def test_pc_darts_learns_from_epoch_15_of_50_on() -> None:
    assert [epoch for epoch in range(50) if PC_DARTS.learns(Moment(epoch, 50), 0)] == list(range(15, 50))


def test_too_few_channels_for_a_part_of_them_are_refused_in_one_line() -> None:
    for channels in (2, 5):
        with pytest.raises(ValueError, match="allowed: a multiple of 2, 4 and more"):
            relaxed(PC_DARTS, channels)


def test_asap_has_the_gradient_of_the_annealed_softmax_over_what_is_left() -> None:
    model, at = relaxed(ASAP), Moment(2, 4, learning=True)
    for cell in model.architecture.cells().values():
        cell.left[1, 2] = cell.left[3, 0] = False
    _, derivatives = by_share(model, at)
    temperature = 1.6 * 0.95**25
    wanted = {}
    for name, cell in model.architecture.cells().items():
        left = np.where(cell.left, parameters(model)[name], -np.inf)
        wanted[name] = through_softmax(softmax(left / temperature), derivatives[name]) / temperature
    close(gradients(model, at), wanted)


def test_asap_learns_and_prunes_below_the_grace_temperature_only() -> None:
    assert [epoch for epoch in range(50) if ASAP.learns(Moment(epoch, 50), 0)] == list(range(10, 50))
    model = relaxed(ASAP)
    for cell in model.architecture.cells().values():
        assert ASAP.prune(cell, Moment(9, 50))[1].all()
        for epoch in (12, 49):
            weights = softmax(cell.parameters.detach().numpy() / (1.6 * 0.95**epoch))
            kept = ASAP.prune(cell, Moment(epoch, 50))[1]
            np.testing.assert_array_equal(kept.numpy(), weights >= 0.4 / 4)
        sharp = replace(cell, parameters=1000 * cell.parameters)
        assert (ASAP.prune(sharp, Moment(49, 50))[1].sum(-1) == 1).all()


def test_asap_refuses_to_stay_above_the_grace_temperature() -> None:
    with pytest.raises(ValueError, match=r"grace is 1.0 \(allowed: above 1.00"):
        ASAPSettings(length=9)


def test_what_is_pruned_is_not_computed_and_weighs_nothing_in_the_end() -> None:
    for rule, channels in ((ASAP, 2), (DRNAS, 4)):
        model = relaxed(rule, channels)
        for cell in model.architecture.cells().values():
            cell.left[:, 3] = False
        pictures, labels = images()
        F.cross_entropy(model(pictures, Moment(2, 4), drawing()), labels).backward()
        for layer in model.network.layers:
            convolutions = [m for e, m in zip(layer.edges, layer.operations, strict=True) if "conv" in e.operation]
            assert all(p.grad is None for module in convolutions for p in module.parameters())
        assert all((shares[:, 3] == 0).all() for shares in model.architecture.shares().values())


def test_drnas_has_the_pathwise_gradient_of_the_dirichlet_distribution() -> None:
    """A row x is moved by a concentration c_i as the Beta distribution of x_i is, the others in proportion."""
    model, at = relaxed(DRNAS, channels=4), Moment(1, 2, learning=True)
    shares, derivatives = by_share(model, at)
    wanted = {}
    for name, values in parameters(model).items():
        concentrations = 1 + np.where(values > 0, values, np.expm1(values))
        rows = []
        for x, c, by_x in zip(shares[name], concentrations, derivatives[name], strict=True):
            others, step = c.sum() - c, 1e-5 * c
            by_c = (beta.cdf(x, c + step, others) - beta.cdf(x, c - step, others)) / (2 * step)
            own = -by_c / beta.pdf(x, c, others)
            moves = [own[i] * np.where(np.arange(4) == i, 1.0, -x / (1 - x[i])) for i in range(4)]
            rows.append([move @ by_x for move in moves])
        wanted[name] = np.array(rows) * np.where(values > 0, 1.0, np.exp(values))
    found = gradients(model, at)
    for cell, gradient in wanted.items():
        np.testing.assert_allclose(found[cell], gradient, rtol=2e-3, atol=1e-6)


def test_drnas_keeps_the_largest_of_each_edge_after_its_first_half() -> None:
    model = relaxed(DRNAS, channels=4)
    for cell in model.architecture.cells().values():
        for epochs, ends in ((50, 24), (5, 2), (1, 0)):
            left = [int(DRNAS.prune(cell, Moment(epoch, epochs))[1].sum()) for epoch in range(epochs)]
            assert left == [10 if epoch == ends else 20 for epoch in range(epochs)]
        values, kept = DRNAS.prune(cell, Moment(24, 50))
        assert (values[~kept] == 0).all()
        assert torch.equal(values[kept], cell.parameters[kept])
        most = cell.parameters.masked_fill(kept, -torch.inf).amax(-1)
        assert (values.masked_fill(~kept, torch.inf).amin(-1) >= most).all()
    assert [epoch for epoch in range(50) if DRNAS.learns(Moment(epoch, 50), 0)] == [*range(10, 25), *range(35, 50)]
    odd = [10 * e + step for e in range(3) for step in range(10) if DRNAS.learns(Moment(e, 3, step / 10), step)]
    assert odd == [*range(8, 20), *range(24, 30)]


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
