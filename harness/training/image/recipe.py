"""The recipe of DARTS (Liu et al., 2018b) for a network of one cell: drop-path and auxiliary head."""

import torch.nn.functional as F
from torch import Tensor

from conas.cnn.network import FinalNetwork
from conas.torch_seeds import torch_generator
from harness.config.schema import ImageAlone, ImageFinal
from harness.training.image.task import ImageTask
from harness.training.sgd import OnTensors


def darts(task: ImageTask, network: FinalNetwork, settings: ImageAlone | ImageFinal, name: str) -> OnTensors:
    """The loss of a minibatch; drop-path masks, whose share rises linearly with the epoch, are drawn by ``name``."""

    def draw(epoch: int, step: int, images: Tensor) -> tuple[Tensor, ...]:
        probability = settings.drop_path * epoch / settings.epochs
        dropping = torch_generator(task.config.seed, name, epoch, step, device=str(task.device))
        return (network.draw(images, probability, dropping),) if probability else ()

    def loss(images: Tensor, labels: Tensor, keep: Tensor | None = None) -> Tensor:
        logits, auxiliary = network.train_forward(images, keep)
        total = F.cross_entropy(logits, labels)
        return total if auxiliary is None else total + settings.auxiliary * F.cross_entropy(auxiliary, labels)

    return OnTensors(draw, loss)
