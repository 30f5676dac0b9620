"""Regularised evolution (Real et al., 2019): the search behind AmoebaNet, on CoNAS's own one-shot measurements.

A population of random strings; then, again and again, the best of a random sample of it is changed in one place and
joins as the youngest, and the oldest leaves, however good it is. The answer is the best string of all. Real et al.
train every network on its own and change one source or operation; here the one-shot model answers and one bit changes,
or the operation of one edge where edges have exactly one.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baselines.best_of_m import BestOfMSettings
from baselines.checks import at_least
from baselines.ranking import best, diverged
from baselines.registry import Method, register
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.sampling import Bernoulli
from conas.seeds import generator
from conas.settings import setting

NASBENCH = "google-research/nasbench, NASBench.ipynb, for some thousand models"
REAL = "assumption: as remembered of Real et al. (2019)"


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
    oracle = problem.ask(OneShot(Bernoulli(settings.p, settings.connect)))
    first = space.sample(generator(seed, "first population"), min(settings.m, settings.population), settings.p)
    alphas, losses = list(first), oracle.measure(first).tolist()
    living = deque(range(len(alphas)), maxlen=settings.population)  # who joins a full one drives out the oldest
    while len(losses) < settings.m:
        rng = generator(seed, "evolution", len(losses))
        parent = alphas[_fittest(rng.choice(living, settings.sample), losses)]
        child = space.changed(parent[None], rng.integers(space.changes, size=1))
        living.append(len(losses))
        alphas.extend(child)
        losses.extend(oracle.measure(child).tolist())
    winner = best(losses)
    details = {"alpha": space.format(alphas[winner]), "loss": losses[winner], "found_at": winner + 1}
    return Outcome(space.build(alphas[winner]), details | {"diverged": diverged(losses)})


def _fittest(drawn: NDArray[np.int64], losses: list[float]) -> int:
    """Which of the strings ``drawn`` has the least loss; the first one if all of them diverged."""
    return int(min(drawn, key=lambda number: losses[number] if np.isfinite(losses[number]) else np.inf))


METHOD = register(
    Method(
        "regularised_evolution",
        "ageing evolution on one-shot measurements (Real et al., 2019)",
        search,
        EvolutionSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.m),
        {
            "text": {"connect": True},
            "smoke": {"m": 30, "population": 10, "sample": 3},
            "laptop/text": {"m": 300, "population": 15, "sample": 3},
        },
    )
)
