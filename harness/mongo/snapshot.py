"""A run's folder as it is uploaded."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from sacred.utils import apply_backspaces_and_linefeeds

from harness.records.files import open_regular
from harness.records.heartbeat import FILE as HEARTBEAT
from harness.records.schema import DamagedRecord, Record
from harness.records.store import RunFolder

KINDS = {".json": "application/json", ".jsonl": "text/plain", ".svg": "image/svg+xml", ".png": "image/png"}
"""Kinds of file that are uploaded, all of which a browser shows; weights and checkpoints stay on disk."""

_VERSION = 1
_ALWAYS = {"record.json", "metrics.jsonl"}
_LARGEST_FILE = 4 * 2**20
_LONGEST_OUTPUT = 256 * 2**10


@dataclass(frozen=True)
class File:
    """The content of a file and when it was last changed."""

    content: bytes
    changed: datetime

    @cached_property
    def sha256(self) -> str:
        """The hash of the content."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Image:
    """What is uploaded of a run: its name, its record, its files, the end of its output and its last sign of life."""

    run: str
    record: Record
    files: dict[str, File]
    output: str
    alive: datetime

    @cached_property
    def digest(self) -> str:
        """A hash of all that is uploaded, save for the sign of life."""
        parts = [str(_VERSION), self.output, *(f"{name} {file.sha256}" for name, file in self.files.items())]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def read_image(folder: RunFolder) -> Image:
    """The run in ``folder``.

    Raises:
        DamagedRecord: there is no record, or it cannot be read.
        OSError: a file cannot be read.
    """
    paths = [path for path in sorted(folder.path.iterdir()) if _is_uploaded(path)]
    files = {path.name: File(folder.read(path.name), _changed(path)) for path in paths}
    if "record.json" not in files:
        raise DamagedRecord(f"{folder.record_path}: no such file")
    record = folder.parse(files["record.json"].content)  # of the same moment, as the run may end meanwhile
    output = folder.path / "output.log"
    alive = max(_changes([*paths, output, folder.path / HEARTBEAT]))
    return Image(folder.path.name, record, files, _end_of(output), alive)


def signature(folder: RunFolder) -> tuple[int, ...]:
    """Numbers that change whenever a file of the run does, found without reading any."""
    numbers = []
    for name in ("record.json", "metrics.jsonl", "output.log", HEARTBEAT):
        with suppress(FileNotFoundError):
            status = (folder.path / name).stat()
            numbers += [status.st_mtime_ns, status.st_size, status.st_ino]
    return tuple(numbers)


def _is_uploaded(path: Path) -> bool:
    if path.suffix not in KINDS or path.name.startswith(".") or path.name == HEARTBEAT:
        return False
    if path.is_symlink() or not path.is_file():
        return False
    return path.name in _ALWAYS or path.stat().st_size <= _LARGEST_FILE


def _changes(paths: list[Path]) -> Iterator[datetime]:
    for path in paths:
        with suppress(FileNotFoundError):  # a run that ends takes its heartbeat away
            yield _changed(path)


def _changed(path: Path) -> datetime:
    moment = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _end_of(path: Path) -> str:
    """The end of a run's output as a terminal shows it."""
    try:
        descriptor = open_regular(path)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LONGEST_OUTPUT))
        return str(apply_backspaces_and_linefeeds(file.read().decode("utf-8", "replace")))
