"""The runs as tables, from a store, a packed file or MongoDB, equal each way: all feed the same code.

runs, metrics = results.load("runs")                           # or "runs.jsonl", "mongodb://HOST:PORT/DATABASE"
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import orjson
import pandas as pd

from harness.archive import Archive, Content
from harness.console.places import PACKED, URL_VARIABLE, is_folder
from harness.mongo.database import Database
from harness.records.metrics import Row, parse
from harness.records.schema import DamagedRecord, Record, believe
from harness.records.store import Store

_KINDS: dict[str, type] = {"run": np.int32, "stage": np.int32, "epoch": np.int32}


class Source(Protocol):
    """Where runs are."""

    def contents(self, name: str) -> Iterator[Content]:
        """The content of the file ``name`` of every run that has it, by the run's name, sorted."""


class Results(NamedTuple):
    """Two tables: one row per run, and one row per run, stage and epoch.

    ``runs`` has the record's fields by dotted name, indexed by the run's name; ``metrics`` has the columns ``run``,
    ``stage``, ``epoch`` and one for every figure, NaN where a row has none. Errors are in percent, losses in nats.
    """

    runs: pd.DataFrame
    metrics: pd.DataFrame


class Files:
    """The runs below a store's root.

    Raises:
        NoStore: there is no such folder.
    """

    def __init__(self, root: Path | str) -> None:
        self._store = Store(root)
        self._store.check_there()

    def contents(self, name: str) -> Iterator[Content]:
        """The content of the file ``name`` of every run that has it, by the run's name, sorted."""
        for folder in self._store.folders():
            try:
                yield folder.path.name, folder.read(name)
            except FileNotFoundError:
                continue
            except OSError as error:
                yield folder.path.name, error


def source(address: str | Path) -> Source:
    """The runs at ``address``: a store's root folder, a packed ``.jsonl`` file, a ``mongodb://`` address, or the word
    ``CONAS_MONGO_URL`` for the address in that variable, which need not be typed then.

    Raises:
        DatabaseError: the address cannot be read.
        ArchiveError: there is no such file.
        NoStore: there is no such folder.
    """
    if is_folder(address):
        return Files(address)
    if str(address).endswith(PACKED):
        return Archive(address)
    return Database(os.environ.get(URL_VARIABLE, "") if str(address) == URL_VARIABLE else str(address))


def load(address: str | Path) -> Results:
    """All readable runs at ``address`` and their metrics.

    Raises:
        DatabaseError: the address cannot be read.
        ArchiveError: there is no such file.
        NoStore: there is no such folder.
        PyMongoError: the database is away or refuses.
    """
    where = source(address)
    return Results(runs(where), metrics(where))


def records(where: Source) -> tuple[list[Record], list[str]]:
    """Every readable record, sorted by the run's name, and a line for every damaged one."""
    readable: list[Record] = []
    damaged: list[str] = []
    for run, content in where.contents("record.json"):
        try:
            if isinstance(content, Exception):
                raise content
            readable.append(believe(run, orjson.loads(content)))
        except (orjson.JSONDecodeError, DamagedRecord, OSError) as error:
            damaged.append(f"{run}/record.json: {error}" if run else str(error))
    return readable, damaged


def runs(where: Source) -> pd.DataFrame:
    """One row per run, see `Results`."""
    readable = records(where)[0]
    frame = pd.json_normalize([_row(record) for record in readable])
    return frame.set_index(pd.Index([record.id for record in readable], name="run", dtype=str))


def _row(record: Record) -> dict[str, Any]:
    fields = record.model_dump(mode="json", exclude={"genotype": True, "attempts": True, "search": {"details": True}})
    attempts = record.attempts
    times = (
        {"started": attempts[0].started, "ended": attempts[-1].ended, "device": attempts[-1].device} if attempts else {}
    )
    return {**fields, **times, "attempts": len(attempts)}


def metrics(where: Source) -> pd.DataFrame:
    """One row per run, stage and epoch, see `Results`."""
    columns = _Columns()
    for run, content in where.contents("metrics.jsonl"):
        columns.add(run, [] if isinstance(content, Exception) else parse(content))
    return columns.frame()


class _Columns:
    """Grows a table by columns, so that millions of rows never exist as objects."""

    def __init__(self) -> None:
        self._runs: list[str] = []
        self._stages: dict[str, int] = {}
        self._rows = 0
        self._parts: dict[str, list[tuple[int, np.ndarray]]] = defaultdict(list)

    def add(self, run: str, rows: list[Row]) -> None:
        """Add the rows of one run."""
        if not rows:
            return
        for names, block in groupby(rows, key=tuple):  # rows with the same names, as long as they follow one another
            columns: dict[str, Sequence[Any]] = dict(
                zip(names, zip(*map(dict.values, block), strict=True), strict=True)
            )
            columns["stage"] = [self._stages.setdefault(stage, len(self._stages)) for stage in columns["stage"]]
            columns["run"] = [len(self._runs)] * len(columns["stage"])
            for name, values in columns.items():
                with suppress(TypeError, ValueError):  # text is no figure
                    array: np.ndarray = np.array(values, dtype=_KINDS.get(name, np.float64))
                    self._parts[name].append((self._rows, array))
            self._rows += len(columns["stage"])
        self._runs.append(run)

    def frame(self) -> pd.DataFrame:
        """The table."""
        categories = {"run": self._runs, "stage": list(self._stages)}
        columns: dict[str, Any] = {
            name: pd.Categorical.from_codes(self._column(name), categories=pd.Index(named, dtype=str))
            for name, named in categories.items()
        }
        columns["epoch"] = self._column("epoch")
        columns |= {name: self._column(name) for name in sorted(self._parts)}
        return pd.DataFrame(columns, copy=False)

    def _column(self, name: str) -> np.ndarray:
        kind = _KINDS.get(name)
        column = np.full(self._rows, np.nan) if kind is None else np.zeros(self._rows, kind)
        for start, values in self._parts.pop(name, []):
            column[start : start + len(values)] = values
        return column
