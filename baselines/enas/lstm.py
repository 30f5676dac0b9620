"""The LSTM of ENAS's controller, and what it decides on the way through a space.

For every node in turn it chooses sources, by attention over what it knew at the earlier nodes, then one operation for
each source. The second cell goes on from the state that the first one left. In an exclusive space every edge exists,
and only its operation is chosen.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.enas.controller import ControllerSettings
from conas.space import Alpha, Space
from conas.torch_seeds import torch_generator

Choose = Callable[[Tensor], Tensor]
"""From the probabilities of some options, shape (k, options), to the options chosen, shape (k,)."""
_TAKEN = -1e9


class Walk(NamedTuple):
    """Cells that were decided.

    Attributes:
        alphas: their encoders, shape (k, n).
        decisions: what was chosen, in order, shape (k, decisions).
        log_probabilities: of all decisions together, in nats, shape (k,).
        entropies: of every decision, in nats, shape (k, decisions).
    """

    alphas: Alpha
    decisions: Tensor
    log_probabilities: Tensor
    entropies: Tensor


def drawn(rng: np.random.Generator) -> Choose:
    """Choices drawn by probability."""

    def choose(probabilities: Tensor) -> Tensor:
        below = probabilities.cumsum(1)
        uniform = torch.from_numpy(rng.random((len(below), 1)))
        return (below <= uniform * below[:, -1:]).sum(1).clamp(max=below.shape[1] - 1)

    return choose


def likeliest(probabilities: Tensor) -> Tensor:
    """The likeliest option, each time."""
    return probabilities.argmax(1)


class Controller(nn.Module):
    """The parameters, float64, and one decision after the other."""

    def __init__(self, space: Space, settings: ControllerSettings, seed: int) -> None:
        super().__init__()
        self.space, self.settings = space, settings
        generator, units, operations = torch_generator(seed, "controller"), settings.units, len(space.operations)

        def uniform(*shape: int) -> nn.Parameter:
            numbers = torch.rand(shape, generator=generator, dtype=torch.float64)
            return nn.Parameter((2 * numbers - 1) * settings.init)

        self.start = uniform(units)
        self.lstm = uniform(2 * units, 4 * units)
        self.embedding = uniform(operations, units)
        self.operation = uniform(units, operations)
        self.of_anchor, self.of_state, self.attention = uniform(units, units), uniform(units, units), uniform(units)
        self.register_buffer("convolutions", torch.tensor([float("conv" in name) for name in space.operations]))
        self.bias = nn.Parameter((settings.bias or 0.0) * self.get_buffer("convolutions").double())

    def forward(self, size: int, choose: Choose) -> Walk:
        """``size`` cells, or pairs of them, in which ``choose`` chooses."""
        walker = _Walker(self, size, choose)
        for cell in self.space.cells:
            walker.cell(cell)
        return walker.walk()

    def step(self, given: Tensor, hidden: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """A step of the LSTM: the hidden state and the memory, shapes (k, units)."""
        enter, forget, leave, new = (torch.cat([given, hidden], 1) @ self.lstm).chunk(4, dim=1)
        memory = enter.sigmoid() * new.tanh() + forget.sigmoid() * memory
        return leave.sigmoid() * memory.tanh(), memory

    def sources(self, hidden: Tensor, anchors: Tensor) -> Tensor:
        """The logits, shape (k, sources), of nodes whose anchors were projected, shape (k, sources, units)."""
        settings, count = self.settings, anchors.shape[1]
        query = (anchors + (hidden @ self.of_state)[:, None]).tanh() @ self.attention
        logits = settings.source_tanh * (query / settings.temperature).tanh()
        distances = torch.arange(count, 0, -1, dtype=torch.float64)
        return logits if settings.near is None else logits - distances.square() / settings.near

    def operations(self, hidden: Tensor, favoured: bool) -> Tensor:
        """The logits, shape (k, operations); convolutions may be ``favoured``."""
        settings = self.settings
        logits = (hidden @ self.operation + self.bias) / settings.temperature
        squashed = settings.operation_tanh * logits.tanh()
        return squashed + (settings.prior or 0.0) * (2 * self.get_buffer("convolutions") - 1) if favoured else squashed


class _Walker:
    """The way through a space: the state of the LSTM, and what was decided so far."""

    def __init__(self, controller: Controller, size: int, choose: Choose) -> None:
        self._controller, self._size, self._choose = controller, size, choose
        self._space, self._settings = controller.space, controller.settings
        self._start = self._given = controller.start.expand(size, -1)
        self._hidden = self._memory = torch.zeros(size, self._settings.units, dtype=torch.float64)
        self._alphas = np.full((size, self._space.n), -1, dtype=np.int8)
        self._decisions: list[Tensor] = []
        self._probabilities: list[Tensor] = []
        self._entropies: list[Tensor] = []
        self._bit = 0

    def cell(self, name: str) -> None:
        self._anchors: list[Tensor] = []
        self._projected: list[Tensor] = []
        for _ in range(self._space.inputs):
            self._end_node(known=False)
        for target in range(self._space.inputs, self._space.inputs + self._space.nodes):
            self._node(target, favoured=name == self._space.cells[0])

    def _node(self, target: int, favoured: bool) -> None:
        if self._space.exclusive:
            sources = [torch.full((self._size,), source) for source in range(target)]
        else:
            sources = self._sources(target)
        for source in sources:
            self._step()
            operation = self._decide(self._controller.operations(self._hidden, favoured))
            self._given = self._controller.embedding[operation]
            bits = self._bit + source * len(self._space.operations) + operation
            self._alphas[np.arange(self._size), bits.numpy()] = 1
        self._bit += target * len(self._space.operations)
        self._end_node(known=True)

    def _sources(self, target: int) -> list[Tensor]:
        """Sources of a node, all of them distinct."""
        anchors, projected = torch.stack(self._anchors, 1), torch.stack(self._projected, 1)
        taken = torch.zeros(self._size, target, dtype=torch.bool)
        sources, rows = [], torch.arange(self._size)
        for _ in range(self._settings.inputs):
            self._step()
            logits = self._controller.sources(self._hidden, projected)
            sources.append(self._decide(logits.masked_fill(taken, _TAKEN)))
            self._given = anchors[rows, sources[-1]]
            if self._settings.near is not None:
                self._given = self._given / (0.1 + target - sources[-1].double())[:, None]
            taken = taken | F.one_hot(sources[-1], target).bool()
        return sources

    def _end_node(self, known: bool) -> None:
        """Store what is known now, of an input nothing, as the anchor of a node."""
        self._step()
        self._anchors.append(self._hidden if known else torch.zeros_like(self._hidden))
        self._projected.append(self._hidden @ self._controller.of_anchor)
        self._given = self._start

    def _step(self) -> None:
        self._hidden, self._memory = self._controller.step(self._given, self._hidden, self._memory)

    def _decide(self, logits: Tensor) -> Tensor:
        log_probabilities = logits.log_softmax(1)
        probabilities = log_probabilities.detach().exp()
        chosen = self._choose(probabilities)
        self._decisions.append(chosen)
        self._probabilities.append(log_probabilities.gather(1, chosen[:, None])[:, 0])
        self._entropies.append(-(probabilities * log_probabilities.detach()).sum(1))
        return chosen

    def walk(self) -> Walk:
        log_probabilities = torch.stack(self._probabilities).sum(0)
        entropies = torch.stack(self._entropies, 1)
        return Walk(self._alphas, torch.stack(self._decisions, 1), log_probabilities, entropies)
