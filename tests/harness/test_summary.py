"""What a person reads before a run starts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.config.load import Config, load
from harness.console.progress import Reporter, duration
from harness.estimates import machine
from harness.estimates.run import estimate
from harness.execution.summary import announce
from harness.training.environment import device

Configure = Callable[..., Config]


def test_only_the_chosen_profile_is_estimated(tiny: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny()
    announce(config, Reporter())
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{config.id} on ")
    assert second.startswith("profile smoke, seconds per run, to see that everything works: about ")


@pytest.mark.parametrize(("chosen", "told"), [({}, True), ({"search.genotype": "darts_v1"}, False)])
def test_a_cell_that_was_not_named_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], chosen: dict[str, str], told: bool
) -> None:
    settings = {"dataset": "digits", "profile": "smoke", "method": "fixed", "runs_dir": str(tmp_path)}
    announce(load({**settings, **chosen}), Reporter())
    assert ("cell darts_v2, as none was named" in capsys.readouterr().out) is told


def test_a_gpus_profile_on_a_cpu_is_told_so_before_anything_is_estimated(
    tiny: Configure, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harness.execution.summary.estimate", lambda config: pytest.fail("estimated"))
    with pytest.raises(pytest.fail.Exception):
        announce(load({"dataset": "digits", "profile": "paper", "device": "cpu"}), Reporter())
    assert "profile paper is meant for a GPU, and this is a CPU" in capsys.readouterr().out


@pytest.mark.parametrize("factor", [0.01, 100.0])  # more than a busy machine is off by
def test_a_speed_that_is_off_is_measured_anew(tiny: Configure, monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    config = tiny()
    here: Any = (config.runs_dir, device("cpu"), config.threads, "image")
    right = machine.machine(*here)
    monkeypatch.setattr(machine, "_believed", set())  # as another process has it
    (path,) = machine.Path(config.runs_dir).glob("speeds/*.json")
    wrong = {"overhead": right.overhead * factor, "rate": right.rate * factor}
    machine.write_json(path, wrong)
    assert machine.machine(*here).overhead != wrong["overhead"]


def test_a_run_says_how_long_the_whole_of_it_takes(
    tiny: Configure, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harness.console.progress._SECONDS_BETWEEN_LINES", 0.0)
    reporter = Reporter()
    reporter.expect(3600.0 + estimate(tiny()))
    with reporter.bar("supernet", 10) as bar:
        bar.step(note="epoch 1/2")
    assert "one-shot model: 1/10, 0 s left, epoch 1/2, the run about 1 h 0 min" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(59.7, "1 min 0 s"), (119.7, "2 min 0 s"), (3599.8, "1 h 0 min"), (42, "42 s"), (200_000, "2.3 days")],
)
def test_a_time_is_rounded_before_it_is_divided(seconds: float, said: str) -> None:
    assert duration(seconds) == said
