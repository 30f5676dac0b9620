"""`make prediction`: how well does a polynomial predict the loss of sub-networks that it has not seen?

Sub-networks of one trained one-shot model are measured; polynomials are recovered from m of them and judged on others:
the s monomials that CoNAS keeps, all that its Lasso finds, and the Lasso of degree 1. The one-shot loss of CoNAS's
answer is ranked among the others, beside the best of the same m measurements; and a measurement on its batches is held
against one on the whole validation set, which bounds what any prediction can reach.
"""

from itertools import product

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from numpy.typing import NDArray

from conas.algorithm import Settings
from conas.oracle import Oracle
from conas.questions import OneShot
from conas.recovery.solve import lasso
from conas.report import r2
from conas.sampling import Bernoulli
from conas.seeds import generator
from conas.space import Alpha, space
from harness.config.load import Config
from harness.console.progress import Reporter
from harness.pictures.plots import panels
from harness.problems.trained import TrainedProblem
from harness.records.store import Store
from harness.statistics import means
from harness.studies.cli import configuration, study_parser, studying, write_results
from harness.studies.losses import finite, loss_of, share_below
from harness.studies.spectrum import answer
from harness.training.environment import make_deterministic
from harness.training.task import load_task

COUNTS = (100, 200, 300, 500, 700, 1000)
HELD_OUT = 500
WHOLE = 100
DRAWS = 10
TOP, ALL, LINEAR = "the s largest (CoNAS)", "all of the Lasso", "Lasso of degree 1"
CONAS, BEST = "CoNAS", "best of m"


def study(config: Config, settings: Settings, reporter: Reporter) -> tuple[pd.DataFrame, dict[str, float]]:
    """R² and ranks for every m and draw, and how one measurement agrees with the whole validation set."""
    problem = TrainedProblem(config, load_task(config), Store(config.runs_dir), reporter)
    oracle = problem.ask(OneShot(Bernoulli(settings.p, settings.connect)))
    alphas = space(config.space).sample(generator(config.seed, "prediction"), max(COUNTS) + HELD_OUT, settings.p)
    losses = oracle.measure(alphas)
    held_out = finite(alphas[-HELD_OUT:], losses[-HELD_OUT:])
    rows = []
    draws = [(m, draw_) for m, draw_ in product(COUNTS, range(DRAWS)) if m < max(COUNTS) or not draw_]  # all is all
    with reporter.bar("recovering", len(draws)) as bar:
        for m, draw_ in draws:
            chosen = generator(0, "prediction", m, draw_).choice(max(COUNTS), m, replace=False)
            judged = _judge(*finite(alphas[chosen], losses[chosen]), *held_out, oracle, settings)
            rows.append({"m": m, "draw": draw_, **judged})
            bar.step()
    return pd.DataFrame(rows), _noise(losses[-WHOLE:], oracle.measure(alphas[-WHOLE:], whole=True))


def _judge(
    alphas: Alpha,
    losses: NDArray[np.float64],
    others: Alpha,
    truth: NDArray[np.float64],
    oracle: Oracle,
    settings: Settings,
) -> dict[str, float | None]:
    """R² on ``others``, whose losses are ``truth``, and the share of them that beats the answers, in percent."""
    found = lasso(alphas, losses, settings.d, settings.lambda_).polynomial
    top = found.top(settings.sparsities[0], settings.constant_counts)
    loss = loss_of(oracle, answer(top, alphas.shape[1]))
    return {
        TOP: r2(truth, top(others)),
        ALL: r2(truth, found(others)),
        LINEAR: r2(truth, lasso(alphas, losses, 1, settings.lambda_).polynomial(others)),
        CONAS: share_below(truth, loss),
        BEST: share_below(truth, losses.min()),
    }


def _noise(measured: NDArray[np.float64], whole: NDArray[np.float64]) -> dict[str, float]:
    """The SD of the losses of sub-networks, and of what the choice of images adds to it, in nats; where both of a
    sub-network's losses are finite."""
    both = np.isfinite(measured) & np.isfinite(whole)
    measured, whole = measured[both], whole[both]
    return {
        "sd_between_subnetworks": float(whole.std(ddof=1)),
        "sd_of_a_measurement": float((measured - whole).std(ddof=1)),
        "squared_correlation": float(np.corrcoef(measured, whole)[0, 1] ** 2),
    }


def draw(rows: pd.DataFrame) -> Figure:
    """R² against m, and the rank of the answers against m."""
    figure, (fit, rank) = panels(2, width=4.2, height=3.4)
    for axis, names, value in ((fit, [TOP, ALL, LINEAR], "R²"), (rank, [CONAS, BEST], "rank")):
        long = rows.melt(["m", "draw"], names, "what", value)
        style = {"markers": ["o", "s", "D"][: len(names)], "palette": "colorblind", "errorbar": ("ci", 95), "seed": 0}
        sns.lineplot(long, x="m", y=value, hue="what", style="what", ax=axis, **style)
        axis.set(xscale="log", xlabel="measurements m")
        axis.set_xticks(COUNTS, [str(m) for m in COUNTS], minor=False)
        axis.set_xticks([], minor=True)
        axis.legend(title=None, frameon=False)
    fit.axhline(0, color="0.2", linewidth=0.8)
    fit.set(title="Prediction of others", ylabel=f"R² on {HELD_OUT} other sub-networks")
    rank.set(title="One-shot loss of the answer", ylabel="random sub-networks that are better (%)")
    return figure


def summary(rows: pd.DataFrame, noise: dict[str, float]) -> dict[str, object]:
    """The study's numbers: means with 95 % intervals over the draws from one set of measurements,
    of which there is but one with the largest m."""
    return {
        "one measurement against the whole validation set": noise,
        "by m": means(rows, "m", (TOP, ALL, LINEAR, CONAS, BEST)),
    }


def main() -> None:
    """The command line."""
    parser = study_parser("prediction", __doc__, dataset="cifar10", profile="laptop")
    options = parser.parse_args()
    reporter = Reporter()
    with studying(parser, reporter):
        config = configuration(options)
        make_deterministic(config.threads)
        rows, noise = study(config, config.settings, reporter)
        write_results(options.out, summary(rows, noise), rows, lambda: draw(rows), reporter)


if __name__ == "__main__":
    main()
