"""Seeds of independent parts, derived by name from one master seed.

Every random choice of the project draws from a generator that is named by what it decides (for
instance ``generator(seed, "subgraph", epoch, step)``), so a part can be repeated, skipped or resumed
without disturbing another, and no generator state ever has to be stored.
"""

import hashlib
from numbers import Integral

import numpy as np


def derive(master: int, *names: str | int) -> int:
    """The 63-bit seed of the part called ``names`` under the master seed.

    Raises:
        ValueError: the master seed is not a whole number.
    """
    if not isinstance(master, Integral):
        raise ValueError(f"seed = {master} (allowed: whole numbers)")
    text = "\x1f".join([str(master), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(master: int, *names: str | int) -> np.random.Generator:
    """The numpy generator of the part called ``names``."""
    return np.random.default_rng(derive(master, *names))
