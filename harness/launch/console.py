"""What the launchers' command lines share."""

import argparse
import shlex
from collections.abc import Callable, Sequence

from harness.console.places import URL_VARIABLE

INTERRUPTED = 130
"""The exit status after Ctrl-C."""


def say(line: str) -> None:
    """Print one line at once, also into a pipe."""
    print(line, flush=True)


def typed(program: str, arguments: Sequence[str]) -> str:
    """The command line that a person typed, to be recorded and shown; a database's address, which may hold a password,
    is named by its variable."""
    words = ["python", program]
    for before, word in zip(["", *arguments], arguments, strict=False):
        option, equals, _ = word.partition("=")
        if before == "--mongo-url":
            words.append(f"${URL_VARIABLE}")
        elif option == "--mongo-url" and equals:
            words += [option, f"${URL_VARIABLE}"]
        else:
            words.append(word)
    return shlex.join(words).replace(f"'${URL_VARIABLE}'", f'"${URL_VARIABLE}"')


def at_least(least: int) -> Callable[[str], int]:
    """How `argparse` reads a whole number of ``least`` or more."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} (allowed: {least} and more)")
        return value

    return number
