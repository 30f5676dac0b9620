"""Files that survive a kill at any byte: replaced as a whole, or torn in the last line at worst when appended.

Only regular files are read: whoever made a store may have put a link, a pipe or a folder where a file belongs.
"""

import contextlib
import errno
import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import orjson

_INDENTED = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
_STAGED = re.compile(r"\..+\.[a-z0-9_]{8}")
"""The name of a file that `write_atomic` was killed over."""


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of the regular file ``path``.

    Raises:
        OSError: it is missing, a link, a folder, a pipe or a device, or there is no permission.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link, which is not followed", str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return descriptor


def opener(path: str, flags: int) -> int:
    """`open_regular` for Python's ``open``."""
    return open_regular(Path(path), flags)


def read_bytes(path: Path) -> bytes:
    """The content of the regular file ``path``.

    Raises:
        OSError: as `open_regular`.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read()


def write_atomic(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``: readers see the old file or the new one, also after a crash.

    Raises:
        OSError: no space, no permission; the old file is then untouched and no temporary file is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file, _naming(path, len(content)):
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


@contextlib.contextmanager
def _naming(path: Path, size: int) -> Iterator[None]:
    """Let an error of writing say which file needed how much; the system names neither."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} ({size:,} bytes were to be written)", str(path)) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep_up(folder: Path) -> None:
    """Remove what killed writes left in ``folder`` and right below it; nobody may be writing there."""
    for path in (*folder.glob(".*"), *folder.glob("*/.*")):
        if _STAGED.fullmatch(path.name) and not path.is_dir():
            path.unlink(missing_ok=True)


def write_json(path: Path, data: Any) -> None:
    """Replace ``path`` by ``data`` as indented JSON."""
    write_atomic(path, orjson.dumps(data, option=_INDENTED))


def read_json(path: Path) -> Any:
    """The JSON in ``path``.

    Raises:
        OSError: no such file.
        ValueError: not JSON.
    """
    return orjson.loads(read_bytes(path))


def facts(path: Path, **kinds: Any) -> dict[str, Any] | None:
    """The JSON object in ``path`` whose entries are of these ``kinds``.

    None if it is missing or damaged, which is the same for what can be made again.

    Raises:
        OSError: it is there and cannot be read.
    """
    try:
        data = read_json(path)
    except (FileNotFoundError, ValueError):
        return None
    is_whole = isinstance(data, dict) and all(isinstance(data.get(name), kind) for name, kind in kinds.items())
    return data if is_whole else None


class Lines:
    """An append-only file of JSON objects, one per line, safe for several processes that append at once.

    A line torn by a kill, or one that is not an object, is skipped when read; a torn one is closed by the next append.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            descriptor = open_regular(self.path)
        except FileNotFoundError:
            return
        with os.fdopen(descriptor, "rb") as file:
            yield from objects(file)

    def after(self, position: int) -> tuple[list[dict[str, Any]], int]:
        """The objects behind the byte ``position``, and the position behind the last whole line."""
        try:
            descriptor = open_regular(self.path)
        except FileNotFoundError:
            return [], position
        with os.fdopen(descriptor, "rb") as file:
            file.seek(position)
            whole = file.read().rpartition(b"\n")[0]
        return list(objects(whole.split(b"\n"))), position + len(whole) + bool(whole)

    def append(self, *rows: dict[str, Any]) -> None:
        """Append ``rows`` in one piece and make them durable.

        Raises:
            OSError: they could not be written whole; the file is then as it was.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = encode(rows)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        with os.fdopen(open_regular(self.path, flags), "a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # so that nobody else's rows follow those that are cut off again
            end = file.seek(0, os.SEEK_END)
            torn = end and os.pread(file.fileno(), 1, end - 1) != b"\n"
            with _naming(self.path, len(content)):
                _append_whole(file, b"\n" + content if torn else content, end)

    def replace(self, rows: list[dict[str, Any]]) -> None:
        """Let the file hold ``rows`` and nothing else; nobody may be appending."""
        write_atomic(self.path, encode(rows))


def encode(rows: Any) -> bytes:
    """``rows`` as `Lines` writes them."""
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def objects(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The JSON objects among ``lines``, a file's, say."""
    for line in lines:
        with contextlib.suppress(orjson.JSONDecodeError):
            row = orjson.loads(line)
            if isinstance(row, dict):
                yield row


def _append_whole(file: FileIO, content: bytes, end: int) -> None:
    """Append all of ``content`` to ``file``, which is ``end`` bytes long, or nothing: a full disk takes a part."""
    rest = memoryview(content)
    try:
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(end)
        raise
