"""What is particular to images and to text: data, networks and how they are trained."""

from typing import Any

from harness.config.load import Config
from harness.training.image.task import ImageTask
from harness.training.text.task import TextTask

TASKS: dict[str, Any] = {"image": ImageTask, "text": TextTask}


def load_task(config: Config) -> Any:
    """The task of a configuration, with its data loaded.

    Raises:
        DataError: the data are missing or damaged.
        ConfigError: the data are too small for a setting.
    """
    return TASKS[config.task](config)
