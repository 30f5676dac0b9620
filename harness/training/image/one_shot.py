"""The one-shot CNN: its training, and measurements on it."""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from conas.cnn.one_shot import OneShotCNN
from conas.graphs import Graphs
from conas.questions import OneShot
from conas.sampling import RunningPolicy
from conas.seeds import derive, generator
from conas.space import Alpha
from harness.data.images import Images
from harness.training.answers import answers
from harness.training.image.fused_one_shot import Evaluations, Losses, OneShotSgd, measurer
from harness.training.image.task import EVALUATION_BATCH, ImageTask
from harness.training.policies import SAMPLED_SUBNETWORKS, PolicyTraining
from harness.training.sgd import Batch


@answers(OneShot, task="image", stage="supernet", section="oneshot")
class OneShotTraining(PolicyTraining):
    """A new sub-network for every minibatch of the weights' half (Algorithm 1, stage 1)."""

    def __init__(self, task: ImageTask, question: OneShot) -> None:
        settings, seed = task.config.oneshot, task.config.seed
        model = task.one_shot_model("oneshot")
        policy = question.policy.start(task.space, derive(seed, "policy"))

        def draw(epoch: int, step: int) -> Alpha:
            return policy.draw(generator(seed, "subgraph", epoch, step))

        def loss(epoch: int, step: int, images: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(model(images, draw(epoch, step)), labels)

        batches = task.batches(task.weights_half, settings.batch_size, "oneshot")
        training = OneShotSgd(
            model, settings, batches, draw, loss, _Sampled(task, model, policy), precision=task.precision
        )
        super().__init__(training, policy, partial(ImageMeasurer, task, model))


class _Sampled:
    """Mean figures of a few sub-networks, always drawn alike, on one batch of validation images; on CUDA, as graphs."""

    def __init__(self, task: ImageTask, model: OneShotCNN, policy: RunningPolicy) -> None:
        self._task, self._model, self._policy = task, model, policy
        self._graphs: dict[bytes, Graphs] = {}

    def __call__(self) -> dict[str, float]:
        """The figures at the present weights."""
        rng = generator(self._task.config.seed, "sampled sub-networks")
        images, labels = next(self._task.evaluation_batches(self._task.validation))
        self._model.eval()
        alphas = [self._policy.draw(rng) for _ in range(SAMPLED_SUBNETWORKS)]
        self._graphs = {
            alpha.tobytes(): self._graphs.get(alpha.tobytes(), Graphs(partial(_figures, self._model, alpha)))
            for alpha in alphas
        }
        rows = [self._graphs[alpha.tobytes()](images, labels).tolist() for alpha in alphas]
        losses, wrong = zip(*rows, strict=True)
        return {"valid_loss": sum(losses) / len(losses), "valid_error": 100 * sum(wrong) / len(wrong)}


def _figures(model: OneShotCNN, alpha: Alpha, images: Tensor, labels: Tensor) -> Tensor:
    logits = model(images, alpha)
    return torch.stack([F.cross_entropy(logits, labels), (logits.argmax(1) != labels).float().mean()])


class ImageMeasurer:
    """The mean cross-entropy, or the error, of sub-networks of one trained one-shot CNN on validation images.

    Draw 0 is the batches that ``common`` measurements share; ``fresh`` ones have a draw each.
    """

    def __init__(self, task: ImageTask, model: OneShotCNN) -> None:
        self._task, self._model = task, model
        self._measurers: dict[int | None, Losses] = {}
        self._evaluations: Evaluations = {}

    def measure(self, alphas: Alpha, draw: int, whole: bool) -> NDArray[np.float64]:
        """The losses of ``alphas`` on the batches number ``draw``, or on the whole validation set."""
        number = None if whole else draw
        if number not in self._measurers:
            self._measurers = {kept: old for kept, old in self._measurers.items() if kept in (None, 0)}
            self._measurers[number] = self._losses(self._batches(number))
        return self._measurers[number].losses(alphas)

    def _losses(self, batches: list[Batch]) -> Losses:
        how = self._task.config.measure
        return measurer(
            self._model, batches, how.bn, how.quantity, self._task.precision.of_measuring, self._evaluations
        )

    def _batches(self, draw: int | None) -> list[Batch]:
        task, measure = self._task, self._task.config.measure
        if draw is None:
            return list(task.measured_batches(task.validation, 0))
        return list(task.measured_batches(_measured(task, draw), draw, measure.batch_size))


def _measured(task: ImageTask, draw: int) -> Images:
    """The validation images of the measurements number ``draw``."""
    measure = task.config.measure
    order = generator(task.config.seed, "measuring", draw).permutation(len(task.validation))
    return task.validation.select(order[: measure.batches * measure.batch_size])


def searched(task: ImageTask) -> set[int]:
    """Positions in the training set of the images that a search by common measurements reads."""
    parts = (task.weights_half, task.validation.select(slice(EVALUATION_BATCH)), _measured(task, 0))
    return {place for part in parts for place in part.indices.tolist()}
