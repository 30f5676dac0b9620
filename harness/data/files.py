"""The files of a data set: found where the user has them, downloaded where not, checked before anything reads them."""

import gzip
import hashlib
import shlex
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from conas.refusal import Refused
from harness.console.places import DEFAULT_DATA, nothing_there
from harness.data.content import digest, is_web_page, one_line
from harness.data.download import DownloadError, Remote, WrongArchive, fetch, unpack

Say = Callable[[str], None]


class DataError(Refused):
    """A data set is missing, damaged or not what it should be; the message is one line."""


class MissingError(DataError):
    """Files are not there, and the run may not download them.

    Args:
        where: which files, and where to put them.
    """

    def __init__(self, where: str) -> None:
        super().__init__(f"{where} (offline=true: nothing is downloaded)")
        self.where = where


@dataclass(frozen=True)
class Layout:
    """Where the files of a data set lie and what they must contain.

    Attributes:
        folder: the usual sub-folder of ``data_dir``; downloads go there.
        files: the digest (``algorithm:hexadecimal``) of each file's content by its name, empty if none is published. A
            file may also lie there as ``name.gz``, compressed in any way: the digest is that of the unpacked content.
        remotes: the downloads that bring these files.
        elsewhere: folders outside ``data_dir`` that are tried last.
    """

    folder: str
    files: Mapping[str, str]
    remotes: tuple[Remote, ...]
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileRecord:
    """One file as it was read. ``published`` says whether its digest is the published one."""

    name: str
    bytes: int
    digest: str
    published: bool


@dataclass(frozen=True)
class Provenance:
    """What exactly a run was trained on.

    Attributes:
        source: the folder, or the package, that the data came from.
        counts: images or tokens in each split.
        whole: the counts are the published ones.
    """

    dataset: str
    source: str
    files: tuple[FileRecord, ...]
    counts: Mapping[str, int]
    whole: bool

    @property
    def verified(self) -> bool:
        """Whether every file has the published content."""
        return all(file.published for file in self.files)

    @property
    def fingerprint(self) -> str:
        """A hash of the content of all files, the same wherever they lie: 12 hexadecimal digits."""
        return hashlib.sha256("\n".join(file.digest for file in self.files).encode()).hexdigest()[:12]

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON data."""
        return {
            **asdict(self),
            "files": [asdict(file) for file in self.files],
            "verified": self.verified,
            "fingerprint": self.fingerprint,
        }


@dataclass
class Files:
    """Hands out the content of a data set's files, checked, and remembers what it handed out.

    Attributes:
        folder: None for a set that ships with a package.
        allow_subset: whether files may differ from the published ones; None if that is never possible.
        class_names: the names of the classes, where only the files say them.
    """

    dataset: str
    digests: Mapping[str, str]
    folder: Path | None = None
    allow_subset: bool | None = None
    source: str = ""
    records: list[FileRecord] = field(default_factory=list)
    class_names: tuple[str, ...] = ()

    def read(self, name: str) -> bytes:
        """The content of the file ``name``, unpacked if it lies there as ``name.gz``.

        Raises:
            DataError: it cannot be read, is a web page, or differs from the published file without leave.
        """
        assert self.folder is not None
        path = locate(self.folder, name)
        if path is None:
            raise DataError(f"{self.dataset}: {self.folder / name} is missing")
        try:
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{self.dataset}: {path} cannot be read ({one_line(error)})") from error
        if is_web_page(content):
            raise DataError(f"{self.dataset}: {path} is a web page saved as data: delete it")
        self._check(path, name, content)
        return content

    def _check(self, path: Path, name: str, content: bytes) -> None:
        expected = self.digests[name]
        found = digest(content, expected.partition(":")[0] or "sha256")
        if expected and found != expected and not self.allow_subset:
            leave = "" if self.allow_subset is None else ", or use it as it is with allow_subset=true"
            raise DataError(
                f"{self.dataset}: {path} is not the published file ({found} instead of {expected}): it is damaged, cut "
                f"short or another version; delete it to download it anew{leave}"
            )
        self.records.append(FileRecord(name, len(content), found, found == expected))

    def shipped(self, name: str, package: str, content: bytes) -> None:
        """Note that ``content`` was taken from an installed package: published as far as its version goes."""
        self.source = package
        self.records.append(FileRecord(name, len(content), digest(content, "sha256"), published=True))


def open_files(
    dataset: str,
    layout: Layout | None,
    data_dir: str | Path | None,
    allow_subset: bool | None,
    offline: bool,
    say: Say,
) -> Files:
    """The files of a data set, complete: those in ``data_dir`` or its usual sub-folders, also in the published archive
    if that lies there, the rest downloaded.

    Raises:
        DataError: files are missing and cannot be downloaded; the message says where to put them. Or an archive is
            not the published one.
    """
    if layout is None:
        return Files(dataset, {})
    if data_dir is None:
        raise DataError(f"{dataset} needs data_dir, the folder that holds its files or shall receive them")
    try:
        folder = _folder(dataset, layout, Path(data_dir))
        archives = _archives(dataset, layout, Path(data_dir), folder)
    except OSError as error:
        raise DataError(f"{dataset}: cannot look into {data_dir} ({one_line(error)})") from error
    if archives:
        _unpack(dataset, archives, folder)
    missing = _missing(folder, layout)
    if missing and not layout.remotes:
        raise DataError(f"{dataset}: {folder} has no {' and no '.join(missing)} (set data_dir to where they are)")
    if missing and offline:
        raise MissingError(_where_to_put(dataset, layout, folder, missing))
    if missing:
        check_data_dir(data_dir, dataset)
        _download(dataset, layout, folder, say)
    return Files(dataset, layout.files, folder, allow_subset, source=str(folder))


def check_data_dir(data_dir: str | Path, dataset: str | None = None) -> None:
    """Refuse to download into a folder whose name may be a typing error: only the usual one is made.

    Raises:
        DataError: it is another, and not there.
    """
    if Path(data_dir) != Path(DEFAULT_DATA) and not Path(data_dir).exists():
        chosen = f" --dataset {dataset}" if dataset else ""
        fetching = f"python -m harness.data fetch{chosen} --data-dir {shlex.quote(str(data_dir))} makes it"
        raise DataError(f"{nothing_there('data_dir', Path(data_dir))} ({fetching})")


def locate(folder: Path, name: str) -> Path | None:
    """The file ``name`` of ``folder``, or its compressed form."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _folder(dataset: str, layout: Layout, data_dir: Path) -> Path:
    """The folder that holds most of the files; if none holds any, the one that downloads go to."""
    candidates = [*_inside(dataset, layout, data_dir), *map(Path, layout.elsewhere)]
    return min(candidates, key=lambda folder: len(_missing(folder, layout)))


