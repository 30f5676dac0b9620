"""`make recovery`: theorem 3.2 in practice, how many measurements find the exact support of a sparse polynomial.

Random polynomials of s monomials of degree 1 and 2 over the paper's 140 bits are measured m times, without and with
noise. Recovered means that the s largest coefficients of the Lasso, the constant aside, belong to exactly the true
monomials. Coefficients lie between 0.05 and 0.1, so one coefficient alone is never larger than the noise.
"""

import argparse
import math
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product, repeat
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import binomtest

from conas.recovery.fourier import SparsePolynomial, basis_size
from conas.recovery.solve import lasso
from conas.recovery.theory import necessary_measurements, sufficient_measurements
from conas.seeds import generator
from conas.synthetic import random_polynomial
from harness.config.layers import cores
from harness.console.progress import Reporter
from harness.pictures.plots import MARKERS, panels, write_picture
from harness.records.files import write_atomic, write_json
from harness.studies.cli import studying

N, D = 140, 2
SPARSITIES = (5, 10, 20)
COUNTS = (50, 75, 100, 125, 150, 200, 250, 300, 400, 500, 700, 1000, 1400)
PAPER_COUNT = 1000
SCALE, MEAN = 0.1, 1.0
TRIALS = 50
SURE = 0.95
DASHES: tuple[str | tuple[float, float], ...] = ("", (4, 1.5), (1, 1))


@dataclass(frozen=True)
class Setting:
    """One panel: the noise's standard deviation, and whether the penalty is the paper's or made for the noise."""

    title: str
    noise: float
    paper_penalty: bool

    def penalty(self, m: int) -> float:
        """lambda in the paper's scaling: 1, or just above what noise alone correlates with any column."""
        if self.paper_penalty:
            return 1.0
        return 2 * self.noise * math.sqrt(2 * m * math.log(basis_size(N, D)))


SETTINGS = (
    Setting("no noise, λ = 1", 0.0, True),
    Setting("noise 0.1, λ = 1", 0.1, True),
    Setting("noise 0.3, λ made for it", 0.3, False),
)


def found(setting: Setting, s: int, m: int, trial: int) -> bool:
    """Whether one random polynomial's support is recovered exactly from ``m`` measurements."""
    rng = generator(0, "recovery", s, trial)
    unit = random_polynomial(N, s, D, rng)
    truth = SparsePolynomial({bits: SCALE * value for bits, value in unit.terms.items()} | {(): MEAN})
    alphas = rng.choice(np.array([-1, 1], dtype=np.int8), size=(max(COUNTS), N))[:m]
    losses = truth(alphas) + setting.noise * rng.standard_normal(max(COUNTS))[:m]
    polynomial = lasso(alphas, losses, D, setting.penalty(m)).polynomial
    return set(polynomial.top(s, constant_counts=False).terms) | {()} == set(truth.terms)


def successes(setting: Setting, s: int, m: int, trials: int) -> dict[str, object]:
    """The number of recovered polynomials with its 95 % interval (Wilson)."""
    count = sum(found(setting, s, m, trial) for trial in range(trials))
    interval = binomtest(count, trials).proportion_ci(method="wilson")
    return {
        "setting": setting.title,
        "s": s,
        "m": m,
        "trials": trials,
        "recovered": count,
        "probability": count / trials,
        "low": interval.low,
        "high": interval.high,
    }


def run(trials: int) -> pd.DataFrame:
    """All settings, on all cores; the largest problems first, so that no core waits long at the end."""
    cells = sorted(product(SETTINGS, SPARSITIES, COUNTS), key=lambda cell: -cell[2])
    rows = []
    with ProcessPoolExecutor(cores()) as pool, Reporter().bar("recovering", len(cells)) as bar:
        for row in pool.map(successes, *zip(*cells, strict=True), repeat(trials)):
            rows.append(row)
            bar.step()
    order = {setting.title: place for place, setting in enumerate(SETTINGS)}
    return pd.DataFrame(rows).sort_values(
        ["setting", "s", "m"], key=lambda c: c.map(order) if c.name == "setting" else c
    )


