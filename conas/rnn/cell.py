"""The recurrent cell at speed: the numbers of `conas.rnn.cell_plain`, from the same parameters.

Nearly all the time goes into products of a state and a matrix, one per edge; those of one state with the
matrices of all nodes that read it are done as one. What follows them is cheap, but not if automatic
differentiation records it operation by operation. So a whole window is one operation (`Unroll`) with its
derivative written out: three arrays per edge are kept instead of a dozen, and the gradients of a matrix are
summed over time, and those of a state over its readers, inside the products that make them.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from conas import means
from conas.device import raise_fault
from conas.genotype import Cell
from conas.rnn.cell_plain import ACTIVATIONS, Masks, PlainRecurrentCell, check


class Edge(NamedTuple):
    """An edge into a state: the state it reads, its place among that state's readers, and its activations."""

    source: int
    place: int
    activations: tuple[str, ...]


class Wiring(NamedTuple):
    """A cell over the states of one step: state 0 is the last hidden state, state i + 1 is the cell's node i.

    Attributes:
        edges: the edges into every state; none into state 0, empty nodes and nodes that reach no output.
        readers: for every state the states that read it, in order.
        concat: the states whose mean is the new hidden state.
    """

    edges: tuple[tuple[Edge, ...], ...]
    readers: tuple[tuple[int, ...], ...]
    concat: tuple[int, ...]


def wire(cell: Cell) -> Wiring:
    """The wiring of a cell, where node 0 is an edge like others: tanh, from the last hidden state."""
    reads: list[dict[int, tuple[str, ...]]] = [{}, {0: ("tanh",)}]
    for node in cell.nodes:
        reads.append({})
        for activation, source in node:
            reads[-1][source + 1] = (*reads[-1].get(source + 1, ()), activation)
    concat = tuple(node + 1 for node in cell.concat)
    reached = set(concat)
    for state in reversed(range(len(reads))):
        reads[state] = reads[state] if state in reached else {}
        reached.update(reads[state])
    readers = [tuple(state for state, sources in enumerate(reads) if i in sources) for i in range(len(reads))]
    edges = (
        tuple(Edge(source, readers[source].index(state), names) for source, names in sources.items())
        for state, sources in enumerate(reads)
    )
    return Wiring(tuple(edges), tuple(readers), concat)


KERNEL_ACTIVATIONS = ("tanh", "relu", "sigmoid", "identity")
"""Those that the kernels of `conas.rnn.cuda` have."""


def kernels_work(device: torch.device, activations: Iterable[str]) -> bool:
    """Whether a cell with these activations can be computed by the kernels of `conas.rnn.cuda`."""
    possible = device.type == "cuda" and means.kernels() and set(activations) <= set(KERNEL_ACTIVATIONS)
    error = _fault(device) if possible else None
    if error is not None:
        means.replace("kernels for recurrent cells", error)
    return possible and error is None


@cache
def _fault(device: torch.device) -> Exception | None:
    """Why the kernels cannot be used, if so; a device that is full or has failed is an error."""
    try:
        import_module("conas.rnn.cuda.cell").probe(device)
    except Exception as error:  # whatever a compiler or a driver may raise
        raise_fault(error)
        return error
    return None


class RecurrentCell(PlainRecurrentCell):
    """`PlainRecurrentCell` at speed, but for what is not worth it: batch norm (only DARTS' search asks for it), and
    cells whose output depends neither on the input nor on the hidden state."""

    def recur(self, projected: Tensor, hidden: Tensor, cell: Cell, masks: Masks | None = None) -> tuple[Tensor, Tensor]:
        """Run over a window of projected inputs, shape (T, B, 2 size); as `PlainRecurrentCell.recur`."""
        check(cell, len(self.weights))
        wiring = wire(cell)
        if not wiring.readers[0] or not isinstance(self.norm, nn.Identity):
            return super().recur(projected, hidden, cell, masks)
        if kernels_work(projected.device, (choice.operation for node in cell.nodes for choice in node)):
            outputs = import_module("conas.rnn.cuda.cell").forward(self, projected, hidden, cell, masks)
            return outputs, outputs[-1]
        weights = [self.hidden_weight, *self.weights]
        none = hidden.new_empty(self.size, 0)
        matrices = [torch.cat([none, *(weights[i - 1] for i in states)], dim=1) for states in wiring.readers]
        keep = None if masks is None else masks.state
        outputs = Unroll.apply(wiring, torch.is_grad_enabled(), projected, hidden, keep, *matrices)
        return outputs, outputs[-1]


