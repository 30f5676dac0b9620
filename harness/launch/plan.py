"""What a sweep is to make and who was told to make it, kept beside the runs.

::

    ROOT/sweeps/NAME-PROFILE/   plan.json      its runs, with their commands and estimates
                                events.jsonl   launches and cancellations, append-only

Whoever asks how a sweep stands reads this, and need not expand it again.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from platform import node
from typing import Annotated, Any

from pydantic import BaseModel, Field

from conas.names import unknown
from conas.refusal import Refused
from harness.records.files import Lines, read_json, write_json
from harness.records.store import Store, now


class PlannedRun(BaseModel):
    """One run of a sweep: its name, the command that makes it, its estimated device-seconds (None: not known), and what
    people call it."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")]
    command: str
    seconds: float | None
    title: str = ""


class PlanError(Refused, ValueError):
    """A sweep that was never launched here."""


@dataclass(frozen=True)
class Plan:
    """The sweep ``name`` in ``profile``, recorded in ``folder``."""

    name: str
    profile: str
    folder: Path

    @classmethod
    def of(cls, store: Store, sweep: str, profile: str) -> "Plan":
        """The plan of ``sweep``, a name or a file; it need not exist yet."""
        name = Path(sweep).stem
        return cls(name, profile, store.root / "sweeps" / f"{name}-{profile}")

    def save(self, runs: Iterable[PlannedRun]) -> None:
        """Say which runs the sweep has."""
        planned = [run.model_dump() for run in runs]
        write_json(self.folder / "plan.json", {"name": self.name, "profile": self.profile, "runs": planned})

    def runs(self) -> list[PlannedRun]:
        """The runs of the sweep, in the order of its rows.

        Raises:
            PlanError: the plan cannot be read.
        """
        return _said(self.folder / "plan.json").runs

    @property
    def _events(self) -> Lines:
        return Lines(self.folder / "events.jsonl")

    def launched(self, by: str, command: str, **facts: Any) -> None:
        """Record that a launcher (``local``, ``slurm``, ``queue``) was told to make the sweep, and by which command."""
        where = {"host": node(), "pid": os.getpid(), "at": now()}
        self._events.append({"launched": by, "command": command, **where, **facts})

    def launches(self) -> list[dict[str, Any]]:
        """Every launch, oldest first."""
        return [event for event in self._events if _is_launch(event)]

    def last_launch(self) -> dict[str, Any] | None:
        """The newest launch, None if it was never launched: a launcher that fails records none."""
        return next(reversed(self.launches()), None)

    def cancel(self) -> None:
        """Tell all launchers of the sweep, on whatever machine, to end; a later launch starts it again."""
        self._events.append({"cancelled": now()})

    def is_cancelled(self) -> bool:
        """Whether it was cancelled after the last launch."""
        events = list(self._events)
        return bool(events) and "cancelled" in events[-1]

    def launch(self) -> "Launch":
        """A launch that begins now."""
        return Launch(self, self.cancellations())

    def cancellations(self) -> int:
        """How often it was cancelled."""
        return sum("cancelled" in event for event in self._events)


@dataclass(frozen=True)
class Launch:
    """A launch of ``plan``, which had been cancelled so many times before."""

    plan: Plan
    cancellations: int

    def is_cancelled(self) -> bool:
        """Whether the plan was cancelled since, launched again or not."""
        return self.plan.cancellations() > self.cancellations


def plans(store: Store) -> Iterator[Plan]:
    """Every sweep that was launched on ``store``, by name."""
    for path in sorted((store.root / "sweeps").glob("*/plan.json")):
        with suppress(PlanError):
            said = _said(path)
            yield Plan(said.name, said.profile, path.parent)


def unreadable(store: Store) -> Iterator[str]:
    """A line for every plan that cannot be read; launching the sweep again writes it anew."""
    for path in sorted((store.root / "sweeps").glob("*/plan.json")):
        try:
            _said(path)
        except PlanError as error:
            yield str(error)


class _Said(BaseModel):
    """What a plan's file says."""

    name: str
    profile: str
    runs: list[PlannedRun]


def _said(path: Path) -> _Said:
    try:
        return _Said.model_validate(read_json(path))
    except (OSError, ValueError) as error:
        raise PlanError(f"{path} cannot be read ({str(error).splitlines()[0]}): launch the sweep again") from error


def _is_launch(event: dict[str, Any]) -> bool:
    names = ("launched", "command", "host", "at")
    is_told = all(isinstance(event.get(name), str) for name in names) and isinstance(event.get("pid"), int)
    jobs = event.get("jobs", {})
    return is_told and isinstance(jobs, dict) and all(isinstance(job, str) for job in jobs.values())


def named(store: Store, names: Iterable[str]) -> list[Plan]:
    """The launched sweeps called ``names``, in any profile; all of them if no name is given.

    Raises:
        PlanError: a sweep of this name was never launched.
    """
    launched = list(plans(store))
    wanted = [Path(name).stem for name in names]
    if wanted and not launched:
        raise PlanError(f"no sweep was launched in {store.root}")
    for name in wanted:
        if name not in {plan.name for plan in launched}:
            raise PlanError(unknown("launched sweep", name, {plan.name for plan in launched}))
    return [plan for plan in launched if not wanted or plan.name in wanted]
