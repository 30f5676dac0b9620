"""How the learning rate changes from epoch to epoch: data, by the name in the setting ``schedule``."""

import math
from bisect import bisect_right
from collections.abc import Callable
from typing import Any


def cosine(schedule: Any, epoch: int) -> float:
    """From ``lr`` to ``lr_min`` (0 if it has none) and no further."""
    lowest, done = getattr(schedule, "lr_min", 0.0), min(epoch, schedule.epochs)
    return float(lowest + (schedule.lr - lowest) * (1 + math.cos(math.pi * done / schedule.epochs)) / 2)


def steps(schedule: Any, epoch: int) -> float:
    """``lr``, times ``decay`` from each of the ``milestones`` on, which are shares of the epochs."""
    return float(schedule.lr * schedule.decay ** bisect_right(schedule.milestones, epoch / schedule.epochs))


def constant(schedule: Any, epoch: int) -> float:
    """``lr``."""
    return float(schedule.lr)


SCHEDULES: dict[str, Callable[[Any, int], float]] = {"cosine": cosine, "steps": steps, "constant": constant}


def rate(schedule: Any, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0; a schedule without a name is a cosine."""
    return SCHEDULES[getattr(schedule, "schedule", "cosine")](schedule, epoch)
