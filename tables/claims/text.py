"""Verdicts on the numbers of the paper's running text, by computing them.

What follows from other constants, or counts a data set, agrees or differs, but is no experiment and reproduces nothing.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from conas.recovery.solve import lasso
from conas.recovery.theory import sufficient_measurements
from conas.seeds import generator
from conas.space import space
from conas.synthetic import random_polynomial
from harness.statistics import student
from tables.claims.figures import PAPER_DEVICE, decided, no_interval
from tables.claims.verdict import Kind, Status, Verdict, make
from tables.paper import names
from tables.paper.chance import PAIRS, random_distances
from tables.paper.table1 import ERROR
from tables.published import Claim, Figure, claims, published
from tables.readers import active_edges
from tables.runs import Runs
from tables.statistics import against, differ, summarise

Settled = tuple[Status, str, str]
POLYNOMIALS = 10
PENALTY = 1.0
EDGES_MARGIN = 1.5
COMMAND = "make scorecard"


def verdicts(runs: Runs) -> Iterator[Verdict]:
    """A verdict on every claim of the text, in the paper's order."""
    for claim in claims().values():
        status, ours, why = _SETTLERS[claim.id](claim, runs)
        joint = " ± " if "SD" in claim.says else ", "
        paper = joint.join(f"{value:g}" for value in claim.value)
        yield Verdict(Kind.TEXT, claim.where, claim.says, paper, ours, status, why, COMMAND)


def _follows(claim: Claim, value: float, why: str) -> Settled:
    return Status.CONSISTENT if value == claim.value[0] else Status.DIFFERS, f"{value:g}", why


def _encoder_example(claim: Claim, runs: Runs) -> Settled:
    return _follows(claim, space("cnn-figure2").n, "length of the space's encoder")


def _encoder(claim: Claim, runs: Runs) -> Settled:
    return _follows(claim, space("cnn").n, "length of the space's encoder")


def _enough_measurements(claim: Claim, runs: Runs) -> Settled:
    n, s, d = space("cnn").n, 10, 2
    found = _supports_found(n, s, d, int(claim.value[0]))
    bound = sufficient_measurements(n, d, s)
    why = (
        f"the bound's constant is not known; with 1 it asks for {bound:,.0f}. Another question: without noise, so many "
        f"measurements find the support of {found} of {POLYNOMIALS} random polynomials"
    )
    return Status.NOT_CHECKABLE, "", why


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


def _identity_repair(claim: Claim, runs: Runs) -> Settled:
    """In a reduction cell the Identity has to halve the image, which takes a convolution."""
    from conas.cnn.operations import operation  # torch, which help does not need

    halving = operation("skip_connect", 36, 2, affine=True, pool_bn=True)
    weights = sum(parameter.numel() for parameter in halving.parameters())
    why = (
        "true in a normal cell; in a reduction cell Identity halves the image by two convolutions (here of 36 channels)"
    )
    return Status.DIFFERS, f"{weights:,}", why


def _device_time(claim: Claim, runs: Runs) -> Settled:
    return Status.NOT_CHECKABLE, "", f"device time on the authors' {PAPER_DEVICE}"


def _two_percent(claim: Claim, runs: Runs) -> Settled:
    if not runs.is_full_scale:
        return Status.NOT_RUN, "", "needs the published settings"
    values = ERROR.values(runs, "table1", names.CONAS_WIDE)
    ours = summarise(values)
    if ours is None:
        return Status.NOT_RUN, "", "no finished run of one cell"
    shown = f"{ours.mean:.2f} (n = {ours.n})"
    interval = student(values)
    if interval is None or not differ(values):
        return Status.UNDECIDED, shown, no_interval(ours.n)
    why = f"95 % interval of the mean [{interval[0]:.2f}, {interval[1]:.2f}]"
    if interval[0] <= claim.value[0] <= interval[1]:
        return Status.UNDECIDED, shown, why
    return Status.REPRODUCED if interval[1] < claim.value[0] else Status.DIFFERS, shown, why


def _smallest_of_all(claim: Claim, runs: Runs) -> Settled:
    rows = published("table1")
    smaller = [row.name for row in rows.values() if row.figures["params"].mean < claim.value[0]]
    return Status.CONTRADICTORY, "", f"its Table 1 prints a smaller one: {', '.join(smaller)}"


