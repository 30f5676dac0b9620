"""Policies that learn between epochs: what they measure is part of the training, of its name and of its price."""

from collections.abc import Callable
from pathlib import Path

import pytest

from conas.questions import OneShot
from conas.sampling import Bernoulli
from harness.config.load import Config
from harness.console.progress import Reporter
from harness.estimates.machine import Machine
from harness.problems.trained import TrainedProblem
from harness.records.store import Store
from harness.training.answers import answering
from harness.training.task import load_task
from tests.conformance.toys.policy import Reinforced

Configure = Callable[..., Config]
ERRORS = {"measure": {"quantity": "error"}}
MACHINE = Machine(overhead=1e-3, rate=1e9)


def stages(config: Config, question: OneShot) -> list[str]:
    TrainedProblem(config, load_task(config), Store(config.runs_dir), Reporter()).ask(question)
    return sorted(folder.name for folder in (Path(config.runs_dir) / "stages").iterdir())


def test_how_a_policy_measures_decides_what_it_learns(tiny: Configure) -> None:
    one_epoch = {"oneshot": {"epochs": 1}}
    for question, models in ((OneShot(Bernoulli()), 1), (OneShot(Reinforced(2, 0.1)), 3)):
        stages(tiny(one_epoch), question)
        assert len(stages(tiny(one_epoch | ERRORS), question)) == models


def test_the_measurements_of_a_policy_have_their_price(tiny: Configure) -> None:
    task = load_task(tiny())
    price = answering("image", OneShot).work
    plain, learning = (MACHINE.seconds(price(task, OneShot(policy))) for policy in (Bernoulli(), Reinforced(7, 0.1)))
    measuring = 7 * task.config.oneshot.epochs * MACHINE.seconds(task.measuring(whole=False))
    assert learning - plain == pytest.approx(measuring)
