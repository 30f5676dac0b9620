"""`python -m harness.archive pack SWEEP ... FILE`: the records of a sweep's runs as one file.

One line per run, sorted by name::

    {"run": "cifar10-conas-s0-...", "record": {...record.json...}, "metrics": [...lines of metrics.jsonl...]}

No weights, no pictures: small enough for a repository. Tables read such a file like a store
(``python -m tables --store FILE.jsonl``); a sweep on a store that it was unpacked into (``unpack``) makes only what it
lacks; and ``compare`` tells whether runs made anew are the same to the bit.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from conas.architecture import architecture
from conas.refusal import Refused
from harness.config import sweeps
from harness.config.grammar import setting
from harness.console.pipes import piped
from harness.console.places import add_store
from harness.console.plain import plain
from harness.launch.state import FINAL
from harness.records.comparison import by_the_clock, differences
from harness.records.files import encode, write_atomic, write_json
from harness.records.metrics import Row, is_row
from harness.records.schema import DamagedRecord, Record, believe
from harness.records.search_results import Found, kept, place
from harness.records.store import AlreadyRunning, Store, claim

Content = tuple[str, bytes | Exception]
"""A run's name and the content of a file, or why there is none."""


class Packed(NamedTuple):
    """A run in a packed file."""

    run: str
    record: Record
    metrics: list[Row]


class Archive:
    """The runs in a packed file.

    Raises:
        ArchiveError: there is no such file.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        if not self._path.is_file():
            raise ArchiveError(f"{path}: no such file")

    def read(self) -> Iterator[Packed | DamagedRecord]:
        """Every run once, and for a line that is none the reason."""
        seen: set[str] = set()
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    packed = _packed(line)
                    if packed.run in seen:
                        raise DamagedRecord(f"{packed.run} is there already")
                    seen.add(packed.run)
                    yield packed
                except DamagedRecord as error:
                    yield DamagedRecord(f"{self._path}, line {number}: not a packed run ({error})")

    def contents(self, name: str) -> Iterator[Content]:
        """The content of ``record.json`` or ``metrics.jsonl`` of every run, by the run's name."""
        for packed in self.read():
            if isinstance(packed, DamagedRecord):
                yield "", packed
            elif name == "record.json":
                yield packed.run, orjson.dumps(packed.record.model_dump(mode="json"))
            elif name == "metrics.jsonl":
                yield packed.run, encode(packed.metrics)


def _packed(line: bytes) -> Packed:
    try:
        item = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise DamagedRecord(f"not valid JSON: {error}") from error
    if not isinstance(item, dict) or not isinstance(item.get("run"), str) or not isinstance(item.get("metrics"), list):
        raise DamagedRecord("it lacks run, record or metrics")
    if not all(map(is_row, item["metrics"])):
        raise DamagedRecord("its metrics are not rows with an epoch and a stage")
    return Packed(item["run"], believe(item["run"], item.get("record")), item["metrics"])


class ArchiveError(OSError):
    """No packed file, or no run to put into one."""


@dataclass
class Outcome:
    """What differs of each run that was dealt with, a line for every one that had to be skipped, and the runs whose
    search ended by the clock, so that there is nothing to compare."""

    runs: dict[str, list[str]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    by_the_clock: list[str] = field(default_factory=list)


def pack(store: Store, names: Iterable[str], path: Path) -> int:
    """Write those of the runs ``names`` that have ended to ``path``; how many they are.

    Raises:
        ArchiveError: none has ended; nothing is written then.
        NoStore: there is no such store.
        DamagedRecord: a record cannot be read.
    """
    store.check_there()
    lines = []
    for name in sorted(set(names)):
        folder = store.run(name)
        record = folder.record()
        if record is not None and record.status in FINAL:
            fields = {"run": name, "record": portable(record.model_dump(mode="json")), "metrics": list(folder.metrics)}
            lines.append(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS) + b"\n")
    if not lines:
        raise ArchiveError(f"none of the runs to be packed has ended in {store.root}; {path} is left as it is")
    write_atomic(path, b"".join(lines))
    return len(lines)


def portable(record: Mapping[str, Any]) -> Any:
    """The ``record`` without the folders of the machine that made it: its data lay in ``data``, its runs in ``runs``.

    Nothing that decides a result is a folder, so the run keeps its name.
    """
    config = record["config"]
    places = {config.get("data_dir", ""): "data", config.get("runs_dir", ""): "runs", os.getcwd(): "."}
    places[os.path.expanduser("~")] = "~"
    folders = {place.rstrip("/"): name for place, name in places.items() if os.path.isabs(place)}
    return _said(record, {place: folders[place] for place in sorted(filter(None, folders), key=len, reverse=True)})


def _said(value: Any, places: Mapping[str, str]) -> Any:
    """``value`` with every folder of ``places`` by its other name, wherever a text in it names it or a part of it."""
    if isinstance(value, Mapping):
        return {name: _said(inner, places) for name, inner in value.items()}
    if isinstance(value, list):
        return [_said(inner, places) for inner in value]
    if isinstance(value, str):
        for place, name in places.items():
            value = name.join(re.split(rf"(?<![\w.-]){re.escape(place)}(?![\w.-])", value))
    return value


