"""Runs as processes of their own, against a real server as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest
from sacred import Experiment
from sacred.observers import MongoObserver

from harness.dashboard import services
from harness.mongo.database import UNSYNCED, Database
from harness.mongo.documents import number
from harness.records.store import RunFolder, Store
from harness.sync import Sync
from tests.harness.mongo.checks import assert_equal, collections, contents
from tests.runs import wait_until

EXPERIMENT = Path(__file__).parent / "experiment.py"
RUN = "digits-small-s0-000000000000"


def start(store: Path, address: str | None, *updates: str, **environment: str) -> subprocess.Popen[str]:
    options = ["-m", address] if address else []
    return subprocess.Popen(
        [sys.executable, str(EXPERIMENT), *options, "with", f"store={store}", *updates],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "ignore", **environment},
    )


def finish(process: subprocess.Popen[str], code: int = 0, seconds: float = 60) -> str:
    output, _ = process.communicate(timeout=seconds)
    assert process.returncode == code, output
    return output


def short(url: str) -> str:
    host, _, name = url.removeprefix("mongodb://").partition("/")
    return f"{host}:{name}"


def test_a_run_is_in_the_database_when_it_ends(tmp_path, mongo_url):
    finish(start(tmp_path, short(mongo_url)))
    assert_equal(mongo_url, tmp_path)
    run = collections(mongo_url).runs.find_one()
    assert run["status"] == "COMPLETED"
    assert run["result"] == {"test_error": 1.5}
    assert run["heartbeat"] == run["stop_time"]


def test_a_failed_run_is_in_the_database(tmp_path, mongo_url):
    output = finish(start(tmp_path, mongo_url, "end=fail"), code=1)
    assert "disk full" in output
    assert_equal(mongo_url, tmp_path)
    run = collections(mongo_url).runs.find_one()
    assert run["fail_trace"] == ["OSError: disk full"]


def test_an_interrupted_run_is_in_the_database_and_continues_under_the_same_number(tmp_path, mongo_url):
    process = start(tmp_path, mongo_url, "epochs=1000")
    wait_until(lambda: collections(mongo_url).metrics.find_one())
    process.send_signal(signal.SIGINT)
    finish(process, code=-signal.SIGINT)
    assert_equal(mongo_url, tmp_path)
    assert collections(mongo_url).runs.find_one()["status"] == "INTERRUPTED"
    finish(start(tmp_path, mongo_url, "epochs=1000", "pace=0"))
    assert_equal(mongo_url, tmp_path)
    run = collections(mongo_url).runs.find_one()
    assert run["status"] == "COMPLETED"
    assert [attempt["status"] for attempt in run["info"]["attempts"]] == ["interrupted", "done"]
    assert collections(mongo_url).runs.count_documents({}) == 1


def test_a_killed_run_looks_dead(tmp_path, mongo_url):
    finish(start(tmp_path, mongo_url, "end=die"), code=9)
    run = collections(mongo_url).runs.find_one()
    assert run["status"] == "RUNNING"
    assert run["stop_time"] is None
    folder = Store(tmp_path).run(RUN)
    last_sign = max(path.stat().st_mtime for path in folder.path.glob("*.json*"))
    time.sleep(0.1)
    Sync(Database(mongo_url), Store(tmp_path))()
    assert collections(mongo_url).runs.find_one()["heartbeat"].timestamp() <= last_sign
    assert_equal(mongo_url, tmp_path)


def test_a_quiet_run_keeps_saying_that_it_is_alive(tmp_path, mongo_url):
    process = start(tmp_path, mongo_url, "epochs=1", "pace=4")
    wait_until(lambda: collections(mongo_url).runs.find_one())
    first = collections(mongo_url).runs.find_one()["heartbeat"]
    wait_until(lambda: collections(mongo_url).runs.find_one({"status": "RUNNING", "heartbeat": {"$gt": first}}), 30)
    assert collections(mongo_url).metrics.find_one() is None, "it had something else to say"
    finish(process)


def test_eight_runs_at_once(tmp_path, mongo_url):
    processes = [start(tmp_path, mongo_url, f"seed={seed}") for seed in range(8)]
    for process in processes:
        finish(process, seconds=120)
    assert collections(mongo_url).runs.count_documents({"status": "COMPLETED"}) == 8
    assert_equal(mongo_url, tmp_path)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator["OwnServer"]:
    with ExitStack() as stack:
        yield OwnServer(tmp_path / "server", stack)


class OwnServer:
    """A server that a test may kill and start again."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack, self.port = folder, stack, services.free_port()
        self.url = f"mongodb://{services.LOOPBACK}:{self.port}/conas"

    def start(self, auth: bool = False) -> None:
        self.process = self.stack.enter_context(services.server(self.folder, self.port, auth))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def test_the_server_is_killed_in_the_middle_and_comes_back(tmp_path, own_server, mongo_server):
    own_server.start()
    process = start(tmp_path / "runs", own_server.url, "epochs=120")
    wait_until(lambda: collections(own_server.url).metrics.find_one())
    own_server.kill()
    said = next(line for line in process.stdout if "cannot be written to" in line)
    own_server.start()
    output = said + finish(process)
    assert output.count("cannot be written to") == 1
    assert output.count("is back") == 1
    assert_equal(own_server.url, tmp_path / "runs")