def _inside(dataset: str, layout: Layout, data_dir: Path) -> list[Path]:
    return [data_dir / layout.folder, data_dir, data_dir / dataset, data_dir / dataset / layout.folder]


def _archives(dataset: str, layout: Layout, data_dir: Path, folder: Path) -> list[tuple[Path, Remote]]:
    """The archives in ``data_dir`` that hold something of what ``folder`` lacks."""
    missing = set(_missing(folder, layout))
    packed = [remote for remote in layout.remotes if remote.inside is not None and missing & set(remote.provides)]
    lying = [(place / remote.name, remote) for remote in packed for place in _inside(dataset, layout, data_dir)]
    return [(path, remote) for path, remote in lying if path.is_file()]


def _missing(folder: Path, layout: Layout) -> list[str]:
    return [name for name in layout.files if locate(folder, name) is None]


def _where_to_put(dataset: str, layout: Layout, folder: Path, missing: list[str]) -> str:
    addresses = " ".join(remote.urls[0] for remote in layout.remotes if set(remote.provides) & set(missing))
    return (
        f"{dataset}: {folder} lacks {', '.join(missing)}: put them there (from {addresses}), or set "
        "data_dir to where they are"
    )


def _unpack(dataset: str, archives: list[tuple[Path, Remote]], folder: Path) -> None:
    with _writing(dataset, folder):
        for path, remote in archives:
            try:
                unpack(path, remote, folder)
            except WrongArchive as error:
                raise DataError(f"{dataset}: {error}; delete it to download it anew") from error


@contextmanager
def _writing(dataset: str, folder: Path) -> Iterator[None]:
    """Hold ``folder``, one process at a time."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".download.lock"):
            yield
    except OSError as error:
        raise DataError(f"{dataset}: cannot write to {folder} ({one_line(error)})") from error


def _download(dataset: str, layout: Layout, folder: Path, say: Say) -> None:
    """Bring what is missing."""
    try:
        with _writing(dataset, folder):
            for remote in layout.remotes:
                if set(remote.provides) & set(_missing(folder, layout)):
                    fetch(remote, folder, say)
    except DownloadError as error:
        raise DataError(f"{error}; {_where_to_put(dataset, layout, folder, _missing(folder, layout))}") from error
