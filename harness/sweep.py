"""`python harness/sweep.py table1`: make every run that a table needs, here, on Slurm, or by workers anywhere.

Runs that are done are left alone, interrupted ones go on where they stopped. Started twice, or from two machines on one
store, it makes nothing twice.
"""

import argparse
import math
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a script: the checkout's root takes the place of this folder
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import harness  # noqa: F401 - before all that it may miss

# isort: split
from pymongo.errors import PyMongoError

from conas.refusal import Refused
from harness.config import sweeps
from harness.config.grammar import ConfigError, setting
from harness.config.layers import cuda_devices, is_meant_for_gpu
from harness.console.pipes import piped
from harness.console.places import URL_VARIABLE, WHICH_DATABASE, add_data_dir, add_mongo_url, add_store
from harness.console.progress import duration
from harness.data.files import check_data_dir
from harness.deadline import interrupt
from harness.estimates.shared import Costs
from harness.launch import slurm
from harness.launch.console import INTERRUPTED, at_least, say, typed
from harness.launch.local import JobList, slots, workers
from harness.launch.pool import Job, Pool
from harness.launch.prepare import Prepared, prepare
from harness.launch.queue import Queue
from harness.launch.slurm import Resources, Submitter, minutes
from harness.launch.state import FINAL
from harness.mongo.database import Database, reason
from harness.records.store import Store


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 if all is done or handed over, 1 if a run is not, 130 if interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    options.command = typed("harness/sweep.py", sys.argv[1:] if arguments is None else arguments)
    if options.queue and not options.mongo_url:
        parser.error(f"--queue needs a database: {WHICH_DATABASE}")
    signal.signal(signal.SIGTERM, interrupt)
    try:
        if options.mongo_url:
            Database(options.mongo_url).close()  # refuses an address that no run could use
            os.environ[URL_VARIABLE] = options.mongo_url  # where the runs' processes look for it
        with piped():
            return _sweep(options)
    except (Refused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
    except PyMongoError as error:
        print(f"error: the database of the queue: {reason(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    return 1


def _sweep(options: argparse.Namespace) -> int:
    names = sweeps.named(options.sweeps)
    places = (("runs_dir", options.store), ("data_dir", options.data_dir))
    if named := {name for name, _ in map(setting, options.set)} & dict(places).keys():
        raise ConfigError(f"--set {min(named)}=... (--store and --data-dir say where runs and data are)")
    _refuse_devices(options)
    options.sbatch = {name.replace("-", "_"): value for name, value in map(setting, options.sbatch)}
    extra = (*_device(options), *map(setting, options.set), *places)
    _warn(options, dict(extra))
    if options.launcher == "slurm" and not (options.queue or options.dry_run):
        slurm.check()
    store, costs = Store(options.store), Costs()
    store.check_usable()
    if options.launcher == "local" and not options.queue:  # others may have data where they run
        check_data_dir(options.data_dir)
    prepared = prepare(store, names, options.profile, extra, costs)
    for sweep in prepared:
        _describe(sweep, options.dry_run)
    for line in costs.unknown:
        print(f"no estimate: {line}")
    # every row once before any row twice, so that a sweep which was stopped early has something to tell
    jobs = sorted((job for sweep in prepared for job in sweep.jobs()), key=lambda job: job.config["seed"])
    if options.dry_run:
        is_here = options.launcher == "local" and not options.queue
        print(f"# {len(jobs)} runs to make{f'; {_workers(jobs, options)[1]}' if is_here else ''}")
        return 0
    for sweep in prepared:
        sweep.save()
    return LAUNCHERS["queue" if options.queue else options.launcher](prepared, jobs, options)


def _refuse_devices(options: argparse.Namespace) -> None:
    """A launcher here, or a worker, shows each of its runs one CUDA device, which is cuda:0 to the run."""
    for name, value in map(setting, options.set):
        kind, _, number = value.partition(":")
        if options.launcher == "local" and (name, kind) == ("device", "cuda") and number not in ("", "0"):
            raise ConfigError(f"--set device={value} (CUDA_VISIBLE_DEVICES={number} chooses a device)")


def _device(options: argparse.Namespace) -> sweeps.Extra:
    """Who asks Slurm for GPUs means CUDA: a job that finds none is to fail, not to go on for weeks on a CPU."""
    return (("device", "cuda"),) if options.gpus else ()


def _warn(options: argparse.Namespace, extra: Mapping[str, Any]) -> None:
    """Say at once that nothing but CPUs will make runs that are meant for a GPU."""
    if is_meant_for_gpu(options.profile) and not extra.get("device", "").startswith("cuda") and not options.queue:
        if options.launcher == "slurm":
            print(f"# profile {options.profile} is meant for GPUs, and none is asked for: --gpus 1")
        elif not cuda_devices():
            print(f"# profile {options.profile} is meant for a GPU, and here is none (for a CPU: --profile laptop)")


def _describe(sweep: Prepared, with_commands: bool) -> None:
    """One line about a sweep and, if asked, the command of every run, as a script that a shell can read."""
    if with_commands:
        print(f"# {sweep.plan.name}, profile {sweep.plan.profile}")
        for config in sweep.configs:
            state, seconds = _shown(sweep.standings[config.id].state), sweep.seconds[config.id]
            about = "" if seconds is None else f", about {duration(seconds)}"
            print(f"{config.command}  # {state}{about}")
    states = ", ".join(f"{number} {_shown(state)}" for state, number in sorted(sweep.states.items()))
    left = _left(sweep.jobs())
    print(f"# {sweep.plan.name}, profile {sweep.plan.profile}: {len(sweep.configs)} runs: {states}; {left}")


def _shown(state: str) -> str:
    """What a state is called where nobody has queued anything yet."""
    return "not started" if state == "queued" else state


def _left(jobs: list[Job]) -> str:
    """How long ``jobs`` will take, as far as that is known."""
    known = [job.seconds for job in jobs if job.seconds is not None]
    if jobs and not known:
        return "no estimate"
    unknown = f" (and {len(jobs) - len(known)} runs without an estimate)" if len(known) < len(jobs) else ""
    return f"about {duration(sum(known))} left of one device like this machine's{unknown}"


def _workers(jobs: list[Job], options: argparse.Namespace) -> tuple[int, str]:
    per_device = options.per_device or _per_device(options)
    sharing = per_device and per_device * cuda_devices()
    return workers(options.workers, max((job.config["threads"] for job in jobs), default=1), sharing or None)


def _per_device(options: argparse.Namespace) -> int | None:
    """One where runs may need the memory of a whole device, no limit elsewhere."""
    is_on_cpu = dict(map(setting, options.set)).get("device") == "cpu"
    return 1 if is_meant_for_gpu(options.profile) and not is_on_cpu else None


def _local(prepared: list[Prepared], jobs: list[Job], options: argparse.Namespace) -> int:
    number, why = _workers(jobs, options)
    print(f"# {why}", flush=True)
    source = JobList(jobs, [sweep.plan.launch() for sweep in prepared], options.retries, say)
    for sweep in prepared:
        sweep.plan.launched("local", options.command)
    Pool(source, slots(number, cuda_devices())).run()
    before = Counter(state for sweep in prepared for state in sweep.states.elements() if state in FINAL)
    states = before + source.states
    print(f"# {', '.join(f'{number} {state}' for state, number in sorted(states.items()))}")
    return int(states.total() != states["done"])


def _slurm(prepared: list[Prepared], jobs: list[Job], options: argparse.Namespace) -> int:
    resources = Resources(
        options.time, options.partition, options.gpus, options.mem, at_once=options.workers, others=options.sbatch
    )
    plans = [sweep.plan for sweep in prepared]
    submitter = Submitter(plans, resources, options.retries, Path(options.store) / "slurm", options.command)
    number = submitter.submit(jobs)
    print(f"# {number} jobs submitted, {len(jobs) - number} runs have one already; see python harness/status.py")
    return 0


def _queue(prepared: list[Prepared], jobs: list[Job], options: argparse.Namespace) -> int:
    queue = Queue(Database(options.mongo_url))
    number = queue.put(jobs, options.retries)
    for sweep in prepared:
        sweep.plan.launched("queue", options.command, database=queue.name)
    known = len(jobs) - number
    print(f"# {number} runs queued in {queue.name}, {known} were there already; python harness/worker.py makes them")
    return 0


LAUNCHERS = {"local": _local, "slurm": _slurm, "queue": _queue}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python harness/sweep.py", description=__doc__, allow_abbrev=False)
    sweeps.add_sweeps(parser)
    parser.add_argument("--dry-run", action="store_true", help="print every command with its estimate, start nothing")
    parser.add_argument("--launcher", choices=("local", "slurm"), default="local")
    parser.add_argument("--queue", action="store_true", help="queue the runs in MongoDB for harness/worker.py instead")
    parser.add_argument(
        "--workers",
        type=at_least(1),
        metavar="N",
        help="runs at once (default: what the cores allow, on Slurm all)",
    )
    parser.add_argument(
        "--per-device",
        type=at_least(1),
        metavar="N",
        help="runs that share a CUDA device (default: 1 in profiles for a GPU, elsewhere as --workers)",
    )
    parser.add_argument(
        "--retries",
        type=at_least(0),
        default=2,
        metavar="N",
        help="for killed processes and failed devices (default: 2)",
    )
    add_store(parser)
    add_data_dir(parser)
    add_mongo_url(parser)
    asked = parser.add_argument_group("what every Slurm job asks for")
    asked.add_argument("--partition", metavar="NAME")
    asked.add_argument("--time", type=_minutes, default=240, help="as sbatch's; a run takes several (default: 4:00:00)")
    asked.add_argument(
        "--gpus", type=at_least(0), default=0, metavar="N", help="runs must have CUDA then, those of --queue, too"
    )
    asked.add_argument("--mem", type=gigabytes, metavar="GB")
    asked.add_argument("--sbatch", action="append", default=[], metavar="NAME=VALUE", help="any other option of sbatch")
    return parser


def _minutes(text: str) -> int:
    try:
        return minutes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def gigabytes(text: str) -> float:
    """How much memory ``text`` names."""
    if not 0 < (value := float(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text} (allowed: more than 0, a number)")
    return value


if __name__ == "__main__":
    sys.exit(main())
