"""The search core against scikit-learn's Lasso and against trying all strings, interleaved in one process.

    python tests/performance/bench_search.py [--rounds 5] [--out results/performance]

scikit-learn gets the stored matrix for nothing: its time is that of the fit alone, ours includes everything. Memory is
the peak of what numpy allocates, the stored matrix included. Ratios are those within a round: median [least, most].
"""

import argparse
import statistics
import time
import tracemalloc
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso

from conas.recovery.design import Parities
from conas.recovery.fourier import SparsePolynomial, basis_size, hypercube
from conas.recovery.minimiser import minimise
from conas.recovery.solve import lasso
from conas.seeds import generator
from conas.space import Alpha
from conas.synthetic import random_polynomial
from harness.pictures.plots import panels, write_picture
from harness.records.files import write_json

TOLERANCE = 1e-9
SIZES = (50, 70, 100, 140, 200, 280, 400, 560, 750, 1000)
SCALING_COUNT = 2000


@dataclass(frozen=True)
class Case:
    """A recovery: s monomials over n bits, measured m times with noise; lambda is in the paper's scaling."""

    name: str
    n: int
    m: int
    s: int
    noise: float
    lambda_: float
    rounds: int = 100

    def measurements(self) -> tuple[Alpha, NDArray[np.float64]]:
        """Encoders and losses, drawn by the case's name."""
        rng = generator(0, "bench", self.name)
        truth = random_polynomial(self.n, self.s, 2, rng, mean=1.2)
        alphas = rng.choice(np.array([-1, 1], dtype=np.int8), size=(self.m, self.n))
        return alphas, truth(alphas) + self.noise * rng.standard_normal(self.m)


CASES = (
    Case("n=140 m=1000, few", 140, 1000, 25, 0.0, 20),
    Case("n=140 m=1000, noisy", 140, 1000, 25, 0.2, 20),
    Case("n=140 m=1000, noisy, the paper's λ=1", 140, 1000, 25, 0.15, 1, rounds=1),
    Case("n=196 m=3000, few", 196, 3000, 33, 0.0, 20),
    Case("n=196 m=3000, noisy", 196, 3000, 33, 0.18, 20, rounds=3),
)
LARGE = Case("n=1000 m=5000, noisy", 1000, 5000, 40, 0.1, 80)


def seconds(job: Callable[[], object]) -> float:
    """How long ``job`` takes once."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def peak(job: Callable[[], object]) -> float:
    """The most memory that ``job`` allocates at once, in MB."""
    tracemalloc.start()
    job()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 1e6


def stored(alphas: Alpha) -> NDArray[np.float64]:
    """The matrix A, as scikit-learn wants it."""
    design = Parities(alphas, 2)
    return np.asfortranarray(design.columns(np.arange(design.size)).signs, dtype=np.float64)


def reference(A: NDArray[np.float64], y: NDArray[np.float64], lambda_: float) -> NDArray[np.float64]:
    """scikit-learn's solution of the same problem."""
    model = Lasso(alpha=lambda_ / (2 * len(y)), fit_intercept=False, tol=TOLERANCE, max_iter=20_000, copy_X=False)
    coefficients: NDArray[np.float64] = model.fit(A, y).coef_
    return coefficients


def compare(case: Case, rounds: int) -> dict[str, object]:
    """Times, memory and objectives of both solvers on one case."""
    alphas, y = case.measurements()
    A = stored(alphas)
    ours, theirs = [], []
    for _ in range(min(rounds, case.rounds)):
        ours.append(seconds(lambda: lasso(alphas, y, 2, case.lambda_)))
        theirs.append(seconds(lambda: reference(A, y, case.lambda_)))
    found, x = lasso(alphas, y, 2, case.lambda_), reference(A, y, case.lambda_)
    objective = float(((y - A @ x) ** 2).sum() + case.lambda_ * np.abs(x).sum())
    matrix = A.nbytes / 1e6
    return {
        "case": case.name,
        "non-zeros": len(found.polynomial),
        "ours_ms": 1e3 * statistics.median(ours),
        "sklearn_ms": 1e3 * statistics.median(theirs),
        **spread("times_faster", [b / a for a, b in zip(ours, theirs, strict=True)]),
        "ours_mb": peak(lambda: lasso(alphas, y, 2, case.lambda_)),
        "sklearn_mb": matrix + peak(lambda: reference(A, y, case.lambda_)),
        "relative_difference": found.objective / objective - 1 if found.objective else 0.0,
    }


def spread(name: str, values: list[float]) -> dict[str, float]:
    """Median, least and most."""
    return {name: statistics.median(values), f"{name}_least": min(values), f"{name}_most": max(values)}


