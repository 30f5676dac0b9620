"""Sweeps on this machine: made once, shared, interrupted, killed, failing; always the same results."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from harness import status, sweep
from harness.config.layers import cores
from harness.estimates.shared import Costs
from harness.launch.local import JobList, slots, workers
from harness.launch.pool import Pool
from harness.launch.prepare import prepare
from harness.records.store import Store
from tests.harness.sweep.runs import PROFILE, Tiny, attempts, make, results, running, states
from tests.runs import wait_until

ROOT = Path(__file__).parents[3]
FAILING = """
set: {dataset: digits, method: random_wiring, data.train_limit: 100, data.test_limit: 20, data.validation_limit: 20,
      final.epochs: 2, final.batch_size: 32, final.channels: 4}
rows:
  diverges: {final.lr: 1.0e+30, final.clip: 1.0e+30}
  refused: {device: "cuda:77"}
  fine: {seeds: [1]}
"""


def quiet(line: str) -> None:
    """Say nothing."""


def pool(tiny: Tiny, store: Path, say: Callable[[str], None] = quiet, retries: int = 2) -> tuple[Pool, JobList]:
    """A launcher of the sweep on ``store``, as `harness.sweep` makes it."""
    prepared = prepare(Store(store), [str(tiny.file)], PROFILE, (("runs_dir", str(store)),), Costs())
    jobs = [job for one in prepared for job in one.jobs()]
    source = JobList(jobs, [one.plan.launch() for one in prepared], retries, say)
    return Pool(source, [{}, {}]), source


def test_launched_again_it_starts_nothing(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    before = attempts(tiny.store)
    assert sweep.main(tiny.command(tiny.store)) == 0
    assert attempts(tiny.store) == before == dict.fromkeys(before, 1)
    assert "start" not in capsys.readouterr().out


def test_a_device_beyond_the_one_that_a_run_is_shown_is_refused(
    tiny: Tiny, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep.main(tiny.command(store, "--set", "device=cuda:1")) == 1
    assert capsys.readouterr().err == "error: --set device=cuda:1 (CUDA_VISIBLE_DEVICES=1 chooses a device)\n"
    assert {path.name for path in store.iterdir()} == {"speeds"}


def test_a_dry_run_prints_commands_with_estimates_and_starts_nothing(
    tiny: Tiny, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep.main(tiny.command(store, "--dry-run")) == 0
    lines = capsys.readouterr().out.splitlines()
    commands = [line for line in lines if line.startswith("python harness/run.py with")]
    assert len(commands) == len(tiny)
    assert all("# not started, about" in line for line in commands)
    assert {path.name for path in store.iterdir()} == {"speeds"}


def test_a_dry_run_says_what_it_cannot_estimate_and_nothing_of_a_machine_that_makes_no_run(
    tiny: Tiny, store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Costs, "of", lambda *_: None)
    assert sweep.main(tiny.command(store, "--dry-run", "--launcher", "slurm")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].endswith(f": {len(tiny)} runs: {len(tiny)} not started; no estimate")
    assert lines[-1] == f"# {len(tiny)} runs to make"


def test_a_malformed_option_of_sbatch_is_refused_before_anything_is_written(
    tiny: Tiny, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep.main(tiny.command(store, "--dry-run", "--launcher", "slurm", "--sbatch", "account")) == 1
    assert capsys.readouterr().err == "error: 'account': expected NAME=VALUE, without spaces around the =\n"


def test_two_launchers_on_one_store_share_the_runs(tiny: Tiny, store: Path) -> None:
    pools = [pool(tiny, store) for _ in range(2)]
    threads = [threading.Thread(target=one.run) for one, _ in pools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results(store) == tiny.expected
    assert attempts(store) == dict.fromkeys(tiny.expected, 1)
    assert all(source.states == {"done": len(tiny)} for _, source in pools)


def test_ctrl_c_leaves_everything_resumable(tiny: Tiny, store: Path) -> None:
    command = [sys.executable, "harness/sweep.py", *tiny.command(store)]
    launcher = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True)
    pids = wait_until(lambda: running(store)).values()
    os.killpg(launcher.pid, signal.SIGINT)  # as a terminal does: to the launcher and to whatever it has started
    assert launcher.wait(60) == 130
    assert launcher.stderr is not None
    assert launcher.stderr.read() == "interrupted; the same command goes on from here\n"
    assert all(not Path(f"/proc/{pid}").exists() for pid in pids)
    assert set(states(store).values()) <= {"done", "interrupted", "queued"}
    assert sweep.main(tiny.command(store)) == 0
    assert results(store) == tiny.expected


def test_runs_end_with_a_launcher_that_is_killed(tiny: Tiny, store: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    launcher = context.Process(target=sweep.main, args=(tiny.command(store),))
    launcher.start()
    wait_until(lambda: running(store))
    launcher.kill()
    wait_until(lambda: not running(store))
    assert set(states(store).values()) <= {"done", "interrupted", "queued"}


@pytest.mark.parametrize(("seeds", "kills"), [(4, 6), pytest.param(18, 60, marks=pytest.mark.slow)])
def test_processes_killed_at_random_change_nothing(tiny: Tiny, tmp_path: Path, seeds: int, kills: int) -> None:
    mine = tiny if seeds + 2 == len(tiny) else make(tmp_path, seeds)
    store = mine.fresh(tmp_path / "runs")
    launcher, source = pool(mine, store, retries=kills)
    with killing(store, kills) as killed:
        launcher.run()
    assert killed
    assert results(store) == mine.expected
    assert source.states == {"done": len(mine)}
    assert sum(attempts(store).values()) > len(mine)
    ends = [[attempt.status for attempt in record.attempts] for record in Store(store).read()[0]]
    assert all(end.count("done") == 1 and end[-1] == "done" for end in ends)


@contextmanager
def killing(store: Path, kills: int) -> Iterator[set[int]]:
    """Meanwhile, kill processes of runs at random moments, ``kills`` at most; those that were killed."""
    rng, killed, stop = random.Random(0), set[int](), threading.Event()

    def kill() -> None:
        while len(killed) < kills and not stop.wait(0.05):
            if not set(running(store).values()) - killed:  # a record names a dead process for a while
                continue
            stop.wait(rng.uniform(0, 1))
            for pid in sorted(set(running(store).values()) - killed)[:1]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        stop.set()
        killer.join()


def test_a_run_that_is_killed_too_often_fails(tiny: Tiny, store: Path, tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    long = FAILING.replace("final.epochs: 2", "final.epochs: 2000")  # it cannot end before it is killed
    file.write_text(long.replace("rows:", "rows: {fine: {seeds: [1]}}\n#").partition("#")[0])
    one = Tiny(file, store)
    launcher, source = pool(one, store, retries=1)
    with killing(store, 2):
        launcher.run()
    assert source.states == {"failed": 1}
    (record,) = Store(store).read()[0]
    assert (record.status, record.reason) == ("failed", "its process was killed (2 times)")
    assert len(record.attempts) == 2


def test_processes_that_can_write_no_record_have_failed(
    tiny: Tiny, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (store / "runs").write_text("a file where the folders of the runs belong")
    assert sweep.main(tiny.command(store)) == 1
    assert capsys.readouterr().out.splitlines()[-1] == f"# {len(tiny)} failed"


def test_failures_are_recorded_and_stop_nothing(
    tiny: Tiny, tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "failing.yaml"
    file.write_text(FAILING)
    failing = Tiny(file, store)
    assert sweep.main(failing.command(store)) == 1
    assert sorted(states(store).values()) == ["diverged", "done", "failed"]
    assert "device='cuda:77' is not on this machine" in capsys.readouterr().out
    assert sweep.main(failing.command(store)) == 1
    assert "start" not in capsys.readouterr().out, "failed runs are not started again by themselves"
    assert status.main(["retry", "--failed", "--store", str(store)]) == 0
    assert sorted(states(store).values()) == ["diverged", "done", "queued"]
    sweep.main(failing.command(store))
    assert sorted(attempts(store).values()) == [1, 1, 2]


def test_workers_fit_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    there = cores()
    assert workers(None, 1)[0] == there
    assert workers(1, 1) == (1, f"1 at once: a run uses 1 threads, this machine has {there} cores")
    number, why = workers(1000, 1)
    assert number == there
    assert why.endswith("so --workers 1000 is too many")
    assert workers(None, 1000)[0] == 1
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS
    assert workers(None, 1)[0] == os.cpu_count()


def test_in_a_profile_for_a_gpu_each_run_has_a_device_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "cuda_devices", lambda: 1)
    monkeypatch.setattr("harness.launch.local.cores", lambda: 64)
    for typed, expected in (
        (["--profile", "paper"], 1),
        (["--profile", "paper", "--per-device", "3"], 3),
        (["--profile", "paper", "--set", "device=cpu"], 64),
        (["--profile", "laptop"], 64),
    ):
        assert sweep._workers([], sweep._parser().parse_args(["table1", *typed]))[0] == expected


def test_devices_are_dealt_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert slots(2, gpus=0) == [{}, {}]
    assert workers(None, 1, sharing=1)[0] == workers(1, 1, sharing=4)[0] == 1
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in slots(3, gpus=2)] == ["0", "1", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in slots(2, gpus=2)] == ["4", "7"]


def test_a_long_name_of_the_folder_for_temporary_files_ends_no_launch(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    code = "from harness.launch import child; child._have_a_place_for_sockets(); print(child.get_temp_dir())"
    environment = {**os.environ, "TMPDIR": str(long)}
    asked = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert asked.stdout.startswith("/tmp/pymp-")
