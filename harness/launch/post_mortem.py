"""Failure is data: records of runs that could not say themselves how they ended."""

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from platform import node
from typing import Any

from harness.launch.state import FINAL, Standing, standing
from harness.records.schema import Attempt, DamagedRecord, Record
from harness.records.store import AlreadyRunning, RunFolder, now

LOG = "launch.log"
"""The file in a run's folder that has the last words of its processes."""
TRIED_AGAIN = ("killed", "fault")
"""Endings of a process that say nothing against its run."""


def what_ended(folder: RunFolder, ending: str) -> str:
    """What an ending of `TRIED_AGAIN` was, in a few words, with the reason that the record of a fault has."""
    if ending == "killed":
        return "its process was killed"
    return f"its device failed or was full: {standing(folder).reason}"


def end(folder: RunFolder, config: Mapping[str, Any]) -> Standing:
    """How the run of ``config``, whose process ended by itself, stands: failed, if that could not record why."""
    found = standing(folder)
    if found.state in FINAL:
        return found
    return give_up(folder, config, f"its process ended with an error: see {folder.path / LOG}")


def give_up(folder: RunFolder, config: Mapping[str, Any], reason: str) -> Standing:
    """Record that the run of ``config`` has failed, as its processes cannot; checkpoints stay. How it stands then:
    failed also where nothing can be written."""
    with suppress(AlreadyRunning, DamagedRecord, OSError), folder.claim():
        record = folder.record() or _unstarted(folder, config)
        if record.status != "done":
            _fail(folder, record, reason)
    found = standing(folder)
    return found if found.state in FINAL else replace(found, state="failed", reason=reason)


def queue_again(folder: RunFolder, states: Collection[str]) -> bool:
    """Let launchers start a run again that is in one of ``states``; its attempts stay in the record. Whether it is so.

    A record that cannot be read is left alone: `harness/status.py` names it.
    """
    if not folder.record_path.exists():
        return False
    with suppress(AlreadyRunning, DamagedRecord), folder.claim():
        record = folder.record()
        if record is not None and record.status in states:
            record.status, record.reason = "queued", None
            folder.save(record)
            return True
    return False


def refuse(folder: RunFolder, config: Mapping[str, Any], reason: str) -> None:
    """Record that this process refused the run of ``config``, unless it has recorded how the run ended."""
    with suppress(AlreadyRunning, DamagedRecord), folder.claim():
        record = folder.record() or _unstarted(folder, config)
        ours = any((attempt.host, attempt.pid) == (node(), os.getpid()) for attempt in record.attempts[-1:])
        if ours and record.status in FINAL:
            return
        if not ours:
            record.attempts.append(_attempt())
        _fail(folder, record, reason)


def _fail(folder: RunFolder, record: Record, reason: str) -> None:
    """Let the run, and its last attempt, have failed; one that was never recorded has an attempt of this process."""
    record.attempts = record.attempts or [_attempt()]
    record.status, record.reason = "failed", reason
    for attempt in record.attempts[-1:]:
        attempt.status, attempt.ended = "failed", attempt.ended or now()
    folder.save(record)


def _attempt() -> Attempt:
    return Attempt(started=now(), host=node(), pid=os.getpid(), device="none")


def _unstarted(folder: RunFolder, config: Mapping[str, Any]) -> Record:
    """A record of the failed run of ``config`` without an attempt."""
    named = {name: config[name] for name in ("method", "dataset", "seed", "profile")}
    return Record(key=folder.path.name.rpartition("-")[2], status="failed", config=dict(config), attempts=[], **named)
