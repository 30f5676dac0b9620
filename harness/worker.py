"""`python harness/worker.py`: make the runs that `python harness/sweep.py ... --queue` has queued, one after another.

Any number of workers, on any machines, share a queue: each run is made by one of them. If that one dies, another takes
the run after --lapse seconds and goes on from its checkpoint, if they share a store.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from platform import node
from typing import Any

if __package__ in (None, ""):  # started as a script: the checkout's root takes the place of this folder
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import harness  # noqa: F401 - before all that it may miss

# isort: split
from pymongo.errors import PyMongoError

from conas.refusal import Refused
from harness.config.layers import cuda_devices, needs_cuda
from harness.config.load import ConfigError, recorded
from harness.console.places import URL_VARIABLE, WHICH_DATABASE, add_data_dir, add_mongo_url, add_store
from harness.data.files import check_data_dir
from harness.deadline import interrupt
from harness.launch.console import INTERRUPTED, at_least, say
from harness.launch.local import slots
from harness.launch.pool import Job, Pool
from harness.launch.queue import Queue, Taken
from harness.mongo.database import Database, reason
from harness.records.heartbeat import SILENCE_SECONDS
from harness.records.store import Store


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 if the queue is empty, 130 if interrupted, 1 if the database or an entry cannot be used."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.mongo_url:
        parser.error(f"which database? {WHICH_DATABASE}")
    os.environ[URL_VARIABLE] = options.mongo_url  # where the runs' processes look for it
    signal.signal(signal.SIGTERM, interrupt)
    try:
        return _work(options)
    except (Refused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except PyMongoError as error:
        print(f"error: the database of the queue: {reason(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; its runs are queued again", file=sys.stderr)
        return INTERRUPTED


def _work(options: argparse.Namespace) -> int:
    queue, name = Queue(Database(options.mongo_url)), f"process {os.getpid()} on {node()}"
    queue.is_empty()  # a database that cannot be used is said at once
    Store(options.store).check_usable()
    check_data_dir(options.data_dir)
    places = {"runs_dir": options.store, "data_dir": options.data_dir}
    source = Taken(queue, name, job_in(places), say, options.lapse, options.forever)
    Pool(source, slots(options.workers, cuda_devices())).run()
    return int(bool(source.foreign))


def job_in(places: dict[str, Any]) -> Callable[[dict[str, Any]], Job]:
    """How this machine makes an entry's run: with its own ``places``.

    Raises:
        ConfigError: this checkout's run of that configuration is another one, as its version differs; or it is meant
            for a GPU, and here is none.
    """

    def job(entry: dict[str, Any]) -> Job:
        config = recorded({**entry["config"], **places})
        if config.id != entry["_id"]:
            raise ConfigError(f"{entry['_id']} was queued by another version: here the run would be {config.id}")
        if needs_cuda(config.device, config.profile) and not cuda_devices():
            raise ConfigError("it is meant for a GPU, and torch finds none here (for a CPU: --set device=cpu)")
        return Job(
            config.id,
            entry["sweep"],
            config.model_dump(mode="json"),
            entry["seconds"],
            entry["model"],
            entry.get("title", ""),
        )

    return job


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python harness/worker.py", description=__doc__)
    add_mongo_url(parser)
    parser.add_argument("--workers", type=at_least(1), default=1, metavar="N", help="runs at once (default: 1)")
    add_store(parser)
    add_data_dir(parser)
    parser.add_argument("--forever", action="store_true", help="wait for new entries when the queue is empty")
    parser.add_argument(
        "--lapse",
        type=float,
        default=SILENCE_SECONDS,
        metavar="SECONDS",
        help="silence after which other workers may take its runs (default: %(default).0f)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
