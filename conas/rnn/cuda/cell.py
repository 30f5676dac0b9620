"""`conas.rnn.cell.RecurrentCell` by the kernels: for one cell, or one program for all sub-networks of a space."""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from conas.genotype import Cell, Choice
from conas.rnn.cell import Edge, RecurrentCell, Wiring, wire
from conas.rnn.cell_plain import Masks
from conas.rnn.cuda.unroll import FusedUnroll, Layout
from conas.rnn.language_model import Drops, OneShotRNN, Run
from conas.space import Space


def forward(
    cell: RecurrentCell,
    projected: Tensor,
    hidden: Tensor,
    chosen: Cell | Layout,
    masks: Masks | None,
    weights: Tensor | None = None,
) -> Tensor:
    """The outputs of a window, shape (T, B, size), as `RecurrentCell.recur`.

    Args:
        cell: has the weights.
        projected: shape (T, B, 2 size).
        hidden: shape (B, size).
        chosen: the cell to compute; or a layout, of which ``weights`` say what is computed (`Layout.chosen`).
        masks: dropout factors.
        weights: of the layout's edges, shape (edges, 4).
    """
    layout = chosen if isinstance(chosen, Layout) else Layout(wire(chosen), cell.size)
    own = [cell.hidden_weight, *cell.weights]
    none = hidden.new_empty(cell.size, 0)
    matrices = [torch.cat([none, *(own[i - 1] for i in states)], dim=1) for states in layout.wiring.readers]
    keep = None if masks is None else masks.state
    table = _table(layout, hidden.device)
    edges = _weights(layout, hidden.dtype, hidden.device) if weights is None else weights
    with torch.cuda.device_of(hidden):  # where Triton launches; without CUDA nothing
        return FusedUnroll.apply(layout, torch.is_grad_enabled(), table, edges, projected, hidden, keep, *matrices)


@cache
def every(space: Space, size: int) -> Layout:
    """The layout in which every edge of a recurrent space has its place."""
    nodes = range(1, space.nodes + 1)
    into = [(), (Edge(0, 0, ("tanh",)),)]
    into += [tuple(Edge(j, i - j, space.operations) for j in range(1, i + 1)) for i in nodes]
    readers = [(1,), *(tuple(range(j + 1, space.nodes + 2)) for j in range(1, space.nodes + 2))]
    return Layout(Wiring(tuple(into), tuple(readers), tuple(i + 1 for i in nodes)), size)


@cache  # for good: a graph reads these where they are
def _table(layout: Layout, device: torch.device) -> Tensor:
    return layout.table(device)


@cache
def _weights(layout: Layout, dtype: torch.dtype, device: torch.device) -> Tensor:
    return layout.weights(dtype, device)


def trained(cell: Cell, nodes: int) -> Sequence[bool]:
    """Which parameters of a cell with weights for ``nodes`` nodes the loss of ``cell`` depends on.

    In the order of the module: those of the input, of the hidden state, of every node.
    """
    wiring = wire(cell)
    reached = [bool(wiring.readers[0])] * 2
    return [*reached, *(bool(i + 2 < len(wiring.edges) and wiring.edges[i + 2]) for i in range(nodes))]


def run_chosen(model: OneShotRNN, tokens: Tensor, hidden: Tensor, weights: Tensor, drops: Drops) -> Run:
    """A training pass of the sub-network that ``weights`` name (`Layout.chosen`), with the same launches for all."""
    masks = Masks(drops.input, drops.state)
    projected = model.cell.project(model.embed(tokens, drops), masks)
    outputs = forward(model.cell, projected, hidden, every(model.space, model.cell.size), masks, weights)
    return Run(outputs, outputs * drops.output, outputs[-1].detach())


def probe(device: torch.device) -> None:
    """Use the kernels once, so that what is wrong with them here comes to light.

    Raises:
        Exception: whatever is wrong.
    """
    small = RecurrentCell(2, 1, seed=0).to(device)
    cell = Cell(((Choice("tanh", 0),),), (1,))
    keep = Masks(*(torch.ones(1, 2, device=device) for _ in range(2)))
    with torch.enable_grad():
        forward(small, torch.ones(2, 1, 4, device=device), torch.ones(1, 2, device=device), cell, keep).sum().backward()
    torch.cuda.synchronize(device)
