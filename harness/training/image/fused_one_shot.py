"""The one-shot CNN on CUDA: its training in fused kernels, and measurements on it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from conas.cnn.cuda import fused
from conas.cnn.measuring import Measurer
from conas.cnn.one_shot import OneShotCNN, WholeOneShotCNN
from conas.space import Alpha
from harness.training.image import fused_final
from harness.training.precision import Precision
from harness.training.schedules import rate
from harness.training.sgd import Batch, Batches, Loss, Schedule, SgdTraining, largest_norm

if TYPE_CHECKING:  # Triton is not everywhere
    from conas.cnn.cuda.measuring import FusedMeasurer
    from conas.cnn.cuda.one_shot import OneShotStep


class Losses(Protocol):
    """Measurements on fixed images."""

    def losses(self, alphas: Alpha) -> NDArray[np.float64]:
        """Losses, shape (k,), of the encoders ``alphas``, shape (k, n)."""


class OneShotSgd(SgdTraining):
    """SGD on a one-shot CNN; on CUDA, a step is one graph of fused kernels where there are such.

    They compute active operations only, so a `WholeOneShotCNN` goes without.

    Args:
        draw: (epoch, step) -> the sub-network to train, which ``loss`` draws alike.
    """

    def __init__(
        self,
        model: OneShotCNN,
        schedule: Schedule,
        batches: Batches,
        draw: Callable[[int, int], Alpha],
        loss: Loss,
        evaluate: Callable[[], dict[str, float]],
        *,
        precision: Precision,
    ) -> None:
        super().__init__(model, schedule, batches, loss, evaluate, precision=precision.autocast)
        self._draw = draw
        fusible = fused_final.is_there(self._parameters[0]) and not isinstance(model, WholeOneShotCNN)
        self._fused = (
            fused("training steps", lambda: _step(model, schedule, precision.of_training())) if fusible else None
        )
        self._adopt()

    def step(self, epoch: int, step: int) -> float | Tensor:
        """Train on one minibatch; its mean loss before the update."""
        if self._fused is None:
            return super().step(epoch, step)
        if not self.network.training:
            self.network.train()
        images, labels = self._batches(epoch, step)
        if not self._prepared(images.shape):
            return super().step(epoch, step)
        return self._fused.step(images, labels, self._draw(epoch, step), rate(self._schedule, epoch))

    def _prepared(self, shape: torch.Size) -> bool:
        own = self._fused
        if own is not None and fused("training steps", lambda: own.prepared(shape)) is None:
            self._fused = None
        return self._fused is not None

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        super().load_state_dict(state)
        self._adopt()

    def _adopt(self) -> None:
        if self._fused is not None:
            self._fused.adopt(self._optimizer)


def _step(model: OneShotCNN, schedule: Schedule, precision: str) -> "OneShotStep":
    from conas.cnn.cuda.one_shot import OneShotStep
    from conas.cnn.cuda.plan import UnsupportedError

    if getattr(schedule, "nesterov", False):
        raise UnsupportedError("Nesterov's momentum")
    decay, clip = schedule.weight_decay, largest_norm(schedule)
    return OneShotStep(model, momentum=schedule.momentum, weight_decay=decay, clip=clip, precision=precision)


Evaluations = dict[tuple[int, ...], Any]
"""What measures images of a shape on CUDA, which takes a second to set up."""


def measurer(
    model: OneShotCNN, batches: Sequence[Batch], bn: str, quantity: str, precision: str, evaluations: Evaluations
) -> Losses:
    """Measurements on the same ``batches``, by the means that the device has; fused kernels, of this ``precision``,
    measure losses only. ``evaluations`` are those of other batches of this model, and get these."""
    fusible = fused_final.is_there(batches[0][0]) and quantity == "loss"
    on_device = (
        fused("measurements", lambda: _measurer(model, batches, bn, precision, evaluations)) if fusible else None
    )
    return on_device or Measurer(model, batches, bn, quantity)


def _measurer(
    model: OneShotCNN, batches: Sequence[Batch], bn: str, precision: str, evaluations: Evaluations
) -> "FusedMeasurer":
    from conas.cnn.cuda.measuring import FusedMeasurer

    return FusedMeasurer(model, batches, bn, precision, evaluations)
