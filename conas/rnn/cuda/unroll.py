"""The recurrent cell over a window, for any wiring: a product for every state that is read, a launch for every node."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from conas.genotype import Cell
from conas.rnn.cell import KERNEL_ACTIVATIONS, Edge, Wiring, wire
from conas.rnn.cuda import kernels

_BLOCK = 256


@dataclass(frozen=True)
class Layout:
    """Where the gates of a wiring lie, in columns of a row: those of state 0 first, its readers side by side."""

    wiring: Wiring
    size: int

    @cached_property
    def starts(self) -> list[int]:
        """The first column of every state's gates, and the number of all columns."""
        starts = [0]
        for readers in self.wiring.readers:
            starts.append(starts[-1] + 2 * self.size * len(readers))
        return starts

    def table(self, device: torch.device) -> Tensor:
        """Source and column of every edge, by target, shape (edges, 2)."""
        rows = [self._row(edge) for edges in self.wiring.edges for edge in edges]
        return torch.tensor(rows, dtype=torch.int32, device=device)

    def weights(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """How often every edge applies the activations of `KERNEL_ACTIVATIONS`, shape (edges, 4)."""
        rows = [_counts(edge.activations) for edges in self.wiring.edges for edge in edges]
        return torch.tensor(rows, dtype=dtype, device=device)

    def chosen(self, cell: Cell, like: Tensor) -> Tensor:
        """The same of a cell whose edges are among the layout's; nothing for the others."""
        activations = {(i, edge.source): edge.activations for i, edges in enumerate(wire(cell).edges) for edge in edges}
        rows = [
            _counts(activations.get((i, edge.source), ()))
            for i, edges in enumerate(self.wiring.edges)
            for edge in edges
        ]
        return torch.tensor(rows, dtype=like.dtype).to(like.device, non_blocking=True)

    def _row(self, edge: Edge) -> tuple[int, int]:
        return edge.source, self.starts[edge.source] + 2 * self.size * edge.place


def _counts(activations: Sequence[str]) -> list[int]:
    return [activations.count(name) for name in KERNEL_ACTIVATIONS]


class FusedUnroll(torch.autograd.Function):
    """The outputs of a wiring over a window, as `conas.rnn.cell.Unroll`, with the edges' weights in a tensor."""

    @staticmethod
    def forward(
        ctx: Any,
        layout: Layout,
        record: bool,
        table: Tensor,
        weights: Tensor,
        projected: Tensor,
        hidden: Tensor,
        keep: Tensor | None,
        *matrices: Tensor,
    ) -> Tensor:
        """The new hidden states, shape (T, B, size).

        Args:
            ctx: carries what `backward` needs.
            layout: of the wiring.
            record: whether there will be a backward pass.
            table, weights: of the edges, see `Layout`.
            projected: x W_0 of every step, shape (T, B, 2 size).
            hidden: the state before, shape (B, size).
            keep: dropout factors of every state, shape (B, size), before it is multiplied.
            matrices: of every state the weights of its readers side by side, shape (size, 2 size readers).
        """
        pass_ = _Pass(layout, table, weights, keep, matrices, len(projected) if record else 1, hidden)
        outputs = torch.empty(len(projected), *hidden.shape, dtype=hidden.dtype, device=hidden.device)
        for t, x in enumerate(projected.unbind()):
            pass_.step(t if record else 0, x, hidden, outputs[t])
            hidden = outputs[t]
        ctx.pass_ = pass_ if record else None
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Back-propagation through time: gradients of the projected inputs, the hidden state and the matrices."""
        pass_: _Pass = ctx.pass_
        d_gates = torch.empty_like(pass_.gates)
        d_hidden = torch.zeros_like(grad[0])
        for t in reversed(range(len(grad))):
            d_hidden = pass_.step_back(t, grad[t] + d_hidden, d_gates[t])
        d_projected = d_gates[:, :, : 2 * pass_.layout.size].contiguous()
        return None, None, None, None, d_projected, d_hidden, None, *pass_.matrix_gradients(d_gates)


class _Pass:
    """The buffers of a window of ``rows`` rows."""

    def __init__(
        self,
        layout: Layout,
        table: Tensor,
        weights: Tensor,
        keep: Tensor | None,
        matrices: Sequence[Tensor],
        rows: int,
        like: Tensor,
    ) -> None:
        self.layout, self._table, self._weights, self._keep, self._matrices = layout, table, weights, keep, matrices
        self._count = len(matrices)
        self.gates = like.new_empty(rows, len(like), layout.starts[-1])
        self._states = like.new_empty(self._count, rows, *like.shape)
        self._factors = self._states if keep is None else torch.empty_like(self._states)
        edges = layout.wiring.edges
        self._first = [sum(map(len, edges[:i])) for i in range(len(edges) + 1)]
        self._grid = (triton.cdiv(like.numel(), _BLOCK),)

    def step(self, t: int, x: Tensor, hidden: Tensor, output: Tensor) -> None:
        """One row: write the new hidden state to ``output``."""
        states, factors = self._states[:, t], self._factors[:, t]
        states[0].copy_(hidden)
        if self._keep is not None:
            torch.mul(hidden, self._keep, out=factors[0])
        for i in range(self._count):
            if i:
                self._node(i, self.gates[t], states, factors)
            if self.layout.wiring.readers[i]:
                self._product(i, x, factors[i], self.gates[t])
        concat = self.layout.wiring.concat
        first, last = min(concat), max(concat) + 1
        if len(concat) == last - first:
            torch.mean(states[first:last], dim=0, out=output)
        else:
            output.copy_(torch.stack([states[i] for i in concat]).mean(dim=0))

    def _product(self, i: int, x: Tensor, factor: Tensor, gates: Tensor) -> None:
        columns = gates[:, self.layout.starts[i] : self.layout.starts[i + 1]]
        if i:
            torch.mm(factor, self._matrices[i], out=columns)
        else:
            torch.addmm(x, factor, self._matrices[i], out=columns)

    def _node(self, i: int, gates: Tensor, states: Tensor, factors: Tensor) -> None:
        kernels.node[self._grid](
            gates, states, factors, self._keep if self._keep is not None else states, self._table, self._weights,
            self._first[i], self._first[i + 1], i, states[0].numel(), self.layout.size, gates.shape[1],
            states.stride(0), KEEP=self._keep is not None, BLOCK=_BLOCK,
        )  # fmt: skip

    def step_back(self, t: int, grad: Tensor, d_gates: Tensor) -> Tensor:
        """The gradient of the hidden state before row ``t``, from that of the one after; fills ``d_gates``."""
        concat = self.layout.wiring.concat
        d_states = grad.new_zeros(self._count, *grad.shape)
        for i in concat:  # an index from the CPU could not be captured
            torch.div(grad, len(concat), out=d_states[i])
        d_factor = None
        for i in reversed(range(self._count)):
            d_factor = self._read(i, d_gates)
            if i:
                self._node_back(i, t, d_states, d_factor, d_gates)
        if d_factor is None:
            return d_states[0]
        return d_states[0] + (d_factor if self._keep is None else d_factor * self._keep)

    def _read(self, i: int, d_gates: Tensor) -> Tensor | None:
        """The gradient of what state ``i`` is multiplied as, if anything reads it."""
        if not self.layout.wiring.readers[i]:
            return None
        return d_gates[:, self.layout.starts[i] : self.layout.starts[i + 1]] @ self._matrices[i].t()

    def _node_back(self, i: int, t: int, d_states: Tensor, d_factor: Tensor | None, d_gates: Tensor) -> None:
        states = self._states[:, t]
        nothing = states
        kernels.node_backward[self._grid](
            self.gates[t], d_gates, states, d_states, nothing if d_factor is None else d_factor,
            nothing if self._keep is None else self._keep, self._table, self._weights,
            self._first[i], self._first[i + 1], i, d_states[0].numel(), self.layout.size, d_gates.shape[1],
            states.stride(0), d_states.stride(0), READ=d_factor is not None, KEEP=self._keep is not None, BLOCK=_BLOCK,
        )  # fmt: skip

    def matrix_gradients(self, d_gates: Tensor) -> list[Tensor]:
        """Summed over all rows, a product for every state."""
        starts = self.layout.starts
        flat = d_gates.flatten(0, 1)
        return [self._factors[i].flatten(0, 1).t() @ flat[:, starts[i] : starts[i + 1]] for i in range(self._count)]
