"""A small network of one cell, trained on its own."""

from functools import partial
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from conas.genotype import Genotype
from harness.training.sgd import SgdTraining

if TYPE_CHECKING:
    from harness.training.image.task import ImageTask


class AloneTraining(SgdTraining):
    """Trained on the weights' half of the training set, evaluated on the other."""

    def __init__(self, task: "ImageTask", genotype: Genotype, epochs: int) -> None:
        settings = task.config.alone
        network = task.network(genotype, settings, "alone")

        def loss(epoch: int, step: int, images: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(network(images)[0], labels)

        batches = task.batches(task.weights_half, settings.batch_size, "alone")
        evaluate = partial(task.evaluated, network, task.validation, "valid")
        super().__init__(network, settings, batches, loss, evaluate, epochs=epochs)
