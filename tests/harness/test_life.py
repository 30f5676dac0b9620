"""The whole life of a run on real images: repeatable, resumable, and recorded however it ends."""

import contextlib
import inspect
import math
import multiprocessing
import os
import random
import shutil
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib._path import affine_transform

from conas.genotype import Genotype
from conas.questions import StandAlone
from conas.refusal import Refused
from conas.seeds import generator
from harness import archive
from harness.config.load import Config, load, recorded
from harness.console.progress import Reporter
from harness.execution.execute import execute
from harness.launch.child import PRELOADED
from harness.problems.trained import TrainedProblem
from harness.records.store import AlreadyRunning, RunFolder, Store, at, claim
from harness.training.loop import DivergedError
from harness.training.sgd import SgdTraining
from harness.training.task import load_task
from tests.runs import TINY, Interrupting, Telling, result

Configure = Callable[..., Config]

KILLS = int(os.environ.get("CONAS_KILLS", "6"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of the smallest run when nothing disturbs it."""
    return made(load({**TINY, "runs_dir": str(tmp_path_factory.mktemp("undisturbed"))}))


def test_the_same_run_twice_gives_the_same_bits_and_another_seed_does_not(
    tiny: Configure, undisturbed: dict[str, Any]
) -> None:
    again, other = made(tiny()), made(tiny({"seed": 1}))
    assert again == undisturbed
    assert again["weights"] != other["weights"]
    assert again["metrics"] != other["metrics"]


def test_a_run_records_what_a_table_needs(tiny: Configure) -> None:
    config = tiny()
    record = execute(config, Reporter())
    folder = Store(config.runs_dir).run(record.id)
    assert folder.record() == record
    assert record.status == "done"
    assert torch.backends.cpu.get_cpu_capability() in record.environment["processor"]
    assert record.search is not None
    assert (record.search.measurements, record.search.one_shot_steps) == (12, 2 * 4)
    assert record.counts is not None
    assert record.counts.params > 0
    assert 0 <= record.metrics["best"]["test_error"] <= record.metrics["last"]["test_error"] <= 100
    assert Genotype.from_json(record.genotype).to_json() == record.genotype
    assert {path.name for path in folder.path.glob("cell_*")} >= {"cell_normal.svg", "cell_reduce.png"}
    assert {(row["stage"], row["epoch"]) for row in folder.metrics} == {
        (stage, epoch) for stage in ("supernet", "final") for epoch in (1, 2)
    }


def test_a_done_run_is_not_computed_again(tiny: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny()
    record = execute(config, Reporter())
    monkeypatch.setattr(SgdTraining, "step", lambda *_: pytest.fail("a step of training"))
    assert execute(config, Reporter()) == record == Store(config.runs_dir).run(record.id).record()
    assert len(record.attempts) == 1


def test_a_kill_before_the_record_says_done_costs_no_training(tiny: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny()
    with monkeypatch.context() as killed:
        killed.setattr(RunFolder, "check_held", lambda _: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            execute(config, Reporter())
    monkeypatch.setattr(SgdTraining, "step", lambda *_: pytest.fail("a step of training"))
    assert execute(config, Reporter()).status == "done"
    assert not list(Store(config.runs_dir).run(config.id).path.glob("checkpoint*"))


def test_a_killed_attempt_ended_at_its_last_sign_of_life(tiny: Configure) -> None:
    config = tiny()
    folder = Store(config.runs_dir).run(config.id)
    with pytest.raises(KeyboardInterrupt):
        execute(config, Interrupting("supernet", 1))
    record = folder.record()
    assert record is not None
    killed = record.attempts[0].model_copy(update={"started": at(1e9), "ended": None, "status": "running"})
    with folder.claim():
        folder.save(record.model_copy(update={"attempts": [killed], "status": "running"}))
    os.utime(folder.record_path, (1e9 + 3600, 1e9 + 3600))
    assert execute(config, Reporter()).attempts[0].seconds == 3600


def test_data_that_become_others_are_refused(tiny: Configure) -> None:
    config = tiny()
    execute(config, Reporter())
    known = Path(config.runs_dir, "contents", "digits", "unnamed.json")
    known.write_text('{"fingerprint": "of other digits"}')
    for place in (
        known,
        Path(config.runs_dir, "digitss", known.name),
    ):  # the second: of stores made by earlier versions
        place.parent.mkdir(exist_ok=True)
        known.replace(place)
        known = place
        with pytest.raises(Refused, match="other data need another store"):
            execute(tiny({"final": {"lr": 0.05}}), Reporter())


def test_runs_share_the_search(tiny: Configure) -> None:
    first = execute(tiny(), Reporter())
    second = execute(tiny({"final": {"lr": 0.05}}), Reporter())
    assert first.search == second.search
    assert first.key != second.key
    stages = Store(tiny().runs_dir).root / "stages"
    assert len(list(stages.glob("supernet-*"))) == len(list(stages.glob("search-*"))) == 1


def test_who_edits_a_method_is_told_that_the_earlier_codes_search_is_taken(
    tiny: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(tiny(), Reporter())
    for edited in (False, True):
        if edited:
            monkeypatch.setattr(inspect, "getsource", lambda _: "another search")
        for config in (tiny(), tiny({"final": {"lr": 0.05 if edited else 0.1}})):
            telling = Telling()
            execute(config, telling)
            assert any("was edited since" in line for line in telling.lines) == edited


def test_an_archive_brings_the_search_along(tiny: Configure, tmp_path: Path) -> None:
    here, packed, there = Store(tiny().runs_dir), tmp_path / "runs.jsonl", Store(tmp_path / "there")
    first = execute(tiny(), Reporter())
    archive.pack(here, [first.id], packed)
    archive.unpack(packed, there)
    elsewhere = tiny({"final": {"lr": 0.05}, "runs_dir": str(there.root)})
    second = execute(elsewhere, Reporter())
    assert (second.search, second.genotype) == (first.search, first.genotype)
    assert not list((there.root / "stages").glob("supernet-*")), "nothing was searched anew"
    rows = list(there.run(second.id).metrics)
    assert [row["stage"] for row in rows] == ["supernet", "supernet", "final", "final"]
    again = execute(tiny({"final": {"lr": 0.05}}), Reporter())
    assert (again.weights, list(here.run(again.id).metrics)) == (second.weights, rows)


def test_a_run_killed_at_random_moments_ends_at_the_same_bits(
    tiny: Configure, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    start = time.monotonic()
    assert made(tiny()) == undisturbed
    seconds = time.monotonic() - start
    killed = tiny({"runs_dir": str(tmp_path / "killed")})
    folder, moments, begun = Store(killed.runs_dir).run(killed.id), random.Random(0), 0
    for _ in range(KILLS):
        while ends_before(killed, moments.uniform(0, seconds)):
            assert result(folder) == undisturbed
            shutil.rmtree(killed.runs_dir)
        begun += folder.record() is not None
    assert begun > KILLS // 2, "most were killed before they were anything"
    assert made(killed) == undisturbed


def made(config: Config) -> dict[str, Any]:
    execute(config, Reporter())
    return result(Store(config.runs_dir).run(config.id))


def ends_before(config: Config, moment: float) -> bool:
    """Go on with the run in a new process, and kill it unless it ends within ``moment`` seconds of its beginning."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    begins = context.Event()
    process = context.Process(target=work, args=(config.model_dump(mode="json"), begins))
    process.start()
    assert begins.wait(60)
    process.join(moment)
    ended = process.exitcode is not None
    process.kill()
    process.join()
    assert not ended or process.exitcode == 0
    return ended


def work(values: dict[str, Any], begins: Event) -> None:
    """Make a run in a process of its own."""
    begins.set()
    execute(recorded(values), Reporter())


def test_a_diverging_run_says_where(tiny: Configure) -> None:
    config = tiny({"final": {"lr": 1e30, "clip": 1e30}})
    with pytest.raises(DivergedError, match=r"final: loss (nan|inf) at epoch 1, step \d"):
        execute(config, Reporter())
    record = Store(config.runs_dir).run(config.id).record()
    assert record is not None
    assert record.status == record.attempts[-1].status == "diverged"
    assert record.reason is not None
    assert "step" in record.reason
    assert record.genotype is not None


def test_a_network_that_diverges_alone_is_a_bad_network_and_ends_no_search(tiny: Configure) -> None:
    config = tiny({"method": "random_search", "alone": {"lr": 1e30, "clip": 1e30}})
    problem = TrainedProblem(config, load_task(config), Store(config.runs_dir), Reporter())
    alone = StandAlone(problem.space.build(problem.space.sample(generator(0, "alpha"), 1)[0]), 2)
    assert problem.ask(alone) == math.inf
    (facts,) = Store(config.runs_dir).root.glob("stages/alone-*/stage.json")
    written = facts.stat().st_mtime_ns
    assert problem.ask(alone) == math.inf
    assert facts.stat().st_mtime_ns == written, "it is not trained again"
    assert problem.cost.stand_alone_epochs == 1, "it diverged in its first epoch"


def test_a_network_that_diverges_late_is_charged_what_it_was_trained(tiny: Configure) -> None:
    config = tiny({"method": "random_search"})
    problem = TrainedProblem(config, load_task(config), Store(config.runs_dir), Reporter())
    alone = StandAlone(problem.space.build(problem.space.sample(generator(0, "alpha"), 1)[0]), 1)
    assert problem.ask(alone) < math.inf
    (facts,) = Store(config.runs_dir).root.glob("stages/alone-*/stage.json")
    facts.write_text('{"epochs": 3, "seconds": 30.0, "diverged": "in epoch 3"}')
    before = problem.cost.seconds
    assert [problem.ask(StandAlone(alone.architecture, epochs)) for epochs in (9, 5)] == [math.inf] * 2
    assert problem.cost.stand_alone_epochs == 3
    assert problem.cost.seconds - before == pytest.approx(20.0)


def pressed_while_matplotlib_reads() -> None:
    """Ctrl-C while matplotlib reads a transformation: it says that the transformation is wrong."""

    class Matrix:
        def __array__(self, *_: Any, **__: Any) -> Any:
            signal.raise_signal(signal.SIGINT)

    affine_transform(np.zeros((4, 2)), Matrix())


def pressed_and_swallowed() -> None:
    """Ctrl-C while something is at work that lets no exception pass."""
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


class Pressing(Interrupting):
    """Presses Ctrl-C in code that does not let it through."""

    def __init__(self, presses: Callable[[], None]) -> None:
        super().__init__("supernet", 1)
        self.presses = presses

    def metric(self, row: dict[str, Any]) -> None:
        try:
            super().metric(row)
        except KeyboardInterrupt:
            self.presses()


@pytest.mark.parametrize("presses", [pressed_while_matplotlib_reads, pressed_and_swallowed])
def test_a_signal_that_a_library_takes_for_its_own_still_interrupts(
    tiny: Configure, presses: Callable[[], None]
) -> None:
    config = tiny()
    with pytest.raises(KeyboardInterrupt):
        execute(config, Pressing(presses))
    record = Store(config.runs_dir).run(config.id).record()
    assert record is not None
    assert (record.status, record.attempts[-1].status) == ("interrupted", "interrupted")
    assert execute(config, Reporter()).status == "done"


@pytest.mark.parametrize("when", [("supernet", 1), ("final", 2)])
def test_an_interrupted_run_keeps_what_it_measured_and_goes_on(
    tiny: Configure, undisturbed: dict[str, Any], when: tuple[str, int]
) -> None:
    config = tiny()
    with pytest.raises(KeyboardInterrupt):
        execute(config, Interrupting(*when))
    folder = Store(config.runs_dir).run(config.id)
    record = folder.record()
    assert record is not None
    assert (record.status, record.attempts[-1].status) == ("interrupted", "interrupted")
    told = Telling()
    resumed = execute(config, told)
    assert told.lines[0] == "goes on: attempt 2, the one before it is interrupted"
    assert ("final: goes on in epoch 2, at step 1" in told.lines) == (when == ("final", 2))
    assert [attempt.status for attempt in resumed.attempts] == ["interrupted", "done"]
    assert result(folder) == undisturbed


def test_a_run_stays_claimed_when_the_name_of_its_host_changes(
    tiny: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Store(tiny().runs_dir).run(tiny().id)
    with folder.claim():
        monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
        folder.check_held()
        shutil.rmtree(folder.path)
        with pytest.raises(FileNotFoundError, match="removed while it ran"):
            folder.check_held()


def test_who_waits_for_another_process_says_for_which(tmp_path: Path) -> None:
    said = []
    with contextlib.ExitStack() as other:
        other.enter_context(claim(tmp_path))

        def leave(line: str) -> None:
            said.append(line)
            other.close()

        with claim(tmp_path, leave) as mine:
            assert f"process {os.getpid()} on" in mine
    assert len(said) == 1
    assert said[0].startswith(f"waiting for process {os.getpid()} on")
    with claim(tmp_path, said.append):
        assert len(said) == 1


def test_two_processes_do_not_make_the_same_run(tiny: Configure) -> None:
    config = tiny()
    folder = Store(config.runs_dir).run(config.id)
    with folder.claim(), pytest.raises(AlreadyRunning, match=r"process \d+ on"):
        execute(config, Reporter())
    assert folder.record() is None
