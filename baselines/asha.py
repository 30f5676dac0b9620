"""Asynchronous successive halving, ASHA (Li et al., 2018b, algorithm 2), by one worker.

Cells are trained alone for a few epochs; the best 1/eta of those that reached a rung are trained eta times longer.
A cell that waits on a rung can be promoted at any later time, which pruners that only stop (optuna's for instance)
do not do: what they stopped is lost, and their first cells run to the end whatever their loss.
"""

from dataclasses import dataclass, field

import numpy as np

from baselines import checks
from baselines.checks import ASSUMPTION, LI, at_least
from baselines.ranking import best, diverged, ranked
from baselines.registry import Method, register
from baselines.wiring import Wired
from conas.problem import Cost, Outcome, Problem
from conas.questions import StandAlone
from conas.seeds import generator
from conas.settings import setting


@dataclass(frozen=True)
class ASHASettings:
    """The rungs and the budget.

    Attributes:
        budget: epochs of stand-alone training in all.
        least: epochs on the lowest rung.
        most: no cell is trained longer.
        eta: how many times longer each rung is than the one below; one cell in ``eta`` is promoted.
        inputs: inputs per node.
    """

    budget: int = setting(2400, f"{ASSUMPTION}: as much as random search, 24 x 100 or 8 x 300 epochs")
    least: int = setting(1, f"{LI}, released code")
    most: int = setting(300, f"{LI}, released code")
    eta: int = setting(4, f"{LI}, released code")
    inputs: int = setting(2, f"{LI}: two inputs per node, one in the recurrent cell")

    def __post_init__(self) -> None:
        at_least(1, self, "least", "inputs")
        at_least(2, self, "eta")
        if not self.least <= self.most:
            raise ValueError(f"most is {self.most} (allowed: least, which is {self.least}, and more)")
        if not self.least <= self.budget:
            raise ValueError(f"budget is {self.budget} (allowed: least, which is {self.least}, and more)")

    @property
    def rungs(self) -> list[int]:
        """The epochs, in all, at which cells are compared."""
        rungs = [self.least]
        while rungs[-1] * self.eta <= self.most:
            rungs.append(rungs[-1] * self.eta)
        return rungs


@dataclass
class Rung:
    """The cells that were trained to a rung, in the order in which they came, and those promoted from it."""

    losses: dict[int, float] = field(default_factory=dict)
    promoted: set[int] = field(default_factory=set)

    def promotable(self, eta: int) -> int | None:
        """The best cell of the top 1/eta that has not been promoted yet."""
        cells, losses = list(self.losses), np.array(list(self.losses.values()))
        if not np.isfinite(losses).any():
            return None
        top = [cells[index] for index in ranked(losses)[: len(cells) // eta]]
        return next((cell for cell in top if cell not in self.promoted), None)


def search(problem: Problem, seed: int, settings: ASHASettings) -> Outcome:
    """The best cell of the highest rung that any cell reached.

    Raises:
        NothingFinite: every training diverged.
    """
    epochs = settings.rungs
    rungs = [Rung() for _ in epochs]
    spent = 0
    while True:
        cell, level = _next_job(rungs, settings.eta)
        spent += epochs[level] - (epochs[level - 1] if level else 0)
        if spent > settings.budget:
            break
        alpha = Wired(settings.inputs)(problem.space, generator(seed, "asha", cell))
        rungs[level].losses[cell] = problem.ask(StandAlone(problem.space.build(alpha), epochs[level]))
        if level:
            rungs[level - 1].promoted.add(cell)
    return _outcome(problem, seed, settings, rungs)


def _next_job(rungs: list[Rung], eta: int) -> tuple[int, int]:
    """The cell to train next and the rung to train it to: a promotion from as high as possible, else a new cell."""
    for level in reversed(range(len(rungs) - 1)):
        cell = rungs[level].promotable(eta)
        if cell is not None:
            return cell, level + 1
    return len(rungs[0].losses), 0


def _outcome(problem: Problem, seed: int, settings: ASHASettings, rungs: list[Rung]) -> Outcome:
    reached = [rung.losses for rung in rungs if np.isfinite(list(rung.losses.values())).any()] or [rungs[0].losses]
    cells, losses = list(reached[-1]), list(reached[-1].values())
    winner = best(losses)
    alpha = Wired(settings.inputs)(problem.space, generator(seed, "asha", cells[winner]))
    return Outcome(
        problem.space.build(alpha),
        {
            "loss": losses[winner],
            "cell": cells[winner],
            "epochs": settings.rungs[len(reached) - 1],
            "trained_to": {str(epochs): len(rung.losses) for epochs, rung in zip(settings.rungs, rungs, strict=True)},
            "diverged": diverged(list(rungs[0].losses.values())),
        },
    )


METHOD = register(
    Method(
        "asha",
        "asynchronous successive halving over stand-alone training (Li et al., 2018b)",
        search,
        ASHASettings,
        frozenset({StandAlone}),
        lambda s: Cost(stand_alone_epochs=s.budget),
        {
            "text": {"inputs": 1},
            "smoke": {"budget": 4, "most": 2, "eta": 2},
            "laptop": {"budget": 8, "most": 4, "eta": 2},
        },
        longest=lambda s: s.rungs[-1],
        check=checks.inputs,
    )
)
