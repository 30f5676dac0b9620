"""Where runs stand, told without changing anything."""

import os
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from platform import node

import pytest

from harness import status
from harness.console.progress import Reporter
from harness.launch.plan import Plan, PlannedRun, named
from harness.launch.queue import Queue
from harness.launch.state import standing
from harness.mongo.database import Database
from harness.records.heartbeat import SILENCE_SECONDS, beating
from harness.records.store import RunFolder, Store
from tests.harness.sweep.test_queue import made_up

WriteRun = Callable[..., RunFolder]
NOBODY = 2**22 + 1
"""A process number that Linux gives to no process."""


def running(folder: RunFolder, pid: int, host: str = node(), silence: float = 0.0, since: float = 3600.0) -> None:
    """Let the run in ``folder`` be at work for an hour in process ``pid`` on ``host``, and silent for a while."""
    record = folder.record()
    assert record is not None
    record.status = record.attempts[-1].status = "running"
    record.attempts[-1].pid, record.attempts[-1].host = pid, host
    record.attempts[-1].started = (datetime.now(UTC) - timedelta(seconds=since)).isoformat()
    record.attempts[-1].ended = None
    folder.save(record)
    reporter = Reporter()
    with reporter.bar("final", 200, 0) as bar, beating(folder.path, reporter):
        bar.step(50)
    (folder.path / "pulse.json").write_text('{"title": "final", "done": 50, "total": 200, "left": 90.0}')
    for path in (folder.path / "pulse.json", folder.record_path):
        os.utime(path, times=(time.time() - silence, time.time() - silence))


@pytest.fixture
def store(tmp_path: Path, write_run: WriteRun) -> Store:
    """A sweep of seven runs, one in each state."""
    store = Store(tmp_path)
    folders = [write_run(store, 0, "done"), write_run(store, 1, "failed"), write_run(store, 2, "diverged")]
    folders += [write_run(store, 3, "interrupted"), write_run(store, 4, "running"), write_run(store, 5, "running")]
    running(folders[4], os.getpid())
    running(folders[5], NOBODY)
    ids = [folder.path.name for folder in folders] + ["cifar10-conas-s6-000000000006"]
    plan = Plan.of(store, "table1", "laptop")
    plan.save(
        PlannedRun(id=run, command=f"python harness/run.py with seed={i}", seconds=7200) for i, run in enumerate(ids)
    )
    plan.launched("local", "python harness/sweep.py table1")
    return store


