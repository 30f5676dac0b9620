"""What a run prints, kept in its folder as it is printed."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO, cast

from harness.records.files import opener


class _Copied:
    """A stream that also writes into ``log`` what is worth reading later: not the frames of a progress bar."""

    def __init__(self, stream: TextIO, log: TextIO) -> None:
        self._stream, self._log = stream, log

    def write(self, text: str) -> int:
        """Write ``text``; its length."""
        if "\r" not in text:
            self._log.write(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def copied(path: Path) -> Iterator[None]:
    """Append to ``path`` whatever is printed inside, line by line, and the traceback of what goes wrong there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", buffering=1, encoding="utf-8", errors="replace", opener=opener) as log:
        out, err = (cast(TextIO, _Copied(stream, log)) for stream in (sys.stdout, sys.stderr))
        try:
            with redirect_stdout(out), redirect_stderr(err):
                yield
        except BaseException:
            traceback.print_exc(file=log)
            raise
