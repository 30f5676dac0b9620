"""GHN's search (Zhang et al., 2019): random cells by their loss with weights that a graph hypernetwork predicts.

The best of many random cells on the whole validation set wins; Zhang et al. train the ten best briefly instead. How
much the predicted weights tell is part of the answer: some of the cells are trained alone, and Kendall's tau compares
the two orders. Those trainings are charged to the search. Space, network and measurements are those of CoNAS's one-shot
model, and of its weights only those of operations are predicted (`baselines.hypernetwork`); the others are learned.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines import checks
from baselines.agreement import tau
from baselines.checks import ASSUMPTION, LIU, at_least, positive
from baselines.ranking import best, diverged, ranked
from baselines.registry import Method, register
from baselines.wiring import Wired, draw
from conas.oracle import Oracle
from conas.problem import Cost, Outcome, Problem
from conas.questions import Hypernet, StandAlone
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha

ZHANG = "Zhang et al. (2019)"


@dataclass(frozen=True)
class GhnSettings:
    """The hypernetwork, the cells and the check.

    Attributes:
        m: random cells.
        refined: of these, how many are measured on the whole validation set.
        inputs: inputs per node.
        units: of a vertex.
        rounds: of messages, each back and forth.
        lr: Adam's at the start; it falls as the one-shot model's does.
        compared: random cells, the first ones, that are trained alone to see how well predicted weights rank.
        epochs: of these trainings.
    """

    m: int = setting(1000, ZHANG)
    refined: int = setting(10, f"{ZHANG}: trained briefly")
    inputs: int = setting(2, f"{LIU}: two inputs per node; {ZHANG} draw graphs of another space")
    units: int = setting(32, ZHANG)
    rounds: int = setting(5, ZHANG)
    lr: float = setting(0.001, f"{ASSUMPTION}: Adam's usual one; {ZHANG} take Adam")
    compared: int = setting(20, f"{ASSUMPTION}: as many as can be afforded; {ZHANG} take 100")
    epochs: int = setting(25, f"{ASSUMPTION}: all together half of what random search trains, which is 24 x 100 epochs")

    def __post_init__(self) -> None:
        at_least(1, self, "m", "refined", "inputs", "units", "rounds", "epochs")
        at_least(2, self, "compared")
        positive(self, "lr")
        for name in ("refined", "compared"):
            if getattr(self, name) > self.m:
                raise ValueError(f"{name} is {getattr(self, name)} (allowed: at most m, which is {self.m})")


def search(problem: Problem, seed: int, settings: GhnSettings) -> Outcome:
    """The cell with the least loss on the whole validation set, among the best on a few batches.

    Raises:
        NothingFinite: every measurement diverged, or those of all the best on the whole validation set.
    """
    space, wiring = problem.space, Wired(settings.inputs)
    oracle = problem.ask(Hypernet(wiring, settings.units, settings.rounds, settings.lr))
    alphas = draw(wiring, space, generator(seed, "ghn"), settings.m)
    losses = oracle.measure(alphas)
    alpha, loss = _refined(oracle, alphas[ranked(losses)[: settings.refined]])
    details = {"alpha": space.format(alpha), "loss": loss, "diverged": diverged(losses)}
    ranking = _ranking(problem, alphas[: settings.compared], losses[: settings.compared], settings.epochs)
    return Outcome(space.build(alpha), details | ranking)


def _refined(oracle: Oracle, finalists: Alpha) -> tuple[Alpha, float]:
    """The finalist with the least loss on the whole validation set, and that loss."""
    losses = oracle.measure(finalists, whole=True)
    winner = best(losses)
    return finalists[winner], float(losses[winner])


def _ranking(problem: Problem, alphas: Alpha, predicted: Any, epochs: int) -> dict[str, Any]:
    """How well losses with predicted weights rank cells as losses after stand-alone training do."""
    trained = np.array([problem.ask(StandAlone(problem.space.build(alpha), epochs)) for alpha in alphas])
    compared, found = int((np.isfinite(predicted) & np.isfinite(trained)).sum()), tau(predicted, trained)
    if found is None:
        return {"kendall_tau": None, "compared": compared}
    note = (
        f"predicted weights rank {compared} random cells as training alone (epochs: {epochs}) does with Kendall's "
        f"tau {found:.2f} (1: alike, 0: by chance)"
    )
    return {"kendall_tau": found, "compared": compared, "notes": [note]}


METHOD = register(
    Method(
        "ghn",
        "random cells with weights that a graph hypernetwork predicts (Zhang et al., 2019)",
        search,
        GhnSettings,
        frozenset({Hypernet, StandAlone}),
        lambda s: Cost(measurements=s.m + s.refined, stand_alone_epochs=s.compared * s.epochs),
        {
            "smoke": {"m": 10, "refined": 2, "compared": 3, "epochs": 1},
            "laptop": {"m": 100, "refined": 5, "compared": 8, "epochs": 2},
        },
        longest=lambda s: s.epochs,
        check=checks.inputs,
        tasks=("image",),
    )
)
