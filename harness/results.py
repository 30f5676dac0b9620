"""The runs as tables, from files or from MongoDB, equal either way: both give the same bytes to the same code.

runs, metrics = results.load("runs")                           # or "mongodb://HOST:PORT/DATABASE"
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import orjson
import pandas as pd
from pydantic import ValidationError

from harness.metrics import Row, parse
from harness.mongo.database import Database
from harness.store import Record, Store


class Source(Protocol):
    """Where runs are."""

    def contents(self, name: str) -> Iterator[tuple[str, bytes]]:
        """The content of the file ``name`` of every run that has it, by the run's name, sorted."""


class Results(NamedTuple):
    """Two tables: one row a run, and one row a run, stage and epoch.

    ``runs`` has the record's fields by dotted name, indexed by the run's name; ``metrics`` has the columns ``run``,
    ``stage``, ``epoch`` and one for every figure, NaN where a row has none. Errors are in percent, losses in nats.
    """

    runs: pd.DataFrame
    metrics: pd.DataFrame


class Files:
    """The runs below a store's root."""

    def __init__(self, root: Path | str) -> None:
        self._store = Store(root)

    def contents(self, name: str) -> Iterator[tuple[str, bytes]]:
        """The content of the file ``name`` of every run that has it, by the run's name, sorted."""
        for folder in self._store.folders():
            try:
                yield folder.path.name, (folder.path / name).read_bytes()
            except FileNotFoundError:
                continue


def source(address: str | Path) -> Source:
    """The runs at ``address``: a store's root folder or a ``mongodb://`` address.

    Raises:
        DatabaseError: the address cannot be read.
    """
    is_database = str(address).startswith(("mongodb://", "mongodb+srv://"))
    return Database(str(address)) if is_database else Files(address)


def load(address: str | Path) -> Results:
    """All readable runs at ``address`` and their metrics.

    Raises:
        DatabaseError: the address cannot be read.
        PyMongoError: the database is away or refuses.
    """
    return Results(runs(source(address)), metrics(source(address)))


def records(where: Source) -> tuple[list[Record], list[str]]:
    """Every readable record, sorted by the run's name, and a line for every damaged one."""
    readable: list[Record] = []
    damaged: list[str] = []
    for run, content in where.contents("record.json"):
        try:
            readable.append(Record.model_validate(orjson.loads(content)))
        except (orjson.JSONDecodeError, ValidationError) as error:
            damaged.append(f"{run}/record.json: {str(error).splitlines()[0]}")
    return readable, damaged


def runs(where: Source) -> pd.DataFrame:
    """One row a run, see `Results`."""
    readable = records(where)[0]
    frame = pd.json_normalize([_row(record) for record in readable])
    return frame.set_index(pd.Index([record.id for record in readable], name="run", dtype=str))


def _row(record: Record) -> dict[str, Any]:
    told = record.model_dump(mode="json", exclude={"genotype": True, "attempts": True, "search": {"details": True}})
    attempts = record.attempts
    times = (
        {"started": attempts[0].started, "ended": attempts[-1].ended, "device": attempts[-1].device} if attempts else {}
    )
    return {**told, **times, "attempts": len(attempts)}


def metrics(where: Source) -> pd.DataFrame:
    """One row a run, stage and epoch, see `Results`."""
    columns = _Columns()
    for run, content in where.contents("metrics.jsonl"):
        columns.add(run, parse(content))
    return columns.frame()


class _Columns:
    """Grows a table by columns, so that millions of rows never exist as objects."""

    def __init__(self) -> None:
        self._runs: list[str] = []
        self._stages: dict[str, int] = {}
        self._lengths: list[int] = []
        self._stage_codes: list[np.ndarray] = []
        self._epochs: list[np.ndarray] = []
        self._figures: dict[str, dict[int, np.ndarray]] = {}

    def add(self, run: str, rows: list[Row]) -> None:
        """Add the rows of one run."""
        if not rows:
            return
        position = len(self._runs)
        self._runs.append(run)
        self._lengths.append(len(rows))
        codes = [self._stages.setdefault(row["stage"], len(self._stages)) for row in rows]
        self._stage_codes.append(np.array(codes, dtype=np.int32))
        self._epochs.append(np.array([row["epoch"] for row in rows], dtype=np.int32))
        kinds = dict.fromkeys(map(tuple, rows))  # mostly one: looking at every name of every row would take longest
        for name in dict.fromkeys(name for kind in kinds for name in kind if name not in ("stage", "epoch")):
            with suppress(TypeError, ValueError):  # text is no figure
                values = np.array([row.get(name) for row in rows], dtype=np.float64)
                self._figures.setdefault(name, {})[position] = values

    def frame(self) -> pd.DataFrame:
        """The table."""
        lengths = np.array(self._lengths, dtype=np.int64)
        run_codes = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        stages = np.concatenate(self._stage_codes) if self._stage_codes else np.array([], dtype=np.int32)
        epochs = np.concatenate(self._epochs) if self._epochs else np.array([], dtype=np.int32)
        columns: dict[str, Any] = {
            "run": pd.Categorical.from_codes(run_codes, categories=pd.Index(self._runs)),
            "stage": pd.Categorical.from_codes(stages, categories=pd.Index(list(self._stages))),
            "epoch": epochs,
        }
        for name in sorted(self._figures):
            columns[name] = self._column(self._figures.pop(name))
        return pd.DataFrame(columns, copy=False)

    def _column(self, parts: dict[int, np.ndarray]) -> np.ndarray:
        column = np.full(sum(self._lengths), np.nan)
        starts = np.cumsum([0, *self._lengths])
        for position, values in parts.items():
            column[starts[position] : starts[position] + len(values)] = values
        return column
