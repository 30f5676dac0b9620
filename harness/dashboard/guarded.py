"""The dashboard's own database asks for a password, since every user of a machine reaches its loopback addresses."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from harness.dashboard import services

_DATABASE = "conas"
_USER = "dashboard"


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A database server that keeps its data in ``folder`` and ends with the context; its address, with the password.

    Raises:
        ServiceError: it does not start.
    """
    port = services.free_port()
    password = _password(folder, port)
    with services.server(folder, port, auth=True):
        yield f"mongodb://{_USER}:{password}@{services.LOOPBACK}:{port}/{_DATABASE}?authMechanism=SCRAM-SHA-256"


def _password(folder: Path, port: int) -> str:
    """What only this user may read. The first start makes it: the server takes users only while it asks for none."""
    file = folder / "password"
    if not file.exists():
        password = secrets.token_hex()
        with services.server(folder, port):
            _make_user(MongoClient(services.LOOPBACK, port), password)
        _write_private(file, password)
    return file.read_text()


def _make_user(client: MongoClient[dict[str, Any]], password: str) -> None:
    database = client[_DATABASE]
    with client:
        with suppress(OperationFailure):  # there is one only if a first start was killed
            database.command("dropUser", _USER)
        database.command("createUser", _USER, pwd=password, roles=[{"role": "readWrite", "db": _DATABASE}])


def _write_private(file: Path, text: str) -> None:
    draft = file.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    draft.replace(file)
