"""The sign of life of a run: a small file in its folder that says every few seconds how far the run is.

Whoever reads it may be on another machine, where process numbers say nothing.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from harness.console.progress import Reporter
from harness.records.files import facts, write_json

SILENCE_SECONDS = 120.0
"""Seconds of silence after which a run is taken for dead."""

FILE = "pulse.json"
_SECONDS_BETWEEN_BEATS = 5.0


class Heartbeat(NamedTuple):
    """How long ago a run gave its last sign of life, in seconds, and the piece of work that it was at."""

    age: float
    work: dict[str, Any]


@contextmanager
def beating(folder: Path, reporter: Reporter, seconds: float = _SECONDS_BETWEEN_BEATS) -> Iterator[None]:
    """Write the heartbeat of the run in ``folder`` while the work inside goes on."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(seconds):
            _write(folder, reporter)

    _write(folder, reporter)
    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        (folder / FILE).unlink(missing_ok=True)


def _write(folder: Path, reporter: Reporter) -> None:
    """A disk that is full stops no run: it is the run's own writes that must not fail."""
    bar = reporter.current
    work = {} if bar is None else {"title": bar.title, "done": bar.done, "total": bar.total, "left": bar.seconds_left}
    with suppress(OSError):
        write_json(folder / FILE, work)


def last_heartbeat(folder: Path) -> Heartbeat | None:
    """The heartbeat of the run in ``folder``, None if it has none."""
    path = folder / FILE
    work = {"title": str, "done": int, "total": int, "left": int | float}
    with suppress(OSError):
        return Heartbeat(time.time() - path.stat().st_mtime, facts(path, **work) or {})
    return None
