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
class Function:
    """An oracle made of a function of encoders, shape (k, n), and of whether the whole validation set is asked for."""

    losses: Callable[[Alpha, bool], NDArray[np.float64]]

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        """The function's values, shape (k,)."""
        return self.losses(alphas, whole)
