"""Text from records and files of others, made safe to print, and prints without colours."""

import re
from typing import Any, TextIO


def plain(text: object) -> str:
    """``text`` in one line, with whatever a terminal would obey written as an escape."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in str(text))


def last_line(text: str) -> str:
    """What a command that failed said last."""
    return (text.strip().splitlines() or ["it said nothing"])[-1]


class Uncoloured:
    """A stream that leaves out the colours of what is written to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write ``text``; its length."""
        self._stream.write(re.sub(r"\x1b\[[0-9;]*m", "", text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
