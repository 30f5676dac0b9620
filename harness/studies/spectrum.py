"""`make spectrum`: the assumption on trial, that a one-shot model's loss is a sparse polynomial of low degree.

A one-shot model over a space so small that all 2^n sub-networks can be measured gives the true Fourier spectrum of its
loss: how much of it lies in low degrees and in few coefficients, how well the Lasso finds it from m measurements, and
where CoNAS's answer ranks among all sub-networks.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from conas.questions import OneShot
from conas.recovery.fourier import SparsePolynomial, hypercube, walsh_hadamard
from conas.recovery.minimiser import minimise
from conas.recovery.solve import lasso
from conas.report import r2
from conas.sampling import Bernoulli
from conas.seeds import generator
from conas.space import Alpha, space
from harness.config.load import Config
from harness.console.progress import Reporter
from harness.pictures.plots import panels
from harness.problems.trained import TrainedProblem
from harness.records.files import write_atomic
from harness.records.store import Store
from harness.statistics import means
from harness.studies.cli import configuration, study_parser, studying, write_results
from harness.studies.losses import share_below
from harness.training.environment import make_deterministic
from harness.training.task import load_task

SPACE = "cnn-tiny"
S, DEGREE, LAMBDA = 10, 2, 1.0
COUNTS = (25, 50, 100, 200, 400, 800)
DRAWS = 50


@dataclass(frozen=True)
class Spectrum:
    """A function on all 2^n sign vectors and its Fourier coefficients; ``degrees`` is by coefficient."""

    alphas: Alpha
    losses: NDArray[np.float64]
    coefficients: NDArray[np.float64]

    @classmethod
    def of(cls, alphas: Alpha, losses: NDArray[np.float64]) -> "Spectrum":
        """The spectrum of ``losses``, in the order of `conas.recovery.fourier.hypercube`."""
        return cls(alphas, losses, walsh_hadamard(losses))

    @property
    def degrees(self) -> NDArray[np.integer]:
        """The degree of every coefficient's monomial."""
        return np.count_nonzero(self.alphas < 0, axis=1)

    @property
    def energy(self) -> NDArray[np.float64]:
        """The share of the loss's variance in every coefficient; the constant has none."""
        squares = np.where(self.degrees > 0, self.coefficients**2, 0.0)
        return squares / squares.sum()

    def by_degree(self) -> NDArray[np.float64]:
        """The share in degree 1, 2, ..., n."""
        return np.array([self.energy[self.degrees == degree].sum() for degree in range(1, self.alphas.shape[1] + 1)])

    def by_size(self, low: bool = False) -> NDArray[np.float64]:
        """The share in the 1, 2, ... largest coefficients, of all or of those of degree at most 2 (``low``)."""
        energy = self.energy[self.degrees <= DEGREE] if low else self.energy
        return np.cumsum(np.sort(energy)[::-1])


def measure_all(config: Config, reporter: Reporter) -> Spectrum:
    """Train the one-shot model of ``config`` and measure all its sub-networks, or take what was measured before."""
    problem = TrainedProblem(config, load_task(config), Store(config.runs_dir), reporter)
    alphas = hypercube(space(config.space).n)
    return Spectrum.of(alphas, problem.ask(OneShot(Bernoulli(0.5))).measure(alphas))


def recover(truth: Spectrum, m: int, draw: int) -> dict[str, float | None]:
    """One run of Algorithm 1's stage on ``m`` random measurements, judged on all sub-networks."""
    chosen = generator(0, "spectrum", m, draw).choice(len(truth.losses), m, replace=False)
    g = lasso(truth.alphas[chosen], truth.losses[chosen], DEGREE, LAMBDA).polynomial.top(S, True)
    found = answer(g, truth.alphas.shape[1])
    return {
        "m": m,
        "draw": draw,
        "r2": r2(truth.losses, g(truth.alphas)),
        "CoNAS": share_below(truth.losses, _value(truth, found)),
        "best of m": share_below(truth.losses, truth.losses[chosen].min()),
    }


