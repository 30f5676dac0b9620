"""Output into a pipe whose reader may leave early, as that of ``| head`` does."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_READER_LEFT = 141
"""The exit status of programs that end because nobody reads them any more: 128 and the number of SIGPIPE."""


@contextmanager
def piped() -> Iterator[None]:
    """Inside, a command prints; when nobody reads that any more, it ends in silence.

    Raises:
        BrokenPipeError: another pipe is broken, such as a database's.
    """
    try:
        yield
        print(end="", flush=True)
    except BrokenPipeError:
        if not _is_left():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python prints the rest when it ends
        sys.exit(_READER_LEFT)


def _is_left() -> bool:
    """Whether it is our own output that nobody reads: an empty line more, or none at all, tells."""
    try:
        print(flush=True)
    except BrokenPipeError:
        return True
    return False
