"""The results schema and the folder that holds every run.

::

    ROOT/runs/DATASET-METHOD-sSEED-KEY/   record.json    the typed record of the run, replaced as a whole
                                          metrics.jsonl  one line an epoch, append-only
                                          output.log, genotype.json, cell_*.svg and .png, checkpoint-*, weights.pt
    ROOT/stages/KIND-KEY/                 what runs share: trained one-shot models, measurements, searches

Tables, sweeps, the database mirror and dashboards read records and metrics, and nothing else.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import orjson
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from conas.refusal import Refused
from harness.records.files import Lines, read_json, write_json

SCHEMA = 1
Status = Literal["queued", "running", "done", "failed", "interrupted", "diverged"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Attempt(_Part):
    """One process that worked on a run. Times are UTC, ISO 8601."""

    started: str
    ended: str | None = None
    status: Status = "running"
    host: str
    pid: int
    device: str


class SearchRecord(_Part):
    """What the search found and spent. ``seconds`` is device time; stages shared between runs count in each of them."""

    key: str
    dataset: str
    seconds: float
    gpu_days: float
    one_shot_steps: int
    measurements: int
    stand_alone_epochs: int
    details: dict[str, Any]


class CountsRecord(_Part):
    """Size of the final network without its auxiliary head, evaluation mode.

    ``params`` in parameters; ``mult_adds`` in multiply-adds of convolutions and linear layers, for one image or word.
    Of networks for images also ``mult_adds_thop`` as thop counts; ``mult_adds_ptflops`` in the convention behind the
    paper's column; ``mult_adds_flopcounter`` by torch's own counter.
    """

    params: int
    mult_adds: float
    mult_adds_thop: float | None = None
    mult_adds_ptflops: float | None = None
    mult_adds_flopcounter: float | None = None


class Record(_Part):
    """Everything known of one run.

    ``metrics`` holds the final network's figures: ``last`` at the last epoch (the one that counts) and ``best`` over
    all epochs, each a mapping such as {"test_error": 7.1, "epoch": 20}; errors are in percent.
    """

    schema_version: int = SCHEMA
    key: str
    method: str
    dataset: str
    seed: int
    profile: str
    status: Status
    reason: str | None = None
    config: dict[str, Any]
    genotype: dict[str, Any] | None = None
    search: SearchRecord | None = None
    training_seconds: float | None = None
    counts: CountsRecord | None = None
    metrics: dict[str, dict[str, float]] = {}
    weights: dict[str, str] | None = None
    data: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    attempts: list[Attempt] = []

    @property
    def id(self) -> str:
        """The name of the run's folder."""
        return f"{self.dataset}-{self.method}-s{self.seed}-{self.key}"


class AlreadyRunning(Refused):
    """Another process works on this run or stage."""


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics = Lines(path / "metrics.jsonl")

    @property
    def record_path(self) -> Path:
        """Where the record lies."""
        return self.path / "record.json"

    def record(self) -> Record | None:
        """The run's record, None if there is none yet.

        Raises:
            DamagedRecord: the file is not a record of this schema.
        """
        try:
            return Record.model_validate(read_json(self.record_path))
        except FileNotFoundError:
            return None
        except (ValueError, ValidationError) as error:
            raise DamagedRecord(f"{self.record_path}: {_first_line(error)}") from error

    def save(self, record: Record) -> None:
        """Replace the run's record."""
        write_json(self.record_path, record.model_dump(mode="json"))

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the run for this process; released by the system when the process dies.

        Raises:
            AlreadyRunning: another process holds it; the message says which.
        """
        with claim(self.path):
            yield


class DamagedRecord(Refused):
    """A record that cannot be read."""


class Store:
    """All runs and shared stages below one root folder."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def run(self, run_id: str) -> RunFolder:
        """The folder of the run called ``run_id``; it need not exist."""
        return RunFolder(self.root / "runs" / run_id)

    def stage(self, kind: str, key: str) -> Path:
        """The folder of a shared stage; it need not exist."""
        return self.root / "stages" / f"{kind}-{key}"

    def folders(self) -> list[RunFolder]:
        """The folder of every run, sorted by name."""
        runs = self.root / "runs"
        return [RunFolder(path) for path in sorted(runs.iterdir()) if path.is_dir()] if runs.is_dir() else []

    def read(self) -> tuple[list[Record], list[str]]:
        """Every readable record, sorted by run id, and a line for every damaged one."""
        records, damaged = [], []
        for folder in self.folders():
            try:
                record = folder.record()
            except DamagedRecord as error:
                damaged.append(str(error))
            else:
                records.extend([record] if record else [])
        return records, damaged


@contextmanager
def claim(folder: Path, wait: float = 0) -> Iterator[None]:
    """Hold ``folder`` for this process, waiting up to ``wait`` seconds (-1: for ever) for another one to leave it.

    Raises:
        AlreadyRunning: it is held by another process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    owner = folder / ".owner"
    lock = FileLock(folder / ".lock", timeout=wait)
    try:
        lock.acquire()
    except Timeout:
        holder = owner.read_text() if owner.exists() else "another process"
        raise AlreadyRunning(f"{folder.name} is being worked on by {holder}") from None
    try:
        owner.write_text(f"process {os.getpid()} on {socket.gethostname()} since {now()}")
        yield
    finally:
        lock.release()


def now() -> str:
    """The time, UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, orjson.JSONDecodeError):
        return f"not valid JSON ({error})"
    return str(error)
