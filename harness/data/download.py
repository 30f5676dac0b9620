"""Downloads that are complete and as published, or are not there at all.

Addresses and checksums of the image sets are torchvision's, whose own downloader neither resumes nor times out, which
matters for 1.3 GB from a university's server, so the bytes are received here.
"""

import hashlib
import os
import shutil
import ssl
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm import tqdm

from harness.data.content import is_web_page, one_line
from harness.records.files import write_atomic

ROUNDS = 3
SECONDS_BETWEEN_ROUNDS = 2.0
_TIMEOUT_SECONDS = 30.0
_CHUNK = 1 << 20
_LARGEST = 2 << 30
"""Bytes of a file whose size is not known."""
_SECONDS_AT_LEAST, _SLOWEST = 600.0, 50_000.0
"""An attempt ends after so many seconds and those that its bytes take at so many bytes per second."""


class DownloadError(RuntimeError):
    """A download failed from every address; the message is one line."""


class WrongArchive(ValueError):
    """An archive is not the published one; the message is one line."""


@dataclass(frozen=True)
class Remote:
    """Something to download.

    Attributes:
        name: the file name it arrives under.
        digest: of the bytes that arrive, as ``algorithm:hexadecimal``.
        size: how many bytes these are, if it is known.
        urls: addresses with the same bytes, tried in this order.
        provides: the files of the data set that it brings.
        inside: for a tar archive, the folder in it that holds them; None for a file that is taken as it is.
    """

    name: str
    digest: str
    urls: tuple[str, ...]
    provides: tuple[str, ...]
    inside: str | None = None
    size: int | None = None


def fetch(remote: Remote, folder: Path, say: Callable[[str], None]) -> None:
    """Bring a download's files into ``folder``, beside those that are there already.

    What an interrupted download left is continued. Nothing appears in ``folder`` before its checksum is right.

    Raises:
        DownloadError: no address gave the published bytes in ``ROUNDS`` rounds.
        OSError: ``folder`` cannot be written.
    """
    staging = folder / ".download"
    staging.mkdir(exist_ok=True)
    part = staging / remote.name
    _receive_from_any(remote, part, say)
    if remote.inside is None:
        os.replace(part, folder / remote.name)
    else:
        _extract(part, remote, folder)
    shutil.rmtree(staging)


def unpack(archive: Path, remote: Remote, folder: Path) -> None:
    """Bring the files of an ``archive`` that a person has into ``folder``, beside those that are there already.

    Raises:
        WrongArchive: its content is not that of ``remote``; nothing is unpacked.
        OSError: it cannot be read, or ``folder`` cannot be written.
    """
    found = _digest(archive, remote.digest)
    if found != remote.digest:
        raise WrongArchive(f"{archive} is not the published file (checksum {found} instead of {remote.digest})")
    _extract(archive, remote, folder)


def _receive_from_any(remote: Remote, part: Path, say: Callable[[str], None]) -> None:
    attempts = [url for _ in range(ROUNDS) for url in remote.urls]
    for number, url in enumerate(attempts, start=1):
        try:
            _receive(url, part, _limit(remote))
            _check(part, remote.digest)
        except (URLError, HTTPException, ConnectionError, TimeoutError, ssl.SSLError, DownloadError) as error:
            reason = str(error) if isinstance(error, DownloadError) else one_line(error)
            say(f"{remote.name}: attempt {number} of {len(attempts)} failed, {url}: {reason}")
        else:
            return
        if number % len(remote.urls) == 0 and number < len(attempts):
            time.sleep(SECONDS_BETWEEN_ROUNDS)
    raise DownloadError(f"{remote.name} could not be downloaded, last from {url}: {reason}")


def _limit(remote: Remote) -> int:
    """Bytes that are received at most: of a file that is longer the checksum is wrong, whatever follows."""
    return (_LARGEST if remote.size is None else remote.size) + _CHUNK


def _receive(url: str, part: Path, limit: int) -> None:
    """Append to ``part`` what it lacks, or write it anew where the server cannot continue."""
    start = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310 - addresses are ours
    try:
        response = urlopen(request, timeout=_TIMEOUT_SECONDS)  # noqa: S310
    except HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            return  # nothing is left to send: the checksum decides
        raise
    with response:
        if response.headers.get_content_type() == "text/html":
            raise DownloadError("the server sent a web page instead of data")
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            start = 0
        expected = response.length
        with part.open("ab" if start else "wb") as file:
            received = _copy(response, file, part, start, limit)
    if expected is not None and received < expected:
        raise DownloadError(f"the connection broke after {start + received} of {start + expected} bytes")


def _copy(response, file, part: Path, start: int, limit: int) -> int:  # type: ignore[no-untyped-def]
    received, end = 0, time.monotonic() + _SECONDS_AT_LEAST + limit / _SLOWEST
    total = None if response.length is None else start + response.length
    with tqdm(desc=part.name, initial=start, total=total, unit="B", unit_scale=True, disable=None) as bar:
        while chunk := response.read1(_CHUNK):
            file.write(chunk)
            received += len(chunk)
            bar.update(len(chunk))
            if start + received > limit:
                part.unlink()
                raise DownloadError(f"the server sends more than the {limit:,} bytes that it may have")
            if time.monotonic() > end:
                raise DownloadError(f"too slow: {received:,} bytes; the next attempt goes on from there")
    file.flush()
    os.fsync(file.fileno())
    return received


def _check(part: Path, expected: str) -> None:
    """Refuse, and delete, a complete download that is not the published one."""
    found = _digest(part, expected)
    if found != expected:
        with part.open("rb") as file:
            page = is_web_page(file.read(512))
        part.unlink()
        what = "the server sent a web page instead of data" if page else "the file is corrupt or another one"
        raise DownloadError(f"{what} (checksum {found} instead of {expected})")


def _digest(path: Path, like: str) -> str:
    """The digest of a file, by the same algorithm as another one."""
    algorithm = like.partition(":")[0]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return f"{algorithm}:{found.hexdigest()}"


def _extract(archive: Path, remote: Remote, folder: Path) -> None:
    wanted = {f"{remote.inside}/{name}": folder / name for name in remote.provides if not (folder / name).exists()}
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name in wanted and member.isfile() and (content := tar.extractfile(member)):
                write_atomic(wanted[member.name], content.read())
