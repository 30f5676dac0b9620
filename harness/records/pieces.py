"""A store in a few files of limited size, for ways that take no more: a mail, a lent machine's outbox."""

import hashlib
import io
import os
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from conas.refusal import Refused
from harness.records.files import facts, read_bytes, write_atomic, write_json

_MANIFEST = "store.json"
_PARTS = "store[-.]*[0-9][0-9]"
_LIMIT = 15 << 20
_MARK = ".pieces"
"""In a store, the checksums of the pieces that it came from and went to last."""
_STAYS = {"database", "speeds"}
"""Folders of a store that are this machine's: the dashboard's database, with its password, and how fast it is here."""


class PiecesError(Refused):
    """The pieces of a store are not all there, or are not what was written."""


def split(store: Path, out: Path, limit: int = _LIMIT) -> list[Path]:
    """Write all files of ``store`` to ``out`` in pieces of at most ``limit`` bytes; the files written.

    Pieces have names of their own content, and those written before go last: a kill at any instant leaves a whole set.
    """
    content = _packed(store)
    sha256 = hashlib.sha256(content).hexdigest()
    _mark(store, [*_owned(out, store), sha256])  # the former, too: whichever set a kill leaves is this store's
    parts = [content[start : start + limit] for start in range(0, len(content), limit)]
    names = [f"store-{sha256[:12]}.{number:02}" for number in range(len(parts))]
    for name, part in zip(names, parts, strict=True):
        write_atomic(out / name, part)
    write_json(out / _MANIFEST, {"parts": names, "sha256": sha256})
    for path in out.glob(_PARTS):
        if path.name not in names:
            path.unlink()
    return [out / _MANIFEST, *(out / name for name in names)]


def bring(folder: Path, store: Path) -> None:
    """Have ``store`` go on from the pieces in ``folder``, if there are any: unpack them, or see that they are its own.

    Raises:
        PiecesError: they are incomplete or damaged, or were not made from what ``store`` holds.
    """
    if not (folder / _MANIFEST).exists():
        return
    if not store.exists() or not any(store.iterdir()):
        join(folder, store)
    elif _manifest(folder)["sha256"] not in _marked(store):
        raise PiecesError(
            f"{store} holds something else than the pieces in {folder}, or they have been elsewhere since "
            "(allowed: an empty store, which then goes on from the pieces)"
        )


def join(folder: Path, store: Path) -> None:
    """Make the store whose pieces lie in ``folder``, whole or not at all.

    Raises:
        PiecesError: there are none, they are incomplete or damaged, or ``store`` has files already.
    """
    if not (folder / _MANIFEST).exists():
        raise PiecesError(f"{folder} holds no pieces of a store ({_MANIFEST} is missing)")
    if store.exists() and any(store.iterdir()):
        raise PiecesError(f"{store} holds something already; pieces are unpacked into an empty folder")
    content = _joined(folder)
    store.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=store.parent, prefix=f".{store.name}.") as unpacked:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(Path(unpacked) / "store", filter="data")
        _mark(Path(unpacked) / "store", [_manifest(folder)["sha256"]])
        os.replace(Path(unpacked) / "store", store)  # takes the place of an empty folder, too


def _mark(store: Path, checksums: list[str]) -> None:
    write_atomic(store / _MARK, " ".join(checksums).encode())


def _marked(store: Path) -> list[str]:
    path = store / _MARK
    return path.read_text().split() if path.exists() else []


def _owned(folder: Path, store: Path) -> list[str]:
    """The checksum of the pieces in ``folder`` where they are this store's."""
    known = facts(folder / _MANIFEST, sha256=str)
    return [known["sha256"]] if known and known["sha256"] in _marked(store) else []


def _manifest(folder: Path) -> dict[str, Any]:
    manifest = facts(folder / _MANIFEST, parts=list, sha256=str)
    if manifest is None:
        raise PiecesError(f"the pieces in {folder} are damaged: {_MANIFEST} is no list of them")
    return manifest


def _joined(folder: Path) -> bytes:
    manifest = _manifest(folder)
    try:
        content = b"".join(read_bytes(folder / Path(name).name) for name in manifest["parts"])
    except OSError as error:
        raise PiecesError(f"a piece is missing: {error}") from error
    if hashlib.sha256(content).hexdigest() != manifest["sha256"]:
        raise PiecesError(f"the pieces in {folder} are damaged: their checksum does not match")
    return content


def _packed(store: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(store.rglob("*")):
            inside = path.relative_to(store)
            if path.is_file() and not path.is_symlink() and not _is_left_behind(inside, path):
                archive.add(path, str(inside))
    return buffer.getvalue()


def _is_left_behind(inside: Path, path: Path) -> bool:
    """What is this machine's, such as who holds what, is of no use elsewhere, nor is the checkpoint before the newest,
    but where a kill left it alone. Files that lie in no folder of the store are logs of the dashboard."""
    newest = path.with_name("checkpoint.pt")
    is_older = path.name == "checkpoint.previous.pt" and newest.exists()
    if len(inside.parts) == 1 or inside.parts[0] in _STAYS:
        return True
    return path.name.startswith(".") or path.name.endswith(".new") or is_older
