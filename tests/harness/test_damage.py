"""Runs whose files are damaged or vanish, and figures that JSON cannot hold: they heal to the same bits, or say how."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from conas.questions import OneShot, StandAlone
from conas.sampling import Bernoulli
from conas.seeds import generator
from harness.config.load import Config, ConfigError, load
from harness.console.progress import Reporter
from harness.estimates.run import estimate
from harness.execution.execute import execute
from harness.launch.post_mortem import give_up, refuse
from harness.launch.state import standing
from harness.problems.trained import TrainedProblem
from harness.records.files import facts
from harness.records.schema import DamagedRecord
from harness.records.store import RunFolder, Store
from harness.training.loop import DivergedError
from harness.training.task import load_task
from tests.runs import TINY

Configure = Callable[..., Config]
HARM = [b"", b"{", b"5", b"[1]", b'{"a": 1}']


class Disturbed(Reporter):
    """Does something when the first epoch of the final training has ended."""

    def __init__(self, do: Callable[[], None]) -> None:
        super().__init__()
        self.do = do

    def metric(self, row: dict[str, Any]) -> None:
        super().metric(row)
        if (row["stage"], row["epoch"]) == ("final", 1):
            self.do()


def press_ctrl_c() -> None:
    raise KeyboardInterrupt


def interrupted(config: Config) -> RunFolder:
    with pytest.raises(KeyboardInterrupt):
        execute(config, Disturbed(press_ctrl_c))
    return Store(config.runs_dir).run(config.id)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The rows of a run that nothing disturbs."""
    config = load({**TINY, "runs_dir": str(tmp_path_factory.mktemp("undisturbed"))})
    execute(config, Reporter())
    return list(Store(config.runs_dir).run(config.id).metrics)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run that was interrupted in its final training; to be copied."""
    root = tmp_path_factory.mktemp("stopped") / "runs"
    interrupted(load({**TINY, "runs_dir": str(root)}))
    return root


def test_rows_that_were_lost_are_written_again(tiny: Configure, undisturbed: list[dict[str, Any]]) -> None:
    folder = interrupted(tiny())
    folder.metrics.path.write_bytes(b'5\nnull\n{"a": 1}\n{"stage": "final", "ep')
    assert execute(tiny(), Reporter()).status == "done"
    assert list(folder.metrics) == undisturbed


def test_a_run_whose_folder_vanishes_is_not_done_until_it_is_made_again(
    tiny: Configure, undisturbed: list[dict[str, Any]]
) -> None:
    folder = Store(tiny().runs_dir).run(tiny().id)
    with pytest.raises(FileNotFoundError, match="was removed while it ran"):
        execute(tiny(), Disturbed(lambda: shutil.rmtree(folder.path)))
    assert standing(folder).state == "failed"
    assert execute(tiny(), Reporter()).status == "done"
    assert list(folder.metrics) == undisturbed
    assert (folder.path / "cell_normal.svg").exists()


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_record_is_put_aside_while_the_run_can_go_on(
    harm: bytes, tiny: Configure, stopped: Path, undisturbed: list[dict[str, Any]]
) -> None:
    folder = Store(shutil.copytree(stopped, tiny().runs_dir)).run(tiny().id)
    folder.record_path.write_bytes(harm)
    assert standing(folder).state == "dead", "launchers start it again"
    assert execute(tiny(), Reporter()).status == "done"
    assert list(folder.metrics) == undisturbed
    assert (folder.path / "record.json.damaged").read_bytes() == harm
    folder.record_path.write_bytes(harm)
    assert standing(folder).state == "failed", "its result is there: a person decides"
    with pytest.raises(DamagedRecord, match="move the file away to make it anew"):
        execute(tiny(), Reporter())


@pytest.mark.parametrize("harm", HARM)
def test_facts_that_are_damaged_are_none(harm: bytes, tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_bytes(harm)
    assert facts(tmp_path / "facts.json", seconds=float) is None


def test_small_files_that_are_damaged_are_made_again(tiny: Configure, undisturbed: list[dict[str, Any]]) -> None:
    execute(tiny(), Reporter())
    root = Store(tiny().runs_dir).root
    estimate(tiny())
    files = sorted([*root.glob("stages/*/stage.json"), *root.glob("speeds/*.json")])
    assert len(files) >= 4
    for number, harm in enumerate((b"{", b'{"a": 1}')):  # of all other kinds, facts are none as of these
        for path in files:
            path.write_bytes(harm)
        for path in root.glob("stages/*/measurements-*.jsonl"):
            path.write_bytes(b"\n".join([*HARM, path.read_bytes()]))
        assert estimate(tiny()) > 0
        again = tiny({"final": {"epochs": 1, "lr": 0.05 + number / 100}})
        execute(again, Reporter())
        rows = list(Store(again.runs_dir).run(again.id).metrics)
        assert [row for row in rows if row["stage"] != "final"] == undisturbed[:2]


def test_a_network_whose_validation_is_no_number_is_infinitely_bad(tiny: Configure) -> None:
    config = tiny({"method": "random_search"})
    problem = TrainedProblem(config, load_task(config), Store(config.runs_dir), Reporter())
    alpha = problem.space.sample(generator(0, "alpha"), 1)[0]
    assert math.isfinite(problem.ask(StandAlone(problem.space.build(alpha), 1)))
    (path,) = Store(config.runs_dir).root.glob("stages/alone-*/metrics.jsonl")
    row = orjson.loads(path.read_bytes())
    path.write_bytes(orjson.dumps(row | {"valid_loss": math.nan}) + b"\n")
    assert problem.ask(StandAlone(problem.space.build(alpha), 1)) == math.inf


def test_a_network_whose_figures_are_lost_is_not_taken_for_a_bad_one(tiny: Configure) -> None:
    config = tiny({"method": "random_search"})
    problem = TrainedProblem(config, load_task(config), Store(config.runs_dir), Reporter())
    alone = problem.space.build(problem.space.sample(generator(0, "alpha"), 1)[0])
    first, second = (problem.ask(StandAlone(alone, epochs)) for epochs in (1, 2))
    (metrics,) = Store(config.runs_dir).root.glob("stages/alone-*/metrics.jsonl")
    before = metrics.read_bytes()
    metrics.write_bytes(b"torn\n")
    assert [problem.ask(StandAlone(alone, epochs)) for epochs in (1, 2)] == [first, second]
    assert metrics.read_bytes() == before


def test_a_run_that_died_without_a_final_record_fails(tiny: Configure) -> None:
    unstarted, stopped = tiny(), tiny({"final": {"lr": 0.05}})
    folder = Store(unstarted.runs_dir).run(unstarted.id)
    give_up(folder, unstarted.model_dump(mode="json"), "killed")
    assert standing(folder).state == "failed"
    folder = interrupted(stopped)
    record = folder.record()
    assert record is not None
    running = record.attempts[0].model_copy(update={"ended": None, "status": "running"})
    with folder.claim():
        folder.save(record.model_copy(update={"attempts": [running], "status": "running"}))
    refuse(folder, stopped.model_dump(mode="json"), "the disk is full")
    failed = folder.record()
    assert failed is not None
    assert (failed.status, failed.reason, failed.genotype) == ("failed", "the disk is full", record.genotype)
    assert [(attempt.status, attempt.ended is None) for attempt in failed.attempts] == [("failed", False)]


def test_of_a_measurement_that_two_searches_make_at_once_the_first_counts(tiny: Configure) -> None:
    config = tiny()
    problems = [TrainedProblem(config, load_task(config), Store(config.runs_dir), Reporter()) for _ in range(3)]
    alphas = problems[0].space.sample(generator(0, "alpha"), 3)
    first, second = (problem.ask(OneShot(Bernoulli(0.5))) for problem in problems[:2])
    losses = first.measure(alphas[:2])
    (path,) = Store(config.runs_dir).root.glob("stages/supernet-*/measurements-*.jsonl")
    other = {**orjson.loads(path.read_bytes().splitlines()[0]), "loss": "7.5"}
    path.write_bytes(path.read_bytes() + orjson.dumps(other) + b"\n" + b'{"torn')
    assert second.measure(alphas[:2]).tolist() == losses.tolist()
    assert len(path.read_bytes().splitlines()) == 4, "what the other has measured is not measured again"
    third = second.measure(alphas)[2]
    assert problems[2].ask(OneShot(Bernoulli(0.5))).measure(alphas).tolist() == [*losses, third]


def test_a_final_network_whose_test_is_no_number_has_diverged(tiny: Configure) -> None:
    config = tiny({"method": "fixed", "final": {"epochs": 1, "lr": 1e5, "clip": 1e9}, "data": {"train_limit": 32}})
    folder = Store(config.runs_dir).run(config.id)
    for attempt in (1, 2):
        with pytest.raises(DivergedError, match="final: test_loss nan at epoch 1"):
            execute(config, Reporter())
        record = folder.record()
        assert record is not None
        assert (record.status, len(record.attempts)) == ("diverged", attempt)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("name", ["lr", "clip", "auxiliary"])
def test_settings_that_json_cannot_hold_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"^final.{name}=.*finite"):
        load({"dataset": "digits", "profile": "smoke", "final": {name: value}})
