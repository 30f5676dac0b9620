"""Regularised evolution (Real et al., 2019): the search behind AmoebaNet, on CoNAS's own one-shot measurements.

A population of random strings; then, again and again, the best of a random sample of it is changed in one place and
joins as the youngest, and the oldest leaves, however good it is. The answer is the best string of all. Real et al.
train every network on its own and change one source or operation; here the one-shot model answers and one bit changes,
or the operation of one edge where edges have exactly one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baselines import as_conas
from baselines.best_of_m import BestOfMSettings
from baselines.checks import at_least
from baselines.history import History
from baselines.registry import Method, register
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.seeds import generator
from conas.settings import setting

NASBENCH = "google-research/nasbench, NASBench.ipynb, for some thousand models"
REAL = "assumption: from memory of Real et al. (2019)"


@dataclass(frozen=True)
class EvolutionSettings(BestOfMSettings):
    """As many measurements as CoNAS's, and the population.

    Attributes:
        population: strings that live at a time.
        sample: strings, drawn from the population with replacement, of which the best one is changed.
    """

    population: int = setting(50, f"{NASBENCH}; {REAL}, 100 for 20,000 models")
    sample: int = setting(10, f"{NASBENCH}; {REAL}, 25 of 100")

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "population", "sample")


def search(problem: Problem, seed: int, settings: EvolutionSettings) -> Outcome:
    """The sub-network with the least measured loss, repaired.

    Raises:
        NothingFinite: every measurement diverged.
    """
    space = problem.space
    history = History.of(problem, settings)
    first = min(settings.m, settings.population)
    history.ask(space.sample(generator(seed, "first population"), first, settings.p))
    while len(history) < settings.m:
        rng = generator(seed, "evolution", len(history))
        ages = rng.integers(settings.population, size=settings.sample)  # the youngest ones live
        parent = history.alphas[[_fittest(history.losses, len(history) - 1 - ages)]]
        history.ask(space.changed(parent, rng.integers(space.changes, size=1)))
    return history.outcome({})


def _fittest(losses: NDArray[np.float64], drawn: NDArray[np.int64]) -> int:
    """Which of the strings ``drawn`` has the least loss; the first one if all of them diverged."""
    values = losses[drawn]
    return int(drawn[np.argmin(np.where(np.isfinite(values), values, np.inf))])


METHOD = register(
    Method(
        "regularised_evolution",
        "ageing evolution on one-shot measurements (Real et al., 2019)",
        search,
        EvolutionSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.m),
        {
            **as_conas.SIZES,
            "smoke": {"m": 30, "population": 10, "sample": 3},
            "laptop/text": {"m": 600, "population": 15, "sample": 3},
        },
        as_conas.SOURCES,
    )
)
