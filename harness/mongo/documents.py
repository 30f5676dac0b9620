"""The documents of a run: those of Sacred's MongoObserver, which Omniboard reads.

The ``_id`` of a run follows from its name, that of a file or a curve from its content too.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bson import ObjectId
from sacred.observers.mongo import MongoObserver, force_bson_encodeable

from harness.mongo.snapshot import KINDS, File, Image
from harness.records.metrics import parse, series
from harness.records.schema import Record

Document = dict[str, Any]

COLUMNS: Document = json.loads((Path(__file__).parent.parent / "dashboard" / "assets" / "columns.json").read_text())
"""Omniboard's columns: ``custom`` names the value of a run document that each shows."""

_CHUNK = 255 * 2**10
_COLUMNS_OF_THEIR_OWN = {"dataset", "method", "profile", "variant", "seed", "runs_dir", "data_dir", "allow_subset"}
_MILLION = 1e6
_TRACEBACK = "Traceback (most recent call last):"
_STATUS = {
    "queued": "QUEUED",
    "running": "RUNNING",
    "done": "COMPLETED",
    "failed": "FAILED",
    "diverged": "FAILED",
    "interrupted": "INTERRUPTED",
}


@dataclass(frozen=True)
class Documents:
    """All documents of one run."""

    run: Document
    metrics: list[Document]
    files: list[Document]
    chunks: list[Document]


def documents(image: Image) -> Documents:
    """The documents that show and hold ``image``."""
    files = [_file(image.run, name, file) for name, file in image.files.items()]
    metrics = _metrics(image)
    chunks = [
        chunk
        for document, file in zip(files, image.files.values(), strict=True)
        for chunk in _chunks(document["_id"], file.content)
    ]
    return Documents(_run(image, metrics, files), metrics, files, chunks)


def number(run: str) -> int:
    """The ``_id`` of a run.

    Omniboard needs an integer that JavaScript holds exactly. It is negative because Sacred gives the next run of
    another project in the same database the highest ``_id`` plus one.
    """
    return -1 - int.from_bytes(hashlib.sha256(run.encode()).digest()[:6])


def object_id(*parts: str) -> ObjectId:
    """The id that follows from ``parts``."""
    return ObjectId(hashlib.sha256("\0".join(parts).encode()).digest()[:12])


def _file(run: str, name: str, file: File) -> Document:
    return {
        "_id": object_id(run, name, file.sha256),
        "filename": f"artifact://runs/{number(run)}/{name}",
        "length": len(file.content),
        "chunkSize": _CHUNK,
        "uploadDate": file.changed,
        "contentType": KINDS[Path(name).suffix],
        "metadata": {"run": run, "name": name, "sha256": file.sha256},
    }


def _chunks(file_id: ObjectId, content: bytes) -> Iterator[Document]:
    for n, start in enumerate(range(0, len(content), _CHUNK)):
        own = object_id(str(file_id), str(n))
        yield {"_id": own, "files_id": file_id, "n": n, "data": content[start : start + _CHUNK]}


def _metrics(image: Image) -> list[Document]:
    """One document for every curve. The files keep no time of day for an epoch, so all have the run's start."""
    run = image.run
    content = image.files["metrics.jsonl"].content if "metrics.jsonl" in image.files else b""
    return [
        {
            "_id": object_id(run, name, repr((epochs, values))),
            "run_id": number(run),
            "name": name,
            "steps": epochs,
            "values": values,
            "timestamps": [_start(image)] * len(epochs),
        }
        for name, (epochs, values) in series(parse(content)).items()
    ]


def _run(image: Image, metrics: list[Document], files: list[Document]) -> Document:
    record = image.record
    curves = [{"name": metric["name"], "id": str(metric["_id"])} for metric in metrics]
    return {
        "_id": number(image.run),
        "experiment": _experiment(record),
        "format": MongoObserver.VERSION,
        "command": "run",
        "host": _host(record),
        "start_time": _start(image),
        "stop_time": _end(record),
        "heartbeat": _end(record) or image.alive,
        "status": _STATUS[record.status],
        "config": force_bson_encodeable(record.config),
        "meta": {"command": "run", "options": {}, "comment": record.reason or ""},
        "result": force_bson_encodeable(record.metrics.get("last")),
        "info": {"run": image.run, **force_bson_encodeable(_info(record)), "metrics": curves},
        "resources": [],
        "artifacts": [{"name": file["metadata"]["name"], "file_id": file["_id"]} for file in files],
        "captured_out": image.output,
        "fail_trace": _fail_trace(image) if _STATUS[record.status] == "FAILED" else None,
        "mirror": {"run": image.run, "digest": image.digest},
    }


def _experiment(record: Record) -> Document:
    packages = record.environment.get("packages", {})
    commit, _, changes = str(record.environment.get("commit") or "").partition("+")
    return {
        "name": "conas",
        "base_dir": ".",
        "mainfile": "harness/run.py",
        "sources": [],
        "dependencies": [f"{name}=={version}" for name, version in packages.items()],
        "repositories": [{"url": "", "commit": commit, "dirty": bool(changes)}] if commit else [],
    }


def _host(record: Record) -> Document:
    last = record.attempts[-1] if record.attempts else None
    return {
        "hostname": last.host if last else "",
        "pid": last.pid if last else None,
        "device": last.device if last else "",
        "os": str(record.environment.get("platform", "")),
        "python_version": str(record.environment.get("python", "")),
        "cpu": str(record.environment.get("processor", "")),
    }


def _info(record: Record) -> Document:
    """What a person looks at first; the whole record is an artifact."""
    fields = record.model_dump(mode="json", exclude={"config": True, "environment": True, "search": {"details": True}})
    return {"overview": _overview(record), **fields}


def _overview(record: Record) -> Document:
    """The figures of Omniboard's run list; what a run has not is left out, since the list would show ``null``."""
    last, counts, search = record.metrics.get("last", {}), record.counts, record.search
    mult_adds = (counts.mult_adds_ptflops or counts.mult_adds) if counts else None
    figures = {
        "variant": record.config.get("variant"),
        "settings": _settings(record.config.get("typed")),
        "test_error": _rounded(last.get("test_error")),
        "test_perplexity": _rounded(last.get("test_perplexity")),
        "edges": _edges(record.genotype),
        "params_M": round(counts.params / _MILLION, 3) if counts else None,
        "mult_adds_M": round(mult_adds / _MILLION, 2) if mult_adds else None,
        "search_seconds": round(search.seconds, 1) if search else None,
    }
    return {name: figure for name, figure in figures.items() if figure is not None}


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 2)


def _settings(typed: Any) -> str | None:
    """What was typed beside what has a column of its own, such as search.lambda=5."""
    words = [word for word in typed or () if word.partition("=")[0] not in _COLUMNS_OF_THEIR_OWN]
    return " ".join(words) or None


def _edges(genotype: Mapping[str, Any] | None) -> int | None:
    """The edges of all cells; a network that is not made of cells has none to count."""
    cells = (genotype or {}).get("cells")
    return sum(len(node) for cell in cells.values() for node in cell["nodes"]) if cells else None


def _fail_trace(image: Image) -> list[str]:
    _, found, last = image.output.rpartition(_TRACEBACK)
    return (found + last).splitlines() if found else [image.record.reason or ""]


def _start(image: Image) -> datetime:
    attempts = image.record.attempts
    return datetime.fromisoformat(attempts[0].started) if attempts else image.alive


def _end(record: Record) -> datetime | None:
    ended = record.attempts[-1].ended if record.attempts else None
    return datetime.fromisoformat(ended) if ended else None
