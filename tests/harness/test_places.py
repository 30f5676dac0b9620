"""Folders that are typed: ``~`` is the user's own everywhere, and a store that is not there is no empty one."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import archive, run, status, sweep, sync
from harness.data import __main__ as data
from harness.data.files import DataError
from harness.data.images import load_images
from harness.estimates.shared import Costs
from harness.records.store import RunFolder, Store
from tables import __main__ as tables

READING: dict[str, tuple[Callable[[list[str]], int], list[str]]] = {
    "status": (status.main, []),
    "sync": (sync.main, ["--mongo-url", "mongodb://127.0.0.1:9/none"]),
    "pack": (archive.main, ["pack", "table1", "--profile", "smoke", "packed.jsonl"]),
    "compare": (archive.main, ["compare", "packed.jsonl"]),
    **{name: (tables.main, [name, "--profile", "smoke"]) for name in ("tables", "scorecard", "report")},
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", READING)
def test_a_store_that_is_not_there_is_refused_where_it_is_read(
    name: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main, words = READING[name]
    assert main([*words, "--store", "~/no/runs"]) == 1
    said = f"there is no store {home}/no/runs; the nearest folder that is there is {home}\n"
    told = capsys.readouterr()
    assert (told.out, told.err.removeprefix("error: ")) == ("", said)
    assert not list(home.iterdir())


@pytest.mark.parametrize("store", ["file", "file/runs"])
def test_a_store_in_the_place_of_a_file_is_refused_before_the_run_is_announced(
    store: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "file").write_text("")
    where = f"runs_dir={store}" + ("" if store == "file" else f": {home}/file")
    said = f"error: {where} is a file; a store is a folder that you may write to\n"
    assert run.main(["with", "dataset=digits", "profile=smoke", f"runs_dir={store}"]) == 1
    assert capsys.readouterr() == ("", said)
    assert sweep.main(["table1", "--profile", "smoke", "--store", store, "--dry-run"]) == 1
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize("store", ["CONAS_MONGO_URL", "mongodb://u:s3cret@127.0.0.1:9/x", "packed.jsonl"])
def test_no_run_is_made_where_runs_are_only_read(
    store: str, home: Path, capsys: pytest.CaptureFixture[str], write_run: Callable[..., RunFolder]
) -> None:
    said = "error: --store or runs_dir names a database or a packed file; runs are made in a folder\n"
    made = write_run(Store("made"))
    archive.pack(Store("made"), [made.path.name], home / "some.jsonl")
    for main, words in (
        (run.main, ["with", "dataset=digits", "profile=smoke", f"runs_dir={store}"]),
        (sweep.main, ["table1", "--profile", "smoke", "--store", store, "--dry-run"]),
        (archive.main, ["unpack", "some.jsonl", "--store", store]),
    ):
        assert main(words) == 1
        assert capsys.readouterr() == ("", said)
    assert sorted(path.name for path in home.iterdir()) == ["made", "some.jsonl"]


def test_a_data_dir_that_is_not_there_is_not_made_but_by_fetch(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = f"there is no data_dir {home}/dta; the nearest folder that is there is {home} ("
    with pytest.raises(DataError, match=re.escape(said)):
        load_images("svhn", "dta")
    assert sweep.main(["table1", "--profile", "smoke", "--data-dir", "dta"]) == 1
    assert capsys.readouterr().err.startswith(f"error: {said}")
    assert not list(home.iterdir())
    monkeypatch.setattr(data, "load_images", lambda *_: (_ for _ in ()).throw(DataError("no network")))
    assert data.main(["fetch", "--dataset", "svhn", "--data-dir", "dta"]) == 1
    assert (home / "dta").is_dir()


def test_what_is_missing_can_be_asked_before_the_first_run(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Costs, "of", lambda *_: None)  # how long it all takes is asked elsewhere
    command = ["missing", "--profile", "paper", "--store", "~/runs"]
    assert tables.main(command) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"# there is no store {home}/runs yet\n")
    assert f"runs_dir={home}/runs" in told