def alone(case: Case) -> dict[str, object]:
    """Time and memory of a case that no stored matrix fits."""
    alphas, y = case.measurements()
    started = time.perf_counter()
    found = lasso(alphas, y, 2, case.lambda_)
    seconds = time.perf_counter() - started
    return {
        "case": case.name,
        "monomials": basis_size(case.n, 2),
        "non-zeros": len(found.polynomial),
        "gap": found.gap / found.objective if found.gap and found.objective else 0.0,
        "seconds": seconds,
        "mb": peak(lambda: lasso(alphas, y, 2, case.lambda_)),
    }


def polynomial(variables: int, monomials: int, components: int) -> SparsePolynomial:
    """Random pairs over chains that connect the variables of each component."""
    rng = generator(0, "bench", "polynomial", variables, monomials, components)
    members = np.array_split(rng.permutation(variables), components)
    pairs = {(int(a), int(b)) for part in members for a, b in pairwise(part)}
    while len(pairs) < monomials:
        part = members[rng.integers(components)]
        pairs.add(tuple(rng.choice(part, size=2, replace=False).tolist()))
    return SparsePolynomial({pair: float(rng.normal()) for pair in sorted(pairs)})


def minimisers(rounds: int) -> list[dict[str, object]]:
    """The exact minimiser; up to 20 bits against trying all strings, a matrix product per block."""
    rows: list[dict[str, object]] = []
    for variables, monomials, components in ((20, 24, 1), (40, 45, 5), (60, 85, 1)):
        g = polynomial(variables, monomials, components)
        ours = [seconds(lambda g=g: minimise(g)) for _ in range(max(rounds, 5))]
        row = {"bits": variables, "monomials": monomials, "components": components}
        row |= spread("ours_ms", [1e3 * value for value in ours])
        if variables <= 20:
            everywhere = hypercube(variables)
            row["all_strings_ms"] = 1e3 * min(seconds(lambda g=g, all_=everywhere: g(all_).min()) for _ in range(2))
            assert np.isclose(g(everywhere).min(), minimise(g).value)
        rows.append(row)
    return rows


def scaling() -> pd.DataFrame:
    """Time and memory of one recovery against n, at a fixed number of measurements."""
    rows = [alone(Case(f"n={n}", n, SCALING_COUNT, 20, 0.1, 20)) | {"n": n} for n in SIZES]
    return pd.DataFrame(rows)


def draw(results: pd.DataFrame) -> Figure:
    """Time and peak memory against the number of bits, both logarithmic."""
    figure, (time_, memory) = panels(2, width=3.4, height=3.0)
    monomials = results["monomials"]
    proportional = results["seconds"].iloc[-1] * monomials / monomials.iloc[-1]
    stored_mb = 8e-6 * SCALING_COUNT * monomials
    sns.lineplot(results, x="n", y="seconds", marker="o", color="black", label="this solver", ax=time_)
    time_.plot(results["n"], proportional, ":", color="0.5", label="∝ monomials")
    sns.lineplot(results, x="n", y="mb", marker="o", color="black", label="this solver", ax=memory)
    memory.plot(results["n"], stored_mb, "--", color="0.5", label="the stored matrix alone")
    memory.set_ylim(0.5)
    for axis, label, place in ((time_, "seconds", "upper left"), (memory, "peak memory (MB)", "lower right")):
        axis.set(xscale="log", yscale="log", xlabel="bits n", ylabel=label)
        axis.set_xticks([50, 140, 400, 1000], ["50", "140", "400", "1000"], minor=False)
        axis.set_xticks([], minor=True)
        axis.legend(frameon=False, loc=place)
    figure.suptitle(f"Recovery from {SCALING_COUNT} measurements, degree 2")
    return figure


def table(rows: list[dict[str, object]]) -> str:
    """The rows for people."""
    return pd.DataFrame(rows).to_string(index=False, float_format=lambda value: f"{value:.3g}")


def main() -> None:
    """Run everything and write search.json, search.png and search.pdf."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("results/performance"))
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    against = []
    for case in CASES:
        against.append(compare(case, options.rounds))
        print(table(against[-1:]), flush=True)
    small, large, sizes = minimisers(options.rounds), [alone(LARGE)], scaling()
    for rows in (small, large, sizes.to_dict("records")):
        print(table(rows))
    options.out.mkdir(parents=True, exist_ok=True)
    report = {"recovery": against, "minimiser": small, "large": large, "scaling": sizes.to_dict("records")}
    write_json(options.out / "search.json", report)
    for path in write_picture(lambda: draw(sizes), options.out / "search"):
        print(path)


if __name__ == "__main__":
    main()
