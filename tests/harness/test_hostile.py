"""Records, archives and stores made to do harm: nothing outside the store is touched, and what is refused is named."""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from conas.space import SPACES
from harness import archive, results, status
from harness.records.files import read_bytes
from harness.records.schema import DamagedRecord, believe
from harness.records.store import RunFolder, Store, UnsafeName, claim
from tables import __main__ as tables
from tables.render import escape_markdown
from tests.runs import contents

WriteRun = Callable[..., RunFolder]
Packed = dict[str, Any]


@pytest.fixture
def packed(tmp_path: Path, write_run: WriteRun) -> list[Packed]:
    """Two runs as the lines of a packed file."""
    store = Store(tmp_path / "origin")
    names = [write_run(store, seed).path.name for seed in range(2)]
    archive.pack(store, names, tmp_path / "packed.jsonl")
    return [orjson.loads(line) for line in (tmp_path / "packed.jsonl").read_bytes().splitlines()]


def write(path: Path, lines: list[Any]) -> Path:
    path.write_bytes(b"".join((line if isinstance(line, bytes) else orjson.dumps(line)) + b"\n" for line in lines))
    return path


def changed(packed: Packed, where: str, value: Any) -> Packed:
    """A copy of ``packed`` with the entry of the dotted name ``where`` replaced."""
    other = copy.deepcopy(packed)
    inner = other
    *path, last = where.split(".")
    for name in path:
        inner = inner[name]
    inner[last] = value
    return other