def summary(results: pd.DataFrame) -> dict[str, object]:
    """For every setting the least m that is sure enough, and the constant of theorem 3.2 that it implies."""
    return {
        "n": N,
        "d": D,
        "sure": SURE,
        "theorem": {
            str(s): {"sufficient": sufficient_measurements(N, D, s), "necessary": necessary_measurements(N, D, s)}
            for s in SPARSITIES
        },
        "settings": {setting.title: dict(_enough(results, setting)) for setting in SETTINGS},
    }


def _enough(results: pd.DataFrame, setting: Setting) -> Iterator[tuple[str, dict[str, float | None]]]:
    for s in SPARSITIES:
        cells = results[(results["setting"] == setting.title) & (results["s"] == s)]
        unsure = cells.loc[cells["probability"] < SURE, "m"].max()
        sure = cells.loc[cells["m"] > (0 if pd.isna(unsure) else unsure), "m"]
        least = None if sure.empty else int(sure.min())
        constant = None if least is None else least / sufficient_measurements(N, D, s)
        at_paper = float(cells.loc[cells["m"] == PAPER_COUNT, "probability"].iloc[0])
        yield str(s), {"least m": least, "implied constant": constant, f"probability at {PAPER_COUNT}": at_paper}


def draw(results: pd.DataFrame) -> Figure:
    """One panel for each setting: the probability against m, one line for each s."""
    figure, axes = panels(len(SETTINGS), width=3.4, height=3.0)
    for axis, setting in zip(axes, SETTINGS, strict=True):
        _panel(axis, results[results["setting"] == setting.title], legend=axis is axes[-1])
        axis.set(title=setting.title, xlabel="measurements m", ylabel="")
        axis.tick_params(labelleft=axis is axes[0])
    axes[0].set_ylabel("exact recovery (%)")
    axes[0].annotate("the paper's m", (PAPER_COUNT, 3), (-3, 0), textcoords="offset points", ha="right", color="0.3")
    return figure


def _panel(axis: Axes, cells: pd.DataFrame, legend: bool) -> None:
    colours = dict(zip(SPARSITIES, sns.color_palette("colorblind"), strict=False))
    axis.axvline(PAPER_COUNT, color="0.3", linewidth=1, linestyle=":")
    for s, colour in colours.items():
        line = cells[cells["s"] == s]
        axis.fill_between(line["m"], 100 * line["low"], 100 * line["high"], color=colour, alpha=0.2, linewidth=0)
    sns.lineplot(
        cells.assign(percent=100 * cells["probability"]),
        x="m",
        y="percent",
        hue="s",
        style="s",
        palette=colours,
        markers=dict(zip(SPARSITIES, MARKERS, strict=False)),
        dashes=dict(zip(SPARSITIES, DASHES, strict=False)),
        errorbar=None,
        legend="full" if legend else False,
        ax=axis,
    )
    ticks = [50, 100, 200, 400, 1000]
    axis.set(xscale="log", ylim=(-3, 103))
    axis.set_xticks(ticks, [str(m) for m in ticks], minor=False)
    axis.set_xticks([], minor=True)
    if legend:
        axis.legend(title="monomials s", frameon=False, loc="upper left")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.recovery", description=__doc__)
    parser.add_argument("--trials", type=int, default=TRIALS, help="polynomials for each point (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/studies/recovery"), help="where results go")
    arguments = parser.parse_args()
    trials: int = arguments.trials
    if trials < 1:
        parser.error(f"--trials {trials} (allowed: at least 1)")
    reporter, started = Reporter(), time.perf_counter()
    with studying(parser, reporter):
        results = run(trials)
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_atomic(arguments.out / "recovery.csv", results.to_csv(index=False, float_format="%.6g").encode())
        write_json(arguments.out / "recovery.json", summary(results))
        for path in write_picture(lambda: draw(results), arguments.out / "recovery"):
            reporter.say(str(path))
        reporter.say(f"{len(results)} points of {trials} polynomials in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
