"""Image classifiers: data, networks, and the trainings that answer questions, one module each."""

from harness.training.image.final import FinalTraining as FinalTraining
from harness.training.image.hypernet import HypernetTraining as HypernetTraining
from harness.training.image.one_shot import OneShotTraining as OneShotTraining
from harness.training.image.relaxed import RelaxedTraining as RelaxedTraining
from harness.training.image.stand_alone import AloneTraining as AloneTraining
from harness.training.image.task import ImageTask as ImageTask
from harness.training.image.untrained import UntrainedScores as UntrainedScores
