"""Hill climbing from the best of a small sample: the control for every search that learns, as it learns nothing.

Changes of the best string are measured in random order, and the first one that lowers the loss is taken. Where none
does, the climb starts again from a new random string. White et al. (2021) find such a search hard to beat.
"""

import math
from dataclasses import dataclass

from baselines import as_conas
from baselines.best_of_m import BestOfMSettings
from baselines.checks import share
from baselines.history import History
from baselines.registry import Method, register
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha


@dataclass(frozen=True)
class HillClimbingSettings(BestOfMSettings):
    """As many measurements as CoNAS's.

    Attributes:
        sampled: share of them on random strings, the best of which is climbed from.
    """

    sampled: float = setting(0.2, "this project's: trials on the tabular benchmarks, seeds 0 to 39")

    def __post_init__(self) -> None:
        super().__post_init__()
        share(self, "sampled")


def search(problem: Problem, seed: int, settings: HillClimbingSettings) -> Outcome:
    """The sub-network with the least measured loss, repaired.

    Raises:
        NothingFinite: every measurement diverged.
    """
    space = problem.space
    history = History.of(problem, settings)
    rng = generator(seed, "hill climbing")
    history.ask(space.sample(rng, max(1, round(settings.sampled * settings.m)), settings.p))
    top: int | None = int(history.finite.argmin())
    climbs = 1
    while len(history) < settings.m:
        if top is None:
            history.ask(space.sample(rng, 1, settings.p))
            top, climbs = len(history) - 1, climbs + 1
        neighbours = rng.permutation(space.neighbours(history.alphas[top]))
        top = _better(history, top, history.new(neighbours), settings.m)  # a known one leads where the search was
    return history.outcome({"climbs": climbs})


def _better(history: History, top: int, neighbours: Alpha, m: int) -> int | None:
    """The number of the first of the ``neighbours`` with a lower loss than ``top``'s; None if none has."""
    for neighbour in neighbours[: m - len(history)]:
        history.ask(neighbour[None])
        now = history.losses[top]  # of a string that diverged every finite loss is better
        if history.losses[-1] < (now if math.isfinite(now) else math.inf):
            return len(history) - 1
    return None


METHOD = register(
    Method(
        "hill_climbing",
        "single changes from the best of a small random sample, with restarts",
        search,
        HillClimbingSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.m),
        as_conas.SIZES,
        as_conas.SOURCES,
    )
)
