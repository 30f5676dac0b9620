"""How long a run will take on this machine: its work counted exactly, a step of each training timed briefly."""

import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.registry import method
from conas.problem import Cost
from conas.sampling import Sampler
from conas.seeds import generator
from conas.space import Alpha, Space, space
from harness import tasks
from harness.config import Config, digest
from harness.files import read_json, write_json
from harness.speed import SearchSpeed


@dataclass
class Questions:
    """What a search asks: one-shot trainings, measurements, of which of the whole set, epochs, relaxations."""

    one_shot: int = 0
    one_shot_seconds: float = 0.0
    measurements: int = 0
    whole: int = 0
    stand_alone_epochs: int = 0
    relaxed: list[int] = field(default_factory=list)


class CountingProblem:
    """Answers every question at once with a made-up number, to learn what a search will ask."""

    supports = frozenset({"one_shot", "stand_alone", "relaxed"})

    def __init__(self, of: Space) -> None:
        self.space = of
        self.cost = Cost()
        self.asked = Questions()
        self._epochs: dict[bytes, int] = {}

    def one_shot(self, sampler: Sampler, seconds: float | None = None) -> "CountingProblem":
        """Count a one-shot training."""
        if seconds is None:
            self.asked.one_shot += 1
        else:
            self.asked.one_shot_seconds += seconds
        return self

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        """Count measurements."""
        if whole:
            self.asked.whole += len(alphas)
        else:
            self.asked.measurements += len(alphas)
        return generator(0, "made-up losses", self.asked.measurements, self.asked.whole).random(len(alphas))

    def stand_alone(self, alpha: Alpha, epochs: int) -> float:
        """Count the epochs that no earlier question has asked of the same network."""
        name = alpha.tobytes()
        before = self._epochs.get(name, 0)
        self._epochs[name] = max(before, epochs)
        self.asked.stand_alone_epochs += max(0, epochs - before)
        return float(generator(0, "made-up loss", name.hex(), epochs).random())

    def relaxed(self, operations: tuple[str, ...], order: int) -> Mapping[str, NDArray[np.float64]]:
        """Count a relaxation."""
        self.asked.relaxed.append(order)
        return {cell: self._relaxed_weights(cell, operations) for cell in self.space.cells}

    def _relaxed_weights(self, cell: str, operations: tuple[str, ...]) -> NDArray[np.float64]:
        edges = {(edge.source, edge.target) for edge in self.space.edges if edge.cell == cell}
        return generator(0, "made-up weights", cell).random((len(edges), len(operations)))


def questions(config: Config) -> Questions:
    """What the search of ``config`` will ask."""
    problem = CountingProblem(space(config.space))
    method(config.method).search(problem, 0, config.settings)
    return problem.asked


def estimate(config: Config) -> float:
    """Seconds that the run of ``config`` takes on this machine with nothing done before.

    The speeds are measured once for each machine and size, and remembered in the store.
    """
    search = config.for_search()
    asked = questions(search)
    speed = SearchSpeed(**_remembered(search, "search", lambda: asdict(tasks.task(search).search_speed())))
    seconds = asked.one_shot * speed.one_shot + asked.one_shot_seconds
    seconds += asked.measurements * speed.measurement + asked.whole * speed.whole_measurement
    seconds += asked.stand_alone_epochs * speed.stand_alone_epoch
    seconds += sum(speed.relaxed * (1 if order == 1 else 3) for order in asked.relaxed)
    return seconds + _remembered(config, "final", lambda: {"seconds": tasks.task(config).final_seconds()})["seconds"]


def _remembered(config: Config, what: str, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    sizes = config.model_dump(mode="json", exclude={"method", "seed", "search", "runs_dir", "data_dir", "offline"})
    key = digest([what, sizes, platform.node(), torch.__version__])
    path = Path(config.runs_dir) / "speeds" / f"{key}.json"
    if not path.exists():
        torch.set_num_threads(config.threads)
        write_json(path, measure())
    return read_json(path)
