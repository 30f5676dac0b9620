"""Training a final network by kernels, in Triton's interpreter, beside the same training by its modules."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytest.importorskip("triton")

from conas import means
from conas.cnn.network import FinalNetwork
from conas.genotype import Genotype
from conas.torch_seeds import torch_generator
from harness.training.image import fused_final
from harness.training.image.fused_final import train_forward
from harness.training.sgd import LossOnTensors, SgdTraining
from tests.harness.training.test_fused import SCHEDULE, Minibatches, interpret_kernels


@pytest.fixture(autouse=True)
def _kernels_in_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    interpret_kernels(monkeypatch)


def trainee(operation: str = "skip_connect", accumulate: int = 1) -> SgdTraining:
    cell = {"nodes": [["max_pool_3x3@0", f"{operation}@1"]], "concat": [2]}
    genotype = Genotype.from_json({"inputs": 2, "cells": {"normal": cell, "reduce": cell}})
    network = FinalNetwork(genotype, 4, 3, 5, 2, seed=7)
    forward = train_forward(network, "float32")

    def draw(epoch: int, step: int, images: Tensor) -> tuple[Tensor, ...]:
        return (network.draw(images, 0.3, torch_generator(step, "drop path")),) if step else ()

    def loss(images: Tensor, labels: Tensor, keep: Tensor | None = None) -> Tensor:
        return F.cross_entropy(forward(images, keep)[0], labels)

    return SgdTraining(network, SCHEDULE, Minibatches(), LossOnTensors(draw, loss), dict, accumulate=accumulate)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes trainees that have no kernels."""

    def make(*given: Any) -> SgdTraining:
        with monkeypatch.context() as patch:
            patch.setenv("CONAS_KERNELS", "0")
            return trainee(*given)

    return make


def assert_same(ours: SgdTraining, others: SgdTraining) -> None:
    torch.testing.assert_close(ours.state_dict()["model"], others.state_dict()["model"], rtol=1e-3, atol=1e-4)
    momenta = [trainee.state_dict()["optimizer"]["state"] for trainee in (ours, others)]
    torch.testing.assert_close(*momenta, rtol=1e-2, atol=1e-3)


def test_minibatches_of_two_sizes_and_a_checkpoint_between_them(plain: Any) -> None:
    others, ours = plain(), trainee()
    expected = [others.step(0, step) for step in range(3)]
    found = [ours.step(0, step) for step in range(2)]
    again = trainee()
    again.load_state_dict(copy.deepcopy(ours.state_dict()))
    found.append(again.step(0, 2))
    assert found == pytest.approx(expected, rel=1e-4)
    assert_same(again, others)
    assert not means.replaced()


def test_a_minibatch_in_pieces_has_the_gradients_of_all(plain: Any) -> None:
    others, ours = plain("skip_connect", 2), trainee("skip_connect", 2)
    doubled = [torch.cat([part, part]) for part in ours._batches(0, 0)]
    for one in (others, ours):
        one._batches = lambda epoch, step: tuple(doubled)
        one._batches.steps = lambda epoch: 4
    assert ours.step(0, 0) == pytest.approx(others.step(0, 0), rel=1e-4)
    assert_same(ours, others)


def test_an_operation_without_a_kernel_leaves_all_to_the_modules(plain: Any) -> None:
    others = plain("conv_1x1")
    ours = trainee("conv_1x1")
    with pytest.warns(RuntimeWarning, match="kernels for final networks cannot be used here.*operation conv_1x1"):
        assert ours.step(0, 1) == others.step(0, 1)
    assert ours.step(0, 0) == others.step(0, 0)
    assert list(means.replaced()) == ["kernels for final networks"]


def test_graphs_of_other_shapes_keep_their_memory_when_kernels_fail_later(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = trainee()
    forward: Any = next(
        cell.cell_contents for cell in ours._loss.loss.__closure__ if isinstance(cell.cell_contents, fused_final._Fused)
    )
    ours.step(0, 0)
    own = forward._fused
    monkeypatch.setattr(own, "prepared", lambda shape: 1 / 0)
    with pytest.warns(RuntimeWarning, match="kernels for final networks cannot be used here.*ZeroDivisionError"):
        ours.step(0, 1)
    assert forward._fused is own, "freed under a captured graph"


def test_float64_is_left_to_the_modules() -> None:
    ours = trainee()
    ours.network.double()
    images, labels = ours._batches(0, 0)
    assert ours._loss.loss(images.double(), labels).dtype == torch.float64
