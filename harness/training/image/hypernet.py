"""A graph hypernetwork for image networks: its training, and measurements with the weights that it predicts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from baselines.hypernetwork import GraphHypernetwork
from conas.cnn.measuring import QUANTITIES
from conas.cnn.operations import batch_statistics
from conas.oracle import Oracle
from conas.questions import Hypernet
from conas.seeds import derive, generator
from conas.space import Alpha
from harness.training.answers import Remembered, answers
from harness.training.image.one_shot import ImageMeasurer
from harness.training.image.task import ImageTask
from harness.training.policies import SAMPLED_SUBNETWORKS
from harness.training.sgd import Batch, SgdTraining
from harness.training.work import Work


@answers(Hypernet, task="image", stage="hypernet", section="oneshot")
class HypernetTraining(SgdTraining):
    """A new sub-network for every minibatch, as for a one-shot model; the loss goes through its predicted weights."""

    def __init__(self, task: ImageTask, question: Hypernet) -> None:
        settings, seed = task.config.oneshot, task.config.seed
        weights = derive(seed, "weights", "hypernet graphs")
        model = task.placed(
            GraphHypernetwork(task.one_shot_model("hypernet"), question.units, question.rounds, seed=weights)
        )
        policy = question.policy.start(task.space, derive(seed, "policy"))
        self._task, self._model, self._policy = task, model, policy

        def loss(epoch: int, step: int, images: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(model(images, policy.draw(generator(seed, "subgraph", epoch, step))), labels)

        falling = {"lr": question.lr, "lr_min": question.lr * settings.lr_min / settings.lr}
        schedule = settings.model_copy(update=falling)
        batches = task.batches(task.weights_half, settings.batch_size, "hypernet")
        super().__init__(
            model,
            schedule,
            batches,
            loss,
            self._sampled,
            parameters=model.trained(),
            precision=task.precision.autocast,
        )
        self._optimizer = torch.optim.Adam(self._parameters, lr=question.lr)  # type: ignore[assignment]

    def _sampled(self) -> dict[str, float]:
        """The mean loss, or error in percent, of a few sub-networks, always drawn alike, on the images of cheap
        measurements."""
        rng = generator(self._task.config.seed, "sampled sub-networks")
        alphas = np.stack([self._policy.draw(rng) for _ in range(SAMPLED_SUBNETWORKS)])
        mean = float(PredictedMeasurer(self._task, self._model).measure(alphas, 0, False).mean())
        quantity = self._task.config.measure.quantity
        return {f"valid_{quantity}": 100 * mean if quantity == "error" else mean}

    def answer(self, remembered: Remembered) -> Oracle:
        """The losses of sub-networks with predicted weights."""
        return remembered(PredictedMeasurer(self._task, self._model))

    @staticmethod
    def work(task: ImageTask, question: Hypernet) -> list[Work]:
        """Epochs of a one-shot model's sub-networks, which have more operations, but whose weights are there."""
        return [task.epoch(task.config.oneshot, task.one_shot_mult_adds).times(task.config.oneshot.epochs)]


class PredictedMeasurer(ImageMeasurer):
    """As `ImageMeasurer`, of sub-networks whose weights are predicted."""

    def __init__(self, task: ImageTask, model: GraphHypernetwork) -> None:
        super().__init__(task, model.skeleton)
        self._hypernetwork = model

    def _losses(self, batches: list[Batch]) -> "PredictedLosses":
        return PredictedLosses(self._hypernetwork, batches, self._task.config.measure)


class PredictedLosses:
    """The losses, or errors, of sub-networks with predicted weights over the same batches."""

    def __init__(self, model: GraphHypernetwork, batches: Sequence[Batch], measure: Any) -> None:
        self._model, self._batches = model, batches
        self._sum, self._bn = QUANTITIES[measure.quantity], measure.bn

    @torch.no_grad()
    def losses(self, alphas: Alpha) -> NDArray[np.float64]:
        """Losses, shape (k,), of the encoders ``alphas``, shape (k, n)."""
        self._model.eval()
        if self._bn == "running":
            return np.array([self._loss(alpha) for alpha in alphas])
        with batch_statistics(self._model):
            return np.array([self._loss(alpha) for alpha in alphas])

    def _loss(self, alpha: Alpha) -> float:
        weights = self._model.predict(alpha)
        of_batches = [
            self._sum(self._model.with_weights(weights, images, alpha), labels) for images, labels in self._batches
        ]
        return float(sum(loss.item() for loss in of_batches)) / sum(len(labels) for _, labels in self._batches)
