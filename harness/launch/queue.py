"""Runs that wait in MongoDB for workers on any machine, each taken by exactly one.

Sacred has a queue of its own, ``-q``: a document with the status QUEUED among the runs. Nothing takes it from there: it
has no owner, no sign of life and no order, and here the documents of runs are a mirror that follows from the files. So
the entries have a collection to themselves.

A taken entry is a worker's until it expires, which the worker puts off again and again. A worker that dies, or that
loses its machine or the network, lets it expire; then another one takes it, and the run goes on from its checkpoint if
the two share a store. All times are the server's, so that the workers' clocks may differ.
"""

import time
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from typing import Any, Literal

from pymongo import ASCENDING, ReturnDocument, UpdateOne
from pymongo.errors import PyMongoError

from harness.launch.child import Ending
from harness.launch.pool import Job
from harness.launch.post_mortem import TRIED_AGAIN, end, give_up, what_ended
from harness.launch.state import Standing, standing
from harness.mongo.database import Database, reason

Entry = dict[str, Any]

_SECONDS_UNTIL_BUSY_IS_TRIED_AGAIN = 10.0
_SECONDS_UNTIL_ANOTHER_VERSION_TRIES = 60.0
_BEATS_IN_A_LAPSE = 6
_SECONDS_WITHOUT_DATABASE = 600.0


class Queue:
    """The entries in ``database``."""

    def __init__(self, database: Database) -> None:
        self.name = database.name
        self._database = database
        self._entries = database.collection("queue")

    def put(self, jobs: Iterable[Job], retries: int) -> int:
        """Queue those of ``jobs``, none of which is done, that do not wait and are not worked on; how many these are.

        Raises:
            PyMongoError: the database is away or refuses.
        """
        now, updates = self._database.now(), []
        for position, job in enumerate(jobs):
            entry: Entry = {"sweep": job.sweep, "config": job.config, "seconds": job.seconds, "model": job.model}
            entry |= {"title": job.title, "retries": retries, "since": now, "place": position}
            fresh: Entry = {"status": "queued", "tries": 0, "not_before": now}
            updates.append(UpdateOne({"_id": job.id}, {"$setOnInsert": entry | fresh}, upsert=True))
            closed = {"_id": job.id, "status": {"$nin": ["queued", "taken"]}}  # also of a store that is no more
            updates.append(UpdateOne(closed, {"$set": entry | fresh}))
        if not updates:
            return 0
        done = self._entries.bulk_write(updates)
        return done.upserted_count + done.modified_count

    def take(self, worker: str, lapse: float) -> Entry | None:
        """An entry for ``worker``, nobody else's for ``lapse`` seconds; None if there is none now.

        Raises:
            PyMongoError: the database is away or refuses.
        """
        now = self._database.now()
        free = [{"status": "queued", "not_before": {"$lte": now}}, {"status": "taken", "expires": {"$lt": now}}]
        taken = {"status": "taken", "worker": worker, "expires": now + timedelta(seconds=lapse)}
        return self._entries.find_one_and_update(
            {"$or": free},
            {"$set": taken, "$inc": {"tries": 1}},
            sort=[("since", ASCENDING), ("place", ASCENDING)],
            return_document=ReturnDocument.AFTER,
        )

    def keep(self, worker: str, runs: Collection[str], lapse: float) -> set[str]:
        """Put off the end of the entries that ``worker`` works on; those that are its own no more.

        Raises:
            PyMongoError: the database is away or refuses.
        """
        own = {"_id": {"$in": list(runs)}, "worker": worker, "status": "taken"}
        self._entries.update_many(own, {"$set": {"expires": self._database.now() + timedelta(seconds=lapse)}})
        return set(runs) - {entry["_id"] for entry in self._entries.find(own, {"_id": 1})}

    def settle(self, worker: str, run: str, **facts: Any) -> None:
        """Write how an entry of ``worker`` ended; one that is another's by now is left alone.

        Raises:
            PyMongoError: the database is away or refuses.
        """
        self._entries.update_one({"_id": run, "worker": worker, "status": "taken"}, {"$set": facts})

    def release(self, worker: str, run: str, wait: float, counts: bool) -> None:
        """Give an entry of ``worker`` back, for others to take after ``wait`` seconds; whether it counts as a try.

        Raises:
            PyMongoError: the database is away or refuses.
        """
        back = {"status": "queued", "not_before": self._database.now() + timedelta(seconds=wait)}
        update = {"$set": back, "$inc": {"tries": 0 if counts else -1}}
        self._entries.update_one({"_id": run, "worker": worker, "status": "taken"}, update)

    def change(self, sweep: str, before: Collection[str], after: Literal["queued", "cancelled"]) -> int:
        """Change the status of the entries of ``sweep`` that have one of ``before``; how many there were.

        Raises:
            PyMongoError: the database is away or refuses.
        """
        fresh = {"status": after, "tries": 0, "not_before": self._database.now()}
        chosen = {"sweep": sweep, "status": {"$in": list(before)}}
        return self._entries.update_many(chosen, {"$set": fresh}).modified_count

    def of(self, sweep: str) -> dict[str, Entry]:
        """The entries of ``sweep`` by run, without configurations; ``is_silent`` if the worker has let it expire.

        Raises:
            PyMongoError: the database is away or refuses.
        """
        now, found = self._database.now(), list(self._entries.find({"sweep": sweep}, {"config": 0}))
        silent = {entry["_id"] for entry in found if entry["status"] == "taken" and entry["expires"] < now}
        return {entry["_id"]: {**entry, "is_silent": entry["_id"] in silent} for entry in found}

    def is_empty(self, but: Collection[str] = ()) -> bool:
        """Whether nothing waits and nothing is worked on, ``but`` these runs.

        Raises:
            PyMongoError: the database is away or refuses.
        """
        open_ones = {"status": {"$in": ["queued", "taken"]}, "_id": {"$nin": list(but)}}
        return self._entries.find_one(open_ones, {"_id": 1}) is None


