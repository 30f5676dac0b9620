"""Damage of every kind to every file of a store and every line of a packed file, and the commands over it.

CONAS_FUZZ=2000 (`make fuzz`) tries more; the number of tries of each test is printed by `pytest -s`.
"""

import copy
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import archive, results, status
from harness.launch.plan import Plan, PlannedRun
from harness.records.store import Store
from tables.runs import Runs

TRIES = int(os.environ.get("CONAS_FUZZ", "60"))
fuzzed = settings(max_examples=TRIES, deadline=None, database=None, suppress_health_check=list(HealthCheck))

BYTES = st.one_of(st.just(b""), st.binary(max_size=40), st.sampled_from([b"null", b"[]", b"{}", b"5", b'"x"', b"\n\n"]))
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["../../x", "/tmp/x", "", ".", "\x1b[2J", "x" * 300, [], {}, [[]], {"a": 1}]),
)


class Damage(NamedTuple):
    """What is done to some bytes: cut, flip, replace, insert, or another value somewhere in the JSON."""

    kind: str
    place: float
    content: bytes
    value: Any


DAMAGES = st.builds(
    Damage, st.sampled_from(["cut", "flip", "replace", "insert", "value", "drop"]), st.floats(0, 1), BYTES, VALUES
)


def damaged(content: bytes, damage: Damage) -> bytes:
    at = int(damage.place * max(0, len(content) - 1))
    if damage.kind == "cut":
        return content[:at]
    if damage.kind == "flip":
        return content[:at] + bytes([content[at] ^ 0x15]) + content[at + 1 :] if content else b"\x15"
    if damage.kind == "insert":
        return content[:at] + damage.content + content[at:]
    if damage.kind == "replace":
        return damage.content
    return _changed(content, damage)


def _changed(content: bytes, damage: Damage) -> bytes:
    try:
        data = orjson.loads(content.splitlines()[0] if damage.place < 0.1 else content)
    except (orjson.JSONDecodeError, IndexError):
        return orjson.dumps(damage.value)
    places = list(_places(data))
    if not places:
        return orjson.dumps(damage.value)
    holder, name = places[int(damage.place * (len(places) - 1))]
    if damage.kind == "drop":
        del holder[name]
    else:
        holder[name] = copy.deepcopy(damage.value)
    return orjson.dumps(data)


def _places(data: Any) -> Any:
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, value in list(entries):
        yield data, name
        yield from _places(value)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, write_run: Callable[..., Any]) -> Path:
    """A store with three runs and a launched sweep; its runs packed beside it."""
    root = tmp_path_factory.mktemp("fuzz") / "origin"
    store = Store(root / "store")
    folders = [write_run(store, seed, state) for seed, state in enumerate(["done", "done", "running"])]
    (folders[2].path / "pulse.json").write_text('{"title": "final", "done": 50, "total": 200, "left": 90.0}')
    plan = Plan.of(store, "table1", "laptop")
    plan.save(PlannedRun(id=folder.path.name, command="python harness/run.py", seconds=60) for folder in folders)
    plan.launched("local", "python harness/sweep.py table1")
    archive.pack(store, [folder.path.name for folder in folders], root / "runs.jsonl")
    return root


def survives(command: Callable[[list[str]], int], arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback, a status that is 0 or 1, and nothing printed that a terminal would obey."""
    code = command(arguments)
    printed = capsys.readouterr()
    assert code in (0, 1)
    assert (printed.out + printed.err).replace("\n", "").isprintable()
    assert code == 0 or printed.err or "differs in" in printed.out


@fuzzed
@given(number=st.integers(0, 10**6), damage=DAMAGES)
def test_a_damaged_file_of_a_store(
    origin: Path, capsys: pytest.CaptureFixture[str], number: int, damage: Damage
) -> None:
    root = origin.parent / "tried"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(origin, root)
    store = Store(root / "store")
    kinds = (".json", ".jsonl", ".log")
    files = sorted(path for path in store.root.rglob("*") if path.is_file() and path.suffix in kinds)
    hit = files[number % len(files)]
    hit.write_bytes(damaged(hit.read_bytes(), damage))
    intact = {folder.path.name for folder in store.folders() if folder.path not in hit.parents}
    before = {path for path in origin.parent.rglob("*") if store.root not in path.parents}
    read = Runs.read(store.root, "laptop")
    assert intact <= set(read.records)
    assert len(read.records) + len(read.damaged) == 3
    assert intact <= set(results.load(store.root).runs.index)
    for words in ([], ["retry", "--failed"], ["cancel", "all"]):
        survives(status.main, [*words, "--store", str(store.root)], capsys)
    survives(archive.main, ["compare", str(root / "runs.jsonl"), "--store", str(store.root)], capsys)
    assert {path for path in origin.parent.rglob("*") if store.root not in path.parents} == before


@fuzzed
@given(number=st.integers(0, 1), damage=DAMAGES)
def test_a_damaged_line_of_a_packed_file(
    origin: Path, capsys: pytest.CaptureFixture[str], number: int, damage: Damage
) -> None:
    root = origin.parent / "unpacked"
    shutil.rmtree(root, ignore_errors=True)
    lines = (origin / "runs.jsonl").read_bytes().splitlines()
    whole = orjson.loads(lines[1 - number])["run"]
    lines[number] = damaged(lines[number], damage)
    path = origin.parent / "damaged.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    before = {path for path in origin.parent.rglob("*") if root not in [path, *path.parents]}
    store = Store(root / "a" / "b" / "store")
    survives(archive.main, ["unpack", str(path), "--store", str(store.root)], capsys)
    names = {folder.path.name for folder in store.folders()}
    assert whole in names
    assert all(folder.record() is not None for folder in store.folders()), "all of a run or nothing"
    assert set(Runs.read(path, "laptop").records) <= names | {whole}
    survives(archive.main, ["compare", str(path), "--store", str(store.root)], capsys)
    assert {path for path in origin.parent.rglob("*") if root not in [path, *path.parents]} == before
    inside = {path for path in root.rglob("*") if path.is_file()}
    assert all(store.root in path.parents for path in inside)
