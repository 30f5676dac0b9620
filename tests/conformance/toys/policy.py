"""A policy that learns with the one-shot model, and a method that uses it: REINFORCE on independent bits.

After every epoch a few sub-networks are drawn and measured, and the logits move towards those whose loss is lower.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.checks import at_least
from baselines.ranking import best
from baselines.registry import Method
from conas.oracle import Oracle
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.sampling import Policy
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha, Space


@dataclass(frozen=True)
class Reinforced(Policy):
    """``samples`` sub-networks are measured after every epoch; ``rate`` is the length of a step."""

    samples: int
    rate: float

    def start(self, space: Space, seed: int) -> "Learning":
        """All bits are even."""
        return Learning(self, space, seed)

    @property
    def measurements(self) -> int:
        """All samples."""
        return self.samples


class Learning:
    """Logits of the bits, shape (n,); of an exclusive space's edges, those of a softmax."""

    def __init__(self, policy: Reinforced, space: Space, seed: int) -> None:
        self._policy, self._space, self._seed = policy, space, seed
        self._logits = np.zeros(space.n)

    def _probabilities(self) -> NDArray[np.float64]:
        weights = np.exp(self._logits)
        if not self._space.exclusive:
            return weights / (1 + weights)
        rows = weights.reshape(-1, len(self._space.operations))
        return (rows / rows.sum(axis=1, keepdims=True)).ravel()

    def draw(self, rng: np.random.Generator) -> Alpha:
        """One encoder, shape (n,)."""
        if not self._space.exclusive:
            return np.where(rng.random(self._space.n) < self._probabilities(), 1, -1).astype(np.int8)
        alpha = np.full(self._space.n, -1, dtype=np.int8)
        for group in self._space.groups:
            alpha[rng.choice(list(group), p=self._probabilities()[list(group)])] = 1
        return alpha

    def epoch_ended(self, epoch: int, oracle: Oracle) -> dict[str, float]:
        """One step of REINFORCE; how far from even the bits are by now."""
        rng = generator(self._seed, "toy policy", epoch)
        alphas = np.stack([self.draw(rng) for _ in range(self._policy.samples)])
        losses = oracle.measure(alphas)
        alphas, losses = alphas[np.isfinite(losses)], losses[np.isfinite(losses)]
        if len(losses) > 1 and losses.std() > 0:
            advantages = (losses.mean() - losses) / losses.std()
            self._logits += self._policy.rate * advantages @ ((alphas > 0) - self._probabilities())
        return {"decided": float(np.abs(self._logits).mean())}

    def state_dict(self) -> dict[str, Any]:
        """The logits."""
        return {"logits": self._logits.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._logits = np.array(state["logits"])


@dataclass(frozen=True)
class Settings:
    """How the policy learns, and how many of its sub-networks are measured in the end."""

    samples: int = setting(6, "a toy")
    rate: float = setting(0.2, "a toy")

    def __post_init__(self) -> None:
        at_least(2, self, "samples")
        if not self.rate > 0:
            raise ValueError(f"rate is {self.rate} (allowed: any positive number)")


def search(problem: Problem, seed: int, settings: Settings) -> Outcome:
    """The best of a few sub-networks that the trained policy draws."""
    model = problem.ask(OneShot(Reinforced(settings.samples, settings.rate)))
    rng = generator(seed, "toy answers")
    alphas = np.stack([model.policy.draw(rng) for _ in range(settings.samples)])
    losses = model.measure(alphas)
    return Outcome(problem.space.build(alphas[best(losses)]), {"policy": model.policy.state_dict()})


METHOD = Method(
    "toy_policy",
    "a toy",
    search,
    Settings,
    frozenset({OneShot}),
    lambda s: Cost(measurements=s.samples),
    learns=True,
)
