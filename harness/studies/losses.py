"""Losses of sub-networks, some of which may have diverged, and where one stands among others."""

import numpy as np
from numpy.typing import NDArray

from baselines.ranking import NothingFinite
from conas.oracle import Oracle
from conas.space import Alpha


def finite(alphas: Alpha, losses: NDArray[np.float64]) -> tuple[Alpha, NDArray[np.float64]]:
    """The sub-networks whose losses are finite, as CoNAS keeps them, and these losses.

    Raises:
        NothingFinite: there are fewer than two.
    """
    kept = np.isfinite(losses)
    if kept.sum() < 2:
        raise NothingFinite(f"of {len(losses)} losses {kept.sum()} are finite")
    return alphas[kept], losses[kept]


def loss_of(oracle: Oracle, alpha: Alpha) -> float:
    """The loss of one sub-network; infinite where it is no number, so that every other is better."""
    (loss,) = oracle.measure(alpha[None])
    return float(np.nan_to_num(loss, nan=np.inf, posinf=np.inf))


def share_below(losses: NDArray[np.float64], loss: float) -> float:
    """The share of ``losses`` that are better than ``loss``, in percent: 0 is the best of all."""
    return 100 * float((losses < loss).mean())
