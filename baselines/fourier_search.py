"""Fourier search, this project's own: CoNAS's polynomial as a prior that every measurement sharpens, not as the answer.

CoNAS spends all measurements on random strings, keeps a few monomials and turns off every bit that they do not name, so
that its answer lies where nothing was measured. Here the loss is a random polynomial of every degree whose monomials
weigh the less the more bits they have (`conas.recovery.fourier_process`). A few measurements are random; each later one
goes to the string, near the best ones or drawn anew, that the posterior expects to improve most on the best. The answer
is the best string that was measured, so it is never worse than any of them.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from baselines import as_conas
from baselines.best_of_m import BestOfMSettings
from baselines.checks import at_least, one_of, positive
from baselines.history import History, rehearsal
from baselines.registry import Method, register
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.recovery.fourier_process import FourierProcess, likeliest
from conas.recovery.gaussian_process import Array, expected_improvement
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha, Space
from conas.targets import TARGETS

DESIGN = "this project's: trials on the tabular benchmarks, seeds 0 to 99"


@dataclass(frozen=True)
class FourierSearchSettings(BestOfMSettings):
    """As many measurements as CoNAS's, the process and its candidates.

    Attributes:
        start: measurements on random strings.
        alone: so many measurements, with those on random strings, come one at a time, each with all before it known.
        together: later ones that are chosen at a time, each as if those before it turned out as expected.
        known: the process predicts from at most so many measurements, the best.
        target: what it predicts, see `conas.targets.TARGETS`.
        spread: how far bits may differ in how much they matter, see `conas.recovery.fourier_process.likeliest`.
        growth: the process is fitted anew when the measurements have grown by this factor.
        parents: best strings whose neighbourhoods are searched.
        doubles: random pairs of changes of each parent.
        fresh: random strings among the candidates.
    """

    start: int = setting(10, DESIGN)
    alone: int = setting(100, DESIGN)
    together: int = setting(8, "this project's: as many as are measured in one call")
    known: int = setting(150, DESIGN)
    target: str = setting("normal_score", DESIGN)
    spread: float = setting(1.0, DESIGN)
    growth: float = setting(1.3, "this project's: a fit costs as much as a few choices")
    parents: int = setting(3, DESIGN)
    doubles: int = setting(50, DESIGN)
    fresh: int = setting(100, "this project's: so that no string is out of reach")

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "alone", "together", "parents", "doubles", "fresh")
        at_least(2, self, "start", "known")
        positive(self, "spread")
        one_of(self, "target", TARGETS)
        if not self.growth > 1:
            raise ValueError(f"growth is {self.growth} (allowed: above 1)")


def search(problem: Problem, seed: int, settings: FourierSearchSettings) -> Outcome:
    """The sub-network with the least measured loss, repaired.

    Raises:
        NothingFinite: every measurement diverged.
    """
    space = problem.space
    history = History.of(problem, settings)
    rng = generator(seed, "fourier search")
    history.ask(space.sample(rng, min(settings.start, settings.m), settings.p))
    model = _Model(settings)
    while len(history) < settings.m:
        if not np.isfinite(history.losses).any():
            history.ask(space.sample(rng, 1, settings.p))
            continue
        order = np.argsort(history.finite, kind="stable")
        candidates = _candidates(history, space, history.alphas[order[: settings.parents]], rng, settings)
        history.ask(candidates[model.choose(history, order[: settings.known], candidates)])
    return history.outcome({"fits": model.fits})


class _Model:
    """The process, fitted anew whenever there are enough new measurements."""

    def __init__(self, settings: FourierSearchSettings) -> None:
        self._settings, self._rates, self.fits = settings, np.empty(0), list[dict[str, float]]()

    def choose(self, history: History, known: NDArray[np.int64], candidates: Alpha) -> list[int]:
        """The candidates to measure next, after what the measurements ``known`` say."""
        m, settings = len(history), self._settings
        scores = TARGETS[settings.target](history.finite[known])
        size = 1 if m < settings.alone else min(settings.together, settings.m - m, len(candidates))
        merit = partial(expected_improvement, float(scores.min()))
        return self._given(m, history.alphas[known], scores).choose(candidates, size, merit)

    def _given(self, m: int, alphas: Alpha, scores: Array) -> FourierProcess:
        if self.fits and m < self._settings.growth * self.fits[-1]["measurements"]:
            return FourierProcess(alphas, scores, self._rates, self.fits[-1]["noise"])
        process = likeliest(alphas, scores, self._settings.spread)
        self._rates = process.rates
        self.fits.append({"measurements": m, "mean_rate": float(process.rates.mean()), "noise": process.noise})
        return process


def _candidates(
    history: History,
    space: Space,
    parents: Alpha,
    rng: np.random.Generator,
    settings: FourierSearchSettings,
) -> Alpha:
    """Strings that were not measured, shape (k, n): one and two changes from the ``parents``, and random ones."""
    near = [space.sample(rng, settings.fresh, settings.p)]
    for parent in parents:
        twice = np.tile(parent, (settings.doubles, 1))
        for _ in range(2):
            twice = space.changed(twice, rng.integers(space.changes, size=settings.doubles))
        near += [space.neighbours(parent), twice]
    every = rng.permutation(np.concatenate(near))  # of equally good ones the first is taken: not by bit order
    new = history.new(every)
    return new if len(new) else every[:1]


METHOD = register(
    Method(
        "fourier_search",
        "expected improvement under a random Fourier polynomial (this project's own)",
        search,
        FourierSearchSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.m),
        as_conas.SIZES,
        as_conas.SOURCES,
        rehearsal=rehearsal,
    )
)
