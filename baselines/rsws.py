"""Random search with weight sharing (Li & Talwalkar, 2019).

A one-shot model is trained on cells of two inputs a node with one operation each (recurrent: one input). Then, in
rounds, many random cells are measured cheaply, the best of them on the whole validation set, and the best over all
rounds wins. The released code returns the best of the *first* round; the paper's rule is what runs here.
"""

from dataclasses import dataclass

import numpy as np

from baselines.checks import LI, at_least
from baselines.ranking import best, diverged, ranked
from baselines.registry import Method, register
from baselines.wiring import Wired, draw
from conas.oracle import Oracle
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha


@dataclass(frozen=True)
class RSWSSettings:
    """How many cells are measured after the one-shot training.

    Attributes:
        rounds: rounds of random cells.
        samples: cells measured cheaply in each round.
        refined: of these, how many are measured on the whole validation set.
        inputs: inputs a node.
        seconds: one-shot training ends after this much training time; no limit if empty.
    """

    rounds: int = setting(3, f"{LI}: one for 10,000 batches, 3 at 100 epochs")
    samples: int = setting(1000, f"{LI}, supplement A.4")
    refined: int = setting(10, f"{LI}, supplement A.4")
    inputs: int = setting(2, f"{LI}: two inputs a node, one in the recurrent cell")
    seconds: float | None = setting(None, "Table 3, 'equal search time': the time that CoNAS took")

    def __post_init__(self) -> None:
        at_least(1, self, "rounds", "samples", "refined", "inputs")
        if self.refined > self.samples:
            raise ValueError(f"refined is {self.refined} (allowed: 1 to samples, which is {self.samples})")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"seconds is {self.seconds} (allowed: more than 0, or nothing for no limit)")


def search(problem: Problem, seed: int, settings: RSWSSettings) -> Outcome:
    """The cell with the least loss on the whole validation set, over all rounds.

    Raises:
        NothingFinite: every cell of a round diverged.
    """
    wiring = Wired(settings.inputs)
    oracle = problem.ask(OneShot(wiring, settings.seconds))
    rounds = [
        _round(oracle, draw(wiring, problem.space, generator(seed, "rsws", index), settings.samples), settings.refined)
        for index in range(settings.rounds)
    ]
    winner = best([loss for _, loss, _ in rounds])
    alpha, loss, _ = rounds[winner]
    return Outcome(
        problem.space.build(alpha),
        {
            "loss": loss,
            "round": winner,
            "round_losses": [loss for _, loss, _ in rounds],
            "diverged": sum(lost for _, _, lost in rounds),
        },
    )


def _round(oracle: Oracle, alphas: Alpha, refined: int) -> tuple[Alpha, float, int]:
    """The best cell of ``alphas``, its loss on the whole validation set, and how many losses were not finite."""
    cheap = oracle.measure(alphas)
    finalists = alphas[ranked(cheap)[:refined]]
    losses: np.ndarray = oracle.measure(finalists, whole=True)
    winner = best(losses)
    return finalists[winner], float(losses[winner]), diverged(cheap)


METHOD = register(
    Method(
        "rsws",
        "random search with weight sharing (Li & Talwalkar, 2019)",
        search,
        RSWSSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.rounds * (s.samples + s.refined)),
        {
            "text": {"rounds": 1, "refined": 1, "inputs": 1},  # 5,187 batches of 256 make one round
            "smoke": {"rounds": 2, "samples": 10, "refined": 2},
            "laptop": {"rounds": 2, "samples": 100, "refined": 5},
            "laptop/text": {"samples": 50, "refined": 1},
        },
    )
)
