"""Language models: data, networks, and the trainings that answer questions, one module each."""

from harness.training.text.final import FinalTraining as FinalTraining
from harness.training.text.one_shot import OneShotTraining as OneShotTraining
from harness.training.text.relaxed import RelaxedTraining as RelaxedTraining
from harness.training.text.stand_alone import AloneTraining as AloneTraining
from harness.training.text.task import TextTask as TextTask
