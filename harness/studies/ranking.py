"""`make ranking`: does the one-shot loss rank sub-networks as training each of them alone does?

The whole method stands on this. Random sub-networks are measured in one trained one-shot model and trained alone; the
agreement of the two orders is Kendall's tau.
"""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from scipy.stats import kendalltau

from conas.questions import OneShot, StandAlone
from conas.sampling import Bernoulli
from conas.seeds import generator
from conas.space import Alpha, space
from harness.config.load import Config
from harness.console.progress import Reporter
from harness.pictures.plots import panels
from harness.problems.trained import TrainedProblem
from harness.records.store import Store
from harness.statistics import RESAMPLES
from harness.studies.cli import configuration, study_parser, studying, write_results
from harness.training.environment import make_deterministic
from harness.training.task import load_task

ONE_SHOT, ALONE = "loss in the one-shot model", "loss trained alone"


def compare(config: Config, count: int, p: float, reporter: Reporter) -> pd.DataFrame:
    """Both losses and the number of active edges of ``count`` random sub-networks; remembered in the store."""
    problem = TrainedProblem(config, load_task(config), Store(config.runs_dir), reporter)
    alphas = space(config.space).sample(generator(config.seed, "ranking"), count, p)
    one_shot = problem.ask(OneShot(Bernoulli(0.5))).measure(alphas)
    alone = train_alone(problem, alphas, config.alone.epochs, reporter)  # type: ignore[attr-defined]
    return pd.DataFrame({ONE_SHOT: one_shot, ALONE: alone, "active edges": (alphas > 0).sum(axis=1)})


def train_alone(problem: TrainedProblem, alphas: Alpha, epochs: int, reporter: Reporter) -> list[float]:
    """The losses of the networks ``alphas``, each trained alone; remembered in the problem's store."""
    losses = list[float]()
    for number, alpha in enumerate(alphas, start=1):
        losses.append(problem.ask(StandAlone(problem.space.build(alpha), epochs)))
        reporter.say(f"network {number} of {len(alphas)} trained alone: loss {losses[-1]:.4f}")
    return losses


def tau(rows: pd.DataFrame, first: str, second: str) -> tuple[float, float, float]:
    """Kendall's tau of two columns with its 95 % interval, a percentile bootstrap over sub-networks."""
    pairs = rows[[first, second]].to_numpy()
    drawn = generator(0, "bootstrap", first, second).integers(len(pairs), size=(RESAMPLES, len(pairs)))
    again = [kendalltau(*pairs[chosen].T).statistic for chosen in drawn]
    low, high = np.nanpercentile(again, [2.5, 97.5])
    return float(kendalltau(*pairs.T).statistic), float(low), float(high)


def draw(rows: pd.DataFrame) -> Figure:
    """One point per sub-network, darker with more edges."""
    figure, (axis,) = panels(1, width=4.6, height=3.6)
    sns.scatterplot(rows, x=ONE_SHOT, y=ALONE, hue="active edges", palette="Greys", edgecolor="black", ax=axis)
    value, low, high = tau(rows, ONE_SHOT, ALONE)
    axis.set_title(f"Kendall's tau {value:.2f} [{low:.2f}, {high:.2f}], {len(rows)} sub-networks")
    axis.legend(title="active edges", frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def summary(rows: pd.DataFrame) -> dict[str, object]:
    """Kendall's tau of each pair of columns, with its interval."""
    return {
        f"{first} ~ {second}": dict(zip(("tau", "low", "high"), tau(rows, first, second), strict=True))
        for first, second in ((ONE_SHOT, ALONE), ("active edges", ALONE), ("active edges", ONE_SHOT))
    }


def main() -> None:
    """The command line."""
    parser = study_parser("ranking", __doc__, dataset="cifar10", profile="laptop")
    parser.add_argument("--count", type=int, default=24, help="sub-networks, at least 20 (default: %(default)s)")
    parser.add_argument("--p", type=float, default=0.25, help="probability of an edge (default: %(default)s)")
    options, reporter = parser.parse_args(), Reporter()
    if not 0 < options.p < 1:
        parser.error(f"argument --p: {options.p} (allowed: between 0 and 1, both excluded)")
    if options.count < 20:
        parser.error(f"argument --count: {options.count} (allowed: at least 20)")
    with studying(parser, reporter):
        config = configuration(options)
        make_deterministic(config.threads)
        rows = compare(config, options.count, options.p, reporter)
        write_results(options.out, summary(rows), rows, lambda: draw(rows), reporter)


if __name__ == "__main__":
    main()
