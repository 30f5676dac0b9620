"""The steps of an architecture beside those of the weights, by its rule."""

from collections.abc import Callable

import pytest
import torch

from baselines.relaxations.asap import Annealed
from baselines.relaxations.darts import Softmax
from baselines.relaxations.pc_darts import PartialSoftmax
from baselines.relaxations.rule import MixtureRule
from baselines.relaxations.snas import Concrete
from conas.questions import Relaxed
from harness.config.load import Config
from harness.training.image.relaxed import RelaxedTraining
from harness.training.task import load_task

Configure = Callable[..., Config]
OPERATIONS = ("skip_connect", "max_pool_3x3")
SIZES = {"relaxed": {"epochs": 2, "channels": 4, "layers": 3, "batch_size": 32}}


def training(tiny: Configure, rule: MixtureRule) -> RelaxedTraining:
    return RelaxedTraining(load_task(tiny(SIZES)), Relaxed(OPERATIONS, rule))  # type: ignore[arg-type]


def architecture(trained: RelaxedTraining) -> torch.Tensor:
    return torch.cat([values.detach().clone() for values in trained.network.architecture.values()])


def test_a_rule_that_holds_nothing_out_reads_all_images_and_others_half_of_them(tiny: Configure) -> None:
    task = load_task(tiny(SIZES))
    assert training(tiny, Softmax(1)).steps(0) == -(-len(task.weights_half) // 32)  # type: ignore[attr-defined]
    assert training(tiny, Concrete(1.0, 0.03, 10.0)).steps(0) == -(-len(task.train) // 32)  # type: ignore[attr-defined]


def test_in_a_warm_up_only_the_weights_learn(tiny: Configure) -> None:
    trained = training(tiny, PartialSoftmax(2, 0.5))
    start = architecture(trained)
    for step in range(trained.steps(0)):
        trained.step(0, step)
    assert torch.equal(architecture(trained), start)
    trained.step(1, 0)
    assert not torch.equal(architecture(trained), start)


def test_the_gradient_of_an_architecture_is_no_longer_than_its_rule_says(tiny: Configure) -> None:
    trained = training(tiny, Concrete(1.0, 0.03, 1e-6))
    trained.step(0, 0)
    gradients = [values.grad for values in trained.network.architecture.values()]
    assert float(torch.cat(gradients).norm()) == pytest.approx(1e-6, rel=1e-3)


def test_what_an_epoch_prunes_is_recorded_and_kept_in_checkpoints(tiny: Configure) -> None:
    rule = Annealed(1e-7, 0.5, 2, 1.0, 0.9)
    trained = training(tiny, rule)
    trained.step(0, 0)
    assert trained.finish_epoch(0)["operations_per_edge"] == 1
    resumed = training(tiny, rule)
    resumed.load_state_dict(trained.state_dict())
    shares = trained.answer(lambda measurer: pytest.fail("nothing is measured"))
    assert all((row > 0).sum() == 1 for rows in shares.values() for row in rows)
    again = resumed.answer(lambda measurer: pytest.fail("nothing is measured"))
    assert all((shares[cell] == again[cell]).all() for cell in shares)


def test_a_relaxation_costs_its_price_in_epochs_of_a_one_shot_model_of_its_size(tiny: Configure) -> None:
    task = load_task(
        tiny({"relaxed": {"epochs": 2, "channels": 8, "layers": 6}, "oneshot": {"channels": 4, "layers": 3}})
    )
    (work,) = RelaxedTraining.work(task, Relaxed(OPERATIONS, Softmax(1)))  # type: ignore[arg-type]
    batch = task.config.relaxed.batch_size  # type: ignore[attr-defined]
    assert work.layers == 6
    assert work.mult_adds == pytest.approx(8 * batch * task.one_shot_mult_adds)  # type: ignore[attr-defined]
    assert work.steps == pytest.approx(4 * 2 * len(task.weights_half) / batch)  # type: ignore[attr-defined]
