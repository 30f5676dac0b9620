"""`python harness/status.py`: how the launched sweeps stand. It only looks, unless it is told to retry or to cancel.

python harness/status.py [--watch] [SWEEP...]
python harness/status.py retry --failed [SWEEP...]     let failed runs be started again
python harness/status.py cancel SWEEP...               end launchers and runs, on all machines; `all`: everything
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

if __package__ in (None, ""):  # started as a script: the checkout's root takes the place of this folder
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import harness  # noqa: F401 - before all that it may miss

# isort: split
from pymongo.errors import PyMongoError

from conas.refusal import Refused
from harness.console.pipes import piped
from harness.console.places import WHICH_DATABASE, add_mongo_url, add_store
from harness.console.plain import plain
from harness.console.progress import duration
from harness.launch import slurm
from harness.launch.overview import Overview, others, overview
from harness.launch.plan import Plan, named, unreadable
from harness.launch.post_mortem import queue_again
from harness.launch.queue import Queue
from harness.launch.state import Standing, State
from harness.mongo.database import Database, reason, without_password
from harness.records.store import Store, now

_DAY = 86_400
_SECONDS_BETWEEN_LOOKS = 5.0
_CLEAR = "\033[H\033[2J"
_SHOWN: tuple[State, ...] = ("running", "dead", "failed", "diverged")
"""States whose runs are shown one by one; of the others only the number counts."""


@dataclass(frozen=True)
class Where:
    """The store, and the queue if a database is named."""

    store: Store
    queue: Queue | None

    def overviews(self, plans: list[Plan]) -> tuple[list[Overview], str]:
        """How ``plans`` stand here and in the queue, and why nothing is known of the queue, empty if it is."""
        try:
            entries = [self.queue.of(plan.name) if self.queue else {} for plan in plans]
            trouble = ""
        except PyMongoError as error:
            entries = [{} for _ in plans]
            trouble = f"the queue is not shown: {reason(error)}"
        return [overview(plan, self.store, known) for plan, known in zip(plans, entries, strict=True)], trouble


class NoQueue(Refused):
    """A sweep waits in a queue that was not named."""


def main(arguments: list[str] | None = None) -> int:
    """The command line; 1 if a name is unknown or a database or Slurm cannot be used."""
    parser = _parser()
    options = parser.parse_intermixed_args(arguments)  # `retry --failed SWEEP`, too
    command, names = _command(options.words, parser)
    states = [state for state in ("failed", "diverged") if getattr(options, state)]
    if command == "retry" and not states:
        parser.error("retry which runs? --failed, --diverged")
    if options.watch and command != "show":
        parser.error(f"--watch does not go with {command}")
    if states and command != "retry":
        parser.error(f"--{states[0]} goes with retry")
    try:
        where = Where(Store(options.store), Queue(Database(options.mongo_url)) if options.mongo_url else None)
        where.store.check_there()
        if command == "show":
            with piped():
                _show(where, names, options.watch)
        elif command == "retry":
            _retry(where, named(where.store, names), states)
        else:
            _cancel(where, named(where.store, names))
    except (Refused, OSError) as error:
        print(f"error: {plain(error)}", file=sys.stderr)
        return 1
    except PyMongoError as error:
        print(f"error: the database of the queue: {reason(error)}", file=sys.stderr)
        return 1
    return 0


def _command(words: list[str], parser: argparse.ArgumentParser) -> tuple[str, list[str]]:
    """What to do, and the names of the sweeps, none for all of them."""
    command, names = (words[0], words[1:]) if words[:1] in (["retry"], ["cancel"]) else ("show", words)
    if command == "cancel" and not names:
        parser.error("cancel which sweeps? their names, or all")
    return command, [] if names == ["all"] else names


def _show(where: Where, names: list[str], is_watching: bool) -> None:
    while True:
        text = "\n".join(report(where, named(where.store, names)))
        print(_CLEAR + text if is_watching and sys.stdout.isatty() else text, flush=True)
        if not is_watching:
            return
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def report(where: Where, plans: list[Plan]) -> Iterator[str]:
    """What there is to say about ``plans``, line by line."""
    yield from map(plain, _report(where, plans))


def _report(where: Where, plans: list[Plan]) -> Iterator[str]:
    overviews, trouble = where.overviews(plans)
    for line in unreadable(where.store):
        yield f"skipped: {line}"
    for one in overviews:
        yield f"{one.plan.name}, profile {one.plan.profile}: {len(one.runs)} runs"
        yield f"  {_numbers(one)}"
        yield from (f"  {line}" for line in _runs(one))
        yield f"  {_launch(one)}"
    loose = others(where.store, overviews)
    if loose:
        states = Counter(standing.state for standing in loose.values())
        yield f"no launched sweep: {', '.join(f'{number} {state}' for state, number in sorted(states.items()))}"
        shown = (*_SHOWN, "interrupted")  # no launcher goes on with them
        yield from (f"  {_run(run, standing)}" for run, standing in loose.items() if standing.state in shown)
    spent = sum(one.spent for one in overviews) + sum(standing.spent for standing in loose.values())
    left = sum(one.left(run) for one in overviews for run in one.runs)
    if trouble:
        yield trouble
    yield f"in total {spent / _DAY:.3g} device-days spent, about {left / _DAY:.3g} left, at {now()}"


def _numbers(one: Overview) -> str:
    left = sum(one.left(run) for run in one.runs)
    states = ", ".join(f"{number} {state}" for state, number in sorted(one.states.items()))
    unknown = f" (and {one.unknown} runs without an estimate)" if one.unknown else ""
    at_once = one.states["running"]
    ready = f", ready in about {duration(left / at_once)}" if at_once else ""
    spent = f"{one.spent / _DAY:.3g} device-days spent, about {left / _DAY:.3g} left"
    return f"{states}; {spent}{unknown}{ready}"


def _runs(one: Overview) -> Iterator[str]:
    for state in _SHOWN:
        for run in one.runs:
            standing = one.standings[run.id]
            if standing.state == state:
                left = f", the run about {duration(one.left(run))}" if state == "running" else ""
                yield _run(run.title or run.id, standing) + left


def _run(run: str, standing: Standing) -> str:
    if standing.state != "running":
        return f"{standing.state:8} {run}: {standing.reason} ({standing.attempts} attempts)"
    work = standing.work
    if not work:
        since = f", for {duration(standing.elapsed)}" if standing.elapsed else ""  # unknown of another store's
        return f"{standing.state:8} {run}: by {standing.worker}{since}"
    share = f"{work['title']} {work['done']}/{work['total']}"
    share += f" ({100 * work['done'] / work['total']:.0f} %)" if work["total"] else ""
    return f"{standing.state:8} {run}: {share}, {duration(work['left'])} left of it"


def _launch(one: Overview) -> str:
    """Who was told last to make the sweep, and how to go on if nobody works on it."""
    last = one.plan.last_launch()
    if last is None:
        return "it was prepared and never launched: the launch failed, or this version cannot read it"
    again = without_password(last["command"])
    if one.plan.is_cancelled():
        return f"cancelled; to go on: {again}"
    if last["launched"] == "slurm":
        try:
            return f"{len(slurm.unfinished(one.plan))} Slurm jobs wait or work, submitted on {last['host']}"
        except slurm.SlurmError as error:
            return f"submitted to Slurm on {last['host']}, which does not answer here ({error})"
    if last["launched"] == "queue":
        return f"queued in {last.get('database')} for python harness/worker.py"
    is_open = one.states["queued"] + one.states["interrupted"] + one.states["dead"]
    if is_open and not one.states["running"]:
        return f"nobody works on it; to go on: {again}"
    return f"launched by process {last['pid']} on {last['host']}, {last['at']}"


def _retry(where: Where, plans: list[Plan], states: list[str]) -> None:
    for plan in plans:  # all of them before a database that does not answer
        runs = sum(queue_again(where.store.run(run.id), states) for run in plan.runs())
        last = plan.last_launch()
        again = without_password(last["command"]) if last else "launch the sweep again"
        print(f"{plan.name}: {runs} runs may start again; {plain(again)}")
    _change_entries(where, plans, states, "queued")


def _cancel(where: Where, plans: list[Plan]) -> None:
    for plan in plans:  # all of them before a database or a Slurm that does not answer
        plan.cancel()
        print(f"{plan.name}: launchers are told to end")
    try:
        _change_entries(where, plans, ["queued", "taken"], "cancelled")
    finally:
        for plan in plans:
            if jobs := slurm.cancel(plan):
                print(f"{plan.name}: {jobs} Slurm jobs cancelled")


def _change_entries(where: Where, plans: list[Plan], before: list[str], after: Literal["queued", "cancelled"]) -> None:
    """Raises NoQueue if a sweep has entries in a queue that was not named, which are as they were."""
    elsewhere = []
    for plan in plans:
        if where.queue and (entries := where.queue.change(plan.name, before, after)):
            print(f"{plan.name}: {entries} entries of {where.queue.name} {after}")
        last = plan.last_launch()
        if where.queue is None and last is not None and last["launched"] == "queue":
            elsewhere.append(f"{plan.name} in {last.get('database')}")
    if elsewhere:
        raise NoQueue(f"entries of {', '.join(elsewhere)} are as they were; the same again with {WHICH_DATABASE}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python harness/status.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", metavar="[retry|cancel] SWEEP", help="launched sweeps (default: all)")
    parser.add_argument("--watch", action="store_true", help=f"look again every {_SECONDS_BETWEEN_LOOKS:.0f} seconds")
    parser.add_argument("--failed", action="store_true", help="with retry: runs that failed")
    parser.add_argument("--diverged", action="store_true", help="with retry: runs whose training diverged")
    add_store(parser)
    add_mongo_url(parser)
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
