"""A problem whose loss is known: a sparse polynomial, with noise if wanted. No network, no training time."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conas.oracle import OfEncoders
from conas.problem import Answer, Cost, Kinds, refuse
from conas.questions import OneShot, OneShotModel, Question, StandAlone
from conas.recovery.design import Parities
from conas.recovery.fourier import SparsePolynomial
from conas.seeds import generator
from conas.space import Alpha, Space


@dataclass
class SyntheticProblem:
    """The loss of an encoder is ``polynomial`` there plus normal noise of standard deviation ``noise``.

    The noise belongs to the encoder: asking again gives the same loss. A stand-alone network is this noise-free
    loss after infinitely many epochs, above it by 1 / epochs before. The whole validation set has no noise either.
    No one-shot model is trained; a policy that learns is shown the losses once.
    """

    space: Space
    polynomial: SparsePolynomial
    noise: float = 0.0
    seed: int = 0
    cost: Cost = field(default_factory=Cost)
    answers: Kinds = frozenset({OneShot, StandAlone})

    def ask(self, question: Question[Answer]) -> Answer:
        """The answer; a polynomial of bits has no continuous relaxation.

        Raises:
            UnsupportedError: a kind of question that is not among ``answers``.
        """
        refuse([type(question)], self, "the search")
        answer: Any = self._one_shot(question) if isinstance(question, OneShot) else self._stand_alone(question)
        return answer

    def _one_shot(self, question: OneShot) -> OneShotModel:
        policy = question.policy.start(self.space, self.seed)
        policy.epoch_ended(0, OfEncoders(self._losses))
        return OneShotModel(self, policy)

    def _stand_alone(self, question: Any) -> float:
        encoded = self.space.encode(question.architecture)
        name, epochs = self.space.format(encoded), question.epochs
        self.cost.stand_alone_epochs += max(0, epochs - self._trained.get(name, 0))
        self._trained[name] = max(epochs, self._trained.get(name, 0))
        return float(self.polynomial(encoded[None])[0]) + 1 / epochs

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        """Losses, shape (k,), of the encoders ``alphas``, shape (k, n)."""
        losses = self._losses(alphas, whole)
        self.cost.measurements += len(losses)
        return losses

    def _losses(self, alphas: Alpha, whole: bool) -> NDArray[np.float64]:
        alphas = self.space.check(alphas)
        losses = self.polynomial(alphas)
        return losses if whole or not self.noise else losses + self._noise(alphas)

    def _noise(self, alphas: Alpha) -> NDArray[np.float64]:
        draws = (generator(self.seed, "noise", self.space.format(alpha)).standard_normal() for alpha in alphas)
        return self.noise * np.fromiter(draws, np.float64, len(alphas))

    def __post_init__(self) -> None:
        self._trained: dict[str, int] = {}


def random_polynomial(
    n: int, s: int, d: int, rng: np.random.Generator, least: float = 0.5, mean: float = 0.0
) -> SparsePolynomial:
    """``s`` monomials of degree 1 to ``d`` over ``n`` bits, uniformly at random, plus the constant ``mean``.

    The coefficients have random signs and sizes uniform between ``least`` and 1.
    """
    basis = Parities(np.ones((1, n)), d)
    chosen = rng.choice(basis.size - 1, size=s, replace=False) + 1
    sizes = rng.uniform(least, 1, size=s) * rng.choice([-1, 1], size=s)
    return SparsePolynomial({**dict(zip(basis.monomials(chosen), sizes.tolist(), strict=True)), (): mean})
