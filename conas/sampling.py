"""How a sub-network is drawn for each minibatch while a one-shot model is trained."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from conas.space import Alpha, Space


class Sampler(Protocol):
    """Draws one encoder. A sampler is a frozen dataclass: its fields are part of the trained model's identity."""

    def __call__(self, space: Space, rng: np.random.Generator) -> Alpha:
        """One encoder, shape (n,)."""


@dataclass(frozen=True)
class Bernoulli:
    """Every bit +1 with probability ``p``, independently (section 3).

    With ``connect``, every node left without an input gets one random edge (section 4.3, for the RNN).
    """

    p: float = 0.5
    connect: bool = False

    def __call__(self, space: Space, rng: np.random.Generator) -> Alpha:
        """One encoder, shape (n,)."""
        alpha = space.sample(rng, 1, self.p)[0]
        return connect_empty_nodes(space, alpha, rng) if self.connect else alpha


def connect_empty_nodes(space: Space, alpha: Alpha, rng: np.random.Generator) -> Alpha:
    """``alpha`` with one random edge into each node that had none (section 4.3), drawn in node order."""
    connected = alpha.copy()
    inputs: dict[tuple[str, int], list[int]] = {}
    for bit, edge in enumerate(space.edges):
        inputs.setdefault((edge.cell, edge.target), []).append(bit)
    for bits in inputs.values():
        if (connected[bits] < 0).all():
            connected[rng.choice(bits)] = 1
    return connected
