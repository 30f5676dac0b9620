"""`make race-cnn`: searches on one trained one-shot model, of 140 free bits that no table holds.

The model is trained once; every measurement is remembered by its string, so a search that is run again, or asks what
another has asked, costs nothing, and a race that was stopped goes on. A search sees losses on a few batches; its answer
is judged on the whole validation set, which no search sees.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from conas.oracle import Oracle
from conas.questions import OneShot
from conas.sampling import Bernoulli
from harness.config.load import Config
from harness.console.progress import Reporter
from harness.pictures.plots import MARKERS, panels
from harness.problems.trained import TrainedProblem
from harness.records.store import Store
from harness.statistics import interval
from harness.studies.cli import configuration, study_parser, studying, write_results
from harness.studies.race_contenders import FOURIER, SEARCHES, Contender
from harness.studies.race_statistics import duels
from harness.training.environment import make_deterministic
from harness.training.task import load_task

FIRST = 100
LEARNERS = (FOURIER, "CoNAS", "CoNAS + local search", "Harmonica", "COMEX")
CONTROLS = ("best of m", "hill climbing", "regularised evolution")
RACERS = tuple(contender for contender in SEARCHES if contender.name in LEARNERS + CONTROLS)


def study(config: Config, budgets: Sequence[int], seeds: int, reporter: Reporter) -> pd.DataFrame:
    """One row per search: the loss that it saw of its answer, and that on the whole validation set."""
    task, rows = load_task(config), list[dict[str, Any]]()
    due = list(product(range(FIRST, FIRST + seeds), sorted(set(budgets)), RACERS))
    with reporter.bar("race", len(due)) as bar:
        for seed, budget, contender in due:
            rows.append(
                _search(TrainedProblem(config, task, Store(config.runs_dir), reporter), contender, budget, seed)
            )
            bar.step()
    return pd.DataFrame(rows)


def _search(problem: TrainedProblem, contender: Contender, budget: int, seed: int) -> dict[str, Any]:
    outcome = contender.searches(problem, seed, contender.chosen(budget, 0))
    spent = problem.cost.measurements
    oracle: Oracle = problem.ask(OneShot(Bernoulli(0.5)))
    alpha = problem.space.parse(outcome.details["alpha"])[None]
    seen, whole = (float(oracle.measure(alpha, whole)[0]) for whole in (False, True))
    named = {"table": "one-shot CNN", "method": contender.name, "budget": budget, "seed": seed, "evaluations": spent}
    return named | {"seen": seen, "whole": whole}


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Mean losses with intervals, and the Fourier search's duels; nobody knows the least loss, so nobody is there."""
    means = rows.groupby(["budget", "method"], sort=False)["whole"]
    fights = duels(rows.rename(columns={"whole": "regret"}).assign(seen_regret=1.0), FOURIER)
    return {
        "loss on the whole validation set": {
            f"{name}, {budget}": {"mean": losses.mean(), "interval": interval(losses, str(name), str(budget))}
            for (budget, name), losses in means
        },
        f"{FOURIER} minus others": fights.drop(columns=["table", "there"]).to_dict("records"),
    }


def draw(rows: pd.DataFrame) -> Figure:
    """The means of the answers' losses with their intervals: a line per search, a colour per budget."""
    figure, (axis,) = panels(1, width=5.6, height=3.4)
    shown = rows.astype({"budget": str})
    apart = 0.4 if shown["budget"].nunique() > 1 else False  # seaborn cannot put a single one apart
    style = {"dodge": apart, "linestyle": "none", "palette": "colorblind", "markers": list(MARKERS)}
    about = {"errorbar": lambda losses: interval(losses, "drawn"), "err_kws": {"linewidth": 1.2}}
    order = rows.groupby("method")["whole"].mean().sort_values().index
    sns.pointplot(shown, x="whole", y="method", hue="budget", order=order, ax=axis, **style, **about)
    seeds = rows["seed"].nunique()
    axis.set(xlabel=f"one-shot loss, whole validation set (nats)\nmean of {seeds} searches, 95 % interval", ylabel="")
    axis.legend(title="measurements", frameon=False)
    return figure


def main() -> None:
    """The command line."""
    parser = study_parser("race_cnn", __doc__, dataset="cifar10", profile="laptop")
    parser.add_argument("--searches", type=int, default=5, help="of each method and budget (default: %(default)s)")
    parser.add_argument("--budgets", type=int, nargs="+", default=[50, 200], help="measurements (default: 50 200)")
    parser.add_argument("--minutes", type=float, help="stop after so many, so that the same command goes on")
    options = parser.parse_args()
    reporter = Reporter()
    if min(options.budgets) < 20 or options.searches < 2:
        parser.error("--budgets and --searches (allowed: 20 and more, 2 and more)")
    with studying(parser, reporter, options.minutes):
        config = configuration(options)
        make_deterministic(config.threads)
        rows = study(config, options.budgets, options.searches, reporter)
        write_results(options.out, summary(rows), rows, lambda: draw(rows), reporter)


if __name__ == "__main__":
    main()
