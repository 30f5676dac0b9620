"""BANANAS (White et al., 2021): an ensemble of small networks predicts the loss, Thompson sampling chooses.

After some random strings, in rounds: five perceptrons learn the losses known so far; all strings one change away from
the best ones are candidates; each candidate draws once from a normal distribution with its predictions' mean and
spread, and those that draw least are measured. The answer is the best string of all. White et al. train every network
on its own and encode it by its paths; here the one-shot model answers, and the encoding is the string itself, since
the paths through fourteen edges of five operations are too many.
"""

from dataclasses import dataclass

import numpy as np

from baselines import as_conas
from baselines.best_of_m import BestOfMSettings
from baselines.checks import at_least, positive
from baselines.ensemble import Ensemble, Shape
from baselines.history import History, rehearsal
from baselines.registry import Method, register
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha, Space

NASZILLA = "White et al. (2021), naszilla/naszilla"


@dataclass(frozen=True)
class BananasSettings(BestOfMSettings):
    """As many measurements as CoNAS's, and the predictors.

    Attributes:
        start: random strings.
        together: strings chosen in a round.
        parents: best strings whose neighbours are candidates.
        members: networks of the ensemble.
        layers: hidden layers of each.
        width: units of each layer.
        epochs: each learns, in each round anew.
        batch: measurements of a step.
        lr: Adam's.
    """

    start: int = setting(10, NASZILLA)
    together: int = setting(10, NASZILLA)
    parents: int = setting(1, f"{NASZILLA}: mutations of the best one; here all of its neighbours, without drawing")
    members: int = setting(5, NASZILLA)
    layers: int = setting(10, NASZILLA)
    width: int = setting(20, NASZILLA)
    epochs: int = setting(150, NASZILLA)
    batch: int = setting(32, NASZILLA)
    lr: float = setting(0.01, NASZILLA)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "start", "together", "parents", "members", "layers", "width", "epochs", "batch")
        positive(self, "lr")

    @property
    def shape(self) -> Shape:
        """The ensemble's; every member learns from all data."""
        return Shape(self.members, self.layers, self.width, 1.0, self.epochs, self.batch, self.lr)


def search(problem: Problem, seed: int, settings: BananasSettings) -> Outcome:
    """The sub-network with the least measured loss, repaired.

    Raises:
        NothingFinite: every measurement diverged.
    """
    space = problem.space
    history = History.of(problem, settings)
    first = min(settings.m, settings.start)
    history.ask(space.sample(generator(seed, "first strings"), first, settings.p))
    while len(history) < settings.m:
        history.ask(_chosen(space, history, seed, settings)[: settings.m - len(history)])
    return history.outcome({})


def _chosen(space: Space, history: History, seed: int, settings: BananasSettings) -> Alpha:
    """The strings to measure next, shape (k, n); random ones while no loss is finite."""
    rng = generator(seed, "bananas", len(history))
    candidates = _candidates(space, history, settings.parents)
    if not (np.isfinite(history.losses).any() and len(candidates)):
        return space.sample(rng, settings.together, settings.p)
    ensemble = Ensemble(settings.shape, history.alphas, history.losses, seed, len(history))
    predicted = ensemble.predict(candidates)
    drawn = rng.normal(predicted.mean(axis=0), predicted.std(axis=0))
    return candidates[np.argsort(drawn, kind="stable")[: settings.together]]


def _candidates(space: Space, history: History, parents: int) -> Alpha:
    """Strings one change from the best ``parents``, not measured yet, shape (k, n); if need be, from further ones."""
    order = np.argsort(np.where(np.isfinite(history.losses), history.losses, np.inf), kind="stable")
    for count in range(parents, len(order) + parents):
        near = history.new(np.concatenate([space.neighbours(alpha) for alpha in history.alphas[order[:count]]]))
        if len(near):
            return near
    return near


METHOD = register(
    Method(
        "bananas",
        "an ensemble of predictors and Thompson sampling on one-shot measurements (White et al., 2021)",
        search,
        BananasSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.m),
        {
            **as_conas.SIZES,
            "smoke": {"m": 30, "epochs": 50},
            "laptop": {"together": 50, "start": 50, "batch": 200},
            "laptop/text": {"m": 600, "together": 15, "start": 15},
        },
        as_conas.SOURCES,
        rehearsal=rehearsal,
    )
)
