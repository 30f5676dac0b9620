"""How ENAS's controller learns: REINFORCE with a moving baseline, by Adam."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.enas.controller import Controlled
from baselines.enas.lstm import Controller, drawn, likeliest
from baselines.rewards import REWARDS, recorded
from conas.oracle import Oracle
from conas.seeds import generator
from conas.space import Alpha, Space


class Figures(NamedTuple):
    """Of one update.

    Attributes:
        reward: mean over the cells, the entropy's bonus left out.
        baseline: after the update.
        entropy: mean of one decision, in nats.
    """

    reward: float
    baseline: float
    entropy: float


class Learning:
    """A running controller."""

    def __init__(self, policy: Controlled, space: Space, seed: int) -> None:
        self._updates, self._settings, self._seed = policy.updates, policy.controller, seed
        self.controller = Controller(space, policy.controller, seed)
        settings = policy.controller
        self._adam = torch.optim.Adam(self.controller.parameters(), settings.lr, settings.betas, settings.eps)
        self._baseline = 0.0 if settings.baseline == "zero" else None

    def draw(self, rng: np.random.Generator) -> Alpha:
        """One encoder, shape (n,)."""
        with torch.no_grad():
            return self.controller(1, drawn(rng)).alphas[0]

    def epoch_ended(self, epoch: int, oracle: Oracle) -> dict[str, float]:
        """All updates of an epoch; means over them, the last baseline, and how sharp the controller is now."""
        rngs = (generator(self._seed, "controller's update", epoch, update) for update in range(self._updates))
        made = [self.update(rng, oracle, self._settings.samples) for rng in rngs]
        reward, _, entropy = np.mean(made, axis=0).tolist()
        return recorded(reward, made[-1].baseline, entropy, self.share())

    def update(self, rng: np.random.Generator, oracle: Oracle, samples: int) -> Figures:
        """Measure ``samples`` cells and take one step; cells without a finite reward count for nothing.

        A diverged cell has none as a complement, and an inverse of 0, as in the released code.
        """
        walk = self.controller(samples, drawn(rng))
        plain = REWARDS[self._settings.reward](oracle.measure(walk.alphas))
        finite = np.isfinite(plain)
        if finite.any():
            rewards = plain + (self._settings.entropy or 0.0) * walk.entropies.sum(1).numpy()
            advantages = torch.from_numpy(self._advantages(rewards[finite]))
            loss = -(advantages * walk.log_probabilities[torch.from_numpy(finite)]).mean()
            self._adam.zero_grad()
            loss.backward()
            self._adam.step()
        mean = float(plain[finite].mean()) if finite.any() else 0.0
        return Figures(mean, self._baseline or 0.0, walk.entropies.mean().item())

    def _advantages(self, rewards: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rewards above the baseline, which moves towards each of them first, as in the released code."""
        if self._baseline is None:
            self._baseline = float(rewards.mean())
        advantages = []
        for reward in rewards.tolist():
            self._baseline += (1 - self._settings.decay) * (reward - self._baseline)
            advantages.append(reward - self._baseline)
        return np.array(advantages)

    def share(self) -> float:
        """The probability of the decisions that are the likeliest ones, each given those before."""
        with torch.no_grad():
            return float(self.controller(1, likeliest).log_probabilities.exp().item())

    def state_dict(self) -> dict[str, Any]:
        """Parameters, moments and the baseline."""
        return {
            "controller": self.controller.state_dict(),
            "adam": self._adam.state_dict(),
            "baseline": self._baseline,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.controller.load_state_dict(state["controller"])
        self._adam.load_state_dict(state["adam"])
        self._baseline = state["baseline"]
