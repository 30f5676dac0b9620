"""What the launchers' command lines share."""

import argparse
from collections.abc import Callable
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


def at_least(least: int) -> Callable[[str], int]:
    """How `argparse` reads a whole number of ``least`` or more."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} (allowed: {least} and more)")
        return value

    return number
