"""Random search with weight sharing (Li & Talwalkar, 2019).

A one-shot model is trained on cells of two inputs per node with one operation each (recurrent: one input). Then, in
rounds, many random cells are measured cheaply, the best of them on the whole validation set, and the best over all
rounds wins. The released code returns the best of the *first* round (a later version the best of all); the paper's rule
is what runs here. A round without a finite loss is passed over.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines import checks, equal_time
from baselines.checks import ASSUMPTION, LI, at_least, share
from baselines.ranking import best, diverged, ranked
from baselines.registry import Method, register
from baselines.wiring import Wired, draw
from conas.oracle import Oracle
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha

_TOGETHER = 8
"""Cells measured between two looks at the clock."""


@dataclass(frozen=True)
class RSWSSettings:
    """How many cells are measured after the one-shot training.

    Attributes:
        rounds: rounds of random cells.
        samples: cells measured cheaply in each round.
        refined: of these, how many are measured on the whole validation set.
        inputs: inputs per node.
        seconds: one-shot training ends after this much training time; no limit if empty.
        device_seconds: the whole search takes this long, neither ``rounds`` nor the epochs of the training ending it;
            ``conas``: as long as CoNAS's search under the same seed (the harness knows how long that was).
        training_share: of these seconds, what the training takes; the rest is for measurements.
    """

    rounds: int = setting(3, f"{LI}: one for 10,000 batches, 3 at 100 epochs")
    samples: int = setting(1000, f"{LI}, supplement A.4")
    refined: int = setting(10, f"{LI}, supplement A.4")
    inputs: int = setting(2, f"{LI}: two inputs per node, one in the recurrent cell")
    seconds: float | None = setting(None, f"{LI}: training ends with its epochs")
    device_seconds: float | Literal["conas"] | None = setting(
        None, "Table 3, 'equal search time': conas, measurements included", absent=None
    )
    training_share: float = setting(
        0.5,
        f"{ASSUMPTION}: as for 50 epochs and 2,000 measurements on Penn Treebank, which read as many words",
        absent=0.5,
    )

    def __post_init__(self) -> None:
        at_least(1, self, "rounds", "samples", "refined", "inputs")
        if self.refined > self.samples:
            raise ValueError(f"refined is {self.refined} (allowed: 1 to samples, which is {self.samples})")
        equal_time.seconds(self.seconds, "seconds")
        equal_time.device_seconds(self.device_seconds)
        if self.seconds is not None and self.device_seconds is not None:
            raise ValueError("seconds and device_seconds are both given (allowed: one of them)")
        share(self, "training_share")


class Round(NamedTuple):
    """The best cell of a round, its loss on the whole validation set, and how many losses were not finite."""

    alpha: Alpha
    loss: float
    diverged: int


def search(problem: Problem, seed: int, settings: RSWSSettings) -> Outcome:
    """The cell with the least loss on the whole validation set, over all rounds.

    Raises:
        NothingFinite: the cells of every round diverged.
        ValueError: ``device_seconds`` is not a number.
    """
    if settings.device_seconds is not None:
        return _search_in_time(problem, seed, settings)
    oracle = problem.ask(OneShot(Wired(settings.inputs), settings.seconds))
    rounds = []
    for index in range(settings.rounds):
        alphas = _drawn(problem, seed, settings, index)
        rounds.append(_refined(oracle, alphas, oracle.measure(alphas), settings))
    return _outcome(problem, rounds)


def _search_in_time(problem: Problem, seed: int, settings: RSWSSettings) -> Outcome:
    given, started = settings.device_seconds, problem.cost.seconds
    if given is None or isinstance(given, str):
        raise ValueError(f"device_seconds is {given!r} (allowed here: a number)")
    oracle = problem.ask(OneShot(Wired(settings.inputs), settings.training_share * given, to_the_limit=True))
    outcome = _outcome(problem, list(_rounds_until(started + given, problem, seed, settings, oracle)))
    spent = problem.cost.seconds - started
    return Outcome(outcome.genotype, outcome.details | equal_time.reached("RSWS", given, spent))


def _rounds_until(end: float, problem: Problem, seed: int, settings: RSWSSettings, oracle: Oracle) -> Iterator[Round]:
    """Rounds until the search has cost ``end`` seconds, the last cut short; where nothing takes time, ``rounds``."""
    for index in itertools.count():
        before = problem.cost.seconds
        alphas = _drawn(problem, seed, settings, index)
        losses: list[float] = []
        while len(losses) < len(alphas) and not (losses and problem.cost.seconds >= end):
            losses.extend(oracle.measure(alphas[len(losses) : len(losses) + _TOGETHER]))
        yield _refined(oracle, alphas[: len(losses)], np.array(losses), settings)
        timeless = problem.cost.seconds == before
        if problem.cost.seconds >= end or (timeless and index + 1 >= settings.rounds):
            return


def _drawn(problem: Problem, seed: int, settings: RSWSSettings, index: int) -> Alpha:
    """The cells of a round."""
    return draw(Wired(settings.inputs), problem.space, generator(seed, "rsws", index), settings.samples)


def _refined(oracle: Oracle, alphas: Alpha, cheap: NDArray[np.float64], settings: RSWSSettings) -> Round:
    """The round of ``alphas``, whose losses on a few batches are ``cheap``."""
    if not np.isfinite(cheap).any():
        return Round(alphas[0], math.inf, diverged(cheap))
    finalists = alphas[ranked(cheap)[: settings.refined]]
    losses = oracle.measure(finalists, whole=True)
    if not np.isfinite(losses).any():
        return Round(finalists[0], math.inf, diverged(cheap))
    winner = best(losses)
    return Round(finalists[winner], float(losses[winner]), diverged(cheap))


def _outcome(problem: Problem, rounds: list[Round]) -> Outcome:
    winner = best([round_.loss for round_ in rounds])
    return Outcome(
        problem.space.build(rounds[winner].alpha),
        {
            "alpha": problem.space.format(rounds[winner].alpha),
            "loss": rounds[winner].loss,
            "round": winner,
            "round_losses": [round_.loss for round_ in rounds],
            "diverged": sum(round_.diverged for round_ in rounds),
        },
    )


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
        {
            "text": {
                "rounds": "5,187 batches of 256, Li & Talwalkar (2019): one round",
                "refined": f"{ASSUMPTION}: their recurrent search measures on all of the validation text at once",
                "inputs": "Li & Talwalkar (2019), as DARTS",
            }
        },
        check=checks.inputs,
    )
)
