"""One MongoDB database: upload runs, read runs."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from bson import ObjectId
from filelock import FileLock
from pymongo import MongoClient, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, ConfigurationError, InvalidURI

from conas.refusal import Refused
from harness.mongo.documents import COLUMNS, Document, documents, number, object_id
from harness.mongo.snapshot import Image, read_image
from harness.records.schema import DamagedRecord
from harness.records.store import RunFolder

T = TypeVar("T")

UNSYNCED = ".unsynced"
"""The file in a run's folder that says that an upload of it began and did not end."""

_FORMS = (
    "the database's address cannot be read (allowed: HOST:PORT:DATABASE, DATABASE, or "
    "mongodb://USER:PASSWORD@HOST:PORT/DATABASE?authSource=admin with special characters percent-encoded)"
)
_SHORT_FORM = re.compile(r"(?:(?P<host>[\w.-]+:\d{1,5}):)?(?P<database>[A-Za-z_][\w-]*)")
_DEFAULT_DATABASE = "conas"
_MILLISECONDS_TO_CONNECT = 3_000
_MILLISECONDS_TO_ANSWER = 30_000
_LAYOUT = 1
_RUNS_AT_ONCE = 500
_DUPLICATE_KEY = 11_000


class DatabaseError(Refused, ValueError):
    """A database that cannot be used as asked."""


