"""What a search has measured so far, for the searches that learn from it and answer with its best."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.ranking import best, diverged
from conas.oracle import Oracle
from conas.problem import Outcome, Problem
from conas.questions import OneShot
from conas.sampling import Bernoulli
from conas.seeds import generator
from conas.space import Alpha, Space


class History:
    """Strings ``alphas``, shape (k, n), and their ``losses``, shape (k,), in the order in which they were asked."""

    def __init__(self, oracle: Oracle, space: Space) -> None:
        self._oracle, self._space = oracle, space
        self.alphas: Alpha = np.empty((0, space.n), dtype=np.int8)
        self.losses: NDArray[np.float64] = np.empty(0)
        self._known: set[bytes] = set()

    @classmethod
    def of(cls, problem: Problem, settings: Any) -> "History":
        """Nothing yet, on a one-shot model trained as CoNAS's, with the ``p`` and ``connect`` of ``settings``."""
        return cls(problem.ask(OneShot(Bernoulli(settings.p, settings.connect))), problem.space)

    def __len__(self) -> int:
        return len(self.losses)

    def ask(self, alphas: Alpha) -> NDArray[np.float64]:
        """Measure ``alphas``, shape (k, n), in one call; their losses, shape (k,)."""
        losses = self._oracle.measure(alphas)
        self.losses = np.concatenate([self.losses, losses])
        self.alphas = np.concatenate([self.alphas, alphas])
        self._known.update(alpha.tobytes() for alpha in alphas)
        return losses

    @property
    def finite(self) -> NDArray[np.float64]:
        """The losses, shape (k,), with the worst finite one for those that diverged; zeros if all did."""
        fits = np.isfinite(self.losses)
        return np.where(fits, self.losses, self.losses[fits].max() if fits.any() else 0.0)

    def new(self, candidates: Alpha) -> Alpha:
        """The ``candidates``, shape (k, n), that were not measured, each once, in their order."""
        strings = {alpha.tobytes(): alpha for alpha in candidates if alpha.tobytes() not in self._known}
        return np.array(list(strings.values()), dtype=np.int8).reshape(len(strings), self._space.n)

    def recalled(self, alphas: Alpha) -> NDArray[np.float64]:
        """The losses of ``alphas``, shape (k, n), all of which were measured; shape (k,)."""
        losses = dict(zip((alpha.tobytes() for alpha in self.alphas), self.losses.tolist(), strict=True))
        return np.array([losses[alpha.tobytes()] for alpha in alphas])

    def outcome(self, details: dict[str, Any]) -> Outcome:
        """The string with the least loss, repaired.

        Raises:
            NothingFinite: every measurement diverged.
        """
        winner = best(self.losses)
        alpha = self.alphas[winner]
        facts = {"alpha": self._space.format(alpha), "loss": float(self.losses[winner]), "found_at": winner + 1}
        return Outcome(self._space.build(alpha), facts | {"diverged": diverged(self.losses)} | details)


def rehearsal(problem: Problem, seed: int, settings: Any) -> Outcome:
    """The best of ``settings.m`` random strings: asks for as much as a search that chooses each, at no reckoning."""
    history = History.of(problem, settings)
    history.ask(problem.space.sample(generator(seed, "rehearsal"), settings.m, settings.p))
    return history.outcome({})
