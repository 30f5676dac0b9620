"""The loss of sub-networks, as something that can be asked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from conas.space import Alpha


class Oracle(Protocol):
    """f of section 3: the loss of sub-networks, lower is better."""

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        """Losses, shape (k,), of the encoders ``alphas``, shape (k, n), NaN or infinite where a sub-network diverges.

        ``whole`` asks for the whole validation set instead of the few batches of a cheap measurement.
        """


@dataclass(frozen=True)
class OfEncoders:
    """An oracle made of a function of encoders, shape (k, n), and of whether the whole validation set is asked for."""

    losses: Callable[[Alpha, bool], NDArray[np.float64]]

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        """The function's values, shape (k,)."""
        return self.losses(alphas, whole)


@dataclass(frozen=True)
class Function:
    """The same of any function of signs that somebody has written.

    It is given a copy, in integers of 64 bits: sums of int8 would wrap around without a word.
    """

    losses: Callable[[NDArray[np.int64], bool], NDArray[np.float64]]

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        """The function's values, shape (k,)."""
        return self.losses(np.array(alphas, dtype=np.int64), whole)
