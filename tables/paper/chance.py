"""What random encoders give: the baseline of appendix A.6, computed instead of quoted."""

import numpy as np
from numpy.typing import NDArray

from conas.seeds import generator

PAIRS = 100_000


def random_distances(n: int, active: int) -> NDArray[np.int64]:
    """Hamming distances of `PAIRS` pairs of random strings of ``n`` bits, ``active`` of them on.

    Of a pair's active bits a hypergeometric number coincides; every other one differs.
    """
    shared = generator(0, "random distances", n, active).hypergeometric(active, n - active, active, PAIRS)
    return 2 * (active - shared)
