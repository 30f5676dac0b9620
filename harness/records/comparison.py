"""A run that was made twice: what differs of all that must repeat to the bit, and where it begins."""

from collections.abc import Mapping
from typing import Any

from harness.records.metrics import Row
from harness.records.schema import Record

_REPEATED = ("status", "genotype", "counts", "metrics", "weights")
"""What the seed decides of a record, and neither the clock nor the machine, beside what its search reports."""


def differences(theirs: Record, their_rows: list[Row], ours: Record, our_rows: list[Row]) -> list[str]:
    """What differs, and then also the processors, if they do; empty if everything is the same."""
    found = [name for name in _REPEATED if getattr(theirs, name) != getattr(ours, name)]
    if not _agree(_reported(theirs), _reported(ours)):
        found.append("search")
    if their_rows != our_rows:
        found.append(_first(their_rows, our_rows))
    if found and _devices(theirs) != _devices(ours):
        found.append(f"processor ({_devices(theirs)}; here {_devices(ours)})")
    return found


def _reported(record: Record) -> Mapping[str, Any] | None:
    """The details of the search but for the notes, which say in words what other figures say."""
    if record.search is None:
        return None
    return {name: value for name, value in record.search.details.items() if name != "notes"}


def _agree(theirs: Any, ours: Any) -> bool:
    """Whether two reports say the same wherever both say something: a later version may say more."""
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        return all(_agree(theirs[name], ours[name]) for name in theirs.keys() & ours.keys())
    if isinstance(theirs, list) and isinstance(ours, list):
        return len(theirs) == len(ours) and all(map(_agree, theirs, ours))
    return bool(theirs == ours)


def _first(their_rows: list[Row], our_rows: list[Row]) -> str:
    """The first figure that differs in a stage and epoch that both have; if there is none, only that rows differ."""
    ours = {(row["stage"], row["epoch"]): row for row in our_rows}
    for theirs in their_rows:
        stage, epoch = theirs["stage"], theirs["epoch"]
        for name, here in ours.get((stage, epoch), {}).items():
            if theirs.get(name) != here:
                return f"metrics from epoch {epoch} of {stage!r} on ({name} {theirs.get(name)}, here {here})"
    return "metrics of every epoch"


def _devices(record: Record) -> str:
    return " and ".join(sorted({attempt.device for attempt in record.attempts})) or "unknown"


def by_the_clock(record: Record) -> bool:
    """Whether the search ended after so many seconds, so that no other run has its bits."""
    search = record.config.get("search", {})
    return any(search.get(limit) is not None for limit in ("seconds", "device_seconds"))
