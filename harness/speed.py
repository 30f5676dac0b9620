"""How fast this machine is at each kind of work of a search."""

import time
from collections.abc import Callable
from dataclasses import dataclass

_SMALL, _LARGE = 2, 8


@dataclass(frozen=True)
class SearchSpeed:
    """Seconds of each kind of work: ``one_shot`` of a whole training, ``relaxed`` of a whole first-order search."""

    one_shot: float
    measurement: float
    whole_measurement: float
    stand_alone_epoch: float
    relaxed: float


def step_seconds(step: Callable[[int], None]) -> Callable[[int], float]:
    """The seconds of ``step(count)`` as a function of ``count``: a straight line through two small counts."""
    step(_SMALL)
    small, large = _timed(step, _SMALL), _timed(step, _LARGE)
    slope = max(0.0, large - small) / (_LARGE - _SMALL)
    return lambda count: small + slope * (count - _SMALL)


def _timed(step: Callable[[int], None], count: int) -> float:
    start = time.monotonic()
    step(count)
    return time.monotonic() - start
