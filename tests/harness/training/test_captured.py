"""A step that can be captured, run uncaptured, against the plain one: the same losses, weights and momenta.

Where there is no CUDA device, nothing is captured; that a replay has the bits of a call is for `make gpu-check`.
"""

import copy
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch

from conas.cells import cell as fixed
from conas.graphs import loosely
from conas.questions import OneShot
from conas.sampling import Bernoulli
from harness.config.load import load
from harness.studies.gpu_limits import CONVOLUTIONAL, beyond
from harness.studies.gpu_parity import parity
from harness.training import captured_step
from harness.training.captured_step import CapturedStep
from harness.training.sgd import LossOnTensors
from harness.training.task import final_training, load_task
from harness.training.text import one_shot
from harness.training.text.final import FinalTraining
from harness.training.text.one_shot import OneShotTraining
from harness.training.updates import clipped, update

IMAGES = {"dataset": "digits", "profile": "smoke"}
TEXT = {"dataset": "descriptions", "profile": "smoke"}


def final(updates: dict[str, Any], cell: str) -> Any:
    return final_training(load_task(load(updates)), fixed(cell))


def capturable(trainee: Any) -> Any:
    """Its step is the one of a CUDA device, without the graph."""
    pieces = loosely(trainee._window if hasattr(trainee, "_window") else trainee._pieces)
    clip = (trainee._settings if hasattr(trainee, "_window") else trainee._schedule).clip
    trained = getattr(getattr(trainee, "_forward", None), "trained", None) and loosely(trainee._trained)
    trainee.captured = CapturedStep(pieces, trainee._parameters, trainee._optimizer, clip, trained)
    return trainee


def averaging(trainee: FinalTraining) -> None:
    trainee._optimize(averaging=True)


def state(trainee: Any) -> dict[str, Any]:
    """Weights, hidden state and what the optimiser remembers, without what it only has a place for."""
    values = trainee.state_dict()
    memory = {k: kept for k, kept in values["optimizer"]["state"].items() if any(v is not None for v in kept.values())}
    return {"model": values["model"], "hidden": values.get("hidden", 0), "memory": memory}


