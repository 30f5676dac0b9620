import os
import shutil
import subprocess
import sys

import pytest

from harness.mongo.database import UNSYNCED, Database
from harness.mongo.snapshot import read_image
from harness.records.store import Store
from harness.sync import Sync, main
from tests.harness.mongo.checks import assert_equal, collections, contents


def sync(url, root, force=False):
    return Sync(Database(url), Store(root), force)()


@pytest.fixture
def runs(tmp_path, write_run):
    for seed, status in enumerate(["done", "done", "failed", "running", "interrupted", "diverged", "queued"]):
        write_run(Store(tmp_path), seed, status)
    return tmp_path


def test_sync_twice_changes_nothing(runs, mongo_url):
    first = sync(mongo_url, runs)
    before = contents(mongo_url)
    second = sync(mongo_url, runs)
    assert (first.uploaded, first.equal, first.refused) == (7, 0, [])
    assert (second.uploaded, second.equal, second.refused) == (0, 7, [])
    assert contents(mongo_url) == before
    assert_equal(mongo_url, runs)


def test_sync_by_three_processes_at_once(tmp_path, write_run, mongo_url):
    for seed in range(30):
        write_run(Store(tmp_path), seed)
    command = [sys.executable, "-W", "ignore", "-m", "harness.sync", "--store", str(tmp_path)]
    environment = {**os.environ, "CONAS_MONGO_URL": mongo_url, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0] * 3
    assert collections(mongo_url).runs.count_documents({}) == 30
    assert_equal(mongo_url, tmp_path)


def test_sync_uploads_what_was_lost(runs, mongo_url):
    sync(mongo_url, runs)
    before = contents(mongo_url)
    collections(mongo_url).runs.delete_one({"config.seed": 0})
    collections(mongo_url).metrics.delete_many({})
    assert sync(mongo_url, runs).uploaded == 1
    collections(mongo_url)["fs.chunks"].delete_many({"n": 0})
    assert sync(mongo_url, runs, force=True).uploaded == 7
    assert contents(mongo_url) == before
    collections(mongo_url).client.drop_database(collections(mongo_url).name)
    assert sync(mongo_url, runs).uploaded == 7
    assert contents(mongo_url) == before


def test_a_run_that_goes_on_replaces_what_was_uploaded(runs, mongo_url):
    sync(mongo_url, runs)
    folder = Store(runs).folders()[3]
    folder.metrics.append({"stage": "final", "epoch": 4, "train_loss": 0.5})
    (folder.path / "output.log").write_text("more\n")
    (folder.path / "cell_normal.png").write_bytes(b"another picture")
    (folder.path / "cell_reduce.png").unlink()
    assert sync(mongo_url, runs).uploaded == 1
    assert_equal(mongo_url, runs)


def test_what_people_wrote_in_omniboard_is_kept(runs, mongo_url):
    sync(mongo_url, runs)
    mine = {"tags": ["good"], "notes": "look at this"}
    collections(mongo_url).runs.update_many({}, {"$set": {"omniboard": mine}})
    columns = collections(mongo_url)["omniboard.custom.columns"]
    columns.delete_one({"name": "params_M"})
    Store(runs).folders()[0].metrics.append({"stage": "final", "epoch": 9, "train_loss": 0.1})
    sync(mongo_url, runs)
    assert all(run["omniboard"] == mine for run in collections(mongo_url).runs.find())
    assert columns.count_documents({"name": "params_M"}) == 0


def test_a_sync_that_goes_on_reads_only_what_changed(runs, mongo_url):
    again = Sync(Database(mongo_url), Store(runs))
    assert again().uploaded == 7
    quiet = again()
    assert (quiet.uploaded, quiet.equal) == (0, 0)
    Store(runs).folders()[3].metrics.append({"stage": "final", "epoch": 4, "train_loss": 0.5})
    assert again().uploaded == 1


def test_a_damaged_record_is_named_and_the_others_are_uploaded(runs, mongo_url, capsys):
    damaged = Store(runs).folders()[1]
    damaged.record_path.write_text('{"schema_version": 1, "status"')
    assert main(["--store", str(runs), "--mongo-url", mongo_url]) == 1
    printed = capsys.readouterr()
    assert str(damaged.record_path) in printed.err
    assert "6 uploaded, 0 equal already, 1 refused" in printed.out


def test_a_run_that_cannot_be_read_is_named_and_the_others_are_uploaded(runs, mongo_url, monkeypatch):
    first = Store(runs).folders()[0].path

    def read(folder):
        if folder.path == first:
            raise PermissionError(13, "Permission denied", str(first / "output.log"))
        return read_image(folder)

    monkeypatch.setattr("harness.mongo.database.read_image", read)
    outcome = sync(mongo_url, runs)
    assert (outcome.uploaded, len(outcome.refused)) == (6, 1)
    assert first.name in outcome.refused[0]


def test_runs_of_another_machine_stay(runs, mongo_url):
    sync(mongo_url, runs)
    shutil.rmtree(Store(runs).folders()[0].path)
    sync(mongo_url, runs)
    assert collections(mongo_url).runs.count_documents({}) == 7


def test_a_database_that_is_away_is_one_line(runs, capsys):
    assert main(["--store", str(runs), "--mongo-url", "127.0.0.1:1:x"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(runs.rglob(UNSYNCED)), "nothing was sent"


def test_no_database_is_named(runs, capsys, monkeypatch):
    monkeypatch.delenv("CONAS_MONGO_URL", raising=False)
    with pytest.raises(SystemExit):
        main(["--store", str(runs)])
    assert "--mongo-url mongodb://HOST:PORT/DATABASE or CONAS_MONGO_URL" in capsys.readouterr().err


def test_the_pulse_of_a_run_is_passed_on(runs, mongo_url):
    again = Sync(Database(mongo_url), Store(runs))
    again()
    before = {run["_id"]: run["heartbeat"] for run in collections(mongo_url).runs.find()}
    for folder in Store(runs).folders():
        (folder.path / "pulse.json").write_text("{}")
    assert again().uploaded == 0
    alive = [run for run in collections(mongo_url).runs.find() if run["heartbeat"] > before[run["_id"]]]
    assert [run["status"] for run in alive] == ["RUNNING"]
