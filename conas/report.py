"""What a stage of the search saw, as plain data: the numbers behind the paper's figure 4 and appendix A.6.

Everything here is a function of the measurements, so it is the same in every repetition; times are left out.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conas.measurements import Measurements
from conas.recovery.fourier import SparsePolynomial
from conas.recovery.minimiser import Minimum
from conas.recovery.solve import Recovery
from conas.space import Encoding

NOTABLE_GAP = 1e-6
"""Relative duality gap that a reader must know of."""


def describe(
    space: Encoding,
    measured: Measurements,
    target: NDArray[np.float64],
    found: Recovery,
    equal: int,
    g: SparsePolynomial,
    z: Minimum,
) -> dict[str, Any]:
    """One stage: its measurements, the recovery ``found``, the kept polynomial ``g`` and its minimiser ``z``.

    ``g`` was fitted to ``target``, shape (k,): the losses, or what `conas.targets` makes of them. ``equal`` monomials
    of ``found`` compete for the last places in ``g``.
    """
    names = space.names
    return {
        "measurements": _measurements(space, measured),
        "recovery": _recovery(found) | {"equal_at_the_cut": equal},
        "polynomial": g.to_json(names),
        "formula": g.formula(names),
        "fit_r2": r2(target, g(measured.alphas)),
        "minimum": z.value,
        "minimisers": z.minimisers,
        "decided_by_tie_rule": z.by_rule,
        "farthest_minimiser": z.farthest,
        "fixed": {names[bit]: sign for bit, sign in sorted(z.assignment.items())},
        "note": "" if z.assignment else "no edges: nothing but a constant was recovered",
    }


def notes(stages: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader must know of the answer of these stages, a line each."""
    return [f"stage {number}: {note}" for number, stage in enumerate(stages, start=1) for note in _notes(stage)]


def _notes(stage: Mapping[str, Any]) -> Iterator[str]:
    recovery = stage["recovery"]
    measured, left = stage["measurements"], stage.get("held_out_r2")
    if lost := measured["dropped"] + measured["outliers"]:
        yield f"{lost:,} of {lost + measured['used']:,} losses are left out; the answer may well have such a loss"
    if left is not None and left <= 0:
        yield f"the polynomial predicts other measurements no better than their mean does (R² {left:.2g})"
    if not stage["fixed"]:
        yield "nothing but a constant was recovered: no bit is decided, and later stages are skipped"
    if "unique" in recovery and not recovery["unique"]:
        known = "is not" if recovery["unique"] is False else "may not be"
        yield f"the Lasso's solution {known} unique: {recovery['solution']}"
    if recovery.get("gap") and recovery["objective"] and recovery["gap"] > NOTABLE_GAP * recovery["objective"]:
        share = recovery["gap"] / recovery["objective"]
        yield f"the Lasso's objective may be {share:.1g} of itself above the minimum: {recovery['stopped']}"
    if recovery["equal_at_the_cut"]:
        yield f"{recovery['equal_at_the_cut']} monomials of equal coefficients compete for the last places"
    if stage["minimisers"] > 1:
        yield (
            f"{stage['minimisers']:,} strings minimise the polynomial, up to {stage['farthest_minimiser']} bits apart; "
            f"the tie rule decides {stage['decided_by_tie_rule']} bits"
        )


def _measurements(space: Encoding, measured: Measurements) -> dict[str, Any]:
    losses, size = measured.losses, _size(measured.losses)
    scaled = losses / size
    return {
        "used": len(losses),
        "reused": measured.reused,
        "dropped": measured.dropped,
        "outliers": measured.outliers,
        "mean": size * float(scaled.mean()),
        "sd": size * float(scaled.std(ddof=1)),
        "least": float(losses.min()),
        "least_at": space.format(measured.best),
    }


def _recovery(found: Recovery) -> dict[str, Any]:
    report: dict[str, Any] = {
        "nonzeros": len(found.polynomial),
        "iterations": found.iterations,
        "stopped": found.stopped,
    }
    if found.penalty is not None:
        report |= {
            "lambda": {
                "paper": found.penalty.lambda_,
                "release": found.penalty.release,
                "sklearn": found.penalty.sklearn,
            },
            "objective": _finite(found.objective),
            "gap": _finite(found.gap),
            "unique": found.unique,
            "solution": found.solution,
        }
    return report


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def held_out_r2(
    measured: Measurements, fit: Callable[[Measurements], SparsePolynomial], least: int = 2
) -> float | None:
    """R^2, on the last fifth of the measurements, of what ``fit`` recovers from the others; None if they are fewer
    than ``least``."""
    cut = len(measured.losses) * 4 // 5
    if cut < least or len(measured.losses) - cut < 2:
        return None
    polynomial = fit(Measurements(measured.alphas[:cut], measured.losses[:cut]))
    return r2(measured.losses[cut:], polynomial(measured.alphas[cut:]))


def r2(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> float | None:
    """The share of the variance of ``truth`` that is explained; None where ``truth`` does not vary."""
    if truth.min() == truth.max():
        return None
    size = _size(truth)
    scaled = truth / size
    total = float(((scaled - scaled.mean()) ** 2).sum())
    return 1 - float(((scaled - predicted / size) ** 2).sum()) / total


def _size(losses: NDArray[np.float64]) -> float:
    """The power of two just below the largest loss: divided by it, losses have squares that double precision holds."""
    return float(np.ldexp(1.0, np.frexp(np.abs(losses).max())[1] - 1))
