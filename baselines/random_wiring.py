"""Random cells without any search: Table 5's Binomial(140, 1/4) and Table 4's cells with a given number of edges."""

from dataclasses import dataclass

import numpy as np

from baselines.checks import at_least, share
from baselines.registry import Method, register
from conas.problem import Cost, Outcome, Problem
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha, Space


@dataclass(frozen=True)
class RandomWiringSettings:
    """How many edges are on.

    Attributes:
        p: probability of every edge to be on, if ``active`` is empty.
        active: exactly this many edges, all sets of them equally likely.
    """

    p: float = setting(0.25, "appendix A.8: Binomial(140, 1/4)")
    active: int | None = setting(None, "Table 4's random cells have 15")

    def __post_init__(self) -> None:
        share(self, "p")
        if self.active is not None:
            at_least(0, self, "active")


def search(problem: Problem, seed: int, settings: RandomWiringSettings) -> Outcome:
    """One random cell, repaired. An exclusive space draws one operation per edge and knows no ``active``.

    Raises:
        ValueError: more active edges than the space has, or any number of them in an exclusive space.
    """
    check(problem.space, settings)
    space, rng = problem.space, generator(seed, "wiring")
    alpha = space.sample(rng, 1, settings.p)[0] if settings.active is None else _exactly(space, rng, settings.active)
    return Outcome(space.build(alpha), {"alpha": space.format(alpha), "active": int(np.count_nonzero(alpha > 0))})


def check(space: Space, settings: RandomWiringSettings) -> None:
    """Refuse a number of active edges that the space cannot have.

    Raises:
        ValueError: one line that says what is allowed.
    """
    active = settings.active
    if active is None:
        return
    if space.exclusive:
        raise ValueError(
            f"active is {active}, but space {space.name!r} has one operation on every edge (leave it empty)"
        )
    if active > space.n:
        raise ValueError(f"active is {active} (allowed: 0 to {space.n}, the bits of space {space.name!r})")


def _exactly(space: Space, rng: np.random.Generator, active: int) -> Alpha:
    alpha = np.full(space.n, -1, dtype=np.int8)
    alpha[rng.choice(space.n, active, replace=False)] = 1
    return alpha


METHOD = register(
    Method(
        "random_wiring",
        "one random cell, nothing searched (appendix A.8)",
        search,
        RandomWiringSettings,
        frozenset(),
        lambda s: Cost(),
        check=check,
    )
)
