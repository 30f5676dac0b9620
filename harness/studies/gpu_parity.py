"""Whether training steps on a CUDA device are right: against float64, and whether graphs have the bits of calls."""

import os
from collections.abc import Callable, Iterable
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from harness.training.bptt import BpttTraining
from harness.training.sgd import Batch, Batches, SgdTraining

_STEPS = 6

Trainee = BpttTraining | SgdTraining
State = dict[str, Tensor]


def parity(make: Callable[[], Trainee], epoch: int = 0) -> dict[str, Any]:
    """A few captured steps of an epoch, against the same steps without graphs and against plain ones in float64.

    ``captured`` says whether a graph was replayed at all, which takes three steps of one shape; ``bits``, whether
    graphs and calls end at the same losses and weights; ``first`` and ``float64`` are the relative differences
    of the first loss, and the largest of any; ``updates`` is how far a parameter's first change is from what it should
    be, relative to that, in the median of all parameters.
    """
    taken = make()
    graphs, moved, weights = _run(taken, epoch)
    calls, _, same = _run(_uncaptured(make()), epoch)
    with patch.dict(os.environ, CONAS_GRAPHS="0", CONAS_KERNELS="0"):
        exact = _in_float64(make())
        start = {name: value.detach().clone() for name, value in _network(exact).named_parameters()}
        precise, right, _ = _run(exact, epoch)
    return {
        "captured": taken.captured is not None and taken.captured.graphs.captured > 0,
        "bits": graphs == calls and all(torch.equal(weights[name], same[name]) for name in weights),
        "first": abs(graphs[0] - precise[0]) / abs(precise[0]),
        "float64": largest(abs(a - b) / abs(b) for a, b in zip(graphs, precise, strict=True)),
        "updates": median(moved_wrongly(moved, right, start).values()),
        "losses": graphs,
    }


def moved_wrongly(got: State, right: State, start: State) -> dict[str, float]:
    """By name, the norm of what is wrong with the change of a tensor, by that of the change; of those that change."""
    moved = {name: (right[name] - start[name]).double().norm() for name in start}
    return {
        name: float((got[name].double() - right[name].double()).norm() / norm) for name, norm in moved.items() if norm
    }


def median(values: Iterable[float]) -> float:
    """Of at least one value; not a number if one of them is not."""
    return float(torch.tensor(list(values)).median())


def largest(values: Iterable[float]) -> float:
    """Of at least one value; not a number if one of them is not."""
    return float(torch.tensor(list(values)).max())


def _run(trainee: Trainee, epoch: int) -> tuple[list[float], State, State]:
    """The losses of some steps, and the weights behind the first and behind the last one."""
    losses = [float(trainee.step(epoch, 0))]
    first = _weights(trainee)
    losses += [float(trainee.step(epoch, step)) for step in range(1, _STEPS)]
    return losses, first, _weights(trainee)


def _weights(trainee: Trainee) -> State:
    return {name: value.clone() for name, value in trainee.state_dict()["model"].items()}


def _network(trainee: Trainee) -> nn.Module:
    return trainee.model if isinstance(trainee, BpttTraining) else trainee.network


def _uncaptured(trainee: Trainee) -> Trainee:
    assert trainee.captured is not None
    trainee.captured.graphs.enabled = False
    return trainee


def _in_float64(trainee: Trainee) -> Trainee:
    _network(trainee).double()
    if isinstance(trainee, BpttTraining):
        trainee._hidden = trainee._hidden.double()
    else:
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
