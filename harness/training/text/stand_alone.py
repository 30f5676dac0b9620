"""A small language model of one cell, trained on its own."""

import math

from conas.questions import StandAlone
from conas.rnn.measuring import evaluate, perplexity
from conas.seeds import derive
from harness.training.answers import answers
from harness.training.bptt import BpttTraining, of_network
from harness.training.loop import DivergedError
from harness.training.text.task import TextTask
from harness.training.work import Work


@answers(StandAlone, task="text", stage="alone", section="alone", judged=("measure",))
class AloneTraining(BpttTraining):
    """Trained without averaging, evaluated on the whole validation text."""

    def __init__(self, task: TextTask, question: StandAlone) -> None:
        settings = task.config.alone
        model = task.network(question.architecture, settings, "alone")
        part = derive(task.config.seed, "training", "alone")
        forward = of_network(model, settings.batch_size)
        super().__init__(model, settings, task.data.train, part, forward, self._validated, epochs=question.epochs)
        self._task, self._network = task, model

    def _validated(self) -> dict[str, float]:
        loss = evaluate(self._network, self._task.whole, self._task.config.measure.bptt)
        if not math.isfinite(perplexity(loss)):
            raise DivergedError(f"alone: validation loss {loss}")
        return {"valid_loss": loss, "valid_perplexity": perplexity(loss)}

    @staticmethod
    def work(task: TextTask, question: StandAlone) -> list[Work]:
        """Epochs of a cell of about the paper's size."""
        settings = task.config.alone
        return [task.epoch(settings, task.network_mult_adds(settings)).times(question.epochs)]
