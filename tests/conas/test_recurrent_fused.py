"""The recurrent cell's CUDA kernels, in Triton's interpreter, against the cell for CPUs: values and gradients."""

from collections.abc import Callable
from importlib.metadata import version
from weakref import ReferenceType, ref

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton")

from conas.cells import cell as fixed
from conas.genotype import Cell
from conas.graphs import Graphs
from conas.rnn.cell import RecurrentCell
from conas.rnn.cell_plain import Masks
from conas.rnn.cuda import reading
from conas.rnn.cuda.cell import every, forward
from conas.rnn.language_model import FinalRNN, LanguageModel, OneShotRNN, recurrent
from conas.rnn.measuring import mean_losses
from conas.rnn.text_windows import batchify
from conas.seeds import generator
from conas.space import space
from conas.torch_seeds import torch_generator

RNN = space("rnn")
SIZE, BATCH, ROWS = 8, 3, 4
WORDS, BPTT = 11, 3

interpreted = pytest.mark.skipif(
    tuple(map(int, version("triton").split(".")[:2])) < (3, 8), reason="its interpreter cannot read new numpy's arrays"
)


def sampled(seed: int, p: float) -> Cell:
    return recurrent(RNN.decode(RNN.sample(generator(seed, "fused"), 1, p)[0]))


CELLS = {
    "DARTS V2": recurrent(fixed("darts_v2_rnn")),
    "ENAS": recurrent(fixed("enas_rnn")),
    "half of all edges": sampled(0, 0.5),
    "few edges, empty nodes": sampled(1, 0.05),
}


def window(masked: bool) -> tuple[RecurrentCell, list[Tensor], Masks | None]:
    rng = torch_generator(0, "fused")
    nodes = max(len(cell.nodes) for cell in CELLS.values())
    cell = RecurrentCell(SIZE, nodes, seed=0).double()
    for weight in cell.parameters():
        weight.data.mul_(20)
    inputs = [torch.randn(ROWS, BATCH, SIZE, generator=rng).double(), torch.randn(BATCH, SIZE, generator=rng).double()]
    inputs = [x.requires_grad_() for x in inputs]
    keep = Masks(*(torch.rand(BATCH, SIZE, generator=rng).double() * 2 for _ in range(2)))
    return cell, inputs, keep if masked else None


def gradients(cell: RecurrentCell, inputs: list[Tensor], outputs: Tensor) -> list[Tensor]:
    weights = torch.linspace(-1, 1, outputs.numel()).double().view_as(outputs)
    wanted = [*inputs, *cell.parameters()]
    found = torch.autograd.grad((outputs * weights).sum(), wanted, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(wanted, found, strict=True)]


@interpreted
@pytest.mark.parametrize("masked", [False, True], ids=["evaluation", "dropout"])
@pytest.mark.parametrize("name", CELLS)
def test_values_and_gradients(name: str, masked: bool) -> None:
    cell, inputs, masks = window(masked)
    expected, last = cell(*inputs, CELLS[name], masks)
    found = forward(cell, cell.project(inputs[0], masks), inputs[1], CELLS[name], masks)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found[-1], last)
    torch.testing.assert_close(gradients(cell, inputs, found), gradients(cell, inputs, expected))
    with torch.no_grad():
        torch.testing.assert_close(
            forward(cell, cell.project(inputs[0], masks), inputs[1], CELLS[name], masks), expected
        )


@interpreted
@pytest.mark.parametrize("name", ["half of all edges", "few edges, empty nodes"])
def test_one_program_for_every_sub_network(name: str) -> None:
    cell, inputs, masks = window(True)
    expected, _ = cell(*inputs, CELLS[name], masks)
    layout = every(RNN, SIZE)
    weights = layout.chosen(CELLS[name], inputs[0])
    found = forward(cell, cell.project(inputs[0], masks), inputs[1], layout, masks, weights)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients(cell, inputs, found), gradients(cell, inputs, expected))


def text(rows: int) -> Tensor:
    return batchify(torch.randint(WORDS, (rows * BATCH,), generator=torch_generator(0, "fused text")), BATCH)


def read(model: LanguageModel, rows: int, cells: list[Cell]) -> list[float]:
    with torch.no_grad():
        return reading.reader(model).losses(text(rows), cells, model.initial_hidden(BATCH), BPTT)


@interpreted
@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: OneShotRNN(RNN, WORDS, SIZE, seed=0), ["half of all edges", "few edges, empty nodes"]),
        (lambda: FinalRNN(fixed("darts_v2_rnn"), WORDS, SIZE, seed=0), ["DARTS V2"]),
    ],
    ids=["sub-networks", "final"],
)
def test_a_text_whose_last_window_is_short(make: Callable[[], LanguageModel], names: list[str]) -> None:
    model, cells = make().double(), [CELLS[name] for name in names]
    for parameter in model.parameters():
        parameter.data.mul_(20)  # so that cells differ
    expected = mean_losses(model, text(6), cells, BPTT)
    assert len(set(expected)) == len(cells)
    assert read(model, 6, cells) == pytest.approx(expected, rel=1e-12)


@interpreted
def test_graphs_end_with_the_place_of_the_weights_and_with_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ReferenceType[Graphs]] = []
    monkeypatch.setattr(reading, "Graphs", lambda body: (graphs := Graphs(body), made.append(ref(graphs)))[0])
    model, cells = OneShotRNN(RNN, WORDS, 4, seed=0), [sampled(0, 0.5)]
    for _ in range(2):
        read(model, 2, cells)
        model.load_state_dict(model.state_dict())
    assert len(made) == 1
    model.load_state_dict({name: 2 * value for name, value in model.state_dict().items()}, assign=True)
    assert read(model, 2, cells) == pytest.approx(mean_losses(model, text(2), cells, BPTT), rel=1e-5)
    read(model.double(), 2, cells)
    assert len(made) == 3
    del model
    assert [graphs() for graphs in made] == [None] * 3
