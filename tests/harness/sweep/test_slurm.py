"""Sweeps on a real Slurm: jobs are killed, requeued and cancelled, and the bits are the local launcher's."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import status, sweep
from harness.launch import slurm as slurm_launcher
from harness.launch.plan import Launch, Plan
from harness.launch.pool import Job
from harness.launch.slurm import minutes
from harness.records.store import Store
from tests.debian import NotInstalledError
from tests.harness.sweep.cluster import NoSlurmError, slurm
from tests.harness.sweep.runs import Tiny, attempts, results, running, states
from tests.runs import wait_until


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Slurm cluster of this machine alone."""
    try:
        with slurm(tmp_path_factory.mktemp("slurm")) as config, pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", str(config))
            yield
    except (NotInstalledError, NoSlurmError) as error:
        pytest.skip(f"NO SLURM, NOTHING ABOUT SLURM IS TESTED: {error}")


def jobs() -> dict[str, str]:
    """The state of every Slurm job that has not ended."""
    told = subprocess.run(["squeue", "--noheader", "--array", "--format=%i %T"], capture_output=True, text=True)
    return dict(line.split() for line in told.stdout.splitlines())


def launch(tiny: Tiny, store: Path) -> int:
    """Hand the sweep to Slurm."""
    asked = ("--partition", "main", "--time", "10", "--mem", "0.5", "--sbatch", "job-name=tiny")
    return sweep.main(tiny.command(store, "--launcher", "slurm", *asked))


def test_killed_and_requeued_jobs_end_at_the_local_launchers_bits(
    cluster: None, few: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = few.fresh(tmp_path / "runs")
    assert launch(few, store) == 0
    submitted = set(jobs())
    assert len(submitted) == 3
    named = subprocess.run(["squeue", "--noheader", "--format=%j"], capture_output=True, text=True)
    assert set(named.stdout.split()) == {"tiny"}
    assert launch(few, store) == 0
    assert set(jobs()) == submitted, "launched again, it submits nothing"
    wait_until(lambda: len(running(store)) == 2)
    first = set(running(store))
    killed, timed_out = (job for job, state in sorted(jobs().items()) if state == "RUNNING")
    subprocess.run(["scontrol", "requeue", killed], check=True)
    subprocess.run(["scancel", "--signal=USR2", timed_out], check=True)  # as Slurm does before the time limit
    (third,) = wait_until(lambda: {pid for run, pid in running(store).items() if run not in first})
    os.kill(third, signal.SIGKILL)  # as Linux does when memory runs out
    wait_until(lambda: not jobs(), seconds=200)
    assert results(store) == few.expected
    assert set(attempts(store).values()) == {2}
    assert all(record.attempts[0].status != "done" for record in Store(store).read()[0])
    assert status.main(["--store", str(store)]) == 0
    assert "3 done" in capsys.readouterr().out


def test_cancelled_jobs_leave_the_queue_and_their_runs_go_on_later(cluster: None, few: Tiny, tmp_path: Path) -> None:
    store = few.fresh(tmp_path / "runs")
    assert launch(few, store) == 0
    wait_until(lambda: running(store))
    assert status.main(["cancel", "tiny", "--store", str(store)]) == 0
    wait_until(lambda: not jobs() and not running(store))
    assert set(states(store).values()) <= {"interrupted", "dead", "queued"}
    assert sweep.main(few.command(store)) == 0
    assert results(store) == few.expected


def test_what_slurm_refuses_is_one_line(
    cluster: None, few: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = few.fresh(tmp_path / "runs")
    assert sweep.main(few.command(store, "--launcher", "slurm", "--partition", "none")) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: sbatch refuses: ")


def test_without_slurm_nothing_is_estimated_or_written(
    few: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    store = tmp_path / "runs"
    assert sweep.main(few.command(store, "--launcher", "slurm")) == 1
    assert capsys.readouterr().err == "error: no Slurm here: squeue: No such file or directory\n"
    assert not store.exists()


def job(name: str, model: str, seconds: float | None = 60.0) -> Job:
    return Job(name, "sweep", {"threads": 1}, seconds, model)


def test_one_run_of_every_model_comes_first_and_the_others_when_it_has_had_the_time_to_train_it() -> None:
    jobs = [job("a", "m"), job("b", "n"), job("c", "m"), job("d", "m"), job("e", "e")]
    first, others = slurm_launcher._split(jobs)
    assert [[one.id for one in part] for part in (first, others)] == [["a", "b", "e"], ["c", "d"]]
    expected = {30.0: 1, 600.0: 10, 1e6: 60, None: 60}
    assert {s: slurm_launcher._head_start([job("a", "m", s), job("b", "n", 1.0)]) for s in expected} == expected


def test_a_node_without_the_device_that_was_asked_for_leaves_the_run_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_launcher, "cuda_devices", lambda: 0)
    asked = Job("run", "sweep", {"threads": 1, "device": "cuda"}, None, "model")
    with pytest.raises(slurm_launcher.SlurmError, match="torch finds no CUDA device on"):
        slurm_launcher.RunInJob(asked, Launch(Plan("sweep", "laptop", Path("nowhere")), 0), 0)()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90),
        ("0", 1),
        ("0-0", 1),
        ("1:30", 2),
        ("2:00:00", 120),
        ("0:00:30", 1),
        ("1-12", 2160),
        ("1-0:30", 1470),
        ("2-1:00:00", 2940),
    ],
)
def test_time_limits_are_slurms(text: str, expected: int) -> None:
    assert minutes(text) == expected


@pytest.mark.parametrize("text", ["", "two hours", "1:2:3:4", "-5"])
def test_other_time_limits_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time limit"):
        minutes(text)
