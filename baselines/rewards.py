"""What policies that learn by REINFORCE are rewarded with, from losses."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Losses = NDArray[np.float64]
_GOOD_PERPLEXITY = 80.0

REWARDS: dict[str, Callable[[Losses], Losses]] = {
    "complement": lambda losses: 1 - losses,
    "inverse": lambda losses: _GOOD_PERPLEXITY / losses,
}
"""``complement`` is the accuracy where the measure is the error; ``inverse`` is for perplexities."""


def recorded(reward: float, baseline: float, entropy: float, share: float) -> dict[str, float]:
    """The figures of an epoch under their names: mean reward, the baseline after it, the mean entropy of a decision in
    nats, and the probability of the decisions that are each the likeliest."""
    return {"policy_reward": reward, "policy_baseline": baseline, "policy_entropy": entropy, "policy_share": share}
