"""Verdicts on the numbers of the paper's running text, by computing them."""

import math
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from conas.recovery.solve import lasso
from conas.seeds import generator
from conas.space import space
from conas.synthetic import random_polynomial
from harness.data import dataset
from tables.claims.verdict import Status, Verdict
from tables.paper.chance import PAIRS, random_distances
from tables.published import Claim, claims
from tables.readers import active_edges
from tables.runs import Runs
from tables.statistics import interval_of_mean, summarise

Settled = tuple[Status, str, str]
POLYNOMIALS = 10
PENALTY = 1.0
COMMAND = "make scorecard"


def verdicts(runs: Runs) -> Iterator[Verdict]:
    """A verdict on every claim of the text, in the paper's order."""
    for claim in claims().values():
        status, ours, why = _SETTLERS[claim.id](claim, runs)
        paper = (
            " ± ".join(f"{v:g}" for v in claim.value)
            if "SD" in claim.says
            else ", ".join(f"{v:g}" for v in claim.value)
        )
        yield Verdict(claim.where, claim.says, paper, ours, status, why, COMMAND)


def _exactly(claim: Claim, value: float, why: str) -> Settled:
    return Status.REPRODUCED if value == claim.value[0] else Status.DIFFERS, f"{value:g}", why


def _encoder_example(claim: Claim, runs: Runs) -> Settled:
    return _exactly(claim, space("cnn-figure2").n, "length of the space's encoder")


def _encoder(claim: Claim, runs: Runs) -> Settled:
    return _exactly(claim, space("cnn").n, "length of the space's encoder")


def _enough_measurements(claim: Claim, runs: Runs) -> Settled:
    found = _supports_found(space("cnn").n, s=10, d=2, m=int(claim.value[0]))
    status = Status.REPRODUCED if found == POLYNOMIALS else Status.DIFFERS
    return status, f"{found} of {POLYNOMIALS}", "random polynomials whose exact support the Lasso finds, without noise"


@cache
def _supports_found(n: int, s: int, d: int, m: int) -> int:
    """Of `POLYNOMIALS` random s-sparse polynomials, how many supports m noiseless measurements are enough to find."""
    found = 0
    for index in range(POLYNOMIALS):
        rng = generator(0, "theorem 3.2", index)
        truth = random_polynomial(n, s, d, rng)
        alphas = np.where(rng.random((m, n)) < 0.5, 1, -1).astype(np.int8)
        recovered = lasso(alphas, truth(alphas), d, PENALTY).polynomial.top(s)
        found += set(recovered.terms) == set(truth.terms)
    return found


def _measuring_cost(claim: Claim, runs: Runs) -> Settled:
    return Status.NOT_CHECKABLE, "", "device time on the authors' GPU; `make bench` times measurements on this machine"


def _training_cost(claim: Claim, runs: Runs) -> Settled:
    days = 1000 * 50 * 5 / 60 / 24
    same = round(days) == claim.value[0]
    return Status.REPRODUCED if same else Status.DIFFERS, f"{days:.1f}", "1,000 x 50 x 5 minutes, in days"


def _active_bits(claim: Claim, runs: Runs) -> Settled:
    done = runs.sample("table1", "CoNAS (t=1)").done
    edges = [value for record in done if (value := active_edges(record, runs)) is not None]
    ours, interval = summarise(edges), interval_of_mean(edges)
    if ours is None:
        return Status.NOT_RUN, "", "no finished search (make replicate TABLE=1)"
    shown = f"{ours.mean:.1f} (n = {ours.n})"
    if runs.profile != "paper" or interval is None:
        return Status.UNDECIDED, shown, "needs searches with the published settings, at least two"
    low, high = interval
    inside = low <= claim.value[0] <= high
    reason = f"95 % interval [{low:.1f}, {high:.1f}]"
    return Status.REPRODUCED if inside else Status.DIFFERS, shown, reason


def _random_distance(claim: Claim, runs: Runs) -> Settled:
    """The mean of so many pairs is known to a hundredth, so a difference of several tenths is no chance."""
    distances = random_distances(space("cnn").n, 15)
    mean, sd = float(distances.mean()), float(distances.std(ddof=1))
    error = 4 * sd / math.sqrt(PAIRS)
    same = abs(mean - claim.value[0]) <= error
    return (
        Status.REPRODUCED if same else Status.DIFFERS,
        f"{mean:.2f} ± {sd:.2f}",
        f"{PAIRS:,} pairs; exactly, the mean is 2 x 15 x 125 / 140 = {2 * 15 * 125 / 140:.2f}",
    )


def _random_edges(claim: Claim, runs: Runs) -> Settled:
    return _exactly(claim, space("cnn").n / 4, "140 / 4")


def _svhn_splits(claim: Claim, runs: Runs) -> Settled:
    counts = dataset("svhn").counts
    found = tuple(counts[split] for split in ("train", "test", "extra"))
    status = Status.REPRODUCED if found == claim.value else Status.DIFFERS
    return status, ", ".join(map(str, found)), "the counts that the reader demands of the complete data set"


def _svhn_training(claim: Claim, runs: Runs) -> Settled:
    counts = dataset("svhn").counts
    return _exactly(claim, counts["train"] + counts["extra"], "train + extra")


_SETTLERS: dict[str, Callable[[Claim, Runs], Settled]] = {
    "encoder-example": _encoder_example,
    "encoder": _encoder,
    "enough-measurements": _enough_measurements,
    "measuring-cost": _measuring_cost,
    "training-cost": _training_cost,
    "active-bits": _active_bits,
    "random-distance": _random_distance,
    "random-edges": _random_edges,
    "svhn-splits": _svhn_splits,
    "svhn-training": _svhn_training,
}
