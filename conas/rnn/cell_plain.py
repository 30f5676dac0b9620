"""The recurrent cell of section 4.3, written for the reader: one active edge after the other.

`conas.rnn.cell` computes the same numbers faster, from the same parameters; tests compare the two.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from conas.genotype import Cell, GenotypeError, Node
from conas.names import unknown
from conas.torch_seeds import torch_generator


class Activation(NamedTuple):
    """A function of a tensor, entry by entry, with its derivative.

    Attributes:
        function: f.
        differentiate: ``differentiate(total, value, at)`` adds to ``total``, in place, the part of the derivative at
            ``at`` that varies; ``value`` is f there, and may be overwritten.
        constant: the part that does not vary.
    """

    function: Callable[[Tensor], Tensor]
    differentiate: Callable[[Tensor, Tensor, Tensor], Tensor]
    constant: float = 0.0

    def __call__(self, x: Tensor) -> Tensor:
        """The value at ``x``."""
        return self.function(x)


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(torch.tanh, lambda total, value, at: total.addcmul_(value, value, value=-1), 1.0),
    "relu": Activation(torch.relu, lambda total, value, at: total.add_(value.sign_())),
    "sigmoid": Activation(torch.sigmoid, lambda total, value, at: total.add_(value).addcmul_(value, value, value=-1)),
    "identity": Activation(lambda x: x, lambda total, value, at: total, 1.0),
}
"""The activations of a recurrent cell, by name; both forms of the cell compute with these entries."""

INITIAL_RANGE = 0.04  # DARTS recipe: every weight is uniform in +-0.04


class Masks(NamedTuple):
    """Dropout factors of a whole window, shape (B, size) each: of the cell's input and of every state."""

    input: Tensor
    state: Tensor


class PlainRecurrentCell(nn.Module):
    """A recurrent highway cell whose nodes read any number of earlier nodes through any activations.

    Node 0 is a highway step from the last hidden state h to the input x, as in ENAS and DARTS:
    ``[c, u] = [x, h] W_0`` and ``s_0 = h + sigmoid(c) (tanh(u) - h)``. Node i is the mean over its choices,
    activation f on node j, of ``s_j + sigmoid(c) (f(u) - s_j)`` with ``[c, u] = s_j W_i``: the formula of
    section 4.3 with the pooling over several operations (a choice listed twice counts twice). One matrix W_i
    serves all predecessors and activations of node i. The new hidden state is the mean of the nodes that the
    cell names in ``concat``.

    An empty node is zero, as the empty mean is and as in the one-shot CNN; the nodes that read it see zeros,
    and the output still divides by all nodes. So a cell without any active edge returns zeros. The matrix of
    an empty node gets no gradient (``None``, after ``zero_grad(set_to_none=True)``), so that a torch optimiser
    leaves it alone: no weight decay.

    Args:
        size: units of the input and of every state.
        nodes: how many nodes after node 0 the cell has weights for.
        seed: decides the initial weights, uniform in +-0.04.
        batch_norm: normalise node 0 and every node that is not empty by one shared batch norm without
            weights, as DARTS does while it searches. RSWS does not, and the paper trains its one-shot models
            as RSWS does, so the default is no.
    """

    def __init__(self, size: int, nodes: int, seed: int, batch_norm: bool = False) -> None:
        super().__init__()
        self.size = size
        self.input_weight = _uniform((size, 2 * size), seed, "input")
        self.hidden_weight = _uniform((size, 2 * size), seed, "hidden")
        self.weights = nn.ParameterList(_uniform((size, 2 * size), seed, "node", i) for i in range(1, nodes + 1))
        self.norm = nn.BatchNorm1d(size, affine=False) if batch_norm else nn.Identity()

    def forward(self, inputs: Tensor, hidden: Tensor, cell: Cell, masks: Masks | None = None) -> tuple[Tensor, Tensor]:
        """Run over a window: inputs (T, B, size), hidden state (B, size) -> all T outputs and the last one.

        Raises:
            GenotypeError: an activation that does not exist, or more nodes than there are weights.
        """
        return self.recur(self.project(inputs, masks), hidden, cell, masks)

    def project(self, inputs: Tensor, masks: Masks | None = None) -> Tensor:
        """The part x W_0 of node 0, shape (T, B, 2 size): it depends on no hidden state and no cell."""
        return (inputs if masks is None else inputs * masks.input) @ self.input_weight

    def recur(self, projected: Tensor, hidden: Tensor, cell: Cell, masks: Masks | None = None) -> tuple[Tensor, Tensor]:
        """As `forward`, from the projected inputs."""
        check(cell, len(self.weights))
        keep = torch.ones_like(hidden) if masks is None else masks.state
        outputs = []
        for x in projected:
            hidden = self._step(x, hidden, cell, keep)
            outputs.append(hidden)
        return torch.stack(outputs), hidden

    def _step(self, x: Tensor, hidden: Tensor, cell: Cell, keep: Tensor) -> Tensor:
        states = [self.norm(highway(x + (hidden * keep) @ self.hidden_weight, hidden, "tanh"))]
        for node, weight in zip(cell.nodes, self.weights, strict=False):
            states.append(self._node(node, weight, states, keep))
        return torch.stack([states[i] for i in cell.concat]).mean(dim=0)

    def _node(self, node: Node, weight: Tensor, states: list[Tensor], keep: Tensor) -> Tensor:
        if not node:
            return torch.zeros_like(states[0])
        total = torch.zeros_like(states[0])
        for activation, source in node:
            total = total + highway((states[source] * keep) @ weight, states[source], activation)
        return self.norm(total / len(node))


def highway(gates: Tensor, state: Tensor, activation: str) -> Tensor:
    """``state`` moved towards an activation: gates (B, 2 size), the carry's c beside the update's u."""
    carry, update = gates.split(state.shape[-1], dim=-1)
    return state + torch.sigmoid(carry) * (ACTIVATIONS[activation](update) - state)


def check(cell: Cell, nodes: int) -> None:
    """Refuse a cell that weights for ``nodes`` nodes cannot run.

    Raises:
        GenotypeError: an activation that does not exist, or more nodes than ``nodes``.
    """
    if len(cell.nodes) > nodes:
        raise GenotypeError(f"a recurrent cell of {len(cell.nodes)} nodes (the model has weights for {nodes})")
    for activation in {choice.operation for node in cell.nodes for choice in node} - ACTIVATIONS.keys():
        raise GenotypeError(unknown("activation", activation, ACTIVATIONS))


def _uniform(shape: tuple[int, ...], seed: int, *names: str | int) -> nn.Parameter:
    generator = torch_generator(seed, "weights", *names)
    return nn.Parameter(torch.empty(shape).uniform_(-INITIAL_RANGE, INITIAL_RANGE, generator=generator))
