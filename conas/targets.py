"""What a polynomial is fitted to: the measured losses, or what says the same of their order and less of their size.

The losses of a one-shot model have a long upper tail: a few bad sub-networks dominate their least squares. Logarithms
shorten the tail; normal scores, the quantiles of a normal distribution at the losses' ranks, have none.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from conas.refusal import Refused

Losses = NDArray[np.float64]


class NoLogarithm(Refused, ValueError):
    """A loss that is not positive."""


def normal_scores(losses: Losses) -> Losses:
    """Normal quantiles of the ranks of ``losses``, shape (m,), equal for equal losses; NaN and infinite are worst."""
    from scipy.stats import rankdata  # half a second

    ranks = rankdata(np.where(np.isfinite(losses), losses, np.inf))
    return ndtri((ranks - 0.5) / len(ranks))


def logarithms(losses: Losses) -> Losses:
    """Natural logarithms of ``losses``, shape (m,).

    Raises:
        NoLogarithm: a loss that is not positive.
    """
    if not (losses > 0).all():
        raise NoLogarithm(f"a loss is {losses.min():g}: no logarithm (allowed with target = 'log': positive losses)")
    return np.log(losses)


TARGETS: Mapping[str, Callable[[Losses], Losses]] = {
    "loss": lambda losses: losses,
    "log": logarithms,
    "normal_score": normal_scores,
}
"""Functions that keep the order of losses, by name."""
