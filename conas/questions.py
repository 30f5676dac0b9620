"""What a search can ask about a space. A question is a value: its fields decide the answer.

A new kind of question is a subclass of `Question` and, for the problems that can answer it, the answer.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from conas.architecture import Architecture
from conas.genotype import Genotype, GenotypeError
from conas.oracle import Oracle
from conas.sampling import Policy, RunningPolicy
from conas.seeds import generator
from conas.settings import deciding, disjoint
from conas.space import Alpha, Space

Answer = TypeVar("Answer")


@dataclass
class MadeUpOracle:
    """Losses that a sparse polynomial fits at once, and how often they were asked for, cheaply and as a ``whole``."""

    space: Space
    measurements: int = 0
    whole: int = 0

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        """Losses, shape (k,), of the encoders ``alphas``, shape (k, n)."""
        if whole:
            self.whole += len(alphas)
        else:
            self.measurements += len(alphas)
        return self.losses(alphas)

    def losses(self, alphas: Alpha) -> NDArray[np.float64]:
        """The same, uncounted: each bit in turn matters less than the one before."""
        return 2 - alphas @ np.exp2(-1.0 - np.arange(self.space.n))


@dataclass(frozen=True)
class Question(ABC, Generic[Answer]):
    """A question whose answer is an ``Answer``: a frozen dataclass.

    Attributes:
        name: the word for this kind of question.
    """

    name: ClassVar[str]

    def identity(self) -> dict[str, Any]:
        """The fields that decide what is trained, as JSON data."""
        return deciding(self)

    def limit(self) -> float | None:
        """Seconds after which training ends whatever is left to do; None if nothing ends it early."""
        return None

    def measures(self) -> bool:
        """Whether sub-networks are measured while it is trained, so that how they are measured decides the answer."""
        return False

    @abstractmethod
    def made_up(self, oracle: MadeUpOracle) -> Answer:
        """An answer at no cost, of the right shape, for a dry run of a search on ``oracle.space``."""


@dataclass(frozen=True)
class OneShotModel:
    """A trained one-shot model: the losses of its sub-networks, and its policy as training left it."""

    oracle: Oracle
    policy: RunningPolicy

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        """Losses, shape (k,), of the encoders ``alphas``, shape (k, n)."""
        return self.oracle.measure(alphas, whole)


@dataclass(frozen=True)
class OneShot(Question[OneShotModel]):
    """Train a one-shot model (Algorithm 1, stage 1); the losses of its sub-networks are the oracle.

    Attributes:
        policy: draws the sub-network of every minibatch.
        seconds: training ends after this much training time; no limit if None.
        to_the_limit: training does not end before ``seconds``, however many epochs that are.

    Raises:
        ValueError: ``to_the_limit`` without ``seconds``.
    """

    name: ClassVar[str] = "one_shot"
    policy: Policy
    seconds: float | None = None
    to_the_limit: bool = False

    def __post_init__(self) -> None:
        if self.to_the_limit and self.seconds is None:
            raise ValueError("to_the_limit without seconds would never end")

    def identity(self) -> dict[str, Any]:
        """The policy's identity, and the limit."""
        limits = {"seconds": self.seconds} | ({"to_the_limit": True} if self.to_the_limit else {})
        return disjoint(self.policy.identity(), limits)

    def limit(self) -> float | None:
        """``seconds``."""
        return self.seconds

    def measures(self) -> bool:
        """Whether the policy learns from measurements."""
        return self.policy.measurements > 0

    def made_up(self, oracle: MadeUpOracle) -> OneShotModel:
        """An untrained policy and made-up losses."""
        return OneShotModel(oracle, self.policy.start(oracle.space, 0))


@dataclass(frozen=True)
class StandAlone(Question[float]):
    """The validation loss of the network of ``architecture``, trained alone for ``epochs`` epochs in all.

    Infinite if training diverges. Asking again for more epochs continues the earlier training.
    """

    name: ClassVar[str] = "stand_alone"
    architecture: Architecture
    epochs: int

    def identity(self) -> dict[str, Any]:
        """The network; a longer training is the same one continued."""
        return {"genotype": self.architecture.to_json()}

    def made_up(self, oracle: MadeUpOracle) -> float:
        """A loss that falls with the epochs; networks outside of the space have one and the same."""
        return self._loss(oracle) / self.epochs

    def _loss(self, oracle: MadeUpOracle) -> float:
        try:
            cells = self.architecture if isinstance(self.architecture, Genotype) else Genotype(0, {})
            return float(oracle.losses(oracle.space.encode(cells)[None])[0])
        except GenotypeError:
            return 2.0


@dataclass(frozen=True)
class Untrained(Question[Oracle]):
    """Minus the ``score`` of every sub-network's network as it is before any training.

    Attributes:
        score: its name, such as those of `baselines.scores`.
        images: that the networks see.
    """

    name: ClassVar[str] = "untrained"
    score: str
    images: int

    def made_up(self, oracle: MadeUpOracle) -> Oracle:
        """Made-up losses."""
        return oracle


@dataclass(frozen=True)
class Hypernet(Question[Oracle]):
    """Train a graph hypernetwork; the losses of sub-networks with the weights that it predicts are the oracle.

    Attributes:
        policy: draws the sub-network of every minibatch; it does not learn.
        units: of each vertex.
        rounds: of messages between the vertices, each back and forth.
        lr: learning rate of Adam at the start.
    """

    name: ClassVar[str] = "hypernet"
    policy: Policy
    units: int
    rounds: int
    lr: float

    def identity(self) -> dict[str, Any]:
        """The policy's identity, and the hypernetwork."""
        return disjoint(self.policy.identity(), {"units": self.units, "rounds": self.rounds, "lr": self.lr})

    def made_up(self, oracle: MadeUpOracle) -> Oracle:
        """Made-up losses."""
        return oracle


@dataclass(frozen=True)
class Rule(ABC):
    """How a relaxation is trained with its architecture, described: a frozen dataclass, part of its identity."""

    @property
    @abstractmethod
    def price(self) -> float:
        """About what an epoch on images takes, in epochs of a one-shot model of that size, which computes half of the
        operations and reads half of the training set."""

    def identity(self) -> dict[str, Any]:
        """Its name and its fields, as JSON data."""
        return {"rule": type(self).__name__, **deciding(self)}


@dataclass(frozen=True)
class Relaxed(Question[Mapping[str, NDArray[np.float64]]]):
    """Train by ``rule`` the continuous relaxation in which every edge is a mixture of all ``operations``.

    The answer is, for every cell, what its edges' operations weigh in the end, shape (edges, operations).
    """

    name: ClassVar[str] = "relaxed"
    operations: tuple[str, ...]
    rule: Rule

    def identity(self) -> dict[str, Any]:
        """The operations, and the identity of the rule."""
        return disjoint({"operations": self.operations}, self.rule.identity())

    def made_up(self, oracle: MadeUpOracle) -> Mapping[str, NDArray[np.float64]]:
        """Random weights."""
        return {cell: self._weights(oracle.space, cell) for cell in oracle.space.cells}

    def _weights(self, space: Space, cell: str) -> NDArray[np.float64]:
        edges = {(edge.source, edge.target) for edge in space.edges if edge.cell == cell}
        return generator(0, "made-up weights", cell).random((len(edges), len(self.operations)))
