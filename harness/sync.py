"""`python -m harness.sync`: make a MongoDB database equal to the runs on disk. Running it again changes nothing.

Runs that the database has and this store has not are left as they are: they may be another machine's.
"""

import argparse
import sys
from dataclasses import dataclass, field

from pymongo.errors import PyMongoError
from tqdm import tqdm

from conas.refusal import Refused
from harness.console.places import WHICH_DATABASE, add_mongo_url, add_store
from harness.mongo.database import Database, reason, upload
from harness.mongo.snapshot import signature
from harness.records.store import RunFolder, Store

_RUNS_AT_ONCE = 25


@dataclass
class Outcome:
    """How many runs were uploaded, how many were equal already, and a line for every one that could not be."""

    uploaded: int = 0
    equal: int = 0
    refused: list[str] = field(default_factory=list)


class Sync:
    """Keeps ``database`` equal to ``store``; from the second time on only runs whose files changed are read.

    ``force`` uploads every run and all its files, for a database that was damaged by hand.
    """

    def __init__(self, database: Database, store: Store, force: bool = False) -> None:
        self._database, self._store = database, store
        self._seen: dict[str, tuple[int, ...]] = {}
        self._known: dict[str, str] | None = {} if force else None
        self._force = force

    def __call__(self, show_progress: bool = False) -> Outcome:
        """Upload what is missing or differs.

        Raises:
            PyMongoError: the database is away or refuses.
        """
        self._database.prepare()
        if self._known is None:
            self._known = self._database.digests()
        outcome, changed = Outcome(), [folder for folder in self._store.folders() if self._is_changed(folder)]
        with tqdm(total=len(changed), desc="sync", leave=False, disable=not show_progress) as bar:
            for start in range(0, len(changed), _RUNS_AT_ONCE):
                some = changed[start : start + _RUNS_AT_ONCE]
                self._known |= self._upload(some, self._known, outcome)
                bar.update(len(some))
        return outcome

    def _is_changed(self, folder: RunFolder) -> bool:
        return self._seen.get(folder.path.name) != signature(folder)

    def _upload(self, folders: list[RunFolder], known: dict[str, str], outcome: Outcome) -> dict[str, str]:
        seen = {folder.path.name: signature(folder) for folder in folders}
        digests, refused = upload(self._database, folders, known, self._force)
        equal = sum(digest == known.get(run) for run, digest in digests.items())
        outcome.equal += equal
        outcome.uploaded += len(digests) - equal
        outcome.refused += refused
        self._seen |= {run: seen[run] for run in digests}
        return digests


def main(arguments: list[str] | None = None) -> int:
    """The command line; 1 if the database could not be reached or a run could not be uploaded."""
    parser = argparse.ArgumentParser(prog="python -m harness.sync", description=__doc__)
    add_store(parser)
    add_mongo_url(parser)
    parser.add_argument("--force", action="store_true", help="upload every run, also those that seem equal")
    chosen = parser.parse_args(arguments)
    if not chosen.mongo_url:
        parser.error(f"which database? {WHICH_DATABASE}")
    try:
        database, store = Database(chosen.mongo_url), Store(chosen.store)
        store.check_there()
        outcome = Sync(database, store, chosen.force)(show_progress=sys.stderr.isatty())
    except (Refused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except PyMongoError as error:
        print(f"error: {database.name}: {reason(error)}", file=sys.stderr)
        return 1
    for line in outcome.refused:
        print(line, file=sys.stderr)
    print(
        f"{database.name}: {outcome.uploaded} uploaded, {outcome.equal} equal already, {len(outcome.refused)} refused"
    )
    return 1 if outcome.refused else 0


if __name__ == "__main__":
    sys.exit(main())