class Database:
    """A MongoDB database, named by HOST:PORT:DATABASE, DATABASE or a mongodb:// address; nothing is sent yet.

    Attributes:
        name: what may be printed, HOST:PORT/DATABASE.
        url: the mongodb:// address, with its password; never to be printed.

    Raises:
        DatabaseError: the address cannot be read; the message repeats no part of it.
    """

    def __init__(self, address: str) -> None:
        self.url = _url(address)
        try:
            self._client: MongoClient[Document] = MongoClient(
                self.url,
                appname="conas",
                tz_aware=True,
                connect=False,
                retryReads=False,  # every upload is tried again as a whole; retries of its parts would hide an outage
                retryWrites=False,
                serverSelectionTimeoutMS=_MILLISECONDS_TO_CONNECT,
                connectTimeoutMS=_MILLISECONDS_TO_CONNECT,
                socketTimeoutMS=_MILLISECONDS_TO_ANSWER,
            )
        except (InvalidURI, ConfigurationError, ValueError, OSError):  # OSError: a certificate that is not there
            raise DatabaseError(_FORMS) from None
        self._db = self._client.get_default_database(_DEFAULT_DATABASE)
        place = self.url.partition("://")[2].partition("?")[0]  # an option may hold a secret, or an @
        host = place.rpartition("@")[2].partition("/")[0]
        self.name = f"{host}/{self._db.name}"
        self._prepared = False

    def close(self) -> None:
        """Drop the connections."""
        self._client.close()

    def collection(self, name: str) -> Collection[Document]:
        """A collection beside those that hold the runs."""
        return self._db[name]

    def now(self) -> datetime:
        """The server's time, the same for everybody.

        Raises:
            PyMongoError: the database is away or refuses.
        """
        server_time: datetime = self._client.admin.command("hello")["localTime"]
        return server_time.replace(tzinfo=UTC)

    def digests(self) -> dict[str, str]:
        """The digest of every run that was uploaded whole, by the run's name."""
        found = self._db.runs.find({"mirror.run": {"$exists": True}}, {"mirror": 1})
        return {document["mirror"]["run"]: document["mirror"]["digest"] for document in found}

    def contents(self, name: str) -> Iterator[tuple[str, bytes]]:
        """The content of the file ``name`` of every run that has it, by the run's name, sorted."""
        ids = self._ids(name, {"$exists": True})
        runs = sorted(ids)
        blocks = (runs[start : start + _RUNS_AT_ONCE] for start in range(0, len(runs), _RUNS_AT_ONCE))
        for block in _ahead(partial(self._block, name, {run: ids[run] for run in some}) for some in blocks):
            yield from block

    def _block(self, name: str, ids: dict[str, ObjectId]) -> list[tuple[str, bytes]]:
        whole = self._files(list(ids.values()))
        # A run that goes on may have replaced a file since its id was read.
        if replaced := [run for run, file in ids.items() if file not in whole]:
            ids = ids | self._ids(name, {"$in": replaced})
            whole |= self._files([ids[run] for run in replaced])
        return [(run, whole.get(file, b"")) for run, file in ids.items()]

    def _ids(self, name: str, runs: Document) -> dict[str, ObjectId]:
        found = self._db.runs.find({"mirror.run": runs}, {"mirror.run": 1, "artifacts": 1})
        return {
            document["mirror"]["run"]: artifact["file_id"]
            for document in found
            for artifact in document["artifacts"]
            if artifact["name"] == name
        }

    def _files(self, ids: list[ObjectId]) -> dict[ObjectId, bytes]:
        parts: dict[ObjectId, list[bytes]] = defaultdict(list)
        for part in sorted(self._db.fs.chunks.find({"files_id": {"$in": ids}}), key=lambda part: part["n"]):
            parts[part["files_id"]].append(part["data"])
        return {file: b"".join(some) for file, some in parts.items()}

    def beat(self, images: Sequence[Image]) -> None:
        """Pass on the last sign of life of runs that are equal otherwise."""
        beats = [(number(image.run), image.alive) for image in images if image.record.status == "running"]
        updates = [UpdateOne({"_id": _id, "status": "RUNNING"}, {"$max": {"heartbeat": alive}}) for _id, alive in beats]
        if updates:
            self._db.runs.bulk_write(updates, ordered=False)

    def put(self, images: Sequence[Image], anew: bool = False) -> list[str]:
        """Make the database's view of some runs equal to ``images``; whatever a run names is written before it.

        Args:
            images: the runs.
            anew: files that seem to be there are written again; readers lack them for a moment.

        Returns:
            The names of runs whose number another project's run has; they are left out.

        Raises:
            PyMongoError: the database is away or refuses.
        """
        self.prepare()
        taken = self._taken([image.run for image in images])
        all_of = [documents(image) for image in images if image.run not in taken]
        stored = self._file_ids([image.run for image in images])
        if anew:
            self._delete_files(stored)
            stored = set()
        _insert(self._db.fs.chunks, [part for one in all_of for part in one.chunks if part["files_id"] not in stored])
        _insert(self._db.fs.files, [file for one in all_of for file in one.files if file["_id"] not in stored])
        metrics = [metric for one in all_of for metric in one.metrics]
        _insert(self._db.metrics, metrics)
        _update(self._db.runs, [one.run for one in all_of])
        others = {"$nin": [metric["_id"] for metric in metrics]}
        self._db.metrics.delete_many({"run_id": {"$in": [one.run["_id"] for one in all_of]}, "_id": others})
        self._delete_files(stored - {file["_id"] for one in all_of for file in one.files})
        return taken

    def _taken(self, runs: Sequence[str]) -> list[str]:
        found = self._db.runs.find({"_id": {"$in": [number(run) for run in runs]}}, {"mirror.run": 1})
        holders = {document["_id"]: document.get("mirror", {}).get("run") for document in found}
        return [run for run in runs if holders.get(number(run), run) != run]

    def _file_ids(self, runs: Sequence[str]) -> set[ObjectId]:
        return {file["_id"] for file in self._db.fs.files.find({"metadata.run": {"$in": runs}}, {"_id": 1})}

    def _delete_files(self, old: set[ObjectId]) -> None:
        if old:
            self._db.fs.files.delete_many({"_id": {"$in": list(old)}})
            self._db.fs.chunks.delete_many({"files_id": {"$in": list(old)}})

    def prepare(self) -> None:
        """Make the indexes that readers need, and Omniboard's columns if they were never made."""
        if self._prepared:
            return
        self._db.metrics.create_index("run_id")
        self._db.runs.create_index("start_time")
        self._db.fs.files.create_index("metadata.run")
        self._db.fs.chunks.create_index([("files_id", 1), ("n", 1)], unique=True)
        self._make_columns()
        self._prepared = True

    def _make_columns(self) -> None:
        """Once per database: who removes a column does not find it again."""
        settings = self._db["omniboard.settings"]
        mark = {"$setOnInsert": {"name": "conas_columns", "value": _LAYOUT}}
        if settings.update_one({"_id": object_id("columns")}, mark, upsert=True).upserted_id is None:
            return
        named = COLUMNS["custom"].items()
        columns = [{"_id": object_id("column", name), "name": name, "config_path": path} for name, path in named]
        _insert(self._db["omniboard.custom.columns"], columns)
        for name, value in COLUMNS["settings"].items():
            settings.update_one({"name": name}, {"$setOnInsert": {"value": value}}, upsert=True)


class Uploaded(NamedTuple):
    """The digests of the runs that the database holds now, and a line for every run that it does not."""

    digests: dict[str, str]
    refused: list[str]


