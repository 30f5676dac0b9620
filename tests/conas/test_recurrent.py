"""The fast recurrent cell against the plain one, in float64: values and gradients."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from conas.genotype import Cell, Choice, GenotypeError
from conas.rnn.cell import RecurrentCell
from conas.rnn.cell_plain import ACTIVATIONS, Activation, Masks, PlainRecurrentCell
from conas.seeds import generator
from conas.space import space
from conas.torch_seeds import torch_generator

SIZE, STEPS, BATCH = 5, 3, 4
RNN = space("rnn")


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """Any cell: empty nodes, duplicate choices and any set of output nodes included."""
    nodes = []
    for target in range(1, draw(st.integers(1, 6)) + 1):
        choice = st.builds(Choice, st.sampled_from(sorted(ACTIVATIONS)), st.integers(0, target - 1))
        nodes.append(tuple(draw(st.lists(choice, max_size=5))))
    concat = draw(st.lists(st.integers(0, len(nodes)), min_size=1, unique=True))
    return Cell(tuple(nodes), tuple(concat))


def alpha_cell(p: float, seed: int = 0) -> Cell:
    return RNN.decode(RNN.sample(generator(seed, "alpha"), 1, p)[0]).cells["recurrent"]


def pair(nodes: int, batch_norm: bool = False) -> tuple[PlainRecurrentCell, RecurrentCell]:
    models = [kind(SIZE, nodes, 3, batch_norm).double() for kind in (PlainRecurrentCell, RecurrentCell)]
    for parameters in zip(*(model.parameters() for model in models), strict=True):
        for parameter in parameters:
            parameter.data.mul_(20)  # far from the linear part of the activations
    return models[0], models[1]


def run(model: PlainRecurrentCell, cell: Cell, dropout: bool) -> list[Tensor | None]:
    """Outputs, then the gradients of inputs, hidden state and parameters."""
    random = torch_generator(0, "data")
    inputs = torch.randn(STEPS, BATCH, SIZE, dtype=torch.float64, generator=random, requires_grad=True)
    hidden = torch.randn(BATCH, SIZE, dtype=torch.float64, generator=random, requires_grad=True)
    target = torch.randn(STEPS, BATCH, SIZE, dtype=torch.float64, generator=random)
    keep = torch.bernoulli(torch.full((2, BATCH, SIZE), 0.7, dtype=torch.float64), generator=random) / 0.7
    outputs, last = model(inputs, hidden, cell, Masks(*keep) if dropout else None)
    if outputs.requires_grad:
        ((outputs * target).sum() + last.square().sum()).backward()
    return [outputs.detach(), inputs.grad, hidden.grad, *(parameter.grad for parameter in model.parameters())]


def assert_same(cell: Cell, dropout: bool = True, batch_norm: bool = False) -> None:
    plain, fast = (run(model, cell, dropout) for model in pair(max(8, len(cell.nodes)), batch_norm))
    for a, b in zip(plain, fast, strict=True):
        if a is None or b is None:
            assert a is b
        else:
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)


@settings(max_examples=25)
@given(cells(), st.booleans())
def test_any_genotype(cell: Cell, dropout: bool) -> None:
    assert_same(cell, dropout)


@pytest.mark.parametrize("name", [*ACTIVATIONS, "silu"])
def test_one_entry_gives_both_forms_their_values_and_gradients(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def differentiate(total: Tensor, value: Tensor, at: Tensor) -> Tensor:
        return total.add_(at.sigmoid() * (1 + at - value))

    monkeypatch.setitem(ACTIVATIONS, "silu", Activation(F.silu, differentiate))  # one that is new
    both = Choice(name, 0), Choice("tanh", 0), Choice(name, 1)
    assert_same(Cell(((Choice(name, 0),), both), (0, 1, 2)))
    at = torch.linspace(-3, 3, 60, dtype=torch.float64, requires_grad=True)  # without 0, where relu has a corner
    entry = ACTIVATIONS[name]
    value = entry(at)
    (slope,) = torch.autograd.grad(value.sum(), at)
    total = entry.differentiate(torch.full_like(at, entry.constant), value.detach().clone(), at.detach())
    torch.testing.assert_close(total, slope)


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_any_encoder(p: float, batch_norm: bool) -> None:
    assert_same(alpha_cell(p), batch_norm=batch_norm)


def test_all_bits_on_uses_every_edge() -> None:
    cell = alpha_cell(1.0)
    assert sum(map(len, cell.nodes)) == RNN.n
    gradients = run(pair(8)[1], cell, dropout=False)
    assert all(g is not None and g.isfinite().all() and g.any() for g in gradients)


def test_no_bit_on_gives_zeros_and_moves_nothing() -> None:
    outputs, *gradients = run(pair(8)[1], alpha_cell(0.0), dropout=True)
    assert outputs is not None
    assert not outputs.any()
    assert all(g is None for g in gradients)


def test_an_empty_node_counts_in_the_mean() -> None:
    plain = pair(8)[0]
    one = Cell(((Choice("tanh", 0),),), (1,))
    with_empty = Cell((one.nodes[0], ()), (1, 2))
    first, second = (run(plain, cell, dropout=False)[0] for cell in (one, with_empty))
    assert first is not None
    assert second is not None
    torch.testing.assert_close(second[0], first[0] / 2)


def test_weights_of_unused_nodes_get_no_gradient() -> None:
    cell = Cell(((Choice("relu", 0),), (), (Choice("tanh", 1),)), (1, 3))
    model = pair(4)[1]
    run(model, cell, dropout=True)
    assert [weight.grad is not None for weight in model.weights] == [True, False, True, False]


def test_a_duplicate_counts_twice() -> None:
    relu, tanh = Choice("relu", 0), Choice("tanh", 0)
    nodes = ((relu,), (tanh,), (relu, relu, tanh))
    # at the first step, before the hidden states differ
    first = [run(pair(1)[1], Cell((node,), (1,)), dropout=False)[0][0] for node in nodes]  # type: ignore[index]
    torch.testing.assert_close(first[2], (2 * first[0] + first[1]) / 3)


def test_evaluation_without_gradients_gives_the_same_values() -> None:
    cell = alpha_cell(0.5)
    trained = run(pair(8)[1], cell, dropout=False)[0]
    with torch.no_grad():
        assert torch.equal(run(pair(8)[1], cell, dropout=False)[0], trained)  # type: ignore[arg-type]


def test_reruns_are_equal_bit_by_bit() -> None:
    first, second = (run(pair(8)[1], alpha_cell(0.5), dropout=True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [PlainRecurrentCell, RecurrentCell])
def test_bad_cells_are_refused_in_one_line(kind: type[PlainRecurrentCell]) -> None:
    model = kind(SIZE, 1, 0)
    inputs, hidden = torch.zeros(1, 1, SIZE), torch.zeros(1, SIZE)
    with pytest.raises(GenotypeError, match="unknown activation 'tan'; did you mean 'tanh'"):
        model(inputs, hidden, Cell(((Choice("tan", 0),),), (1,)))
    with pytest.raises(GenotypeError, match="2 nodes"):
        model(inputs, hidden, Cell(((Choice("tanh", 0),), (Choice("tanh", 0),)), (1,)))


def test_initial_weights_depend_on_the_seed_alone() -> None:
    before = torch.random.get_rng_state()
    a, b, c = RecurrentCell(4, 8, 1), RecurrentCell(4, 8, 1), RecurrentCell(4, 8, 2)
    assert torch.equal(before, torch.random.get_rng_state())
    values = [np.concatenate([p.detach().numpy().ravel() for p in model.parameters()]) for model in (a, b, c)]
    assert (values[0] == values[1]).all()
    assert not (values[0] == values[2]).any()
    assert np.abs(values[0]).max() <= 0.04
    assert np.unique(values[0]).size == values[0].size  # no two matrices share a stream
