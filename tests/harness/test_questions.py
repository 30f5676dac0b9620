"""Questions answered by real trainings: what they are called in the store."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from baselines.relaxations.darts import Softmax
from baselines.wiring import Wired
from conas.questions import OneShot, Relaxed, StandAlone, Untrained
from conas.sampling import Bernoulli
from harness.config.load import Config
from harness.console.progress import Reporter
from harness.problems.trained import TrainedProblem
from harness.records.store import Store
from harness.training.image import UntrainedScores
from harness.training.task import load_task

Configure = Callable[..., Config]

STAGES = ["alone-0b8c4ad3d330", "relaxed-ad5b92beafaa", "supernet-9d4bb26ba26f", "supernet-ed64a34fdee9"]
"""As the first version of the harness named them."""


def test_trained_answers_keep_the_names_under_which_they_were_stored(tiny: Configure) -> None:
    config = tiny({"oneshot": {"epochs": 1}, "relaxed": {"epochs": 1}, "numerics": "torch"})
    problem = TrainedProblem(config, load_task(config), Store(config.runs_dir), Reporter())
    empty = problem.space.build(np.full(problem.space.n, -1, dtype=np.int8))
    problem.ask(OneShot(Bernoulli()))
    problem.ask(OneShot(Wired(2), 1e-3))
    problem.ask(Relaxed(("skip_connect",), Softmax(1)))
    problem.ask(StandAlone(empty, 1))
    assert sorted(folder.name for folder in (Path(config.runs_dir) / "stages").iterdir()) == STAGES


@dataclass(frozen=True)
class Timed(Bernoulli):
    """A policy with a field whose name the question has, too."""

    seconds: float = 1.0


def test_a_field_of_a_policy_that_a_question_has_too_is_refused() -> None:
    with pytest.raises(ValueError, match="seconds: a name that is taken"):
        OneShot(Timed()).identity()


def test_scores_of_untrained_networks_are_remembered_charged_as_measurements_and_priced_by_their_images(
    tiny: Configure,
) -> None:
    config = tiny({"alone": {"channels": 2, "layers": 3}})
    task = load_task(config)
    alphas = np.stack([Wired(2)(task.space, np.random.default_rng(seed)) for seed in range(2)])
    scores, costs = [], []
    for _ in range(2):
        problem = TrainedProblem(config, task, Store(config.runs_dir), Reporter())
        scores.append(problem.ask(Untrained("naswot", 8)).measure(alphas).tolist())
        costs.append(problem.cost)
    assert scores[0] == scores[1]
    assert costs[0] == costs[1]  # the seconds, too: nothing was scored again
    assert (costs[0].one_shot_steps, costs[0].measurements) == (0, 2)
    few, many = (UntrainedScores.measuring(task, Untrained("naswot", images), False)[0] for images in (8, 16))
    assert many.mult_adds == 2 * few.mult_adds > 0
