"""Local search from CoNAS's answer: this project's own extension, not part of the paper.

One bit after the other is flipped, in random order, and a flip stays if the one-shot loss gets lower. In an exclusive
space a flip gives an edge another operation. The search ends when no flip helps, or when its measurements are used up.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from baselines import checks
from baselines.checks import at_least
from baselines.conas import SIZES, SOURCES, budget
from baselines.history import History
from baselines.registry import Method, register
from conas import algorithm
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.sampling import Bernoulli
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha, Space


@dataclass(frozen=True)
class LocalSearchSettings(algorithm.Settings):
    """CoNAS's settings, and the measurements that come on top.

    Attributes:
        flips: measurements of the local search, the first being CoNAS's answer itself.
    """

    flips: int = setting(1000, "this project's: as many as one stage of CoNAS")

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "flips")
        if self.oracle != "one_shot":
            raise ValueError(f"oracle is {self.oracle!r} (allowed: 'one_shot', on which flips are compared)")


def search(problem: Problem, seed: int, settings: LocalSearchSettings) -> Outcome:
    """What flips make of CoNAS's answer; the answer itself if no flip has a lower loss.

    Raises:
        ValueError: as `conas.algorithm.search_on`.
    """
    space = problem.space
    oracle = problem.ask(OneShot(Bernoulli(settings.p, settings.connect)))
    start = algorithm.search_on(oracle, space, seed, settings)
    alpha = space.encode(start.genotype)
    history = History(oracle, space)
    loss = first = _loss(history, alpha)
    kept, tried = 0, set[int]()
    for bit in _bits(space, seed):
        if len(history) == settings.flips or len(tried) == space.n:
            break
        if bit in tried:
            continue
        tried.add(bit)
        flipped = _flip(space, alpha, bit)
        if flipped is None or not len(history.new(flipped[None])):  # a known one has no lower loss
            continue
        lower = _loss(history, flipped)
        if lower < loss:
            alpha, loss, kept, tried = flipped, lower, kept + 1, {bit}
    losses = [value if np.isfinite(value) else None for value in (first, loss)]
    details = {
        "start": start.details,
        "alpha": space.format(alpha),
        "asked": len(history),
        "kept": kept,
        "losses": losses,
    }
    return Outcome(space.build(alpha), details)


def _loss(history: History, alpha: Alpha) -> float:
    loss = float(history.ask(alpha[None])[0])
    return loss if np.isfinite(loss) else float("inf")


def _bits(space: Space, seed: int) -> Iterator[int]:
    """All bits, in an order that is drawn anew for every round."""
    round_ = 0
    while True:
        yield from generator(seed, "flips", round_).permutation(space.n).tolist()
        round_ += 1


def _flip(space: Space, alpha: Alpha, bit: int) -> Alpha | None:
    """The neighbour of ``alpha`` over ``bit``; None where an exclusive edge has that operation already."""
    flipped = alpha.copy()
    if not space.exclusive:
        flipped[bit] = -alpha[bit]
        return flipped
    if alpha[bit] > 0:
        return None
    group = next(group for group in space.groups if bit in group)
    flipped[list(group)] = -1
    flipped[bit] = 1
    return flipped


METHOD = register(
    Method(
        "local_search",
        "bit flips from CoNAS's answer (this project's own extension)",
        search,
        LocalSearchSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=budget(s).measurements + s.flips),
        {
            **SIZES,
            "smoke": {**SIZES["smoke"], "flips": 20},
            "laptop": {"flips": 200},
            "laptop/text": {**SIZES["laptop/text"], "flips": 50},
        },
        SOURCES,
        check=checks.degree,
    )
)
