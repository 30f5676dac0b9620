"""The network that is reported: trained on the whole training set, tested on the test set."""

import math
from functools import partial

from conas.architecture import Architecture
from harness.console.progress import Row
from harness.training.image.recipe import loss_of
from harness.training.image.task import ImageTask
from harness.training.sgd import SgdTraining


class FinalTraining(SgdTraining):
    """Cells by the recipe of DARTS (auxiliary head, drop-path, cutout), other networks by theirs; tested each epoch."""

    def __init__(self, task: ImageTask, architecture: Architecture) -> None:
        settings = task.config.final
        network = task.network(architecture, settings, "final")
        super().__init__(
            network,
            settings,
            task.batches(task.train, settings.batch_size, "final", settings.cutout, settings.auto_augment),
            loss_of(task, network, settings, "drop path", settings.bf16),
            task.evaluation(network, task.test, "test"),
            accumulate=settings.accumulate,
            precision=partial(task.precision.autocast, settings.bf16),
        )

    def tested(self) -> dict[str, float]:
        """Mean cross-entropy (nats) and error (percent) on the test set at the present weights."""
        return self._evaluate()

    def results(self, history: list[Row]) -> dict[str, dict[str, float]]:
        """The figures of the last epoch, which count, and of the epoch with the lowest test error and a finite loss."""
        figures = [{name: value for name, value in row.items() if name != "stage"} for row in history]
        finite = [row for row in figures if all(map(math.isfinite, row.values()))]
        return {"last": figures[-1], "best": min(finite or figures, key=lambda row: row["test_error"])}
