"""Random search as Liu et al. (2018b) ran it: train a few random cells alone, keep the best on validation data."""

from dataclasses import dataclass

from baselines import checks
from baselines.checks import LIU, at_least
from baselines.ranking import best, diverged
from baselines.registry import Method, register
from baselines.wiring import Wired
from conas.problem import Cost, Outcome, Problem
from conas.questions import StandAlone
from conas.seeds import generator
from conas.settings import setting


@dataclass(frozen=True)
class RandomSearchSettings:
    """Which cells are tried and how long each is trained.

    Attributes:
        samples: random cells.
        epochs: epochs that each is trained alone.
        inputs: inputs per node.
    """

    samples: int = setting(24, f"{LIU}: the best of 24 random cells")
    epochs: int = setting(100, f"{LIU}: short training before the choice")
    inputs: int = setting(2, f"{LIU}: two inputs per node, one in the recurrent cell")

    def __post_init__(self) -> None:
        at_least(1, self, "samples", "epochs", "inputs")


def search(problem: Problem, seed: int, settings: RandomSearchSettings) -> Outcome:
    """The random cell with the least validation loss after stand-alone training.

    Raises:
        NothingFinite: every training diverged.
    """
    wiring = Wired(settings.inputs)
    draws = (generator(seed, "random", index) for index in range(settings.samples))
    cells = [problem.space.build(wiring(problem.space, rng)) for rng in draws]
    losses = [problem.ask(StandAlone(cell, settings.epochs)) for cell in cells]
    winner = best(losses)
    return Outcome(
        cells[winner],
        {"loss": losses[winner], "sample": winner, "samples": settings.samples, "diverged": diverged(losses)},
    )


METHOD = register(
    Method(
        "random_search",
        "best of a few random cells, each trained alone (Liu et al., 2018b)",
        search,
        RandomSearchSettings,
        frozenset({StandAlone}),
        lambda s: Cost(stand_alone_epochs=s.samples * s.epochs),
        {
            "text": {"samples": 8, "epochs": 300, "inputs": 1},
            "smoke": {"samples": 2, "epochs": 1},
            "laptop": {"samples": 4, "epochs": 2},
        },
        longest=lambda s: s.epochs,
        check=checks.inputs,
    )
)