def upload(database: Database, folders: Iterable[RunFolder], known: Mapping[str, str], anew: bool = False) -> Uploaded:
    """Upload those runs whose digest is not ``known``, also their files that seem to be there if ``anew``; a run
    without a record is left out.

    A run is held while it is uploaded, so that an older state never replaces a newer one.

    Raises:
        PyMongoError: the database is away or refuses; the runs are marked as unsynced.
    """
    with ExitStack() as held:
        images, refused = _hold(folders, held)
        new = {path: image for path, image in images.items() if image.digest != known.get(image.run)}
        for path in new:
            (path / UNSYNCED).touch()
        taken = database.put(list(new.values()), anew) if new else []
        database.beat([image for path, image in images.items() if path not in new])
        refused += [f"{database.name}: another project's run has the number of {run}" for run in taken]
        there = {path: image for path, image in images.items() if image.run not in taken}
        for path in there:
            (path / UNSYNCED).unlink(missing_ok=True)
    return Uploaded({image.run: image.digest for image in there.values()}, refused)


def _hold(folders: Iterable[RunFolder], held: ExitStack) -> tuple[dict[Path, Image], list[str]]:
    """Lock the folders that have a record and read them; a line for every damaged record."""
    images, damaged = {}, []
    for folder in folders:
        if not folder.record_path.exists():
            continue
        held.enter_context(FileLock(folder.path / ".upload.lock"))
        try:
            images[folder.path] = read_image(folder)
        except DamagedRecord as error:
            damaged.append(str(error))
        except OSError as error:
            damaged.append(f"{folder.path.name}: {error}")
    return images, damaged


def reason(error: Exception) -> str:
    """Why the database cannot be used, in one short line."""
    if isinstance(error, BulkWriteError) and error.details.get("writeErrors"):
        return str(error.details["writeErrors"][0]["errmsg"]).splitlines()[0]
    return str(error).partition(",")[0].partition(" (configured")[0]


def without_password(text: str) -> str:
    """``text`` with the users and passwords of the addresses in it left out."""
    return re.sub(r"(mongodb(?:\+srv)?://)[^\s/'\"]*@", r"\1...@", text)


def _url(address: str) -> str:
    if address.startswith(("mongodb://", "mongodb+srv://")):
        return address
    short = _SHORT_FORM.fullmatch(address)
    if short is None:
        raise DatabaseError(_FORMS)
    return f"mongodb://{short['host'] or 'localhost:27017'}/{short['database']}"


def _ahead(tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
    """The results of ``tasks`` in order; while one is used, the next task is at work."""
    with ThreadPoolExecutor(1) as worker:
        coming: Future[T] | None = None
        for task in tasks:
            ready, coming = coming, worker.submit(task)
            if ready is not None:
                yield ready.result()
        if coming is not None:
            yield coming.result()


def _insert(collection: Collection[Document], wanted: Iterable[Document]) -> None:
    """Insert what is not there yet. An ``_id`` follows from the content, so what is there is equal."""
    new = list(wanted)
    try:
        if new:
            collection.insert_many(new, ordered=False)
    except BulkWriteError as error:
        _duplicates(error)


def _update(runs: Collection[Document], wanted: Sequence[Document]) -> None:
    """Write the runs' own documents, keeping what Omniboard's users wrote into them: tags and notes."""
    updates = []
    for run in wanted:
        fields = {name: value for name, value in run.items() if name not in ("_id", "heartbeat")}
        heartbeat = {"heartbeat": run["heartbeat"]}
        # The heartbeat of a run that goes on may have been passed on already.
        update = {"$set": fields | heartbeat} if run["stop_time"] else {"$set": fields, "$max": heartbeat}
        updates.append(UpdateOne({"_id": run["_id"]}, update, upsert=True))
    try:
        if updates:
            runs.bulk_write(updates, ordered=False)
    except BulkWriteError as error:
        # Another process inserted the same run a moment ago.
        runs.bulk_write([updates[problem["index"]] for problem in _duplicates(error)], ordered=False)


def _duplicates(error: BulkWriteError) -> list[Document]:
    """The problems of a bulk write.

    Raises:
        BulkWriteError: one of them is something else than a document that is there already, or what was written is not
            safe yet on as many servers as was asked for.
    """
    problems: list[Document] = error.details["writeErrors"]
    if error.details.get("writeConcernErrors") or any(problem["code"] != _DUPLICATE_KEY for problem in problems):
        raise error
    return problems
