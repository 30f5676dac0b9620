"""A small network of one cell, trained on its own."""

from typing import TYPE_CHECKING

import torch.nn.functional as F

from conas.genotype import Genotype
from harness.training.sgd import OnTensors, SgdTraining

if TYPE_CHECKING:
    from harness.training.image.task import ImageTask


class AloneTraining(SgdTraining):
    """Trained on the weights' half of the training set, evaluated on the other."""

    def __init__(self, task: "ImageTask", genotype: Genotype, epochs: int) -> None:
        settings = task.config.alone
        network = task.network(genotype, settings, "alone")
        loss = OnTensors(
            lambda epoch, step, images: (), lambda images, labels: F.cross_entropy(network(images)[0], labels)
        )
        batches = task.batches(task.weights_half, settings.batch_size, "alone")
        evaluate = task.evaluation(network, task.validation, "valid")
        super().__init__(network, settings, batches, loss, evaluate, epochs=epochs)
