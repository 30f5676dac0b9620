"""Fourier search, this project's own: CoNAS's polynomial as a prior that every measurement sharpens, not as the answer.

CoNAS spends all measurements on random strings, keeps a few monomials and turns off every bit that they do not name, so
that its answer lies where nothing was measured. Here the loss is a random polynomial of every degree whose monomials
weigh the less the more bits they have (`conas.recovery.fourier_process`). A share of the measurements is random; each
later one goes to the string near the best ones, or drawn anew, that the posterior expects to improve most on the best.
The answer is the best string that was measured.
"""

from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from baselines.checks import at_least
from baselines.ranking import best, diverged
from baselines.registry import Method, register
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.recovery.fourier_process import FourierProcess
from conas.recovery.gaussian_process import expected_improvement
from conas.sampling import Bernoulli
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha, Space

OWN = "this project's"
_DECAYS = (0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.45, 0.6)
_NOISES = (0.001, 0.01, 0.05, 0.15, 0.4)
Array = NDArray[np.float64]
_KNOWN_PER_CHOICE = 25
_GROWTH = 1.15
"""Decay and noise are fitted anew, on a grid by likelihood, whenever the measurements have grown by this factor."""


@dataclass(frozen=True)
class FourierSearchSettings:
    """Measurements and candidates.

    Attributes:
        m: measurements in all.
        start: share of them on random strings.
        together: measurements chosen at a time, at most; the fewer, the better each is chosen.
        parents: best strings whose neighbourhoods are searched.
        doubles: random pairs of changes of each parent.
        fresh: random strings among the candidates.
        p: probability of an edge to be on, in training and in random strings.
        connect: give empty nodes a random edge while training, not while measuring.
    """

    m: int = setting(1000, "as CoNAS, theorem 3.2")
    start: float = setting(0.2, f"{OWN}: first trials on the tabular benchmarks, seeds 0 to 19")
    together: int = setting(8, f"{OWN}: as many as are measured in one call")
    parents: int = setting(3, f"{OWN}: first trials on the tabular benchmarks, seeds 0 to 19")
    doubles: int = setting(300, f"{OWN}: about all pairs of the tabular benchmarks")
    fresh: int = setting(100, f"{OWN}: so that no string is out of reach")
    p: float = setting(0.5, "as CoNAS, section 3")
    connect: bool = setting(False, "as CoNAS, section 4.3 for the recurrent cell")

    def __post_init__(self) -> None:
        at_least(1, self, "m", "together", "parents", "doubles", "fresh")
        for name in ("start", "p"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)} (allowed: between 0 and 1, both excluded)")


def search(problem: Problem, seed: int, settings: FourierSearchSettings) -> Outcome:
    """The sub-network with the least measured loss, repaired.

    Raises:
        NothingFinite: every measurement diverged.
    """
    space = problem.space
    oracle = problem.ask(OneShot(Bernoulli(settings.p, settings.connect)))
    rng = generator(seed, "fourier search")
    alphas = space.sample(rng, max(2, round(settings.start * settings.m)), settings.p)[: settings.m]
    losses = oracle.measure(alphas)
    model = _Model()
    while len(losses) < settings.m:
        scores = _scores(losses)
        candidates = _candidates(space, alphas, losses, rng, settings)
        size = min(settings.together, max(1, len(losses) // _KNOWN_PER_CHOICE), settings.m - len(losses))
        merit = partial(expected_improvement, scores.min())
        picked = model.given(alphas, scores).choose(candidates, min(size, len(candidates)), merit)
        alphas = np.concatenate([alphas, candidates[picked]])
        losses = np.concatenate([losses, oracle.measure(candidates[picked])])
    winner = best(losses)
    details = {"alpha": space.format(alphas[winner]), "loss": float(losses[winner]), "found_at": winner + 1}
    return Outcome(space.build(alphas[winner]), details | {"diverged": diverged(losses), "fits": model.fits})


class _Model:
    """The process, its decay and noise fitted anew whenever there are enough new measurements."""

    def __init__(self) -> None:
        self.fits: list[dict[str, float]] = []

    def given(self, alphas: Alpha, scores: Array) -> FourierProcess:
        if self.fits and len(scores) < _GROWTH * self.fits[-1]["measurements"]:
            return FourierProcess(alphas, scores, self.fits[-1]["rho"], self.fits[-1]["noise"])
        every = (FourierProcess(alphas, scores, rho, noise) for rho, noise in product(_DECAYS, _NOISES))
        likeliest = max(every, key=lambda process: process.log_likelihood)
        self.fits.append({"measurements": len(scores), "rho": likeliest.rho, "noise": likeliest.noise})
        return likeliest


def _scores(losses: Array) -> Array:
    """Normal scores of the ranks: a loss's outliers and its scale do not matter; what diverged is worst."""
    ranks = rankdata(np.where(np.isfinite(losses), losses, np.inf))
    return ndtri((ranks - 0.5) / len(ranks))


def _candidates(
    space: Space, alphas: Alpha, losses: Array, rng: np.random.Generator, settings: FourierSearchSettings
) -> Alpha:
    """Strings that were not measured, shape (k, n): one and two changes from the best, and random ones."""
    near = [space.sample(rng, settings.fresh, settings.p)]
    order = np.argsort(np.where(np.isfinite(losses), losses, np.inf), kind="stable")
    for parent in alphas[order[: settings.parents]]:
        twice = np.tile(parent, (settings.doubles, 1))
        for _ in range(2):
            twice = space.changed(twice, rng.integers(space.changes, size=settings.doubles))
        near += [space.neighbours(parent), twice]
    every = rng.permutation(np.unique(np.concatenate(near), axis=0))  # of equals the first is taken: not by bit order
    measured = {alpha.tobytes() for alpha in alphas}
    new = [alpha for alpha in every if alpha.tobytes() not in measured]
    return np.stack(new) if new else every


METHOD = register(
    Method(
        "fourier_search",
        "expected improvement under a random Fourier polynomial (this project's own)",
        search,
        FourierSearchSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.m),
        {
            "text": {"connect": True},
            "smoke": {"m": 30},
            "laptop/text": {"m": 300},
        },
    )
)