def _smallest_transferred(claim: Claim, runs: Runs) -> Settled:
    least = min(row.figures["params"].mean for row in published("table2").values())
    return _follows(claim, least, "the least of its Table 2")


def _two_figures(why: str) -> Callable[[Claim, Runs], Settled]:
    return lambda claim, runs: (Status.CONTRADICTORY, "", why)


def _training_cost(claim: Claim, runs: Runs) -> Settled:
    days = 1000 * 50 * 5 / 60 / 24
    same = round(days) == claim.value[0]
    return Status.CONSISTENT if same else Status.DIFFERS, f"{days:.1f}", "1,000 x 50 x 5 minutes, in days"


def _active_bits(claim: Claim, runs: Runs) -> Settled:
    done = runs.sample("table1", names.CONAS).done
    edges = [value for record in done if (value := active_edges(record, runs)) is not None]
    ours = summarise(edges)
    if ours is None:
        return Status.NOT_RUN, "", f"no finished search ({make('table1', runs.profile)})"
    shown = f"{ours.mean:.1f} (n = {ours.n})"
    if not runs.is_full_scale:
        return Status.NOT_RUN, shown, "needs searches with the published settings"
    difference = against(edges, Figure(claim.value[0]))
    status, why = decided(difference, EDGES_MARGIN, len(edges), ".1f")
    return status, shown, why


def _random_distance(claim: Claim, runs: Runs) -> Settled:
    """The mean of so many pairs is known to a hundredth, so a difference of several tenths is no chance."""
    distances = random_distances(space("cnn").n, 15)
    mean, sd = float(distances.mean()), float(distances.std(ddof=1))
    error = 4 * sd / math.sqrt(PAIRS)
    same = abs(mean - claim.value[0]) <= error
    return (
        Status.CONSISTENT if same else Status.DIFFERS,
        f"{mean:.2f} ± {sd:.2f}",
        f"{PAIRS:,} pairs; exactly, the mean is 2 x 15 x 125 / 140 = {2 * 15 * 125 / 140:.2f}",
    )


def _random_edges(claim: Claim, runs: Runs) -> Settled:
    return _follows(claim, space("cnn").n / 4, "140 / 4")


def _images_of(dataset: str, *splits: str) -> Callable[[Claim, Runs], Settled]:
    """The images that runs on ``dataset`` read, of all ``splits``, where they had the complete set."""

    def settle(claim: Claim, runs: Runs) -> Settled:
        data = [record.data for record in runs.records.values() if record.data.get("dataset") == dataset]
        if not data:
            return Status.NOT_RUN, "", "no run read this data set"
        whole = [one["counts"] for one in data if one.get("whole")]
        if not whole:
            return Status.NOT_CHECKABLE, "", "the runs read a part of the data set"
        found = tuple(whole[0].get(split, 0) for split in splits)
        same = found == claim.value or (sum(found),) == claim.value
        shown = ", ".join(f"{number:g}" for number in (found if len(found) == len(claim.value) else (sum(found),)))
        return Status.CONSISTENT if same else Status.DIFFERS, shown, "counted in the files that the runs read"

    return settle


_SETTLERS: dict[str, Callable[[Claim, Runs], Settled]] = {
    "less-than-a-day": _device_time,
    "identity-repair": _identity_repair,
    "encoder-example": _encoder_example,
    "encoder": _encoder,
    "enough-measurements": _enough_measurements,
    "cifar10-images": _images_of("cifar10", "train"),
    "two-percent": _two_percent,
    "smallest-transferred": _smallest_transferred,
    "darts-size": _two_figures("one cell, the same network for ten classes"),
    "darts-cost": _two_figures("one search, quoted from two works"),
    "nasnet-cost": _two_figures("one search, quoted from two works"),
    "smallest-of-all": _smallest_of_all,
    "measuring-cost": _device_time,
    "training-cost": _training_cost,
    "cifar100-splits": _images_of("cifar100", "train", "test"),
    "cifar100-images": _images_of("cifar100", "train", "test"),
    "nesterov": _two_figures("the setup is also called identical to that of DARTS, which has none"),
    "svhn-splits": _images_of("svhn", "train", "test", "extra"),
    "svhn-training": _images_of("svhn", "train", "extra"),
    "fashion-mnist-splits": _images_of("fashion_mnist", "train", "test"),
    "active-bits": _active_bits,
    "random-distance": _random_distance,
    "random-edges": _random_edges,
}
