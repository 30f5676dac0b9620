"""A network that is no cells is run, killed, resumed, counted, recorded and estimated like every other."""

from pathlib import Path
from typing import Any

import pytest

from baselines.registry import METHODS
from conas.architecture import Named
from conas.genotype import GenotypeError
from conas.refusal import Refused
from harness.config.load import Config, load
from harness.console.progress import Reporter
from harness.estimates.run import estimate
from harness.execution.execute import execute
from harness.records.store import Store
from tests.conformance.toys import network

RUN: dict[str, Any] = {
    "dataset": "digits",
    "method": "toy_network",
    "profile": "smoke",
    "data": {"train_limit": 200, "test_limit": 60, "validation_limit": 60},
    "final": {"batch_size": 32},
}


class Killed(BaseException):
    pass


class Dying(Reporter):
    def metric(self, row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            raise Killed


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "toy_network", network.METHOD)


def configured(folder: Path) -> Config:
    return load({**RUN, "runs_dir": str(folder)})


def test_a_killed_run_ends_at_the_same_bits_and_its_record_is_believed(known: None, tmp_path: Path) -> None:
    expected = execute(configured(tmp_path / "undisturbed"), Reporter())
    with pytest.raises(Killed):
        execute(configured(tmp_path / "killed"), Dying())
    resumed = execute(configured(tmp_path / "killed"), Reporter())
    assert (resumed.metrics, resumed.weights, resumed.counts) == (expected.metrics, expected.weights, expected.counts)
    assert resumed == Store(tmp_path / "killed").run(resumed.id).record()
    assert resumed.genotype == {"network": "toy_network", "sizes": {"blocks": 2, "channels": 4, "drop": 0.5}}
    assert resumed.counts is not None
    assert resumed.counts.mult_adds == resumed.counts.mult_adds_flopcounter == 64 * 4 * 9 * (1 + 2 * 4) + 4 * 10
    assert not list(Store(tmp_path / "killed").run(resumed.id).path.glob("cell_*"))


def test_its_recipe_lies_over_the_data_sets_and_under_what_is_typed(known: None) -> None:
    final: Any = load(RUN).final  # type: ignore[attr-defined]
    assert (final.lr, final.schedule, final.milestones, final.nesterov) == (0.1, "steps", (0.5, 0.75), True)
    typed: Any = load({**RUN, "final": {"lr": 0.2}}).final  # type: ignore[attr-defined]
    assert (typed.lr, typed.schedule) == (0.2, "steps")


def test_more_blocks_are_estimated_to_take_longer(known: None, tmp_path: Path) -> None:
    few, many = ({**RUN, "runs_dir": str(tmp_path), "search": {"blocks": blocks}} for blocks in (2, 60))
    assert 0 < estimate(load(few)) < estimate(load(many))


def test_it_is_refused_for_text_in_one_line(known: None) -> None:
    with pytest.raises(Refused, match="method 'toy_network' is for image data, not for text"):
        load({"dataset": "descriptions", "method": "toy_network"})


def test_names_that_could_be_paths_are_refused() -> None:
    with pytest.raises(GenotypeError, match="no name of a network"):
        Named("../x", {})
