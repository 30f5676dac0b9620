"""What stops long work where it can go on from, once what it has is safe: a moment, or a signal."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import NoReturn

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


def interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    """Handle a signal as Ctrl-C."""
    raise KeyboardInterrupt


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM, where the program handles them, end the work by KeyboardInterrupt.

    Their handlers raise it wherever the program is. A library may turn it into an error of its own, as matplotlib does
    while it reads a transformation: then it is raised again as KeyboardInterrupt. Or it may swallow it: then the work
    stops where it would at its deadline.
    """
    came = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        _MOMENT.set(-math.inf)
        handlers[number](number, frame)

    token = _MOMENT.set(_MOMENT.get())
    is_main = threading.current_thread() is threading.main_thread()
    there = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if is_main}
    handlers = {int(number): handler for number, handler in there.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, note)
    try:
        yield
    except Exception as error:
        if came:
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in handlers.items():
            if signal.getsignal(number) is note:  # and not what the handler put there
                signal.signal(number, handler)
        _MOMENT.reset(token)
