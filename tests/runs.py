"""What tests of whole runs share: what must be the same bits, how a run is interrupted, what a folder holds."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from harness.console.progress import Reporter
from harness.records.store import RunFolder

T = TypeVar("T")

TINY: dict[str, Any] = {
    "dataset": "digits",
    "profile": "smoke",
    "threads": 1,
    "data": {"train_limit": 200, "test_limit": 60, "validation_limit": 60},
    "oneshot": {"epochs": 2, "batch_size": 32},
    "search": {"m": 12, "s": 3},
    "final": {"epochs": 2, "batch_size": 32},
}
"""The settings of the smallest real run on images."""


def result(folder: RunFolder) -> dict[str, Any]:
    """Everything that must be the same bits when the run is repeated, which has to be done."""
    record = folder.record()
    assert record is not None
    assert record.status == "done", record.reason
    told = record.model_dump(include={"genotype", "metrics", "counts", "weights"})
    return {**told, "details": record.search and record.search.details, "rows": folder.metrics.path.read_bytes()}


class Killed(BaseException):
    """What no code expects, so nothing is tidied up for it."""


class Interrupting(Reporter):
    """Presses Ctrl-C when the row of metrics of a stage and an epoch arrives."""

    def __init__(self, stage: str, epoch: int) -> None:
        super().__init__()
        self.when = stage, epoch

    def metric(self, row: dict[str, Any]) -> None:
        """Keep the row, and press if it is the one."""
        super().metric(row)
        if (row["stage"], row["epoch"]) == self.when:
            raise KeyboardInterrupt


class Telling(Reporter):
    """Keeps what is said in ``lines``."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        """Keep the line."""
        self.lines.append(line)


class Dying(Reporter):
    """Is killed when the row of an epoch arrives, of which there is no checkpoint yet."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def metric(self, row: dict[str, Any]) -> None:
        """Die, if it is the one; the row is lost."""
        if row["epoch"] == self.epoch:
            raise Killed


def wait_until(condition: Callable[[], T], seconds: float = 120) -> T:
    """Wait for something to become true, which is returned, and fail if it does not."""
    limit = time.monotonic() + seconds
    while not (it := condition()):
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.05)
    return it


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder``, by its path there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
