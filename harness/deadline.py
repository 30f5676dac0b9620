"""A moment at which long work stops where it can go on from, once what it has is safe."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_MOMENT: ContextVar[float] = ContextVar("moment", default=math.inf)


class TimeIsUp(KeyboardInterrupt):
    """The work was stopped by its deadline; the same work, started again, goes on."""


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Inside, work stops after ``seconds``, by `TimeIsUp`. None: never."""
    token = _MOMENT.set(math.inf if seconds is None else time.monotonic() + seconds)
    try:
        yield
    finally:
        _MOMENT.reset(token)


def passed() -> bool:
    """Whether it is time to stop."""
    return time.monotonic() > _MOMENT.get()


def stop_if_passed() -> None:
    """To be called where nothing would be lost.

    Raises:
        TimeIsUp: it is time.
    """
    if passed():
        raise TimeIsUp("the time that was given is up")
