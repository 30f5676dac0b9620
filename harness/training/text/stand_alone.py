"""A small language model of one cell, trained on its own."""

import math
from typing import TYPE_CHECKING

from conas.genotype import Genotype
from conas.rnn.measuring import evaluate, perplexity
from conas.seeds import derive
from harness.training.bptt import BpttTraining, of_network
from harness.training.loop import DivergedError

if TYPE_CHECKING:
    from harness.training.text.task import TextTask


class AloneTraining(BpttTraining):
    """Trained without averaging, evaluated on the whole validation text."""

    def __init__(self, task: "TextTask", genotype: Genotype, epochs: int) -> None:
        settings = task.config.alone
        model = task.network(genotype, settings, "alone")
        part = derive(task.config.seed, "training", "alone")
        forward = of_network(model, settings.batch_size)
        super().__init__(model, settings, task.data.train, part, forward, self._validated, epochs=epochs)
        self._task, self._network = task, model

    def _validated(self) -> dict[str, float]:
        loss = evaluate(self._network, self._task.whole, self._task.config.measure.bptt)
        if not math.isfinite(perplexity(loss)):
            raise DivergedError(f"alone: validation loss {loss}")
        return {"valid_loss": loss, "valid_perplexity": perplexity(loss)}
