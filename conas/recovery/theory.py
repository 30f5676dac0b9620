"""How many measurements the theory asks for (theorem 3.2 and appendix A.2), up to the constants that O() hides.

The paper says that m = 1000 is consistent with d = 2, s = 10 and n = 140. No constant of the bounds is known: what an
experiment needs, divided by the bound, names the one that it implies.
"""

import math

RECOVERY_DELTA = math.sqrt(2) - 1
"""The restricted isometry constant below which l1 minimisation recovers every s-sparse vector (Candes, 2008)."""


def sufficient_measurements(n: int, d: int, s: int, delta: float = RECOVERY_DELTA) -> float:
    """Theorem 3.2: ``log^2(1/delta) / delta^2 * s log^2(s/delta) * d log n`` measurements are enough.

    The logarithms are natural; ``s / delta`` as in the theorem of Haviv and Regev that the paper invokes.

    Raises:
        ValueError: an impossible value.
    """
    _check(n, d, s)
    if not 0 < delta < 1:
        raise ValueError(f"delta = {delta} (allowed: between 0 and 1, both excluded)")
    isometry = math.log(1 / delta) ** 2 / delta**2
    return isometry * s * math.log(s / delta) ** 2 * d * math.log(n)


def necessary_measurements(n: int, d: int, s: int) -> float:
    """Appendix A.2: ``s d log n`` measurements are needed (Foucart and Rauhut, chapter 12).

    Raises:
        ValueError: an impossible value.
    """
    _check(n, d, s)
    return s * d * math.log(n)


def _check(n: int, d: int, s: int) -> None:
    for name, value, least in (("n", n, 2), ("d", d, 1), ("s", s, 1)):
        if value < least:
            raise ValueError(f"{name} = {value} (allowed: at least {least})")
