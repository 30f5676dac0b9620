"""`python -m harness.deposit`: published runs, records and weights, to where others find them, and back.

make FOLDER SWEEP...       records, weights and checksums of a sweep's runs that have ended, in one folder
push FOLDER zenodo:NUMBER  the folder into a deposition of your own; ZENODO_TOKEN holds your token
fetch PLACE FOLDER         from zenodo:NUMBER, hf:USER/NAME, https://... or a folder; every checksum is checked

To Hugging Face: `hf upload USER/NAME FOLDER --repo-type dataset`.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.request import Request, urlopen

from conas.refusal import Refused
from conas.saved import FILE
from harness.archive import pack, planned
from harness.config import sweeps
from harness.console.places import add_store
from harness.data.content import one_line
from harness.data.download import DownloadError, Remote
from harness.data.download import fetch as download
from harness.launch.state import FINAL
from harness.records.files import write_atomic
from harness.records.store import Store

SUMS, RECORDS, WEIGHTS = "SHA256SUMS", "runs.jsonl", ".safetensors"
SERVERS = {"zenodo": "https://zenodo.org", "hf": "https://huggingface.co"}
_FILES = {"zenodo": "{server}/records/{where}/files/{name}", "hf": "{server}/datasets/{where}/resolve/main/{name}"}
_SECONDS = 60
_OF_A_RUN = re.compile(rf".+-s\d+-[0-9a-f]{{12}}{re.escape(WEIGHTS)}")
"""The weights that `make` writes, and no file of a user's own."""
_LINE = re.compile(r"([0-9a-f]{64})  (\w[\w.-]*)")


def make(store: Store, names: Iterable[str], folder: Path) -> list[str]:
    """Write the deposit of those of the runs ``names`` that have ended to ``folder``; the files in it.

    Weights of an earlier deposit there go: who uploads the folder as it is would publish them.

    Raises:
        ArchiveError: none has ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = sorted(set(names))
    pack(store, known, folder / RECORDS)
    files = [RECORDS]
    for name in known:
        record, weights = store.run(name).record(), store.run(name).path / FILE
        if record is not None and record.status in FINAL and weights.is_file():
            files.append(name + WEIGHTS)
            shutil.copyfile(weights, folder / files[-1])
    for path in folder.iterdir():
        if _OF_A_RUN.fullmatch(path.name) and path.name not in files:
            path.unlink()
    lines = [f"{_digest(folder / name)}  {name}\n" for name in files]
    write_atomic(folder / SUMS, "".join(lines).encode())
    return [*files, SUMS]


def fetch(place: str, folder: Path, servers: dict[str, str] = SERVERS) -> list[str]:
    """Bring the files of the deposit at ``place`` into ``folder``, those that are there already excepted.

    Raises:
        Refused: it cannot be read, is no deposit, or a file is not the one that its checksum names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listed = _read(_address(place, SUMS, servers))
    sums = _sums(listed, place)
    for name, digest in sums.items():
        if not (folder / name).is_file() or _digest(folder / name) != digest:
            _bring(_address(place, name, servers), name, digest, folder)
    write_atomic(folder / SUMS, listed)  # last: a folder that has it is whole, and is a deposit itself
    return [*sums, SUMS]


def push(folder: Path, number: str, token: str, server: str = SERVERS["zenodo"]) -> list[str]:
    """Upload every file of the deposit in ``folder`` to the Zenodo deposition ``number``, a draft of the token's owner.

    Raises:
        Refused: the folder is no whole deposit, or the server says no.
    """
    if not (folder / SUMS).is_file():
        raise Refused(f"{folder} is no deposit ({SUMS} is missing; `python -m harness.deposit make` makes one)")
    sums = _sums((folder / SUMS).read_bytes(), str(folder))
    for name, digest in sums.items():
        if not (folder / name).is_file() or _digest(folder / name) != digest:
            raise Refused(f"{folder / name} is not the file that {SUMS} names (`make` writes the deposit anew)")
    names = [*sums, SUMS]
    draft = json.loads(_ask(f"{server}/api/deposit/depositions/{number}", token))
    for name in names:
        with (folder / name).open("rb") as file:
            _ask(f"{draft['links']['bucket']}/{name}", token, file)
        print(name)
    return names


def _address(place: str, name: str, servers: dict[str, str]) -> str:
    kind, is_server, where = place.partition(":")
    if is_server and kind in _FILES:
        return _FILES[kind].format(server=servers[kind], where=where, name=name)
    return f"{place.rstrip('/')}/{name}"


def _sums(content: bytes, place: str) -> dict[str, str]:
    """The checksums by name. A name is one file of the folder and nothing else."""
    found = [_LINE.fullmatch(line) for line in content.decode(errors="replace").splitlines()]
    if not found or not all(found):
        raise Refused(f"{place}: its {SUMS} is not a list of checksums and names")
    return {match[2]: match[1] for match in found if match}


def _read(address: str) -> bytes:
    try:
        if "://" in address:
            with urlopen(address, timeout=_SECONDS) as response:  # noqa: S310 - the user's own word
                return response.read()
        return Path(address).read_bytes()
    except (OSError, HTTPException) as error:
        raise Refused(f"{address}: {getattr(error, 'strerror', None) or one_line(error)}") from error


def _bring(address: str, name: str, digest: str, folder: Path) -> None:
    if "://" in address:
        try:
            return download(Remote(name, f"sha256:{digest}", (address,), (name,)), folder, print)
        except DownloadError as error:
            raise Refused(str(error)) from error
    content = _read(address)
    if hashlib.sha256(content).hexdigest() != digest:
        raise Refused(f"{address} is not the file that its checksum names")
    write_atomic(folder / name, content)
    return None


def _ask(address: str, token: str, file: BinaryIO | None = None) -> bytes:
    """The server's answer; a file is sent in blocks, so that the limit is on silence and not on its size."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
    if file is not None:
        headers["Content-Length"] = str(os.fstat(file.fileno()).st_size)
    request = Request(address, file, headers, method="GET" if file is None else "PUT")  # noqa: S310
    try:
        with urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
            return response.read()
    except (OSError, HTTPException) as error:
        raise Refused(f"{address}: {one_line(error)}") from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness.deposit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("make", help="records, weights and checksums in one folder")
    made.add_argument("folder", type=Path)
    sweeps.add_sweeps(made)
    add_store(made)
    pushed = commands.add_parser("push", help="a folder into a deposition of your own")
    pushed.add_argument("folder", type=Path)
    pushed.add_argument("place", metavar="zenodo:NUMBER")
    fetched = commands.add_parser("fetch", help="a deposit into a folder")
    fetched.add_argument("place", metavar="PLACE")
    fetched.add_argument("folder", type=Path)
    return parser


def _run(chosen: argparse.Namespace) -> list[str]:
    if chosen.command == "fetch":
        return fetch(chosen.place, chosen.folder)
    if chosen.command == "make":
        return make(Store(chosen.store), planned(chosen), chosen.folder)
    kind, _, number = chosen.place.partition(":")
    if kind != "zenodo" or not number.isdigit():
        raise Refused(f"{chosen.place} (allowed: zenodo:NUMBER; to Hugging Face: hf upload USER/NAME {chosen.folder})")
    if not (token := os.environ.get("ZENODO_TOKEN")):
        raise Refused("set ZENODO_TOKEN to a token of yours that may write deposits")
    return push(chosen.folder, number, token)


def main() -> None:
    """The command line."""
    try:
        files = _run(_parser().parse_args())
    except (Refused, OSError) as error:
        sys.exit(f"error: {error}")
    print(f"{len(files)} files")


if __name__ == "__main__":
    main()
