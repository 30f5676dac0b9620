"""A small network of one cell, trained on its own."""

from conas.questions import StandAlone
from harness.training.answers import answers
from harness.training.image.recipe import loss_of
from harness.training.image.task import ImageTask
from harness.training.sgd import SgdTraining
from harness.training.work import Work


@answers(StandAlone, task="image", stage="alone", section="alone")
class AloneTraining(SgdTraining):
    """Trained on the weights' half of the training set, evaluated on the other."""

    def __init__(self, task: ImageTask, question: StandAlone) -> None:
        settings = task.config.alone
        network = task.network(question.architecture, settings, "alone")
        recipe = loss_of(task, network, settings, "alone drop path")
        batches = task.batches(task.weights_half, settings.batch_size, "alone", settings.cutout)
        evaluate = task.evaluation(network, task.validation, "valid")
        precision = task.precision.autocast
        super().__init__(network, settings, batches, recipe, evaluate, epochs=question.epochs, precision=precision)

    @staticmethod
    def work(task: ImageTask, question: StandAlone) -> list[Work]:
        """Epochs of a cell of about the paper's size."""
        settings = task.config.alone
        return [task.epoch(settings, task.network_mult_adds(settings)).times(question.epochs)]
