"""The losses of networks that are trained alone: cells by the recipe of DARTS (Liu et al., 2018b), others by theirs."""

import torch.nn.functional as F
from torch import Tensor, nn

from conas.cnn.network import FinalNetwork
from conas.torch_seeds import torch_generator
from harness.config.schema import ImageAlone, ImageFinal
from harness.training.image.fused_final import train_forward
from harness.training.image.task import ImageTask
from harness.training.sgd import Loss, LossOnTensors


def loss_of(
    task: ImageTask, network: nn.Module, settings: ImageAlone | ImageFinal, name: str, bf16: bool = False
) -> Loss:
    """The loss of a minibatch: of cells by the recipe of DARTS, of other networks as `by_progress`.

    ``bf16`` is for what autocast does not reach.
    """
    if isinstance(network, FinalNetwork):
        return darts(task, network, settings, name, bf16)
    return by_progress(task, network, settings, name)


def by_progress(task: ImageTask, network: nn.Module, settings: ImageAlone | ImageFinal, name: str) -> Loss:
    """The loss of a minibatch of a network that is told the share of the epochs that are done and draws by ``name``."""

    def loss(epoch: int, step: int, images: Tensor, labels: Tensor) -> Tensor:
        drawing = torch_generator(task.config.seed, name, epoch, step, device=str(task.device))
        logits, auxiliary = network(images, epoch / settings.epochs, drawing)
        return _total(logits, auxiliary, labels, settings.auxiliary)

    return loss


def darts(
    task: ImageTask, network: FinalNetwork, settings: ImageAlone | ImageFinal, name: str, bf16: bool
) -> LossOnTensors:
    """The loss of a minibatch; drop-path masks, whose share rises linearly with the epoch, are drawn by ``name``."""

    def draw(epoch: int, step: int, images: Tensor) -> tuple[Tensor, ...]:
        probability = settings.drop_path * epoch / settings.epochs
        dropping = torch_generator(task.config.seed, name, epoch, step, device=str(task.device))
        return (network.draw(images, probability, dropping),) if probability else ()

    forward = train_forward(network, task.precision.of_training(bf16))

    def loss(images: Tensor, labels: Tensor, keep: Tensor | None = None) -> Tensor:
        logits, auxiliary = forward(images, keep)
        return _total(logits, auxiliary, labels, settings.auxiliary)

    return LossOnTensors(draw, loss)


def _total(logits: Tensor, auxiliary: Tensor | None, labels: Tensor, weight: float) -> Tensor:
    loss = F.cross_entropy(logits, labels)
    return loss if auxiliary is None else loss + weight * F.cross_entropy(auxiliary, labels)