def unpack(path: Path, store: Store) -> Outcome:
    """Put every run in ``path`` that ``store`` does not have into it, each as a whole or not at all.

    What their searches found comes with them, so that a run which trains the same cell with other settings takes that
    cell: on another kind of processor the same search may well find another one.

    Raises:
        ArchiveError: there is no such file.
        NoStore: the store is none that runs can be put into.
        OSError: the store cannot be written.
    """
    store.check_usable()
    outcome = Outcome()
    for packed in Archive(path).read():
        if isinstance(packed, DamagedRecord):
            outcome.skipped.append(str(packed))
        elif not os.path.lexists(store.run(packed.run).record_path):
            _put(packed, store, outcome)
    return outcome


def _put(packed: Packed, store: Store, outcome: Outcome) -> None:
    """The record comes last: a run without one was never there."""
    folder = store.run(packed.run)
    try:
        with folder.claim():
            if os.path.lexists(folder.record_path):  # it came meanwhile
                return
            _keep_search(packed.record, packed.metrics, store)
            folder.metrics.replace(packed.metrics)
            if packed.record.genotype is not None:
                write_json(folder.path / "genotype.json", packed.record.genotype)
            folder.save(packed.record)
    except AlreadyRunning as error:
        outcome.skipped.append(str(error))
    else:
        outcome.runs[packed.run] = []


def _keep_search(record: Record, metrics: list[Row], store: Store) -> None:
    if record.search is None or record.genotype is None:
        return
    folder = place(store, record.search.key)
    with claim(folder, partial(print, file=sys.stderr)):
        if kept(folder) is None:
            rows = [row for row in metrics if row["stage"] != "final"]
            Found(architecture(record.genotype), record.search, rows).keep(folder)


def compare(path: Path, store: Store) -> Outcome:
    """What differs, for every run that ended both in ``path`` and in ``store``: all that must repeat to the bit.

    Raises:
        ArchiveError: there is no such file.
        NoStore: there is no such store.
    """
    store.check_there()
    outcome = Outcome()
    for packed in Archive(path).read():
        try:
            if isinstance(packed, DamagedRecord):
                raise packed
            folder = store.run(packed.run)
            record = folder.record()
            if record is None or record.status not in FINAL:
                continue
            if by_the_clock(record):
                outcome.by_the_clock.append(packed.run)
            else:
                outcome.runs[packed.run] = differences(packed.record, packed.metrics, record, list(folder.metrics))
        except DamagedRecord as error:
            outcome.skipped.append(str(error))
    return outcome


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit status."""
    options = _parser().parse_args(arguments)
    store = Store(options.store)
    try:
        with piped():
            return COMMANDS[options.command](options, store)
    except (Refused, OSError) as error:
        print(f"error: {plain(error)}", file=sys.stderr)
        return 1


def _pack(options: argparse.Namespace, store: Store) -> int:
    print(f"{pack(store, planned(options), options.file)} runs of {store.root} are packed in {options.file}")
    return 0


def _unpack(options: argparse.Namespace, store: Store) -> int:
    outcome = unpack(options.file, store)
    print(f"{len(outcome.runs)} runs of {options.file} are new in {store.root}{_skipped(outcome)}")
    return int(bool(outcome.skipped))


def _compare(options: argparse.Namespace, store: Store) -> int:
    outcome = compare(options.file, store)
    for name, found in outcome.runs.items():
        print(f"{name}: {'differs in ' + ', '.join(found) if found else 'the same bits'}")
    for name in outcome.by_the_clock:
        print(f"{name}: not compared, its search ended by the clock")
    print(f"{len(outcome.runs)} runs of {options.file} are compared with those in {store.root}{_skipped(outcome)}")
    return int(bool(outcome.skipped) or any(outcome.runs.values()))


def _skipped(outcome: Outcome) -> str:
    """How many were skipped; each is named on the error stream."""
    for line in outcome.skipped:
        print(f"skipped: {plain(line)}", file=sys.stderr)
    return f", {len(outcome.skipped)} were skipped" if outcome.skipped else ""


COMMANDS = {"pack": _pack, "unpack": _unpack, "compare": _compare}


def planned(options: argparse.Namespace) -> list[str]:
    """The names of the runs of the sweeps that were typed."""
    extra = tuple(map(setting, options.set))
    return [config.id for name in sweeps.named(options.sweeps) for config in sweeps.runs(name, options.profile, extra)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m harness.archive", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="write the runs of sweeps to a file")
    sweeps.add_sweeps(packing)
    unpacking = commands.add_parser("unpack", help="put the runs of a file into a store")
    comparing = commands.add_parser("compare", help="are runs of a store those of a file; status 1 if one differs")
    for command in (packing, unpacking, comparing):
        command.add_argument("file", type=Path, metavar="FILE.jsonl")
        add_store(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