class Taken:
    """A `Source` of the queue's entries for ``worker``; ``make`` turns an entry into a job on this machine.

    While the database is away the runs go on, and how they ended is told when it is back.

    Attributes:
        foreign: the runs of entries that another version has to make.

    Args:
        lapse: seconds of silence after which other workers may take an entry.
        forever: whether to wait for new entries when the queue is empty.
    """

    def __init__(
        self,
        queue: Queue,
        worker: str,
        make: Callable[[Entry], Job],
        say: Callable[[str], None],
        lapse: float,
        forever: bool,
    ) -> None:
        self._queue, self._worker, self._make, self._say = queue, worker, make, say
        self._lapse, self._forever = lapse, forever
        self.foreign: set[str] = set()
        self._tries: dict[str, tuple[int, int]] = {}
        self._untold: list[Callable[[], None]] = []
        self._beaten = self._answered = time.monotonic()
        self._trouble: PyMongoError | None = None

    def take(self) -> Job | None:
        """The next entry, as a job; those that are done already or were tried too often are settled."""
        while entry := self._answer(lambda: self._queue.take(self._worker, self._lapse), None):
            try:
                job = self._make(entry)
            except ValueError as error:
                self._leave(entry["_id"], error)
                continue
            self._tries[job.id] = entry["tries"], entry["retries"]
            if (found := standing(job.folder)).state == "done":
                self._settle(job, found)
            elif entry["tries"] > entry["retries"] + 1:
                self._give_up(job)
            else:
                self._say(f"start {job.id} ({job.sweep})")
                return job
        return None

    def _leave(self, run: str, why: ValueError) -> None:
        """Give the entry of ``run`` back to workers of its own version."""
        if run not in self.foreign:
            self._say(f"leave {run}: {why}")
        self.foreign.add(run)
        self._release(run, _SECONDS_UNTIL_ANOTHER_VERSION_TRIES, counts=False)

    def ended(self, job: Job, ending: Ending) -> None:
        """Tell the queue."""
        tries, retries = self._tries[job.id]
        if ending == "busy":
            self._say(f"wait  {job.id}: {standing(job.folder).worker or 'another process'} makes it")
            self._release(job.id, _SECONDS_UNTIL_BUSY_IS_TRIED_AGAIN, counts=False)
        elif ending in TRIED_AGAIN and tries <= retries:
            self._say(f"again {job.id}: {what_ended(job.folder, ending)} ({tries} of {retries} retries)")
            self._release(job.id, 0, counts=True)
        elif ending in TRIED_AGAIN:
            self._give_up(job)
        else:
            self._settle(job, end(job.folder, job.config))

    def stopped(self, job: Job) -> None:
        """Give the entry back, unless it is another's or cancelled by now."""
        self._say(f"stop  {job.id}")
        self._release(job.id, 0, counts=False)

    def _give_up(self, job: Job) -> None:
        last = standing(job.folder).reason
        why = f"its worker, its process or its device failed {self._tries[job.id][1] + 1} times"
        self._settle(job, give_up(job.folder, job.config, f"{why}; at last: {last}" if last else why))

    def _settle(self, job: Job, ended: Standing) -> None:
        self._say(f"{ended.state:5} {job.id}{f': {ended.reason}' if ended.reason else ''}")
        facts = {"status": ended.state, "reason": ended.reason, "spent": ended.spent}
        self._tell(lambda: self._queue.settle(self._worker, job.id, **facts))

    def _release(self, run: str, wait: float, counts: bool) -> None:
        self._tell(lambda: self._queue.release(self._worker, run, wait, counts))

    def _tell(self, what: Callable[[], None]) -> None:
        self._untold.append(what)
        self._tell_all()

    def _tell_all(self) -> None:
        while self._untold and self._answer(lambda: self._untold[0]() or True, False):
            del self._untold[0]

    def beat(self, running: Collection[Job]) -> Collection[str]:
        """Tell what is not told yet and keep what runs; entries that were cancelled or taken by others are stopped."""
        self._tell_all()
        if time.monotonic() - self._beaten < self._lapse / _BEATS_IN_A_LAPSE or not running:
            return ()
        self._beaten = time.monotonic()
        return self._answer(lambda: self._queue.keep(self._worker, {job.id for job in running}, self._lapse), set())

    def is_exhausted(self) -> bool:
        """Whether nothing waits, nothing is worked on by others who may die, and all is told.

        Raises:
            PyMongoError: the database has been away for ten minutes.
        """
        is_empty = not self._untold and self._answer(lambda: self._queue.is_empty(but=self.foreign), False)
        if self._trouble and time.monotonic() - self._answered > _SECONDS_WITHOUT_DATABASE:
            raise self._trouble
        return is_empty and not self._forever

    def _answer(self, ask: Callable[[], Any], otherwise: Any) -> Any:
        """What the database answers, or ``otherwise`` while it is away."""
        try:
            answer = ask()
        except PyMongoError as error:
            if self._trouble is None:
                self._say(f"{self._queue.name} is away ({reason(error)}); what runs goes on")
            self._trouble = error
            return otherwise
        if self._trouble is not None:
            self._say(f"{self._queue.name} is back")
        self._answered, self._trouble = time.monotonic(), None
        return answer
