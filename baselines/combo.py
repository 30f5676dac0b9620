"""COMBO (Oh et al., 2019): Bayesian optimisation by a Gaussian process with a diffusion kernel.

Every bit, or edge of an exclusive space, has a scale of its own, drawn from its posterior by slice sampling. Of the
strings that greedy ascents look at, the one with the largest expected improvement over the draws is measured, a known
one only if no new one is found. Takes O(m^3): meant for a few hundred measurements.

Departures from the released code: it draws anew and measures once; here several strings are measured at a time, each
chosen as if those before it had turned out as expected. The mean and the scale of the process are fitted, where the
code draws them as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from baselines.as_conas import CONNECT
from baselines.checks import ASSUMPTION, at_least, share
from baselines.history import History, rehearsal
from baselines.registry import Method, register
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.recovery.diffusion_process import TimesPosterior, Variables
from conas.recovery.gaussian_process import Array, GaussianProcess, Merit, choose, expected_improvement
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha, Space

OH = "Oh et al. (2019), released code"


@dataclass(frozen=True)
class COMBOSettings:
    """Measurements, draws and ascents.

    Attributes:
        m: measurements in all.
        start: of them on random strings.
        together: strings measured in one call.
        draws: of the kernel's scales, over which expected improvement is summed.
        fresh: random strings among which ascents start.
        spray: neighbours of the best string among them.
        ascents: greedy ascents, from the best of these.
        p: probability of an edge to be on, in training and in random strings.
        connect: give empty nodes a random edge while training, not while measuring.
    """

    m: int = setting(300, f"{ASSUMPTION}: as the time grows with its cube")
    start: int = setting(20, OH)
    together: int = setting(10, f"{ASSUMPTION}: the authors measure one at a time")
    draws: int = setting(5, f"{ASSUMPTION}: the authors draw 10")
    fresh: int = setting(1000, f"{ASSUMPTION}: the authors look at 20,000")
    spray: int = setting(10, OH)
    ascents: int = setting(5, f"{ASSUMPTION}: the authors ascend from 20")
    p: float = setting(0.5, "as CoNAS, section 3")
    connect: bool = setting(False, "as CoNAS, section 4.3 for the recurrent cell")

    def __post_init__(self) -> None:
        at_least(1, self, "m", "together", "draws", "fresh", "spray", "ascents")
        at_least(2, self, "start")
        share(self, "p")


def search(problem: Problem, seed: int, settings: COMBOSettings) -> Outcome:
    """The sub-network with the least measured loss, repaired.

    Raises:
        NothingFinite: every measurement diverged.
    """
    space = problem.space
    history = History.of(problem, settings)
    history.ask(space.sample(generator(seed, "combo"), min(settings.start, settings.m), settings.p))
    posterior = TimesPosterior(Variables(space))
    while len(history) < settings.m:
        rng, losses = generator(seed, "combo", len(history)), history.finite
        drawn = [posterior.draw(history.alphas, losses, rng) for _ in range(settings.draws)]
        improvement = partial(expected_improvement, losses.min())
        pool = history.new(_pool(drawn, improvement, history.alphas[losses.argmin()], space, settings, rng))
        size = min(settings.together, settings.m - len(history))
        picked = pool[choose(drawn, pool, min(size, len(pool)), improvement)] if len(pool) else pool
        history.ask(np.vstack([picked, space.sample(rng, size, settings.p)])[:size])
    return history.outcome({"log_times_and_noise": posterior.logs.tolist()})


def _pool(
    drawn: Sequence[GaussianProcess],
    improvement: Merit,
    incumbent: Alpha,
    space: Space,
    settings: COMBOSettings,
    rng: np.random.Generator,
) -> Alpha:
    """All strings, shape (k, n), that greedy ascents on the expected improvement look at."""

    def merit(alphas: Alpha) -> Array:
        return np.sum([improvement(*process.predict(alphas)) for process in drawn], axis=0)

    near = rng.permutation(space.neighbours(incumbent))[: settings.spray]
    looked = [np.vstack([near, space.sample(rng, settings.fresh, settings.p)])]
    merits = merit(looked[0])
    chosen = np.argsort(-merits, kind="stable")[: settings.ascents]
    tops, heights = looked[0][chosen], merits[chosen]
    while len(tops):
        looked.append(np.vstack([space.neighbours(top) for top in tops]))
        merits = merit(looked[-1]).reshape(len(tops), -1)
        best = merits.argmax(axis=1)
        higher = merits.max(axis=1) > heights
        tops = looked[-1].reshape(len(tops), space.changes, space.n)[np.arange(len(tops)), best][higher]
        heights = merits.max(axis=1)[higher]
    return np.vstack(looked)


METHOD = register(
    Method(
        "combo",
        "Gaussian process with a diffusion kernel (COMBO; Oh et al., 2019)",
        search,
        COMBOSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.m),
        {
            "text": {"connect": True},
            "smoke": {"m": 30},
        },
        {"text": {"connect": CONNECT}},
        rehearsal=rehearsal,
    )
)
