"""Whether training steps on a CUDA device are right: against float64, and whether graphs have the bits of calls."""

import os
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from harness.training.bptt import BpttTraining
from harness.training.sgd import Batch, Batches, SgdTraining

_STEPS = 6

Trainee = BpttTraining | SgdTraining


def parity(make: Callable[[], Trainee]) -> dict[str, Any]:
    """A few captured steps, against the same steps without graphs and against plain ones in float64.

    ``bits`` says whether graphs and calls end at the same losses and weights; ``first`` and ``float64`` are the
    relative differences of the first loss, and the largest of any.
    """
    graphs, weights = _run(make())
    calls, same = _run(_uncaptured(make()))
    with patch.dict(os.environ, CONAS_GRAPHS="0", CONAS_KERNELS="0"):
        precise, _ = _run(_in_float64(make()))
    return {
        "bits": graphs == calls and all(torch.equal(weights[name], same[name]) for name in weights),
        "first": abs(graphs[0] - precise[0]) / abs(precise[0]),
        "float64": max(abs(a - b) / abs(b) for a, b in zip(graphs, precise, strict=True)),
        "losses": graphs,
    }


def _run(trainee: Trainee) -> tuple[list[float], dict[str, Tensor]]:
    losses = [float(trainee.step(0, step)) for step in range(_STEPS)]
    return losses, {name: value.clone() for name, value in trainee.state_dict()["model"].items()}


def _uncaptured(trainee: Trainee) -> Trainee:
    assert trainee.captured is not None
    trainee.captured.graphs.enabled = False
    return trainee


def _in_float64(trainee: Trainee) -> Trainee:
    if isinstance(trainee, BpttTraining):
        trainee.model.double()
        trainee._hidden = trainee._hidden.double()
    else:
        trainee.network.double()
        trainee._batches = _Float64(trainee._batches)
    return trainee


class _Float64:
    """Minibatches in float64."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self.steps = batches.steps

    def __call__(self, epoch: int, step: int) -> Batch:
        images, labels = self._batches(epoch, step)
        return images.double(), labels
