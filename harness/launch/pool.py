"""Makes runs, several at once, each in a process of its own, wherever they come from."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any, Protocol

from harness.launch.child import Child, Ending
from harness.records.store import RunFolder, Store

_SECONDS_BETWEEN_BEATS = 1.0
_SECONDS_TO_END = 30.0


@dataclass(frozen=True)
class Job:
    """A run to be made.

    Attributes:
        id: its name.
        sweep: the sweep it belongs to.
        config: its configuration as plain data.
        seconds: what it will still take, None if unknown.
        title: what people call it.
        model: the same for runs that may share a trained model: one of them trains it and the others wait.
    """

    id: str
    sweep: str
    config: dict[str, Any]
    seconds: float | None
    model: str
    title: str = ""

    @property
    def folder(self) -> RunFolder:
        """The folder of the run."""
        return Store(self.config["runs_dir"]).run(self.id)


class Source(Protocol):
    """Where runs come from and where it is noted how they end."""

    def take(self) -> Job | None:
        """A run to start now, None if there is none at the moment."""

    def ended(self, job: Job, ending: Ending) -> None:
        """``job`` ended, and not because the pool ended it."""

    def beat(self, running: Collection[Job]) -> Collection[str]:
        """Told every second of what runs; the names of those which are to be stopped."""

    def stopped(self, job: Job) -> None:
        """``job`` was ended by the pool, and goes on where it is when it is started again."""

    def is_exhausted(self) -> bool:
        """Whether `take` will never give anything again once nothing runs."""


class Pool:
    """Makes the runs of ``source``, one for each of ``environments`` at once: the variables of a slot's processes."""

    def __init__(self, source: Source, environments: Sequence[Mapping[str, str]]) -> None:
        self._source, self._environments = source, environments
        self._children: dict[int, tuple[Job, Child]] = {}

    def run(self) -> None:
        """Make runs until the source is exhausted.

        Whatever interrupts this ends the processes in order: each records where it is, and goes on from there when it
        is started again.
        """
        try:
            while True:
                self._fill()
                if not self._children and self._source.is_exhausted():
                    return
                self._collect()
                self._stop(self._source.beat([job for job, _ in self._children.values()]))
        finally:
            self.stop()

    def stop(self) -> None:
        """End all processes in order."""
        self._stop([job.id for job, _ in self._children.values()])

    def _fill(self) -> None:
        for slot, environment in enumerate(self._environments):
            if slot not in self._children and (job := self._source.take()):
                self._children[slot] = job, Child(job.config, job.folder.path, environment)

    def _collect(self) -> None:
        """Wait until a process ends, or a second."""
        connection.wait([child.sentinel for _, child in self._children.values()], _SECONDS_BETWEEN_BEATS)
        for slot, (job, child) in list(self._children.items()):
            if ending := child.ending:
                del self._children[slot]
                self._source.ended(job, ending)

    def _stop(self, names: Collection[str]) -> None:
        """Interrupt runs and wait for them; those that do not end are killed."""
        slots = [slot for slot, (job, _) in self._children.items() if job.id in names]
        limit = time.monotonic() + _SECONDS_TO_END
        while alive := [child for slot in slots if (child := self._children[slot][1]).ending is None]:
            for child in alive:
                child.interrupt() if time.monotonic() < limit else child.kill()
            connection.wait([child.sentinel for child in alive], _SECONDS_BETWEEN_BEATS)
        for slot in slots:
            self._source.stopped(self._children.pop(slot)[0])
