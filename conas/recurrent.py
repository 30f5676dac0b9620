"""The recurrent cell at speed: the numbers of `conas.recurrent_plain`, from the same parameters.

A node multiplies all the states it reads by its matrix in one product, and everything after that product
is one step for automatic differentiation (`HighwayMean`), which keeps three arrays an edge instead of a
dozen and sums the activations of an edge before the carry gate is applied to them.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from conas.genotype import Cell, Node
from conas.recurrent_plain import Masks, PlainRecurrentCell, check


class Reads(NamedTuple):
    """What a node reads: every source once, and the activations it goes through."""

    sources: tuple[int, ...]
    activations: tuple[tuple[str, ...], ...]


def reads(node: Node) -> Reads:
    """The choices of a node, by source."""
    by_source: dict[int, list[str]] = {}
    for activation, source in node:
        by_source.setdefault(source, []).append(activation)
    return Reads(tuple(by_source), tuple(map(tuple, by_source.values())))


class RecurrentCell(PlainRecurrentCell):
    """`PlainRecurrentCell`, computed one node at a time instead of one edge at a time."""

    def recur(self, projected: Tensor, hidden: Tensor, cell: Cell, masks: Masks | None = None) -> tuple[Tensor, Tensor]:
        """Run over a window of projected inputs, shape (T, B, 2 size); as `PlainRecurrentCell.recur`."""
        check(cell, len(self.weights))
        nodes = [reads(node) for node in cell.nodes]
        keep = None if masks is None else masks.state
        outputs = []
        for x in projected.unbind():
            states = self._states(x, hidden, nodes, keep)
            hidden = torch.stack([states[i] for i in cell.concat]).mean(dim=0)
            outputs.append(hidden)
        return torch.stack(outputs), hidden

    def _states(self, x: Tensor, hidden: Tensor, nodes: list[Reads], keep: Tensor | None) -> list[Tensor]:
        gates = torch.addmm(x, _drop(hidden, keep), self.hidden_weight)
        states = [self.norm(HighwayMean.apply((("tanh",),), gates[None], hidden))]
        dropped = [_drop(states[0], keep)]
        for node, weight in zip(nodes, self.weights, strict=False):
            if node.sources:
                gates = torch.stack([dropped[i] for i in node.sources]) @ weight
                state = self.norm(HighwayMean.apply(node.activations, gates, *(states[i] for i in node.sources)))
            else:
                state = torch.zeros_like(hidden)
            states.append(state)
            dropped.append(_drop(state, keep))
        return states


def _drop(state: Tensor, keep: Tensor | None) -> Tensor:
    return state if keep is None else state * keep


class HighwayMean(torch.autograd.Function):
    """The mean over edges and their activations of ``s + sigmoid(c) (f(u) - s)``.

    Args:
        activations: k tuples of names, one tuple an edge.
        gates: (k, B, 2 size), c beside u.
        states: k states s, (B, size) each.
    """

    @staticmethod
    def forward(ctx: Any, activations: tuple[tuple[str, ...], ...], gates: Tensor, *states: Tensor) -> Tensor:
        """The new state, shape (B, size)."""
        total = torch.zeros_like(states[0])
        kept: list[Tensor] = []
        for names, edge, state in zip(activations, gates.unbind(), states, strict=True):
            carry, update = edge.split(state.shape[-1], dim=-1)
            carry = torch.sigmoid(carry)
            pooled, slope = _pool(names, update, slope=any(ctx.needs_input_grad))
            change = pooled.sub_(state, alpha=len(names))
            total.addcmul_(carry, change).add_(state, alpha=len(names))
            kept += [carry, change, slope] if slope is not None else []
        ctx.save_for_backward(*kept)
        ctx.counts = [len(names) for names in activations]
        return total.div_(sum(ctx.counts))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the gates and the states."""
        grad = grad / sum(ctx.counts)
        size = grad.shape[-1]
        gates = grad.new_empty((len(ctx.counts), *grad.shape[:-1], 2 * size))
        states = []
        kept = iter(ctx.saved_tensors)
        for edge, count, carry, change, slope in zip(gates.unbind(), ctx.counts, kept, kept, kept, strict=True):
            flow = grad * carry
            torch.mul(flow, slope, out=edge[..., size:])
            torch.mul(flow * change, 1 - carry, out=edge[..., :size])
            states.append((grad - flow).mul_(count))
        return None, gates, *states


def _pool(names: tuple[str, ...], update: Tensor, slope: bool) -> tuple[Tensor, Tensor | None]:
    """The sum of several activations and, on demand, of their derivatives."""
    value = torch.zeros_like(update)
    derivative = torch.zeros_like(update) if slope else None
    for name in names:
        f, df = _activation(name, update, slope)
        value.add_(f)
        if derivative is not None:
            derivative.add_(df)
    return value, derivative


def _activation(name: str, update: Tensor, slope: bool) -> tuple[Tensor, Any]:
    """An activation and its derivative (``None`` unless ``slope``)."""
    if name == "identity":
        return update, 1 if slope else None
    if name == "relu":
        return update.relu(), update > 0 if slope else None
    value = torch.tanh(update) if name == "tanh" else torch.sigmoid(update)
    if not slope:
        return value, None
    return value, 1 - value * value if name == "tanh" else value * (1 - value)
