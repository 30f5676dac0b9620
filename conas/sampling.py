"""How a sub-network is drawn for each minibatch while a one-shot model is trained.

A `Policy` describes it: a frozen dataclass whose name and fields are part of the trained model's identity. Started, it
becomes a `RunningPolicy`, which draws encoders and may learn between the epochs. A `Sampler` is a policy that does not.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from conas.oracle import Oracle
from conas.settings import deciding
from conas.space import Alpha, Space


class RunningPolicy(Protocol):
    """A policy at work. Its randomness comes from the generators that it is given or derives by name."""

    def draw(self, rng: np.random.Generator) -> Alpha:
        """One encoder, shape (n,)."""

    def epoch_ended(self, epoch: int, oracle: Oracle) -> dict[str, float]:
        """Learn from the losses of sub-networks after the epoch number ``epoch``, counted from 0; figures to record."""

    def state_dict(self) -> dict[str, Any]:
        """All that learning changes, as tensors and plain values."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""


@dataclass(frozen=True)
class Policy(ABC):
    """A distribution over sub-networks, described."""

    @abstractmethod
    def start(self, space: Space, seed: int) -> RunningPolicy:
        """The policy at the start of a training; ``seed`` decides all that it draws by itself."""

    @property
    def measurements(self) -> int:
        """How many sub-networks it measures after every epoch: 0 for one that does not learn."""
        return 0

    def identity(self) -> dict[str, Any]:
        """Its name and its fields, as JSON data."""
        return {"sampler": type(self).__name__, **deciding(self)}


@dataclass(frozen=True)
class Sampler(Policy):
    """A policy that never learns: it draws alike from the first step to the last."""

    @abstractmethod
    def __call__(self, space: Space, rng: np.random.Generator) -> Alpha:
        """One encoder, shape (n,)."""

    def start(self, space: Space, seed: int) -> RunningPolicy:
        """The same policy, on ``space``."""
        return _Unchanging(self, space)


@dataclass(frozen=True)
class _Unchanging:
    """A running policy without state."""

    sampler: Sampler
    space: Space

    def draw(self, rng: np.random.Generator) -> Alpha:
        return self.sampler(self.space, rng)

    def epoch_ended(self, epoch: int, oracle: Oracle) -> dict[str, float]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


@dataclass(frozen=True)
class Bernoulli(Sampler):
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
    """``alpha``, shape (n,), with one random edge into each node that had none (section 4.3), drawn in node order."""
    connected = alpha.copy()
    inputs: dict[tuple[str, int], list[int]] = {}
    for bit, edge in enumerate(space.edges):
        inputs.setdefault((edge.cell, edge.target), []).append(bit)
    for bits in inputs.values():
        if (connected[bits] < 0).all():
            connected[rng.choice(bits)] = 1
    return connected