def contents(root: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its time."""
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}


def test_looking_says_everything_and_changes_nothing(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(tmp_path)
    assert status.main(["table1", "--store", str(tmp_path)]) == 0
    assert contents(tmp_path) == before
    printed = capsys.readouterr().out
    assert "table1, profile laptop: 7 runs" in printed
    assert "1 dead, 1 diverged, 1 done, 1 failed, 1 interrupted, 1 queued, 1 running" in printed
    # the finished run took 3,723 s where 7,200 s were estimated; this one has been at work for 3,600 s
    assert re.search(r"final 50/200 \(25 %\), 1 min 30 s left of it, the run about (2 min . s|1 min 5\d s)", printed)
    assert f"process {NOBODY} on {node()} is gone or silent" in printed
    assert "OSError: disk full (1 attempts)" in printed
    assert "final: loss nan at epoch 3, step 7" in printed
    assert "in total 0.256 device-days spent" in printed, "two attempts of an hour, four of 3,723 s"


@pytest.mark.parametrize(
    ("pid", "host", "silence", "state"),
    [
        (os.getpid(), node(), 0, "running"),
        (NOBODY, node(), 0, "dead"),
        (os.getpid(), node(), 2 * SILENCE_SECONDS, "dead"),
        (NOBODY, "another", 0, "running"),
        (NOBODY, "another", 2 * SILENCE_SECONDS, "dead"),
    ],
    ids=["here", "gone", "silent", "elsewhere", "silent elsewhere"],
)
def test_a_run_lives_while_its_process_does(
    tmp_path: Path, write_run: WriteRun, pid: int, host: str, silence: float, state: str
) -> None:
    folder = write_run(Store(tmp_path), 0, "running")
    running(folder, pid, host, silence)
    assert standing(folder).state == state


@pytest.mark.parametrize(("host", "state"), [(node(), "running"), ("another", "dead")])
def test_a_clock_that_is_ahead_keeps_no_run_alive_and_costs_nothing(
    tmp_path: Path, write_run: WriteRun, host: str, state: str
) -> None:
    folder = write_run(Store(tmp_path), 0, "running")
    running(folder, os.getpid(), host, silence=-10 * 86_400, since=3600)
    it = standing(folder)
    assert it.state == state
    assert it.spent == pytest.approx(3600, abs=60)
    assert "-" not in (it.reason or "").partition("sign of life")[2]


@pytest.mark.parametrize("total", [0, 200])
def test_a_run_with_nothing_left_to_measure_is_shown(
    store: Store, tmp_path: Path, total: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (store.folders()[4].path / "pulse.json").write_text(
        f'{{"title": "measuring", "done": 0, "total": {total}, "left": 0.0}}'
    )
    assert status.main(["--store", str(tmp_path)]) == 0
    assert f"measuring 0/{total}{'' if total == 0 else ' (0 %)'}, 0 s left of it" in capsys.readouterr().out


HARM = [b"", b"{", b"5", b"[1]", b'{"a": 1}', b'{"launched": 5}\n', b"\xff"]


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("name", ["plan.json", "events.jsonl", "pulse.json", "record.json"])
def test_a_damaged_file_takes_nothing_down_with_it(
    store: Store, tmp_path: Path, name: str, harm: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Plan.of(store, "table9", "laptop")
    other.save([PlannedRun(id="cifar10-conas-s0-000000000000", command="", seconds=None)])
    other.launched("local", "python harness/sweep.py table9")
    (path,) = [path for path in tmp_path.rglob(name) if "table1-laptop" in path.parts or "s4" in str(path)]
    path.write_bytes(harm)
    for words in ([], ["retry", "--failed"], ["table9"], ["cancel", "all"]):
        assert status.main([*words, "--store", str(tmp_path)]) == 0
        assert "table9" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["retry"], "retry which runs? --failed, --diverged"),
        (["cancel"], "cancel which sweeps? their names, or all"),
        (["retry", "--failed", "--watch"], "--watch does not go with retry"),
        (["table1", "--failed"], "--failed goes with retry"),
    ],
)
def test_words_that_do_not_go_together_are_refused(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        status.main([*words, "--store", str(tmp_path)])
    assert said in capsys.readouterr().err


def test_a_launch_that_failed_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Plan.of(Store(tmp_path), "table1", "laptop").save([])
    for words in ([], ["retry", "--failed"], ["cancel", "all"]):
        assert status.main([*words, "--store", str(tmp_path)]) == 0
    assert "never launched" in capsys.readouterr().out


def test_what_records_say_moves_no_cursor(
    tmp_path: Path, write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(Store(tmp_path), 0, "failed")
    record = folder.record()
    assert record is not None
    record.reason = "\x1b[2J\x1b]0;title\x07 \n gone"
    folder.save(record)
    assert status.main(["--store", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "\\x1b[2J" in printed
    assert printed.replace("\n", "").isprintable()


def test_time_counts_until_the_last_sign_of_life(tmp_path: Path, write_run: WriteRun) -> None:
    folder = write_run(Store(tmp_path), 0, "running")
    running(folder, NOBODY, silence=600, since=3600)
    assert standing(folder).spent == pytest.approx(3000, abs=5)


def test_a_damaged_record_is_named(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = store.folders()[0].record_path
    damaged.write_text("{")
    assert status.main(["--store", str(tmp_path)]) == 0
    assert f"damaged record: {damaged}: not valid JSON" in capsys.readouterr().out


def test_retry_lets_failed_runs_start_again_and_keeps_their_attempts(store: Store, tmp_path: Path) -> None:
    failed, diverged = store.folders()[1], store.folders()[2]
    assert status.main(["retry", "--failed", "--store", str(tmp_path)]) == 0
    assert (standing(failed).state, standing(failed).attempts) == ("queued", 1)
    assert standing(diverged).state == "diverged"
    assert status.main(["retry", "--diverged", "table1", "--store", str(tmp_path)]) == 0
    assert standing(diverged).state == "queued"


def test_cancel_and_retry_reach_the_queue(
    store: Store, tmp_path: Path, mongo_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = Queue(Database(mongo_url))
    queue.put(made_up(2), retries=0)
    plan = Plan.of(store, "sweep", "laptop")
    plan.save(PlannedRun(id=job.id, command="", seconds=None) for job in made_up(2))
    plan.launched("queue", "python harness/sweep.py sweep --queue", database=queue.name)
    options = ["--store", str(tmp_path), "--mongo-url", mongo_url]
    queue.take("worker 1", lapse=60)
    status.main(["sweep", *options])
    printed = capsys.readouterr().out
    assert "1 queued, 1 running" in printed
    assert "running  run-0: by worker 1, the run about" in printed
    queue.settle("worker 1", "run-0", status="failed", reason="OSError: disk full", spent=5.0)
    status.main(["sweep", *options])
    assert "failed   run-0: OSError: disk full (1 attempts)" in capsys.readouterr().out
    assert status.main(["retry", "--failed", "sweep", *options]) == 0
    assert {entry["status"] for entry in queue.of("sweep").values()} == {"queued"}
    assert status.main(["cancel", "all", *options]) == 0
    assert {entry["status"] for entry in queue.of("sweep").values()} == {"cancelled"}
    capsys.readouterr()
    for words in (["retry", "--failed", "sweep"], ["cancel", "sweep"]):
        assert status.main([*words, "--store", str(tmp_path)]) == 1, "the queue was not named"
        said = f"error: entries of sweep in {queue.name} are as they were; the same again with --mongo-url"
        assert said in capsys.readouterr().err
    status.main(["sweep", *options])
    assert "cancelled; to go on: python harness/sweep.py sweep --queue" in capsys.readouterr().out


def test_cancel_and_retry_reach_every_sweep_while_the_database_is_away(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Plan.of(store, "table9", "laptop").save([])
    options = ["--store", str(tmp_path), "--mongo-url", "127.0.0.1:1:x"]
    assert status.main(["retry", "--failed", *options]) == 1
    assert standing(store.folders()[1]).state == "queued"
    assert status.main(["cancel", "all", *options]) == 1
    assert all(plan.is_cancelled() for plan in named(store, []))
    assert capsys.readouterr().err.count("error: the database of the queue: ") == 2


def test_a_launch_ends_with_the_cancellation_that_came_after_it(store: Store) -> None:
    (plan,) = named(store, [])
    first = plan.launch()
    plan.cancel()
    second = plan.launch()
    plan.launched("slurm", "python harness/sweep.py table1")
    assert first.is_cancelled()
    assert not second.is_cancelled()
    assert not plan.is_cancelled()


@pytest.mark.parametrize("words", [["tabel1"], ["cancel", "tabel1"]])
def test_unknown_sweeps_are_one_line(
    store: Store, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status.main([*words, "--store", str(tmp_path)]) == 1
    printed = capsys.readouterr().err
    assert printed == "error: unknown launched sweep 'tabel1'; did you mean 'table1'? (allowed: table1)\n"


def test_a_store_without_a_sweep_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(["table1", "--store", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: no sweep was launched in {tmp_path}\n"


@pytest.mark.parametrize("words", [["retry"], ["cancel"], ["--failed"], ["cancel", "all", "--diverged"]])
def test_what_to_retry_and_to_cancel_must_be_said(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        status.main(words)


def test_an_empty_store_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(["--store", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("in total 0 device-days spent, about 0 left")