NODE = ["skip_connect@0"]
BAD = {
    "a way out": ("run", "../../../escaped"),
    "an absolute path": ("run", "ABSOLUTE"),
    "no name": ("run", ""),
    "the folder itself": ("run", "."),
    "another run's name": ("run", "cifar10-conas-s7-000000000000"),
    "a search that is a path": ("record.search.key", "x/../../../escaped"),
    "a key that is a path": ("record.key", "../../escaped"),
    "a cell that is a path": ("record.genotype.cells", {"/../../x": {"nodes": [NODE], "concat": [2]}}),
    "an operation that is a path": ("record.genotype.cells.normal.nodes", [["../x@0"]] * 4),
    "three thousand nodes": ("record.genotype.cells.normal", {"nodes": [NODE] * 3000, "concat": [2]}),
    "four thousand edges": ("record.genotype.cells.normal.nodes", [["skip_connect@0"] * 1000] * 4),
    "another schema": ("record.schema_version", 99),
    "an error below zero": ("record.metrics.last.test_error", -1e9),
    "an error above all": ("record.metrics.last.test_error", 100.5),
    "a loss that is none": ("record.metrics.last.test_loss", -1),
    "no results": ("record.metrics", {}),
    "no configuration": ("record.config", {}),
    "a space that nobody knows": ("record.config.space", "x"),
    "an encoder that is a number": ("record.search.details.alpha", 5),
    "an encoder of another length": ("record.search.details.alpha", "01"),
    "an encoder with a two": ("record.search.details.alpha", "2" * 140),
    "stages that are none": ("record.search.details.stages", None),
    "a stage without what a table reads": ("record.search.details.stages", [{"measurements": {"used": 5}}]),
    "a seed that is a word": ("record.seed", "x"),
    "a time that is none": ("record.attempts", [{"started": "yesterday", "host": "h", "pid": 1, "device": "d"}]),
    "time that runs backwards": ("record.search.seconds", -5),
    "rows that are none": ("metrics", [5]),
    "a row without an epoch": ("metrics", [{"stage": "final"}]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_run_that_is_not_to_be_believed_is_skipped_and_the_others_are_unpacked(
    case: str, packed: list[Packed], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where, value = BAD[case]
    bad = changed(packed[0], where, str(tmp_path / "escaped") if value == "ABSOLUTE" else value)
    path = write(tmp_path / "bad.jsonl", [bad, packed[1]])
    before = contents(tmp_path)
    assert archive.main(["unpack", str(path), "--store", str(tmp_path / "deep" / "er" / "store")]) == 1
    printed = capsys.readouterr()
    assert printed.out == f"1 runs of {path} are new in {tmp_path}/deep/er/store, 1 were skipped\n"
    assert printed.err.startswith(f"skipped: {path}, line 1: not a packed run (")
    assert printed.err.count("\n") == 1
    store = Store(tmp_path / "deep" / "er" / "store")
    assert [folder.path.name for folder in store.folders()] == [packed[1]["run"]]
    after = contents(tmp_path)
    assert all(name.startswith("deep/er/store/") for name in after if name not in before)
    assert {name: content for name, content in after.items() if name in before} == before
    assert len(results.load(path).runs) == 1


@pytest.mark.parametrize("line", [b"", b"{", b"5", b"null", b"[]", b"{}", b"\xff\xfe", b"[" * 5000])
def test_a_line_that_is_no_run_is_named_and_counted(
    line: bytes, packed: list[Packed], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "bad.jsonl", [packed[0], line, packed[1], packed[0]])
    assert archive.main(["unpack", str(path), "--store", str(tmp_path / "store")]) == 1
    printed = capsys.readouterr()
    assert "2 runs" in printed.out
    assert "2 were skipped" in printed.out
    assert [text.partition(": ")[2].partition(":")[0] for text in printed.err.splitlines()] == [
        f"{path}, line {number}" for number in (2, 4)
    ]
    assert tables.main(["scorecard", "--profile", "laptop", "--store", str(path), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err.count("skipped, damaged") == 2


@pytest.mark.parametrize("name", ["../x", "/x", "", ".", "..", "a/b", "a b", "a\0b", "x" * 300])
def test_a_store_knows_no_such_names(name: str, tmp_path: Path) -> None:
    for path in (lambda: Store(tmp_path).run(name), lambda: Store(tmp_path).stage("search", f"/{name}")):
        with pytest.raises(UnsafeName):
            path()


def test_a_device_adds_nothing_to_a_table() -> None:
    assert escape_markdown("<script>\n| a") == r"&lt;script>\n\| a"


def test_every_run_of_the_replication_is_believed() -> None:
    files = sorted((Path(__file__).parents[2] / "docs" / "laptop-replication").glob("*.jsonl"))
    found = [packed for path in files for packed in archive.Archive(path).read()]
    assert len(found) >= 170
    assert not [packed for packed in found if isinstance(packed, DamagedRecord)]
    lines = [orjson.loads(line) for path in files for line in path.read_bytes().splitlines()]
    assert [believe(line["run"], line["record"]).model_dump(mode="json") for line in lines] == [
        line["record"] for line in lines
    ], "nothing is added and nothing is lost"


def test_the_fullest_cells_of_every_space_are_believed(packed: list[Packed]) -> None:
    for space in SPACES.values():
        genotype = space.decode(np.ones(space.n, dtype=np.int8)).to_json()
        line = changed(packed[0], "record.genotype", genotype)
        assert believe(line["run"], line["record"]).genotype == genotype


def in_its_place(path: Path, kind: str, elsewhere: Path) -> None:
    """Put something else where the file ``path`` was."""
    path.rename(elsewhere)
    {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "link": lambda: path.symlink_to(elsewhere),
        "loop": lambda: path.symlink_to(path),
    }[kind]()


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "loop"])
@pytest.mark.parametrize("name", ["record.json", "metrics.jsonl"])
def test_what_is_no_file_is_named_and_skipped(
    kind: str, name: str, write_run: WriteRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "store")
    first, second = write_run(store, 0), write_run(store, 1)
    in_its_place(first.path / name, kind, tmp_path / "elsewhere")
    asked = ["scorecard", "--profile", "laptop", "--store", str(store.root), "--out", str(tmp_path / "o")]
    assert tables.main(asked) == 0
    if name == "record.json":
        assert f"skipped, damaged: {first.path.name}/record.json: " in capsys.readouterr().err
    assert status.main(["--store", str(store.root)]) == 0
    assert second.path.name in results.load(store.root).runs.index
    with pytest.raises(OSError, match=r"symbolic link|not a regular file"):
        read_bytes(first.path / name)


def test_a_folder_that_is_a_link_is_neither_read_nor_written(write_run: WriteRun, tmp_path: Path) -> None:
    there = write_run(Store(tmp_path / "there"))
    here = Store(tmp_path / "here").run(there.path.name)
    here.path.parent.mkdir(parents=True)
    here.path.symlink_to(there.path)
    with pytest.raises(DamagedRecord, match="symbolic link"):
        here.record()
    with pytest.raises(OSError, match="symbolic link"), claim(here.path):
        pass


def test_what_killed_writes_left_is_removed(write_run: WriteRun, tmp_path: Path) -> None:
    folder = write_run(Store(tmp_path))
    left = [folder.path / ".checkpoint.new.ab3_x9q1", folder.path / "weights" / ".checkpoint.new.zz000001"]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    kept = {path for path in folder.path.iterdir() if path not in left}
    with folder.claim():
        assert not any(path.exists() for path in left)
        assert kept <= set(folder.path.iterdir())
