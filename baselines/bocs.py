"""BOCS (Baptista & Poloczek, 2018): Thompson sampling on a Bayesian sparse polynomial of degree 2.

The loss is a polynomial of the bits, 1 where an edge is on and 0 where it is off, whose coefficients have a horseshoe
prior. Each string that is measured is the minimiser, by simulated annealing, of a polynomial of its own that is drawn
from the posterior.

Departures from the released code: it samples the posterior anew, from nowhere, after every measurement, which at
n = 140 takes minutes each; here strings are measured several at a time and the sampler goes on where it was. Columns
are centred, and losses scaled to a standard deviation of 1, where the code centres the losses only. An annealing ends
with its last string, where the code keeps the best that it met. A string is measured twice only if no new one is found.
The authors' penalty on the number of ones (1e-4 in their example) is left out.
"""

from dataclasses import dataclass

import numpy as np

from baselines.annealing import Quadratic, anneal, monomials
from baselines.as_conas import CONNECT
from baselines.checks import ASSUMPTION, at_least, share
from baselines.history import History, rehearsal
from baselines.registry import Method, register
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.recovery.fourier import basis_size
from conas.recovery.horseshoe import Equations, Horseshoe
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha, Space

CODE = "Baptista & Poloczek (2018), released code"
_FROZEN = 1e-12


@dataclass(frozen=True)
class BOCSSettings:
    """Measurements, posterior draws and annealing.

    Attributes:
        m: measurements in all.
        start: of them on random strings.
        together: strings measured in one call, each the minimiser of a draw of its own.
        gibbs: rounds of the sampler before each draw.
        restarts: annealings of each draw; the lowest end that was not measured is.
        sweeps: changes that one annealing tries, for every bit.
        cooling: the temperature is this to the power of the number of changes, in standard deviations of the losses.
        p: probability of an edge to be on, in training and in random strings.
        connect: give empty nodes a random edge while training, not while measuring.
    """

    m: int = setting(500, f"{ASSUMPTION}: half of CoNAS's, as each posterior draw takes O(m^2 n^2)")
    start: int = setting(20, CODE)
    together: int = setting(10, f"{ASSUMPTION}: the authors measure one at a time")
    gibbs: int = setting(10, f"{ASSUMPTION}: the authors' 1000 start from nowhere each time")
    restarts: int = setting(5, CODE)
    sweeps: int = setting(5, f"{ASSUMPTION}: the authors try as many changes as they measure strings")
    cooling: float = setting(0.8, CODE)
    p: float = setting(0.5, "as CoNAS, section 3")
    connect: bool = setting(False, "as CoNAS, section 4.3 for the recurrent cell")

    def __post_init__(self) -> None:
        at_least(1, self, "m", "together", "gibbs", "restarts", "sweeps")
        at_least(2, self, "start")
        share(self, "cooling", "p")


def search(problem: Problem, seed: int, settings: BOCSSettings) -> Outcome:
    """The sub-network with the least measured loss, repaired.

    Raises:
        NothingFinite: every measurement diverged.
    """
    space = problem.space
    history = History.of(problem, settings)
    history.ask(space.sample(generator(seed, "bocs"), min(settings.start, settings.m), settings.p))
    posterior = Horseshoe(basis_size(space.n, 2) - 1)
    while len(history) < settings.m:
        rng = generator(seed, "bocs", len(history))
        size = min(settings.together, settings.m - len(history))
        history.ask(_minimisers(history, space, posterior, size, settings, rng))
    return history.outcome({"noise": float(posterior.noise), "largest": float(np.abs(posterior.coefficients).max())})


def _minimisers(
    history: History, space: Space, posterior: Horseshoe, size: int, settings: BOCSSettings, rng: np.random.Generator
) -> Alpha:
    """``size`` strings, shape (size, n), each where annealing on a polynomial of its own is lowest."""
    columns, losses = monomials((history.alphas > 0).astype(np.int8))[:, 1:], history.finite
    columns -= columns.mean(axis=0)
    given = Equations(columns, (losses - losses.mean()) / (losses.std() or 1.0))
    temperatures = np.maximum(settings.cooling ** np.arange(1, settings.sweeps * space.n + 1), _FROZEN)
    picked = history.alphas[:0]
    for _ in range(size):
        for _ in range(settings.gibbs):
            drawn = posterior.step(given, rng)
        surface = Quadratic.of_active(space.n, np.append(0.0, drawn * columns.any(axis=0)))
        starts = space.sample(rng, settings.restarts, settings.p)
        ends = anneal(surface, space, starts, temperatures, rng)
        lowest = ends[np.argsort(surface(ends), kind="stable")]
        new = history.new(np.vstack([picked, lowest, starts]))
        picked = np.vstack([new, starts])[: len(picked) + 1]
    return picked


METHOD = register(
    Method(
        "bocs",
        "Thompson sampling on a Bayesian sparse polynomial (Baptista & Poloczek, 2018)",
        search,
        BOCSSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.m),
        {
            "text": {"connect": True},
            "smoke": {"m": 30},
            "laptop/text": {"m": 300},
        },
        {"text": {"connect": CONNECT, "m": f"{ASSUMPTION}: fewer than CoNAS's, as a posterior draw takes O(m^2 n^2)"}},
        rehearsal=rehearsal,
    )
)
