"""What becomes of the bits that a polynomial does not name."""

from collections.abc import Mapping

import numpy as np

from conas.measurements import Measurements
from conas.space import Alpha

COMPLETIONS = {
    "off": "off; in an exclusive space as in the best measured encoder",
    "agreeing": "as in the best of the measured encoders that agree most with the decided bits",
    "verified": "drawn at random and measured, with a fifth of the last m; the best of the last stage is the answer; "
    "as agreeing where the search ends before its last stage",
}
"""How undecided bits are set, by name."""

ONE_IN = 5
"""One measurement in so many is kept back where completions are measured."""


def agreeing(measured: Measurements, fixed: Mapping[int, int]) -> Alpha:
    """The best of the measured encoders that agree with most of the ``fixed`` bits, made to agree; shape (n,)."""
    values = np.array(list(fixed.values()), dtype=np.int8)
    agreements = (measured.alphas[:, list(fixed)] == values).sum(axis=1)
    losses = np.where(agreements == agreements.max(), measured.losses, np.inf)
    alpha = measured.alphas[int(losses.argmin())].copy()
    alpha[list(fixed)] = values
    return alpha
