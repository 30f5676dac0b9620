"""What a database must hold, said independently of the code that writes it."""

from pathlib import Path
from typing import Any

import gridfs
import pymongo
from pymongo.database import Database

from harness.mongo.database import UNSYNCED
from harness.mongo.documents import number
from harness.records.metrics import parse, series
from harness.records.store import Store

STATUS = {"done": "COMPLETED", "diverged": "FAILED"}


def collections(url: str) -> Database[dict[str, Any]]:
    """The database at ``url``, by pymongo alone."""
    return pymongo.MongoClient(url, tz_aware=True).get_default_database()


def assert_equal(url: str, root: Path) -> None:
    """The database holds what the files say: byte by byte, and as Omniboard reads it."""
    db, folders = collections(url), Store(root).folders()
    assert folders
    for folder in folders:
        record = folder.record()
        run = db.runs.find_one({"_id": number(record.id)})
        assert run["config"]["seed"] == record.seed
        assert run["status"] == STATUS.get(record.status, record.status.upper())
        held = {file["name"]: gridfs.GridFS(db).get(file["file_id"]).read() for file in run["artifacts"]}
        assert held["record.json"] == folder.record_path.read_bytes()
        assert held == {path.name: path.read_bytes() for path in folder.path.iterdir() if is_shown(path.name)}
        curves = {metric["name"]: metric for metric in db.metrics.find({"run_id": run["_id"]})}
        assert {curve["id"] for curve in run["info"]["metrics"]} == {str(curve["_id"]) for curve in curves.values()}
        assert {name: (curve["steps"], curve["values"]) for name, curve in curves.items()} == series(
            parse(folder.metrics.path.read_bytes())
        )
        assert db["fs.files"].count_documents({"metadata.run": record.id}) == len(held)
        assert not (folder.path / UNSYNCED).exists()


def is_shown(name: str) -> bool:
    """Whether a run's file is in the database as it is: its record, metrics, cells and pictures, no sign of life."""
    return name.endswith((".json", ".jsonl", ".png", ".svg")) and not name.startswith(".") and name != "pulse.json"


def contents(url: str) -> dict[tuple[str, str], str]:
    """Every document of the collections that projects share."""
    db = collections(url)
    names = ("runs", "metrics", "fs.files", "fs.chunks")
    return {(name, str(document["_id"])): repr(document) for name in names for document in db[name].find()}