def assert_same(
    make: Callable[[], Any], steps: list[tuple[int, int]], before: Callable[[Any], None] = lambda trainee: None
) -> None:
    plain, ours = make(), capturable(make())
    before(plain), before(ours)
    for step in steps:
        torch.testing.assert_close(float(ours.step(*step)), plain.step(*step), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(state(ours), state(plain), rtol=1e-4, atol=1e-5)
    assert ours.captured.graphs.captured == 0


@pytest.mark.parametrize("settings", [{}, {"accumulate": 3, "nesterov": True}], ids=["whole", "in pieces"])
def test_images(settings: dict[str, Any]) -> None:
    updates = IMAGES | {"final": {"epochs": 4, "drop_path": 0.3, **settings}}
    assert_same(lambda: final(updates, "conas"), [(0, 0), (0, 1), (2, 0), (2, 1), (3, 2)])


def test_what_gpu_check_says_of_a_right_and_of_a_wrong_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> Any:
        return capturable(final(IMAGES | {"final": {"epochs": 4}}, "conas"))

    def too_short(gradients: list[torch.Tensor], largest: float) -> list[torch.Tensor]:
        return [0.3 * g if g.dtype == torch.float32 else g for g in clipped(gradients, largest)]

    assert beyond(parity(make), CONVOLUTIONAL) == ["captured: no"]  # nothing is, on a CPU
    monkeypatch.setattr(captured_step, "clipped", too_short)
    assert "updates" in beyond(parity(make), CONVOLUTIONAL)[-1]


def test_each_piece_of_a_minibatch_draws_for_itself() -> None:
    trainee = final(IMAGES | {"final": {"epochs": 2, "drop_path": 0.5, "accumulate": 2}}, "conas")
    loss, numbers, masks = trainee._loss, [], []

    def draw(epoch: int, step: int, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        numbers.append(step)
        masks.extend(loss.draw(epoch, step, images))
        return tuple(masks[-1:])

    trainee._loss = LossOnTensors(draw, loss.loss)
    trainee.step(1, 3)
    assert numbers == [3, 3 + trainee.steps(1)]
    assert masks[0].shape == masks[1].shape
    assert not torch.equal(*masks)


@pytest.mark.parametrize("before", [lambda trainee: None, averaging], ids=["SGD", "averaged SGD"])
def test_text(before: Callable[[Any], None]) -> None:
    assert_same(lambda: final(TEXT, "darts_v2_rnn"), [(0, step) for step in range(6)] + [(1, 0)], before)


def test_state_taken_over_from_a_checkpoint() -> None:
    first = final(TEXT, "darts_v2_rnn")
    averaging(first)
    for step in range(3):
        first.step(0, step)
    resumed = lambda trainee: trainee.load_state_dict(copy.deepcopy(first.state_dict()))  # noqa: E731
    assert_same(lambda: final(TEXT, "darts_v2_rnn"), [(0, 3), (0, 4)], resumed)


@pytest.mark.parametrize("recovers", [False, True], ids=["at a checkpoint", "at the best epoch"])
def test_averaging_goes_on_from_a_captured_state_without_graphs(recovers: bool) -> None:
    plain, ours, resumed = (final(TEXT, "darts_v2_rnn") for _ in range(3))
    for trainee in (plain, capturable(ours)):
        averaging(trainee)
        for step in range(3):
            trainee.step(0, step)
        trainee._best = copy.deepcopy({"loss": 1.0, **trainee._snapshot()})
    resumed.load_state_dict(copy.deepcopy(ours.state_dict()))
    assert not recovers or all(trainee.recover() for trainee in (plain, resumed))
    for step in (3, 4):
        torch.testing.assert_close(resumed.step(0, step), plain.step(0, step), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(state(resumed), state(plain), rtol=1e-4, atol=1e-5)


def test_averaging_that_was_read_on_the_cpu_goes_on_on_the_device() -> None:
    kept, there = torch.zeros(2), torch.zeros(2, device="meta")
    saved, optimizer = (torch.optim.ASGD([x.requires_grad_()], lr=0.1, t0=0, lambd=0) for x in (kept, there))
    update(saved, [kept], [torch.ones(2)], torch.tensor(0.1))
    optimizer.load_state_dict(saved.state_dict())
    update(optimizer, [there], [torch.ones_like(there)], torch.tensor(0.1, device="meta"))
    assert {name: value.device.type for name, value in optimizer.state[there].items()} == dict.fromkeys(
        ("ax", "step", "eta", "mu"), "meta"
    )


@pytest.mark.parametrize("p", [0.5, 0.03], ids=["half of all edges", "few edges, empty nodes"])
def test_one_shot_text(p: float) -> None:
    pytest.importorskip("triton", minversion="3.8", reason="earlier interpreters cannot read new numpy's arrays")
    task: Any = load_task(load(TEXT | {"oneshot": {"units": 6, "batch_size": 3, "bptt": 5, "lr": 2.0}}))

    def make(kernels: bool) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(one_shot, "kernels_work", lambda device, activations: kernels)
            return OneShotTraining(task, OneShot(Bernoulli(p))).training

    plain, ours = make(kernels=False), capturable(make(kernels=True))
    for step in range(4):
        torch.testing.assert_close(float(ours.step(0, step)), plain.step(0, step), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(state(ours), state(plain), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("updates", "cell"), [(IMAGES, "conas"), (TEXT, "darts_v2_rnn")], ids=["images", "text"])
def test_a_captured_training_is_freed_at_once(updates: dict[str, Any], cell: str) -> None:
    trainee = capturable(final(updates, cell))
    trainee.step(0, 0)
    network = weakref.ref(getattr(trainee, "network", None) or trainee.model)
    gc.disable()
    try:
        del trainee
        assert network() is None
    finally:
        gc.enable()
