"""How every method compares losses: lower is better, what diverged is out, ties go to the earlier one."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conas.refusal import Refused


class NothingFinite(Refused, ValueError):
    """Every network that a method looked at diverged."""


def ranked(losses: ArrayLike) -> NDArray[np.int64]:
    """The indexes of the finite losses, best first; equal losses in the order in which they were asked.

    Raises:
        NothingFinite: none of them is finite.
    """
    values = np.asarray(losses, dtype=np.float64)
    finite = np.flatnonzero(np.isfinite(values))
    if not len(finite):
        raise NothingFinite(f"none of {len(values)} losses is finite: no network to choose")
    return finite[np.argsort(values[finite], kind="stable")]


def best(losses: ArrayLike) -> int:
    """The index of the least finite loss, the first one of equals.

    Raises:
        NothingFinite: none of them is finite.
    """
    return int(ranked(losses)[0])


def diverged(losses: ArrayLike) -> int:
    """How many losses are NaN or infinite."""
    return int(np.count_nonzero(~np.isfinite(np.asarray(losses, dtype=np.float64))))
