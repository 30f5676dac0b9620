"""How launched sweeps stand, in numbers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.launch.plan import Plan, PlannedRun
from harness.launch.state import FINAL, Standing, State, standing
from harness.records.store import Store

Entry = Mapping[str, Any]

_STATES: dict[str, State] = {"taken": "running", "cancelled": "interrupted"}


@dataclass(frozen=True)
class Overview:
    """The runs of a sweep, where each stands, and what is known of those that were not launched here."""

    plan: Plan
    runs: list[PlannedRun]
    standings: dict[str, Standing]

    @property
    def states(self) -> Counter[str]:
        """How many runs are in each state."""
        return Counter(one.state for one in self.standings.values())

    @property
    def spent(self) -> float:
        """Device-seconds so far, of all attempts."""
        return sum(one.spent for one in self.standings.values())

    @property
    def scale(self) -> float:
        """How many seconds the finished runs took for each that was estimated."""
        known = [run for run in self.runs if run.seconds and self.standings[run.id].state == "done"]
        estimated = sum(run.seconds or 0 for run in known)
        return sum(self.standings[run.id].spent for run in known) / estimated if estimated else 1.0

    def left(self, run: PlannedRun) -> float:
        """Device-seconds that ``run`` will still take, 0 where there is no estimate."""
        one = self.standings[run.id]
        return (
            0.0 if one.state in FINAL else max(one.work.get("left", 0.0), self.scale * (run.seconds or 0) - one.spent)
        )

    @property
    def unknown(self) -> int:
        """How many unfinished runs have no estimate."""
        return sum(run.seconds is None and self.standings[run.id].state not in FINAL for run in self.runs)


def overview(plan: Plan, store: Store, entries: Mapping[str, Entry]) -> Overview:
    """How ``plan`` stands on ``store``; runs that this store knows nothing of may be ``entries`` of the queue."""
    runs = plan.runs()
    standings = {run.id: standing(store.run(run.id)) for run in runs}
    for run, entry in entries.items():
        if run in standings and not standings[run].attempts:
            standings[run] = _of_entry(entry)
    return Overview(plan, runs, standings)


def _of_entry(entry: Entry) -> Standing:
    worker = entry.get("worker", "")
    queued = Standing(entry["status"], entry.get("reason"), entry.get("spent", 0.0), 0.0, entry["tries"], worker)
    if entry["is_silent"]:
        return replace(queued, state="dead", reason=f"{worker} is silent")
    return replace(queued, state=_STATES.get(entry["status"], queued.state))


def others(store: Store, overviews: list[Overview]) -> dict[str, Standing]:
    """Where the runs stand that belong to no launched sweep."""
    planned = {run.id for one in overviews for run in one.runs}
    folders = [folder for folder in store.folders() if folder.path.name not in planned]
    return {folder.path.name: standing(folder) for folder in folders}
