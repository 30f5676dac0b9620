"""The observer behind Sacred's ``-m``: it mirrors a run's folder into MongoDB, and never stops or delays the run.

Sacred's own MongoObserver sends each event once, so what happens while the server is away is lost, and its queued one
waits for the server for ever. Here the run writes files; a thread of its own makes the database equal to them every few
seconds. An outage is nothing but a longer pause, and when a run ends before the server is back, `harness.sync` does the
same later.
"""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from pymongo.errors import PyMongoError
from sacred import Experiment
from sacred.observers import RunObserver

from harness.console.places import URL_VARIABLE
from harness.console.refusal import RefusedError
from harness.mongo.database import Database, DatabaseError, reason, upload
from harness.records.store import RunFolder

FolderOf = Callable[[Mapping[str, Any]], RunFolder]

_SECONDS_BETWEEN_UPLOADS = 10.0
_SECONDS_AT_THE_END = 10.0
_log = logging.getLogger("conas.mirror")


def attach(
    experiment: Experiment,
    folder_of: FolderOf,
    interval: float = _SECONDS_BETWEEN_UPLOADS,
    patience: float = _SECONDS_AT_THE_END,
) -> None:
    """Let ``experiment`` mirror its runs into the database of ``-m`` or of the variable CONAS_MONGO_URL, if any.

    ``-m`` takes HOST:PORT:DATABASE, DATABASE or a mongodb:// address; ``folder_of(config)`` is the folder of the run
    with that configuration. The address reaches neither the run's record nor its output.
    """

    @experiment.option_hook
    def observe(options: dict[str, Any]) -> None:
        address = options.pop("--mongo_db", None) or os.environ.get(URL_VARIABLE)
        others = [observer for observer in experiment.observers if not isinstance(observer, Mirror)]
        mirrors = [Mirror(_database(address), folder_of, interval, patience)] if address else []
        experiment.observers[:] = [*others, *mirrors]


def _database(address: str) -> Database:
    try:
        return Database(address)
    except DatabaseError as error:
        raise RefusedError(str(error)) from None


class Mirror(RunObserver):
    """Keeps ``database`` equal to the folder of one run: every ``interval`` seconds, and for up to ``patience`` seconds
    after its end."""

    def __init__(
        self,
        database: Database,
        folder_of: FolderOf,
        interval: float,
        patience: float,
    ) -> None:
        self._database, self._folder_of = database, folder_of
        self._interval, self._patience = interval, patience
        self._ended, self._given_up = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="mirror", daemon=True)
        self._known: dict[str, str] = {}
        self._is_away = self._is_equal = False

    def started_event(
        self, ex_info: Any, command: str, host_info: Any, start_time: Any, config: Any, meta_info: Any, _id: Any
    ) -> str:
        """Begin; the run's name is its id."""
        self._folder = self._folder_of(config)
        self._thread.start()
        return self._folder.path.name

    def completed_event(self, stop_time: Any, result: Any) -> None:
        """Finish: the run is done."""
        self._finish()

    def interrupted_event(self, interrupt_time: Any, status: str) -> None:
        """Finish: the run was interrupted."""
        self._finish()

    def failed_event(self, fail_time: Any, fail_trace: Any) -> None:
        """Finish: the run failed."""
        self._finish()

    def _finish(self) -> None:
        self._ended.set()
        self._thread.join(self._patience)
        self._given_up.set()
        if not self._is_equal:
            _log.warning(
                "%s is not in %s as it is now: `make sync` uploads it later",
                self._folder.path.name,
                self._database.name,
            )

    def _follow(self) -> None:
        pause = quick = min(1.0, self._interval)
        while not self._ended.wait(pause):
            self._push()
            pause = min(2 * pause, self._interval)
        self._is_equal = self._push()
        while not self._is_equal and not self._given_up.wait(quick):
            self._is_equal = self._push()
        self._database.close()

    def _push(self) -> bool:
        """Upload what is new; whether that worked."""
        try:
            self._known, refused = upload(self._database, [self._folder], self._known)
        except (PyMongoError, OSError) as error:
            self._say_once(reason(error))
            return False
        if refused:
            self._say_once(refused[0])
            return False
        if self._is_away:
            self._is_away = False
            _log.warning("%s is back, and the run is in it", self._database.name)
        return True

    def _say_once(self, why: str) -> None:
        if not self._is_away:
            self._is_away, self._known = True, {}
            _log.warning("%s cannot be written to (%s); the run goes on in its files", self._database.name, why)
