"""The folder that holds every run.

::

    ROOT/runs/DATASET-METHOD-sSEED-KEY/   record.json    the typed record of the run, replaced as a whole
                                          metrics.jsonl  one line per epoch, append-only
                                          output.log, genotype.json, cell_*.svg and .png, weights.safetensors,
                                          checkpoint*.pt until it is done
    ROOT/stages/KIND-KEY/                 what runs share: trained one-shot models, measurements, searches
    ROOT/contents/DATASET/NAME.json       which data a name stands for
    ROOT/sweeps/NAME-PROFILE/             what was launched
    ROOT/speeds/                          how long work takes on this machine
    ROOT/database/                        the dashboard's, with its logs beside it

Tables, sweeps, the database mirror and dashboards read records and metrics, and nothing else.
"""

import errno
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import orjson
from filelock import FileLock, Timeout

from conas.refusal import Refused
from harness.console.places import is_folder, nothing_there
from harness.records.files import read_bytes, sweep_up, write_atomic, write_json
from harness.records.metrics import Metrics
from harness.records.schema import DamagedRecord, Record, believe

_OWNER = ".owner"
_WEIGHTS = ("weights.safetensors", "weights.pt")
"""What a network that is trained leaves behind; the second until November 2026."""


class AlreadyRunning(Refused):
    """Another process works on this run or stage."""


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics = Metrics(path / "metrics.jsonl")
        self._claimed = ""

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
            return self.parse(self.read("record.json"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DamagedRecord(f"{self.record_path}: {error.strerror or error}") from error

    def parse(self, content: bytes) -> Record:
        """The record that the file's ``content`` is.

        Raises:
            DamagedRecord: it is not a record of this schema.
        """
        try:
            return believe(self.path.name, orjson.loads(content))
        except orjson.JSONDecodeError as error:
            raise DamagedRecord(f"{self.record_path}: not valid JSON ({error})") from error
        except DamagedRecord as error:
            raise DamagedRecord(f"{self.record_path}: {error}") from error

    def read(self, name: str) -> bytes:
        """The content of a file of the run.

        Raises:
            OSError: it is missing, cannot be read, or a symbolic link leads to it.
        """
        _refuse_link(self.path)
        return read_bytes(self.path / name)

    def save(self, record: Record) -> None:
        """Replace the run's record."""
        write_json(self.record_path, record.model_dump(mode="json"))

    def is_unfinished(self) -> bool:
        """Whether the run can go on: there is a checkpoint, or no result yet."""
        return (self.path / "checkpoint.pt").exists() or not any((self.path / name).exists() for name in _WEIGHTS)

    def check_held(self) -> None:
        """Look whether the folder is still the one that this object claimed.

        Raises:
            FileNotFoundError: it was removed, and what was written since is in a new one.
        """
        if _holder(self.path) != self._claimed:
            raise FileNotFoundError(errno.ENOENT, "the run's folder was removed while it ran", str(self.path))

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the run for this process; released by the system when the process dies.

        Raises:
            AlreadyRunning: another process holds it; the message says which.
        """
        with claim(self.path) as self._claimed:
            yield


class UnsafeName(DamagedRecord):
    """A name that could lead out of the store."""


class NoStore(Refused):
    """There is no such folder, which read as an empty one would hide every result, or there can be none."""


class Store:
    """All runs and shared stages below one root folder.

    Names come from records and plans that others wrote: one that is not a plain name is refused with `UnsafeName`.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def check_there(self) -> None:
        """Refuse to read what is not there.

        Raises:
            NoStore: the message names the nearest folder that is there.
        """
        if not self.root.is_dir():
            raise NoStore(nothing_there("store", self.root))

    def check_usable(self) -> None:
        """Refuse, before any work, a store that is no folder and cannot be made.

        Raises:
            NoStore: the message names what lies in its place, or where nothing may be made, but no database's address.
        """
        if not is_folder(self.root):
            raise NoStore("--store or runs_dir names a database or a packed file; runs are made in a folder")
        root = self.root.absolute()
        nearest = next(path for path in (root, *root.parents) if os.path.exists(path))
        where = f"runs_dir={self.root}" if nearest == root else f"runs_dir={self.root}: {nearest}"
        if not nearest.is_dir():
            raise NoStore(f"{where} is a file; a store is a folder that you may write to")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise NoStore(f"{where} is not yours; a store is a folder that you may write to")

    def run(self, run_id: str) -> RunFolder:
        """The folder of the run called ``run_id``; it need not exist."""
        return RunFolder(self.root / "runs" / _plain(run_id))

    def stage(self, kind: str, key: str) -> Path:
        """The folder of a shared stage; it need not exist."""
        return self.root / "stages" / _plain(f"{kind}-{key}")

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


def _plain(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", name):
        raise UnsafeName(f"{name!r} is not the name of a run or a stage (letters, digits, - and _)")
    return name


@contextmanager
def claim(folder: Path, waits: Callable[[str], None] | None = None) -> Iterator[str]:
    """Hold ``folder`` for this process; yields the text that its owner file has meanwhile: this process and the time.

    What killed writes left there is removed.

    Args:
        waits: is told whom this process waits for, where another one holds the folder. Without it none is waited for.

    Raises:
        AlreadyRunning: it is held by another process.
        OSError: it cannot be made, or is a symbolic link, which may lead anywhere.
    """
    _refuse_link(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if waits is None:
            raise AlreadyRunning(f"{folder.name} is being worked on by {_holder(folder)}") from None
        waits(f"waiting for {_holder(folder)}, which works on {folder.name}")
        lock.acquire(timeout=-1)
    try:
        sweep_up(folder)
        mine = f"process {os.getpid()} on {socket.gethostname()} since {now()}"
        write_atomic(folder / _OWNER, mine.encode())
        yield mine
    finally:
        lock.release()


def _refuse_link(folder: Path) -> None:
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link, which is not followed", str(folder))


def _holder(folder: Path) -> str:
    try:
        return read_bytes(folder / _OWNER).decode(errors="replace")
    except OSError:
        return "another process"


def now() -> str:
    """The time, UTC, ISO 8601 to the second."""
    return at(time.time())


def at(seconds: float) -> str:
    """A time that is so many seconds after the epoch, likewise."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
