"""Files that survive a kill at any byte: replaced as a whole, or torn in the last line at worst when appended."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

_INDENTED = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY


def write_atomic(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``: readers see the old file or the new one, also after a crash.

    Raises:
        OSError: no space, no permission; the old file is then untouched and no temporary file is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, data: Any) -> None:
    """Replace ``path`` by ``data`` as indented JSON."""
    write_atomic(path, orjson.dumps(data, option=_INDENTED))


def read_json(path: Path) -> Any:
    """The JSON in ``path``.

    Raises:
        OSError: no such file.
        ValueError: not JSON.
    """
    return orjson.loads(path.read_bytes())


class Lines:
    """An append-only file of JSON objects, one a line, safe for several processes that append at once.

    A line torn by a kill is skipped when read, and closed by the next append.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for line in file:
                with contextlib.suppress(orjson.JSONDecodeError):
                    yield orjson.loads(line)

    def append(self, *rows: dict[str, Any]) -> None:
        """Append ``rows`` in one write and make them durable."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = b"".join(orjson.dumps(row) + b"\n" for row in rows)
        with self.path.open("a+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    content = b"\n" + content
            file.write(content)
            os.fsync(file.fileno())
