"""Whether training steps on a CUDA device are right: against float64, and whether graphs have the bits of calls."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from harness.training.bptt import BpttTraining
from harness.training.sgd import Batch, Batches, SgdTraining

_STEPS = 6

Trainee = BpttTraining | SgdTraining


def parity(make: Callable[[], Trainee]) -> dict[str, Any]:
    """A few captured steps, against the same steps without graphs and against plain ones in float64.

    ``bits`` says whether graphs and calls end at the same losses and weights; ``float64`` is the largest relative
    difference of a loss.
    """
    graphs, weights = _run(make())
    calls, same = _run(_uncaptured(make()))
    precise, _ = _run(_in_float64(make()))
    return {
        "bits": graphs == calls and all(torch.equal(weights[name], same[name]) for name in weights),
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
    trainee.captured = None
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
