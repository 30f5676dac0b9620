"""What the launchers' command lines share."""

from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
"""The exit status after Ctrl-C."""


def say(line: str) -> None:
    """Print one line at once, also into a pipe."""
    print(line, flush=True)


def interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    """Handle a signal as Ctrl-C."""
    raise KeyboardInterrupt
