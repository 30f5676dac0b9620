"""`make scaling`: what the search phase does as its one-shot model is trained longer, is larger and sees more images.

At each point a one-shot model is trained from its start, its own cosine over its own epochs, and m sub-networks are
measured. One line per point says what the polynomial recovers, how its answer does against random sub-networks and
against the best measured one, what this project's Fourier search finds with a fifth of the measurements, and, with
``--alone``, how the one-shot losses rank networks that were trained alone. Losses that are not finite are left out.
Points that are done are kept in ``--out`` and skipped, as are those that diverged; the cheapest come first.
"""

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from baselines.agreement import tau
from baselines.fourier_search import FourierSearchSettings
from baselines.fourier_search import search as fourier_search
from baselines.ranking import NothingFinite
from conas.algorithm import Settings
from conas.oracle import Oracle
from conas.questions import OneShot
from conas.recovery.fourier import SparsePolynomial
from conas.recovery.solve import lasso
from conas.report import r2
from conas.sampling import Bernoulli
from conas.seeds import generator
from conas.space import Alpha, Encoding, Space, space
from conas.targets import TARGETS
from harness.config.identity import digest
from harness.config.load import Config
from harness.console.progress import Reporter
from harness.problems.given import GivenProblem
from harness.problems.trained import TrainedProblem
from harness.records.files import facts, read_json, write_json
from harness.records.store import Store
from harness.studies.cli import configuration, study_parser, studying, write_results
from harness.studies.losses import finite, loss_of, share_below
from harness.studies.paper_model import paper_model
from harness.studies.ranking import train_alone
from harness.studies.scaling_picture import draw, summary
from harness.studies.spectrum import answer
from harness.training.environment import make_deterministic
from harness.training.loop import DivergedError
from harness.training.task import load_task

