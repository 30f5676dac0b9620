"""The queue in MongoDB: entries are taken once, outlive workers and databases, and end at the local launcher's bits."""

import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest

from harness import sweep, worker
from harness.config.load import ConfigError, load
from harness.dashboard import services
from harness.launch.pool import Job, Pool
from harness.launch.queue import Queue, Taken
from harness.mongo.database import Database
from tests.harness.sweep.runs import Tiny, attempts, results, running
from tests.runs import wait_until

ROOT = Path(__file__).parents[3]


def made_up(number: int) -> list[Job]:
    """Entries that are only passed around."""
    return [Job(f"run-{i}", "sweep", {"runs_dir": "nowhere"}, None, f"model-{i}") for i in range(number)]


@pytest.fixture
def queue(mongo_url: str) -> Queue:
    return Queue(Database(mongo_url))


def test_every_entry_is_taken_once_in_order(queue: Queue) -> None:
    assert queue.put(made_up(40), retries=2) == 40
    assert queue.put(made_up(40), retries=2) == 0, "they are queued already"

    def take_all(name: str) -> list[str]:
        return [entry["_id"] for entry in iter(lambda: queue.take(name, lapse=60), None)]

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(take_all, [f"worker {i}" for i in range(8)]))
    assert Counter(run for mine in taken for run in mine) == Counter(job.id for job in made_up(40))
    assert all(mine == sorted(mine, key=lambda run: int(run.partition("-")[2])) for mine in taken)


def test_an_entry_that_expires_is_anothers(queue: Queue) -> None:
    queue.put(made_up(1), retries=2)
    assert queue.take("first", lapse=0.2) is not None
    assert queue.take("second", lapse=60) is None
    assert queue.keep("first", ["run-0"], lapse=0.2) == set()
    wait_until(lambda: queue.of("sweep")["run-0"]["is_silent"])
    entry = queue.take("second", lapse=60)
    assert entry is not None
    assert entry["tries"] == 2
    assert queue.keep("first", ["run-0"], lapse=60) == {"run-0"}, "the first one must stop"
    queue.settle("first", "run-0", status="failed")
    queue.release("first", "run-0", wait=0, counts=True)
    assert queue.of("sweep")["run-0"]["status"] == "taken", "the first one has no say any more"
    queue.settle("second", "run-0", status="done")
    assert queue.is_empty()


def test_cancelled_entries_are_left_alone_until_they_are_queued_again(queue: Queue) -> None:
    queue.put(made_up(2), retries=2)
    queue.take("first", lapse=60)
    assert queue.change("sweep", ["queued", "taken"], "cancelled") == 2
    assert queue.take("second", lapse=60) is None
    assert queue.keep("first", ["run-0"], lapse=60) == {"run-0"}
    assert queue.is_empty()
    assert queue.put(made_up(2), retries=2) == 2
    assert queue.take("second", lapse=60) is not None


def test_what_has_ended_in_another_store_is_queued_again(queue: Queue) -> None:
    queue.put(made_up(3), retries=2)
    for status in ("done", "failed"):
        entry = queue.take("first", lapse=60)
        assert entry is not None
        queue.settle("first", entry["_id"], status=status)
    queue.take("first", lapse=60)
    assert queue.put(made_up(3), retries=2) == 2, "and what is taken is left alone"
    assert [entry["status"] for _, entry in sorted(queue.of("sweep").items())] == ["queued", "queued", "taken"]


def test_a_worker_without_a_gpu_leaves_runs_to_others_that_are_meant_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "cuda_devices", lambda: 0)
    make = worker.job_in({"runs_dir": str(tmp_path)})
    for updates, is_left in (({}, True), ({"device": "cpu"}, False), ({"profile": "laptop"}, False)):
        config = load({"dataset": "cifar10", "profile": "paper", **updates})
        known = {"sweep": "s", "seconds": None, "model": "m"}
        entry = {"_id": config.id, "config": config.model_dump(mode="json"), **known}
        with pytest.raises(ConfigError, match="it is meant for a GPU") if is_left else nullcontext():
            make(entry)


def test_killed_workers_are_replaced_by_others(few: Tiny, tmp_path: Path, mongo_url: str) -> None:
    store = few.fresh(tmp_path / "runs")
    assert sweep.main(few.command(store, "--queue", "--mongo-url", mongo_url)) == 0
    assert sweep.main(few.command(store, "--queue", "--mongo-url", mongo_url)) == 0
    workers = [start_worker(store, mongo_url) for _ in range(2)]
    wait_until(lambda: len(running(store)) == 2)
    workers[0].kill()
    assert workers[1].wait(200) == 0
    assert results(store) == few.expected
    assert {entry["status"] for entry in Queue(Database(mongo_url)).of("tiny").values()} == {"done"}
    assert sorted(attempts(store).values()) == [1, 1, 2], "only the killed worker's run is started twice"


def start_worker(store: Path, url: str) -> subprocess.Popen[bytes]:
    """A worker in a process of its own, whose entries expire soon."""
    command = [sys.executable, "harness/worker.py", "--store", str(store), "--mongo-url", url, "--lapse", "6"]
    return subprocess.Popen(command, cwd=ROOT)


def test_a_database_that_goes_away_and_comes_back_loses_nothing(tiny: Tiny, store: Path, tmp_path: Path) -> None:
    port = services.free_port()
    said: list[str] = []
    with ExitStack() as server:
        server.enter_context(services.server(tmp_path / "data", port))
        url = f"mongodb://{services.LOOPBACK}:{port}/test"
        sweep.main(tiny.command(store, "--queue", "--mongo-url", url))
        queue = Queue(Database(url))
        source = Taken(queue, "here", worker.job_in({"runs_dir": str(store)}), said.append, lapse=60, forever=False)
        working = threading.Thread(target=Pool(source, [{}, {}]).run)
        working.start()
        wait_until(lambda: running(store))
    wait_until(lambda: any("is away" in line for line in said))
    wait_until(lambda: not running(store))
    with services.server(tmp_path / "data", port):
        working.join(200)
        assert {entry["status"] for entry in queue.of("tiny").values()} == {"done"}
    assert results(store) == tiny.expected
    assert attempts(store) == dict.fromkeys(tiny.expected, 1)


def test_an_entry_of_another_version_is_given_back(
    tiny: Tiny, store: Path, mongo_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep.main(tiny.command(store, "--queue", "--mongo-url", mongo_url))
    entries = Database(mongo_url).collection("queue")
    entries.update_one({"place": 0}, {"$set": {"config.final.epochs": 3}})
    entries.update_one({"place": 1}, {"$set": {"config.dataset": "mine"}})
    assert worker.main(["--store", str(store), "--mongo-url", mongo_url]) == 1
    said = capsys.readouterr().out
    assert said.count("was queued by another version: here the run would be") == 1
    assert said.count("unknown data set 'mine'") == 1
    assert Counter((entry["status"], entry["tries"]) for entry in entries.find()) == {
        ("queued", 0): 2,
        ("done", 1): len(tiny) - 2,
    }


def test_what_cannot_be_used_is_one_line(tiny: Tiny, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    away = ["--store", str(store), "--mongo-url", "127.0.0.1:1:x"]
    for command in (lambda: worker.main(away), lambda: sweep.main(tiny.command(store, "--queue", *away[2:]))):
        assert command() == 1
        printed = capsys.readouterr().err
        assert printed.startswith("error: the database of the queue")
        assert printed.count("\n") == 1
