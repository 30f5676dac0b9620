"""The network that is reported: trained on the whole training set, tested on the test set."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from conas.genotype import Genotype
from conas.seeds import torch_generator
from harness.console.progress import Row
from harness.training.image.task import ImageTask
from harness.training.sgd import OnTensors, SgdTraining


class FinalTraining(SgdTraining):
    """The recipe of DARTS: auxiliary head, drop-path rising linearly with the epoch, cutout; tested every epoch."""

    def __init__(self, task: ImageTask, architecture: Genotype) -> None:
        settings = task.config.final
        network = task.network(architecture, settings, "final")
        seed = task.config.seed

        def draw(epoch: int, step: int, images: Tensor) -> tuple[Tensor, ...]:
            probability = settings.drop_path * epoch / settings.epochs
            dropping = torch_generator(seed, "drop path", epoch, step, device=str(task.device))
            return (network.draw(images, probability, dropping),) if probability else ()

        def loss(images: Tensor, labels: Tensor, keep: Tensor | None = None) -> Tensor:
            logits, auxiliary = network.train_forward(images, keep)
            total = F.cross_entropy(logits, labels)
            return total if auxiliary is None else total + settings.auxiliary * F.cross_entropy(auxiliary, labels)

        super().__init__(
            network,
            settings,
            task.batches(task.train, settings.batch_size, "final", settings.cutout, settings.auto_augment),
            OnTensors(draw, loss),
            task.evaluation(network, task.test, "test"),
            accumulate=settings.accumulate,
            precision=_precision(task.device, settings.bf16),
        )

    def results(self, history: list[Row]) -> dict[str, dict[str, float]]:
        """The figures of the last epoch, which count, and of the epoch with the lowest test error."""
        figures = [{name: value for name, value in row.items() if name != "stage"} for row in history]
        return {"last": figures[-1], "best": min(figures, key=lambda row: row["test_error"])}


def _precision(device: torch.device, bf16: bool) -> Callable[[], AbstractContextManager[Any]]:
    return partial(torch.autocast, device.type, torch.bfloat16, enabled=bf16)