def test_the_server_is_gone_for_good(tmp_path, own_server, mongo_server):
    own_server.start()
    process = start(tmp_path / "runs", own_server.url, PATIENCE="3")
    wait_until(lambda: collections(own_server.url).metrics.find_one())
    own_server.kill()
    output = finish(process, seconds=30)
    assert output.count("cannot be written to") == 1
    assert "`make sync` uploads it later" in output
    folder: RunFolder = Store(tmp_path / "runs").run(RUN)
    assert folder.record().status == "done"
    assert (folder.path / UNSYNCED).exists()
    own_server.start()
    outcome = Sync(Database(own_server.url), Store(tmp_path / "runs"))()
    assert (outcome.uploaded, outcome.refused) == (1, [])
    assert_equal(own_server.url, tmp_path / "runs")


def test_a_server_that_does_not_answer_holds_nothing_up(tmp_path, own_server, mongo_server):
    own_server.start()
    process = start(tmp_path / "runs", own_server.url, PATIENCE="3")
    wait_until(lambda: collections(own_server.url).metrics.find_one())
    own_server.process.send_signal(signal.SIGSTOP)
    finish(process, seconds=30)
    assert Store(tmp_path / "runs").run(RUN).record().status == "done"


def test_a_server_that_was_never_there(tmp_path):
    port = services.free_port()
    output = finish(start(tmp_path, None, CONAS_MONGO_URL=f"mongodb://127.0.0.1:{port}/x", PATIENCE="3"), seconds=30)
    assert output.count("cannot be written to") == 1
    assert Store(tmp_path).run(RUN).record().status == "done"


PASSWORD = "s3cret/@:word"


def test_a_wrong_password_is_said_once_and_no_password_is_ever_shown(tmp_path, own_server, mongo_server):
    own_server.start()
    user = {"createUser": "lab", "pwd": PASSWORD, "roles": ["root"]}
    collections(own_server.url).client.admin.command(user)
    own_server.kill()
    own_server.start(auth=True)
    right, wrong = quote(PASSWORD, safe=""), quote(f"not {PASSWORD}", safe="")
    address = f"mongodb://lab:{{}}@{services.LOOPBACK}:{own_server.port}/conas?authSource=admin"
    refused = finish(start(tmp_path / "runs", address.format(wrong), PATIENCE="1"))
    assert refused.count("cannot be written to") == 1
    assert "(authentication failed)" in refused.lower()
    allowed = finish(start(tmp_path / "runs", address.format(right), "seed=1"))
    assert "cannot be written to" not in allowed
    Sync(Database(address.format(right)), Store(tmp_path / "runs"))()
    assert_equal(address.format(right), tmp_path / "runs")
    shown = refused + allowed
    written = [path.read_text(errors="replace") for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    held = [
        repr(document) for name in ("runs", "fs.files") for document in collections(address.format(right))[name].find()
    ]
    for secret in (PASSWORD, right, wrong):
        assert not any(secret in text for text in (shown, *written, *held))


@pytest.mark.parametrize(
    "address", ["host:port:db", "mongodb://u:s3cret@x@host:1/db", "mongodb://u:s3cret@h:s3cret/db", "a b"]
)
def test_an_address_that_cannot_be_read_is_refused_before_the_run(tmp_path, address):
    output = finish(start(tmp_path, address), code=1)
    assert "allowed: HOST:PORT:DATABASE" in output
    assert "s3cret" not in output
    assert "Traceback" not in output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("mongodb://h:27017?tlsInsecure=true&appName=s3cret", "h:27017/conas"),
        ("mongodb://u:s3cret@h/lab?authSource=a@b", "h/lab"),
    ],
)
def test_the_name_of_a_database_is_its_host_and_nothing_secret(address, name):
    assert Database(address).name == name


def test_another_projects_runs_are_left_alone(tmp_path, mongo_url, write_run):
    other = Experiment("other", save_git_info=False)
    other.main(lambda _run: _run.log_scalar("loss", 1.0))
    other.observers.append(MongoObserver(mongo_url, db_name=collections(mongo_url).name))
    for _ in range(3):
        other.run()
    before = contents(mongo_url)
    folder = write_run(Store(tmp_path))
    Sync(Database(mongo_url), Store(tmp_path))()
    other.run()
    after = contents(mongo_url)
    assert {key: after[key] for key in before} == before
    assert ("runs", "4") in after, "another project's numbers go on as if ours were not there"
    assert [run for run, _ in Database(mongo_url).contents("record.json")] == [folder.path.name]
    assert_equal(mongo_url, tmp_path)


def test_another_projects_run_with_our_number_is_not_overwritten(tmp_path, mongo_url, write_run):
    folder = write_run(Store(tmp_path))
    theirs = {"_id": number(folder.path.name), "status": "COMPLETED"}
    collections(mongo_url).runs.insert_one(theirs)
    collections(mongo_url).metrics.insert_one({"run_id": theirs["_id"], "name": "loss", "values": [1.0]})
    before = contents(mongo_url)
    write_run(Store(tmp_path), seed=1)
    outcome = Sync(Database(mongo_url), Store(tmp_path))()
    assert outcome.uploaded == 1
    assert outcome.refused == [
        f"{Database(mongo_url).name}: another project's run has the number of {folder.path.name}"
    ]
    after = contents(mongo_url)
    assert {key: after[key] for key in before} == before
    assert collections(mongo_url).metrics.count_documents({"run_id": theirs["_id"]}) == 1
