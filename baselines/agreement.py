"""How far two measures of the same networks agree on their order."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau


def tau(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """Kendall's tau of two series where both are finite; None where it is not defined."""
    both = np.isfinite(one) & np.isfinite(other)
    found = float(kendalltau(one[both], other[both]).statistic) if both.sum() > 1 else np.nan
    return found if np.isfinite(found) else None