HELD_OUT, RESTRICTED, REFERENCES = 200, 100, 24
PAPER = "paper-"
"""What names of points of paper searches begin with."""
FEWER = 5
"""The Fourier search has one measurement for so many of CoNAS's."""
PENALTIES = (0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Point:
    """A size of the search phase; ``images`` is both halves of the training set together."""

    channels: int
    cells: int
    images: int
    epochs: int
    seed: int

    @property
    def name(self) -> str:
        """For people and file names."""
        return f"c{self.channels}-l{self.cells}-i{self.images}-e{self.epochs}-s{self.seed}"

    @property
    def updates(self) -> dict[str, Any]:
        """The settings that differ from the profile's."""
        sizes = {"oneshot": {"epochs": self.epochs, "channels": self.channels, "layers": self.cells}}
        return {**sizes, "data": {"train_limit": self.images}, "seed": self.seed}

    @property
    def work(self) -> int:
        """What orders the points: multiply-adds, up to a factor, of the training and of the measurements."""
        return self.channels**2 * self.cells * (self.epochs * self.images // 2 * 3 + 1300 * 128)


def family(channels: int, cells: int, images: int, epochs: tuple[int, ...], seeds: int) -> Iterator[Point]:
    """One size of model and data, trained for ever longer."""
    yield from (Point(channels, cells, images, e, seed) for e in epochs for seed in range(seeds))


POINTS = (
    *family(8, 3, 6_000, (2, 5, 10, 20, 40), 3),
    *family(16, 3, 6_000, (2, 5, 10, 20, 40), 1),
    *family(8, 8, 6_000, (2, 5, 10, 20, 40), 1),
    *family(16, 8, 6_000, (2, 5, 10, 20, 40), 1),
    *family(16, 8, 50_000, (2, 5, 10, 20, 40), 1),
)


def judge(oracle: Oracle, searched: Encoding, seed: int, settings: Settings) -> dict[str, Any]:
    """What m measurements on ``oracle`` lead to; ``better`` and ``on helps`` are in percent, losses in nats.

    The long upper tail of one-shot losses decides least squares, so ``ranks``, Spearman's correlation of kept monomials
    and unseen losses, stands beside R², and entries with ``(log)`` are of a polynomial of the losses' logarithms.
    """
    alphas = searched.sample(generator(seed, "scaling"), settings.m + HELD_OUT, settings.p)
    losses = oracle.measure(alphas)
    known, seen = finite(alphas[: settings.m], losses[: settings.m])
    others, truth = finite(alphas[settings.m :], losses[settings.m :])
    best, found = float(seen.min()), _found(known, seen, settings)
    kept, kept_log = (_kept(g, settings) for g in (found, _found(known, TARGETS["log"](seen), settings)))
    reply = answer(kept, searched.n)
    of_logs = _answered(oracle, kept_log, others, truth, best)
    return {
        "best": best,
        "mean": float(seen.mean()),
        "sd": float(seen.std(ddof=1)),
        "on helps": _on_helps(found),
        "active": int((reply > 0).sum()),
        "r2": r2(truth, kept(others)),
        "r2 degree 1": r2(truth, lasso(known, seen, 1, settings.lambda_).polynomial(others)),
        **_answered(oracle, kept, others, truth, best),
        **{f"{name} (log)": value for name, value in of_logs.items()},
        "fall": _fall(oracle, known, seen, kept, reply),
        "apart": _apart(known, seen, settings),
    }


def _answered(
    oracle: Oracle, kept: SparsePolynomial, others: Alpha, truth: NDArray[np.float64], best: float
) -> dict[str, float]:
    """How ``kept`` ranks the ``others``, whose losses are ``truth``, and how its minimiser does among them."""
    loss = loss_of(oracle, answer(kept, others.shape[1]))
    ranks = float(spearmanr(truth, kept(others)).statistic)
    return {"ranks": ranks, "better": share_below(truth, loss), "gap": loss - best}


def _found(alphas: Alpha, losses: NDArray[np.float64], settings: Settings) -> SparsePolynomial:
    return lasso(alphas, losses, settings.d, settings.lambda_).polynomial


def _kept(found: SparsePolynomial, settings: Settings) -> SparsePolynomial:
    return found.top(settings.sparsities[0], settings.constant_counts)


def _fall(oracle: Oracle, known: Alpha, seen: NDArray[np.float64], kept: SparsePolynomial, reply: Alpha) -> float:
    """How far the mean loss falls from the first to the second stage."""
    second = _restricted(known, kept, reply)
    _, losses = finite(second, oracle.measure(second))
    return float(seen[:RESTRICTED].mean() - losses.mean())


def _restricted(alphas: Alpha, kept: SparsePolynomial, reply: Alpha) -> Alpha:
    """The first random sub-networks with the bits that a first stage would fix: Figure 4's second stage."""
    second, fixed = alphas[:RESTRICTED].copy(), list(kept.variables)
    second[:, fixed] = reply[fixed]
    return second


def _on_helps(found: SparsePolynomial) -> float | None:
    """The share of the coefficients of degree 1 by which an edge that is on lowers the loss."""
    linear = [value for monomial, value in found.terms.items() if len(monomial) == 1]
    return 100 * float(np.mean(np.array(linear) < 0)) if linear else None


def _apart(alphas: Alpha, losses: NDArray[np.float64], settings: Settings) -> float:
    """The mean number of bits between the answers of two penalties: Table 4's question, on the same measurements."""
    found = [lasso(alphas, losses, settings.d, penalty).polynomial for penalty in PENALTIES]
    answers = [answer(_kept(polynomial, settings), alphas.shape[1]) for polynomial in found]
    return float(np.mean([(first != second).sum() for first, second in combinations(answers, 2)]))


@dataclass(frozen=True)
class Kept:
    """The points in the folder ``out``; ``of`` names the data and the profile: those of others are left alone."""

    out: Path
    of: str
    reporter: Reporter

    @property
    def alone(self) -> Path:
        """The losses of the networks that are trained alone."""
        return self.out / "alone.json"

    def add(self, name: str, judged: Callable[[], dict[str, Any]]) -> None:
        """Judge the point ``name`` and draw all, unless it is here; one that diverges is not tried again."""
        path = self.out / "points" / f"{name}.json"
        if not self._is_ours(path):  # older points are judged anew, from the measurements kept
            self.reporter.say(f"point {name}")
            try:
                found = judged()
            except (DivergedError, NothingFinite) as error:
                found = {"diverged": str(error)}
                self.reporter.say(f"point {name} is left out: {error}")
            write_json(path, {**found, "of": self.of})
            self.write()

    def write(self) -> None:
        """The figure and the tables of the points that are done."""
        paths = [path for path in sorted((self.out / "points").glob("*.json")) if self._is_ours(path)]
        points = [{**read_json(path), "paper": path.name.startswith(PAPER)} for path in paths]
        known = [point for point in points if "diverged" not in point]
        alone = read_json(self.alone)["losses"] if self._is_ours(self.alone) else None
        if known:
            rows = table(known, alone)
            write_results(self.out, summary(rows), rows, lambda: draw(rows), self.reporter)

    def _is_ours(self, path: Path) -> bool:
        known = facts(path, of=str)
        return known is not None and known["of"] == self.of


def study(point: Point, config: Config, reporter: Reporter) -> dict[str, Any]:
    """Train the one-shot model of ``point`` and judge it."""
    problem = TrainedProblem(config, load_task(config), Store(config.runs_dir), reporter)
    oracle = problem.ask(OneShot(Bernoulli(config.settings.p, config.settings.connect)))
    return _judged(point, problem.cost.one_shot_steps, oracle, config)


def study_paper(pieces: Path, config: Config, kept: Kept, reporter: Reporter) -> None:
    """The same for a paper search in pieces, as far as it has come: the rate falls over 100 epochs, done or not."""
    oracle, epochs, steps = paper_model(pieces, config, reporter)
    one_shot = config.oneshot  # type: ignore[attr-defined]
    point = Point(one_shot.channels, one_shot.layers, 50_000, epochs, config.seed)
    kept.add(f"{PAPER}{point.name}-{steps}", lambda: _judged(point, steps, oracle, config))


def _judged(point: Point, steps: int, oracle: Oracle, config: Config) -> dict[str, Any]:
    """One line of the study; with the losses of the networks that are trained alone."""
    searched = space(config.space)
    judged = judge(oracle, searched, point.seed, config.settings)
    judged["fourier"] = fourier(oracle, searched, point.seed, config.settings) - judged["best"]
    return {**asdict(point), "steps": steps, **judged, "references": oracle.measure(references(searched)).tolist()}


def fourier(oracle: Oracle, searched: Space, seed: int, settings: Settings) -> float:
    """The loss of the Fourier search's answer, the least that it measures, with fewer measurements than CoNAS."""
    chosen = FourierSearchSettings(m=max(2, settings.m // FEWER), p=settings.p, connect=settings.connect)
    return float(fourier_search(GivenProblem(searched, oracle), seed, chosen).details["loss"])


def references(searched: Space) -> Alpha:
    """The networks that are trained alone: sparse ones, each edge on with probability 1/4."""
    return searched.sample(generator(0, "ranking"), REFERENCES, 0.25)


def run(options: Namespace, reporter: Reporter) -> None:
    """Every point that is not done yet, then the networks trained alone, or a paper search; drawn after each."""
    profile = configuration(options)
    kept = Kept(options.out, digest({**profile.identity, "seed": None}), reporter)
    if options.paper is not None:
        updates = {"profile": "paper", "device": "cpu", "measure": {"batches": 2, "batch_size": 64}}
        study_paper(options.paper, configuration(options, **updates), kept, reporter)
        return
    for point in sorted(POINTS, key=lambda point: point.work):
        config = configuration(options, **point.updates)
        kept.add(point.name, partial(study, point, config, reporter))
    if options.alone:
        problem = TrainedProblem(profile, load_task(profile), Store(profile.runs_dir), reporter)
        losses = train_alone(problem, references(problem.space), profile.alone.epochs, reporter)  # type: ignore[attr-defined]
        write_json(kept.alone, {"of": kept.of, "losses": losses})
    kept.write()


def table(points: list[dict[str, Any]], alone: list[float | None] | None) -> pd.DataFrame:
    """One line per point; ``tau`` is Kendall's, of the one-shot losses and those of training ``alone``, None where
    these diverged."""
    rows = pd.DataFrame(points).drop(columns="of").sort_values(["channels", "cells", "images", "epochs", "seed"])
    shared = rows.pop("references")
    agreements = [None if alone is None else tau(np.array(losses, float), np.array(alone, float)) for losses in shared]
    return rows.assign(tau=np.array(agreements, float))


def main() -> None:
    """The command line."""
    parser = study_parser("scaling", __doc__, dataset="cifar10", profile="laptop")
    parser.add_argument("--alone", action="store_true", help=f"train {REFERENCES} networks alone, too")
    parser.add_argument(
        "--paper", type=Path, metavar="PIECES", help="judge a paper search, done or not, and nothing else"
    )
    parser.add_argument("--minutes", type=float, help="stop after so many, so that the same command goes on")
    options = parser.parse_args()
    reporter = Reporter()
    if options.seed and options.paper is None:
        parser.error(f"--seed {options.seed} (allowed with --paper only: the points have seeds of their own)")
    with studying(parser, reporter, options.minutes):
        make_deterministic(configuration(options).threads)
        run(options, reporter)


if __name__ == "__main__":
    main()