def answer(g: SparsePolynomial, n: int) -> Alpha:
    """The encoder that CoNAS activates: the minimiser, with all other bits off."""
    alpha = np.full(n, -1, dtype=np.int8)
    for bit, sign in minimise(g).assignment.items():
        alpha[bit] = sign
    return alpha


def _value(truth: Spectrum, alpha: Alpha) -> float:
    return float(truth.losses[(truth.alphas == alpha).all(axis=1)][0])


def draw(truth: Spectrum, runs: pd.DataFrame) -> Figure:
    """Energy by degree, energy by number of coefficients, fit against m, rank against m."""
    figure, (degree, size, fit, rank) = panels(2, 2, width=4.0)
    shares = truth.by_degree()
    degree.bar(np.arange(1, len(shares) + 1), 100 * shares, color="0.35")
    degree.set(xlabel="degree", ylabel="share of the variance (%)", title="Energy by degree")
    _sizes(truth, size)
    sns.lineplot(runs, x="m", y="r2", marker="o", color="black", errorbar=("ci", 95), seed=0, ax=fit)
    fit.set(xscale="log", xlabel="measurements m", ylabel="R² on all sub-networks", title=f"Lasso's {S} largest")
    ranks = runs.melt(["m", "draw"], ["CoNAS", "best of m"], "answer", "rank")
    sns.lineplot(
        ranks,
        x="m",
        y="rank",
        hue="answer",
        style="answer",
        markers=["o", "s"],
        palette="colorblind",
        errorbar=("ci", 95),
        seed=0,
        ax=rank,
    )
    rank.set(xscale="log", xlabel="measurements m", ylabel="better sub-networks (%)", title="Rank of the answer")
    rank.legend(title=None, frameon=False)
    for panel in (fit, rank):
        panel.set_xticks(COUNTS, [str(m) for m in COUNTS], minor=False)
        panel.set_xticks([], minor=True)
    return figure


def _sizes(truth: Spectrum, axis: Axes) -> None:
    kinds = {"any degree": (False, "-"), f"degree ≤ {DEGREE}": (True, "--")}
    for label, (low, dashes) in kinds.items():
        shares = 100 * truth.by_size(low)
        axis.plot(np.arange(1, len(shares) + 1), shares, dashes, color="black", label=label)
    axis.axvline(S, color="0.6", linewidth=1)
    axis.set(xscale="log", xlabel="largest coefficients", ylabel="share of the variance (%)", title="Energy by size")
    axis.legend(frameon=False, loc="lower right")


def summary(truth: Spectrum, runs: pd.DataFrame) -> dict[str, object]:
    """The study's numbers."""
    cumulated = np.cumsum(truth.by_degree())
    return {
        "bits": truth.alphas.shape[1],
        "sub-networks": len(truth.losses),
        "loss": {"best": truth.losses.min(), "mean": truth.losses.mean(), "worst": truth.losses.max()},
        "variance share of degree up to 1, 2, 3": list(cumulated[:3]),
        f"variance share of the {S} largest": truth.by_size()[S - 1],
        f"variance share of the {S} largest of degree up to {DEGREE}": truth.by_size(True)[S - 1],
        "by m": means(runs, "m", ("r2", "CoNAS", "best of m")),
    }


def _recovered(truth: Spectrum, reporter: Reporter) -> pd.DataFrame:
    rows = []
    with reporter.bar("recovering", len(COUNTS) * DRAWS) as bar:
        for m, number in product(COUNTS, range(DRAWS)):
            rows.append(recover(truth, m, number))
            bar.step()
    return pd.DataFrame(rows)


def main() -> None:
    """The command line."""
    parser, reporter = study_parser("spectrum", __doc__, dataset="digits", profile="smoke"), Reporter()
    options = parser.parse_args()
    with studying(parser, reporter):
        config = configuration(options, space=SPACE, oneshot={"epochs": 30})
        make_deterministic(config.threads)
        truth = measure_all(config, reporter)
        runs = _recovered(truth, reporter)
        write_atomic(options.out / "losses.txt", "".join(f"{loss:.6g}\n" for loss in truth.losses).encode())
        write_results(options.out, summary(truth, runs), runs, lambda: draw(truth, runs), reporter)


if __name__ == "__main__":
    main()
