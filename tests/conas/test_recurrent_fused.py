"""The recurrent cell's CUDA kernels, in Triton's interpreter, against the cell for CPUs: values and gradients."""

from importlib.metadata import version

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton")

from conas.cells import cell as fixed
from conas.genotype import Cell
from conas.rnn.cell import RecurrentCell
from conas.rnn.cell_plain import Masks
from conas.rnn.cuda.cell import every, forward
from conas.rnn.language_model import recurrent
from conas.seeds import generator
from conas.space import space
from conas.torch_seeds import torch_generator

RNN = space("rnn")
SIZE, BATCH, ROWS = 8, 3, 4

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
