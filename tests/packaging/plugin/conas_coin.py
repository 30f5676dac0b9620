"""A search method from another repository: one random cell."""

from dataclasses import dataclass

from baselines.registry import Method, register
from conas.problem import Cost, Outcome, Problem
from conas.seeds import generator
from conas.settings import setting


@dataclass(frozen=True)
class CoinSettings:
    """How often an edge is on."""

    p: float = setting(0.5, "assumption: a fair coin")


def search(problem: Problem, seed: int, settings: CoinSettings) -> Outcome:
    """Throw a coin for every edge."""
    space = problem.space
    return Outcome(space.build(space.sample(generator(seed, "coin"), 1, settings.p)[0]))


METHOD = register(Method("coin", "one random cell", search, CoinSettings, frozenset(), lambda settings: Cost()))
