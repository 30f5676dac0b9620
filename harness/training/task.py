"""What is particular to images and to text, as the rest of the harness sees it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from conas.architecture import Architecture
from harness.config.load import Config
from harness.console.progress import Row
from harness.data.registry import is_own
from harness.records.contents import refuse_another
from harness.training import image, text
from harness.training.loop import Trainee
from harness.training.work import Work


class FinalTrainee(Trainee, Protocol):
    """The training of the network that is reported."""

    def results(self, history: list[Row]) -> dict[str, dict[str, float]]:
        """The figures ``last`` and ``best`` of a finished training."""

    def tested(self) -> dict[str, float]:
        """The figures of the present weights on the test set."""


class Task(Protocol):
    """One configuration's data, and what is computed on them.

    The trainings that answer a search's questions are registered beside it (`harness.training.answers`).
    """

    @property
    def name(self) -> str:
        """``image`` or ``text``."""

    @property
    def content(self) -> str:
        """A hash of all data."""

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the data came from and how much of it is used."""

    def count(self, architecture: Architecture) -> dict[str, Any]:
        """Parameters and multiply-adds of the final network, see `harness.records.schema.CountsRecord`."""

    def described(self, architecture: Architecture) -> dict[str, Any]:
        """What builds the final network again, see `conas.saved`; of images also how they are normalised."""

    def measuring(self, whole: bool) -> Sequence[Work]:
        """The work of measuring one sub-network of a one-shot model."""

    def final_work(self, architecture: Architecture) -> Sequence[Work]:
        """The work of the final training; for cells, of one of about the paper's size."""


_TASKS: dict[str, Callable[[Any], Task]] = {"image": image.ImageTask, "text": text.TextTask}
_FINALS: dict[str, Callable[[Any, Architecture], FinalTrainee]] = {
    "image": image.FinalTraining,
    "text": text.FinalTraining,
}


def load_task(config: Config) -> Task:
    """The task of a configuration, with its data loaded; its store remembers which data they are.

    Raises:
        DataError: the data are missing or damaged.
        ConfigError: the data are too small for a setting.
        OtherData: the data set's name stood for other data before.
    """
    task = read_task(config)
    remember(config, task)
    return task


def read_task(config: Config) -> Task:
    """As `load_task`, but the store stays as it is: for questions of size and time."""
    return _TASKS[config.task](config)


def remember(config: Config, task: Task) -> None:
    """Note in the store which data the name of ``config`` is, unless a checksum says so.

    Raises:
        OtherData: it stood for others before.
    """
    if config.is_unpinned:
        refuse_another(Path(config.runs_dir), config.dataset, config.name, task.content, is_own(config.dataset))


def final_training(task: Task, architecture: Architecture) -> FinalTrainee:
    """The training of the final network of ``architecture``."""
    return _FINALS[task.name](task, architecture)
