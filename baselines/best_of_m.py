"""The best of CoNAS's own measurements: the control for its recovery step, at exactly its cost.

The one-shot model is CoNAS's under the same seed, and so are the sub-networks of its first stage, with which the m
begin; in place of later stages it goes on as it began. So on a problem that remembers its answers this search is free
once CoNAS has run with one stage. What CoNAS gains over it, sparse recovery has gained.
"""

from dataclasses import dataclass

import numpy as np

from baselines import as_conas
from baselines.checks import at_least, share
from baselines.ranking import NothingFinite
from baselines.registry import Method, register
from conas.measurements import first_stage
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.sampling import Bernoulli
from conas.settings import setting


@dataclass(frozen=True)
class BestOfMSettings:
    """As in `conas.algorithm.Settings`.

    Attributes:
        m: measurements.
        p: probability of an edge to be on, in training and measuring.
        connect: give empty nodes a random edge while training, not while measuring.
    """

    m: int = setting(1000, "as CoNAS, theorem 3.2")
    p: float = setting(0.5, "as CoNAS, section 3")
    connect: bool = setting(False, "as CoNAS, section 4.3 for the recurrent cell")

    def __post_init__(self) -> None:
        at_least(1, self, "m")
        share(self, "p")


def search(problem: Problem, seed: int, settings: BestOfMSettings) -> Outcome:
    """The sub-network with the least measured loss, repaired.

    Raises:
        NothingFinite: every measurement diverged.
    """
    space = problem.space
    oracle = problem.ask(OneShot(Bernoulli(settings.p, settings.connect)))
    measured = first_stage(oracle, space, seed, settings.m, settings.p)
    if not len(measured.losses):
        raise NothingFinite(f"none of {settings.m} losses is finite: no network to choose")
    alpha = measured.best
    details = {"alpha": space.format(alpha), "loss": float(np.min(measured.losses)), "diverged": measured.dropped}
    return Outcome(space.build(alpha), details)


METHOD = register(
    Method(
        "best_of_m",
        "best of CoNAS's own m one-shot measurements, without the recovery",
        search,
        BestOfMSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.m),
        as_conas.SIZES,
        as_conas.SOURCES,
    )
)
