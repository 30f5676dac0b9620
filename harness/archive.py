"""`python -m harness.archive pack SWEEP ... FILE`: the records of a sweep's runs as one file.

One line a run, sorted by name::

    {"run": "cifar10-conas-s0-...", "record": {...record.json...}, "metrics": [...lines of metrics.jsonl...]}

No weights, no pictures: small enough for a repository. Tables read such a file like a store
(``python -m tables --store FILE.jsonl``); a sweep on a store that it was unpacked into (``unpack``) makes only what it
lacks; and ``compare`` tells whether runs made anew are the same to the bit.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from conas.genotype import Genotype
from conas.refusal import Refused
from harness.config import sweeps
from harness.config.load import default_profile, summaries
from harness.records.files import Lines, write_atomic
from harness.records.metrics import Row
from harness.records.search_results import Found, kept, place
from harness.records.store import Record, Store, claim

SUFFIX = ".jsonl"
_ENDED = ("done", "failed", "diverged")


class Archive:
    """The runs in a packed file.

    Raises:
        ArchiveError: the file is missing, or a line of it is no run.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        if not self._path.is_file():
            raise ArchiveError(f"{path}: no such file")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Every run: ``run``, ``record`` and ``metrics``."""
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    packed = orjson.loads(line)
                    yield {name: packed[name] for name in ("run", "record", "metrics")}
                except (orjson.JSONDecodeError, KeyError, TypeError) as error:
                    raise ArchiveError(f"{self._path}, line {number}: not a packed run ({error})") from error

    def contents(self, name: str) -> Iterator[tuple[str, bytes]]:
        """The content of ``record.json`` or ``metrics.jsonl`` of every run, by the run's name."""
        for packed in self:
            if name == "record.json":
                yield packed["run"], orjson.dumps(packed["record"])
            elif name == "metrics.jsonl":
                yield packed["run"], b"".join(orjson.dumps(row) + b"\n" for row in packed["metrics"])


class ArchiveError(OSError):
    """A file that holds no packed runs, or none to put into one."""


def pack(store: Store, names: Iterable[str], path: Path) -> int:
    """Write those of the runs ``names`` that have ended to ``path``; how many they are.

    Raises:
        ArchiveError: none has ended; nothing is written then.
        DamagedRecord: a record cannot be read.
    """
    lines = []
    for name in sorted(set(names)):
        folder = store.run(name)
        record = folder.record()
        if record is not None and record.status in _ENDED:
            told = {"run": name, "record": record.model_dump(mode="json"), "metrics": list(folder.metrics)}
            lines.append(orjson.dumps(told, option=orjson.OPT_SORT_KEYS) + b"\n")
    if not lines:
        raise ArchiveError(f"none of the runs to be packed has ended in {store.root}; {path} is left as it is")
    write_atomic(path, b"".join(lines))
    return len(lines)


def unpack(path: Path, store: Store) -> int:
    """Put every run in ``path`` that ``store`` does not have into it; how many they are.

    What their searches found comes with them, so that a run which trains the same cell with other settings takes that
    cell: on another kind of processor the same search may well find another one.

    Raises:
        ArchiveError: the file is missing, or a line of it is no run.
    """
    new = [packed for packed in Archive(path) if not store.run(packed["run"]).record_path.exists()]
    for packed in new:
        folder, record = store.run(packed["run"]), Record.model_validate(packed["record"])
        _keep_search(record, packed["metrics"], store)
        folder.metrics.path.unlink(missing_ok=True)
        Lines(folder.metrics.path).append(*packed["metrics"])
        folder.save(record)
    return len(new)


def _keep_search(record: Record, metrics: list[Row], store: Store) -> None:
    if record.search is None or record.genotype is None:
        return
    folder = place(store, record.search.key)
    with claim(folder, wait=-1):
        if kept(folder) is None:
            rows = [row for row in metrics if row["stage"] != "final"]
            Found(Genotype.from_json(record.genotype), record.search, rows).keep(folder)


def compare(path: Path, store: Store) -> dict[str, list[str]]:
    """What differs, for every run that ended both in ``path`` and in ``store``: all that must repeat to the bit.

    Raises:
        ArchiveError: the file is missing, or a line of it is no run.
        DamagedRecord: a record cannot be read.
    """
    found = {}
    for packed in Archive(path):
        folder = store.run(packed["run"])
        record = folder.record()
        if record is not None and record.status in _ENDED:
            theirs, ours = _bits(Record.model_validate(packed["record"])), _bits(record)
            theirs["metrics of every epoch"], ours["metrics of every epoch"] = packed["metrics"], list(folder.metrics)
            found[packed["run"]] = [name for name in theirs if theirs[name] != ours[name]]
    return found


def _bits(record: Record) -> dict[str, Any]:
    """Everything in a record that the seed decides, and neither the clock nor the machine."""
    told = record.model_dump(include={"status", "genotype", "counts", "metrics", "weights"})
    return told | {"search": record.search and record.search.details}


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit status."""
    options = _parser().parse_args(arguments)
    store = Store(options.store)
    try:
        return COMMANDS[options.command](options, store)
    except (Refused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _pack(options: argparse.Namespace, store: Store) -> int:
    print(f"{pack(store, _planned(options), options.file)} runs of {store.root} are packed in {options.file}")
    return 0


def _unpack(options: argparse.Namespace, store: Store) -> int:
    print(f"{unpack(options.file, store)} runs of {options.file} are new in {store.root}")
    return 0


def _compare(options: argparse.Namespace, store: Store) -> int:
    found = compare(options.file, store)
    for name, differences in found.items():
        print(f"{name}: {'differs in ' + ', '.join(differences) if differences else 'the same bits'}")
    print(f"{len(found)} runs are in both {options.file} and {store.root}")
    return int(any(found.values()))


COMMANDS = {"pack": _pack, "unpack": _unpack, "compare": _compare}


def _planned(options: argparse.Namespace) -> list[str]:
    extra = tuple(map(sweeps.setting, options.set))
    return [config.id for name in sweeps.named(options.sweeps) for config in sweeps.runs(name, options.profile, extra)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m harness.archive", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="write the runs of sweeps to a file")
    packing.add_argument("sweeps", nargs="+", metavar="SWEEP", help=f"{', '.join(sweeps.names())}, all, or a FILE.yaml")
    packing.add_argument("--profile", choices=summaries("profiles"), default=default_profile())
    packing.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of every run")
    unpacking = commands.add_parser("unpack", help="put the runs of a file into a store")
    comparing = commands.add_parser("compare", help="are runs of a store those of a file; status 1 if one differs")
    for command in (packing, unpacking, comparing):
        command.add_argument("file", type=Path, metavar="FILE.jsonl")
        command.add_argument("--store", default="runs", metavar="DIR", help="where runs are recorded (default: runs)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