class Unroll(torch.autograd.Function):
    """The outputs of a wiring over a window."""

    @staticmethod
    def forward(
        ctx: Any,
        wiring: Wiring,
        record: bool,
        projected: Tensor,
        hidden: Tensor,
        keep: Tensor | None,
        *matrices: Tensor,
    ) -> Tensor:
        """The new hidden states, shape (T, B, size).

        Args:
            ctx: carries what `backward` needs.
            wiring: what reads what.
            record: whether there will be a backward pass.
            projected: x W_0 of every step, shape (T, B, 2 size).
            hidden: the state before, shape (B, size).
            keep: dropout factors of every state, shape (B, size), before it is multiplied.
            matrices: of every state the weights of its readers side by side, shape (size, 2 size readers).
        """
        outputs: list[Tensor] = []
        tape: list[Tensor] = []
        for x in projected.unbind():
            hidden, tensors = _step(wiring, x, hidden, keep, matrices, record)
            outputs.append(hidden)
            tape += tensors
        ctx.wiring = wiring
        ctx.save_for_backward(keep, *matrices, *tape)
        return torch.stack(outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Back-propagation through time: gradients of the projected inputs, the hidden state and the matrices."""
        count = len(ctx.wiring.readers)
        keep, *saved = ctx.saved_tensors
        matrices, tape = saved[:count], saved[count:]
        stride = len(tape) // len(grad)
        d_matrices = [torch.zeros_like(matrix) for matrix in matrices]
        d_gates = [grad.new_empty(grad.shape[1], matrix.shape[1]) for matrix in matrices]
        d_projected = grad.new_empty(*grad.shape[:2], matrices[0].shape[1])
        d_hidden = torch.zeros_like(grad[0])
        for t in reversed(range(len(grad))):
            d_gates[0] = d_projected[t]
            tensors = tape[t * stride : (t + 1) * stride]
            d_hidden = _step_back(ctx.wiring, grad[t] + d_hidden, keep, tensors, matrices, d_gates, d_matrices)
        return None, None, d_projected, d_hidden, None, *d_matrices


def _step(
    wiring: Wiring, x: Tensor, hidden: Tensor, keep: Tensor | None, matrices: Sequence[Tensor], record: bool
) -> tuple[Tensor, list[Tensor]]:
    """The new hidden state and, to ``record``, what `_step_back` needs: of every state the factor and the result of
    its product (the gates), of every edge the change that its carry gate lets through."""
    states = [hidden]
    factors: list[Tensor] = []
    gates: list[Tensor] = []
    halves: list[tuple[Tensor, ...]] = []
    changes: list[Tensor] = []
    for i, matrix in enumerate(matrices):
        if i:
            states.append(_node(wiring.edges[i], states, halves, changes, record))
        factors.append(states[i] if keep is None else states[i] * keep)
        gates.append(factors[i] @ matrix if i else torch.addmm(x, factors[i], matrix))
        gates[i].unflatten(1, (-1, 2, hidden.shape[1]))[:, :, 0].sigmoid_()
        halves.append(gates[i].split(hidden.shape[1], dim=1))
    output = torch.stack([states[i] for i in wiring.concat]).mean(dim=0)
    return output, [*factors, *gates, *changes] if record else []


def _node(
    edges: tuple[Edge, ...],
    states: list[Tensor],
    halves: list[tuple[Tensor, ...]],
    changes: list[Tensor],
    record: bool,
) -> Tensor:
    """The mean over edges and their activations of ``s + sigmoid(c) (f(u) - s)``.

    ``halves[j]`` are sigmoid(c) and u, in turn, of the readers of state j. To ``record``, u gives way to the derivative
    of the sum of its edge's activations, and the sum of f(u) - s goes to ``changes``.
    """
    total = torch.zeros_like(states[0])
    for source, place, names in edges:
        carry, update = halves[source][2 * place : 2 * place + 2]
        values = [ACTIVATIONS[name](update) for name in names]
        change = torch.sub(values[0], states[source], alpha=len(names))
        for value in values[1:]:
            change += value
        total.addcmul_(carry, change).add_(states[source], alpha=len(names))
        if record:
            _differentiate(names, values, update)
            changes.append(change)
    return total.div_(max(1, _count(edges)))


def _differentiate(names: tuple[str, ...], values: list[Tensor], update: Tensor) -> None:
    """Overwrite ``update`` by the derivative there of the sum of the activations, which took ``values``."""
    total = torch.full_like(update, sum(ACTIVATIONS[name].constant for name in names))
    for name, value in zip(names, values, strict=True):
        ACTIVATIONS[name].differentiate(total, value, update)
    update.copy_(total)


def _step_back(
    wiring: Wiring,
    grad: Tensor,
    keep: Tensor | None,
    tensors: Sequence[Tensor],
    matrices: Sequence[Tensor],
    d_gates: list[Tensor],
    d_matrices: list[Tensor],
) -> Tensor:
    """The gradient of the last hidden state; overwrites ``d_gates`` and adds to ``d_matrices``."""
    count, size = len(matrices), grad.shape[1]
    factors, changes = tensors[:count], list(tensors[2 * count :])
    halves = [gates.split(size, dim=1) for gates in tensors[count : 2 * count]]
    d_halves = [gates.split(size, dim=1) for gates in d_gates]
    d_states = list(grad.new_zeros(count, *grad.shape).unbind())
    for i in wiring.concat:
        d_states[i].add_(grad, alpha=1 / len(wiring.concat))
    for i in reversed(range(count)):
        d_factor = d_gates[i] @ matrices[i].t()
        d_states[i] += d_factor if keep is None else d_factor.mul_(keep)
        d_matrices[i].addmm_(factors[i].t(), d_gates[i])
        d_sum = d_states[i].div_(max(1, _count(wiring.edges[i]))) if i else d_states[i]
        for source, place, names in reversed(wiring.edges[i]):
            carry, slope = halves[source][2 * place : 2 * place + 2]
            d_carry, d_update = d_halves[source][2 * place : 2 * place + 2]
            change = changes.pop()
            flow = d_sum * carry
            torch.mul(flow, slope, out=d_update)
            torch.addcmul(change, change, carry, value=-1, out=d_carry).mul_(flow)
            d_states[source].add_(d_sum, alpha=len(names)).sub_(flow, alpha=len(names))
    return d_states[0]


def _count(edges: tuple[Edge, ...]) -> int:
    return sum(len(edge.activations) for edge in edges)
