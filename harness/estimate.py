"""How long a run will take on this machine."""

from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from harness import tasks
from harness.config import Config, digest
from harness.environment import device
from harness.files import read_json, write_json
from harness.questions import Questions, questions
from harness.speed import Machine, machine

_COSTS_NOTHING = {"seed", "search_seed", "data_dir", "runs_dir", "offline", "device"}


class Parts(NamedTuple):
    """Seconds of a run's parts; runs may share the trainings and the measurements of a search, never the last part."""

    models: float
    measurements: float
    final: float


def estimate(config: Config) -> float:
    """Seconds that the run of ``config`` takes on this machine with nothing done before."""
    return sum(parts(config))


def parts(config: Config) -> Parts:
    """Seconds of the parts of the run of ``config`` on this machine, with nothing done before.

    Reckoned once for runs that differ in their seeds only, and remembered in the store.
    """
    path = Path(config.runs_dir) / "speeds" / f"run-{kind(config)}.json"
    if not path.exists():
        write_json(path, _reckon(config))
    return Parts(*read_json(path))


def kind(config: Config) -> str:
    """The same for runs that take as long on this machine."""
    return digest([asdict(_here(config)), config.model_dump(mode="json", exclude=_COSTS_NOTHING)])


def _reckon(config: Config) -> list[float]:
    search, here = config.for_search(), _here(config)
    asked, task = questions(search), tasks.task(search)
    measurements = task.search_seconds(Questions(measurements=asked.measurements, whole=asked.whole), here)
    models = task.search_seconds(asked, here) - measurements
    return [float(seconds) for seconds in (models, measurements, tasks.task(config).final_seconds(here))]


def _here(config: Config) -> Machine:
    return machine(config.runs_dir, device(config.device), config.threads, config.task)
