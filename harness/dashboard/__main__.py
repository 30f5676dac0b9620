"""`python -m harness.dashboard`: the runs in the browser, in Omniboard. Ctrl-C ends all of it.

Without --mongo-url and CONAS_MONGO_URL a database server is started beside it, filled from the files and kept up to
date; its directory may be deleted at any time. Both listen on loopback only. With one of them an existing MongoDB is
used.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from pymongo.errors import PyMongoError

from conas.refusal import Refused
from harness.console.places import add_mongo_url, add_store
from harness.dashboard import guarded, services
from harness.deadline import interrupt
from harness.mongo.database import Database, reason
from harness.records.store import Store, claim
from harness.sync import Outcome, Sync

_SECONDS_BETWEEN_SYNCS = 5.0


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.dashboard", description=__doc__)
    add_store(parser)
    add_mongo_url(parser)
    parser.add_argument("--port", type=port, default=9000, help="Omniboard's port (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        serve(Path(chosen.store), chosen.mongo_url, chosen.port)
    except KeyboardInterrupt:
        print("dashboard ended", flush=True)
        return 0
    except PyMongoError as error:
        print(reason(error), file=sys.stderr)
        return 1
    except (Refused, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def serve(root: Path, url: str | None, port: int) -> NoReturn:
    """Show the runs below ``root`` until interrupted.

    Raises:
        NoStore: there is nothing at ``root``.
        ServiceError: a program cannot be installed or started.
        DatabaseError: the address cannot be read.
        PyMongoError: the database is away or refuses.
    """
    store = Store(root)
    store.check_there()
    with _database(root, url) as address:
        sync = Sync(Database(address), store)
        outcome = sync(show_progress=sys.stderr.isatty())
        said = _say_new(outcome.refused, set())
        log = root / "omniboard.log"
        with services.omniboard(address, port, log) as omniboard:
            runs = outcome.uploaded + outcome.equal
            print(f"{runs} runs at http://{services.LOOPBACK}:{port} (Ctrl-C ends)", flush=True)
            _keep_up(sync, lambda: omniboard.poll() is None, said)
            raise services.ServiceError(f"Omniboard ended by itself (see {log})")


def _say_new(refused: list[str], said: set[str]) -> set[str]:
    """Say why runs are refused, but what was ``said`` the last time; what is said now."""
    for line in refused:
        if line not in said:
            print(line, file=sys.stderr, flush=True)
    return set(refused)


def _keep_up(sync: Callable[[], Outcome], is_watched: Callable[[], bool], said: set[str]) -> None:
    """Pass on what changes; a database that is away for a while has it all when it is back."""
    is_away = False
    while is_watched():
        time.sleep(_SECONDS_BETWEEN_SYNCS)
        try:
            outcome = sync()
        except (PyMongoError, OSError) as error:
            if not is_away:
                print(f"the database lags behind: {reason(error)}", file=sys.stderr, flush=True)
            is_away = True
        else:
            if is_away:
                print("the database is up to date again", file=sys.stderr, flush=True)
            is_away = False
            said = _say_new(outcome.refused, said)


def port(text: str) -> int:
    """The number of a port."""
    if not 1 <= (number := int(text)) <= 65_535:
        raise argparse.ArgumentTypeError(f"{number} (allowed: 1 to 65535)")
    return number


@contextmanager
def _database(root: Path, url: str | None) -> Iterator[str]:
    """The address of the database: ``url``, or that of a server of our own."""
    if url:
        yield Database(url).url
        return
    with claim(root / "database"), guarded.server(root / "database") as address:
        yield address


if __name__ == "__main__":
    sys.exit(main())
