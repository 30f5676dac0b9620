"""What a person sees while a run works: bars with an ETA on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable
from threading import RLock
from typing import Any

from tqdm import tqdm

# tqdm would make a lock at its first use, where a signal to stop can leave it half made, and share it among processes
tqdm.set_lock(RLock())

_SECONDS_BETWEEN_LINES = 30.0

Row = dict[str, Any]

_NAMES = {"supernet": "one-shot model"}
"""Stages that records call otherwise than people."""


def spoken(stage: str) -> str:
    """What people call a stage of the records."""
    return _NAMES.get(stage, stage)


class Bar:
    """The progress of one piece of work of ``total`` steps, and beside it that of the whole, of which ``ends`` is the
    expected end by the monotonic clock, if it is known; ``unit`` follows ``total``."""

    def __init__(
        self, title: str, total: int, done: int, say: Callable[[str], None], ends: float | None = None, unit: str = ""
    ) -> None:
        self.title, self.total, self.done, self.unit = title, total, done, unit
        self._say, self._ends = say, ends
        self._start, self._before = time.monotonic(), done
        self._spoken = self._start
        terminal = sys.stderr.isatty()
        self._bar = tqdm(total=total, initial=done, desc=title, leave=False, dynamic_ncols=True) if terminal else None

    def step(self, steps: int = 1, note: str = "") -> None:
        """``steps`` more are done."""
        self.done += steps
        if self._bar is not None:
            self._bar.set_postfix_str(", ".join(filter(None, [note, self._whole()])), refresh=False)
            self._bar.update(steps)
        elif time.monotonic() - self._spoken > _SECONDS_BETWEEN_LINES:
            self._spoken = time.monotonic()
            stage = f"{self.title}: {self.done}/{self.total}{self.unit}, {duration(self.seconds_left)} left"
            self._say(", ".join(filter(None, [stage, note, self._whole()])))

    def _whole(self) -> str:
        """How long the whole still takes: at least as long as this piece of it."""
        if self._ends is None:
            return ""
        return f"the run about {duration(max(self.seconds_left, self._ends - time.monotonic()))}"

    @property
    def seconds_left(self) -> float:
        """Seconds until the end at the pace so far."""
        pace = (time.monotonic() - self._start) / max(1, self.done - self._before)
        return pace * max(0, self.total - self.done)

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Reporter:
    """Where a run's messages, metrics and progress go. ``on_metric`` is told of every row of metrics.

    Attributes:
        current: the bar that was made last.
    """

    def __init__(self, on_metric: Callable[[Row], None] = lambda row: None) -> None:
        self.on_metric = on_metric
        self.current: Bar | None = None
        self._ends: float | None = None
        self._told: set[tuple[str, int]] = set()

    def say(self, line: str) -> None:
        """Print one line, above a bar if there is one."""
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()

    def expect(self, seconds: float) -> None:
        """Let bars say how far the whole is, which is expected to take so many ``seconds`` from now."""
        self._ends = time.monotonic() + seconds

    def bar(self, title: str, total: int, done: int = 0, unit: str = "") -> Bar:
        """A bar for ``total`` steps of which ``done`` are done; ``unit`` if they are no steps."""
        self.current = Bar(spoken(title), total, done, self.say, self._ends, unit)
        return self.current

    def metric(self, row: Row) -> None:
        """Pass on one row of metrics and print it."""
        self.replay(row)
        figures = "  ".join(f"{name} {value:.4g}" for name, value in row.items() if isinstance(value, float))
        self.say(f"{spoken(row['stage'])} epoch {row['epoch']}: {figures}")

    def replay(self, row: Row) -> None:
        """Pass on a row of an earlier attempt or a shared stage, once."""
        if (row["stage"], row["epoch"]) not in self._told:
            self._told.add((row["stage"], row["epoch"]))
            self.on_metric(row)


def duration(seconds: float) -> str:
    """A time span for people: ``42 s``, ``3 min 10 s``, ``9 h 36 min``, ``12.3 days``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 172_800:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{seconds / 86_400:.1f} days"
