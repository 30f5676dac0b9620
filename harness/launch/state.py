"""Where a run stands, told by its folder alone. Reading changes nothing."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from platform import node
from typing import Any, Literal

from harness.records.heartbeat import SILENCE_SECONDS, Heartbeat, last_heartbeat
from harness.records.schema import Attempt, DamagedRecord, Record
from harness.records.store import RunFolder

State = Literal["queued", "running", "done", "failed", "diverged", "interrupted", "dead"]
FINAL = frozenset({"done", "failed", "diverged"})
"""States that no launcher changes: the run is done, or has shown that it fails."""


@dataclass(frozen=True)
class Standing:
    """The state of a run.

    Attributes:
        state: ``dead`` is a run whose record says running and whose process is gone or silent.
        reason: why it failed, diverged or was interrupted.
        spent: device-seconds of all attempts so far, also of those that came to nothing.
        elapsed: seconds since the last attempt began, if it is running.
        attempts: how many times it was started.
        worker: the process of the last attempt.
        result: the last error or perplexity that it recorded, of one that is done.
        work: what it is at: ``title``, ``done`` of ``total`` steps, seconds ``left``.
    """

    state: State = "queued"
    reason: str | None = None
    spent: float = 0.0
    elapsed: float = 0.0
    attempts: int = 0
    worker: str = ""
    result: str = ""
    work: dict[str, Any] = field(default_factory=dict)


def standing(folder: RunFolder) -> Standing:
    """Where the run in ``folder`` stands; ``queued`` if it was never started."""
    try:
        record = folder.record()
    except DamagedRecord as error:
        return Standing("dead" if folder.is_unfinished() else "failed", f"damaged record: {error}")
    if record is None or not record.attempts:
        return Standing()
    beat = last_heartbeat(folder.path) or Heartbeat(time.time() - _changed(folder.record_path), {})
    seconds = _seconds(record.attempts, beat)
    last = record.attempts[-1]
    state: State = "dead" if record.status == "running" and not _lives(last, beat) else record.status
    return Standing(
        state=state,
        reason=_silence(last, beat) if state == "dead" else record.reason,
        spent=sum(seconds),
        elapsed=seconds[-1] if state == "running" else 0.0,
        attempts=len(record.attempts),
        worker=f"process {last.pid} on {last.host}",
        result=_result(record) if state == "done" else "",
        work=beat.work if state == "running" else {},
    )


def _lives(attempt: Attempt, beat: Heartbeat) -> bool:
    """A process here is seen; of one elsewhere only its heartbeat is known, and one from far ahead of this clock says
    nothing: it stays young for as long as the clocks differ."""
    if attempt.host == node():
        return beat.age < SILENCE_SECONDS and _exists(attempt.pid)
    return abs(beat.age) < SILENCE_SECONDS


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # removed since it was read
        return 0.0


def _result(record: Record) -> str:
    """The test error, or the test perplexity, of a finished run."""
    last = record.metrics.get("last", {})
    units = {"test_error": " %", "test_perplexity": ""}
    return ", ".join(f"{name.replace('_', ' ')} {last[name]:.2f}{unit}" for name, unit in units.items() if name in last)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _seconds(attempts: Sequence[Attempt], beat: Heartbeat) -> list[float]:
    """How long each attempt lasted; one that never said that it ended lasted until the last sign of life, or until the
    next one began."""
    begun = [datetime.fromisoformat(attempt.started).timestamp() for attempt in attempts]
    ends = [*begun[1:], time.time() - max(0.0, beat.age)]
    lasted = [
        end - start if attempt.seconds is None else attempt.seconds
        for attempt, start, end in zip(attempts, begun, ends, strict=True)
    ]
    return [max(0.0, seconds) for seconds in lasted]


def _silence(attempt: Attempt, beat: Heartbeat) -> str:
    when = f"{beat.age:.0f} s ago" if beat.age >= 0 else f"dated {-beat.age:.0f} s ahead of this clock"
    return f"process {attempt.pid} on {attempt.host} is gone or silent, last sign of life {when}"
