"""CoNAS: Algorithm 1 of the paper.

Train a one-shot model; then, in each of t stages, measure m random sub-networks, recover their loss as a sparse
polynomial of the encoder's bits, minimise it exactly and fix the bits it depends on. The answer activates the edges
whose bits were fixed to +1; all other edges stay off.

On an exclusive space exactly one operation of an edge is on. There the minimiser runs over the valid strings only,
an edge is decided as soon as the polynomial depends on one of its bits, and edges still undecided at the end take
the operations of the best network measured in the last stage.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np

from conas import completion
from conas.measurements import Measurements, TrainedAlone, draws, measure
from conas.names import unknown
from conas.oracle import Oracle
from conas.problem import Outcome, Problem
from conas.questions import OneShot
from conas.recovery.fourier import SparsePolynomial
from conas.recovery.minimiser import TIE_RULES, minimise
from conas.recovery.penalties import PENALTIES, cross_validated, from_noise
from conas.recovery.solve import SOLUTIONS, Recovery, debias, iht, lasso, omp
from conas.refusal import Refused
from conas.report import describe, held_out_r2, notes
from conas.sampling import Bernoulli
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha, Encoding, Space
from conas.targets import TARGETS

SOLVERS = ("lasso", "iht", "omp")
ORACLES = ("one_shot", "stand_alone")
CHOICES: Mapping[str, Iterable[str]] = {
    "solver": SOLVERS,
    "oracle": ORACLES,
    "solution": SOLUTIONS,
    "ties": TIE_RULES,
    "completion": completion.COMPLETIONS,
    "target": TARGETS,
    "penalty": PENALTIES,
}
"""What the settings of these names may be."""


class TooFewLosses(Refused, ValueError):
    """So many sub-networks diverged that nothing can be recovered."""


@dataclass(frozen=True)
class Settings:
    """The inputs of Algorithm 1; the defaults are the paper's for the CNN (section 4.1).

    Attributes:
        m: measurements per stage.
        s: monomials kept, for every stage or stage by stage (the RNN: ``t=2, s=(10, 5)``, section 4.3).
        d: largest degree of a monomial.
        t: stages.
        lambda_: Lasso penalty in the paper's scaling, ||y - Ax||^2 + lambda ||x||_1.
        p: probability of an edge to be on, in training and measuring.
        connect: give empty nodes a random edge while training (section 4.3), not while measuring.
        solver: ``lasso``, or ``iht`` or ``omp`` for s monomials without a penalty.
        solution: which of several solutions of the Lasso: the one of least l2 norm, or any, where its solver ends.
        threshold: finite losses above it are left out; None leaves out none.
        ties: which of several minimisers, see `conas.recovery.minimiser.TIE_RULES`.
        debias: refit the kept monomials by least squares (footnote 2).
        constant_counts: the constant takes one of the s places, as Algorithm 1 is written.
        reuse: earlier measurements that agree with the bits fixed since then replace new ones.
        oracle: ``one_shot``, or ``stand_alone`` to train every measured network on its own (appendix A.1).
        epochs: how long ``stand_alone`` trains each of them.
        completion: what becomes of undecided bits, see `conas.completion.COMPLETIONS`.
        target: what is fitted, see `conas.targets.TARGETS`.
        penalty: ``given`` as ``lambda_``, or from the measurements, see `conas.recovery.penalties`.
        heredity: a monomial is kept only if the recovery has found one that is the same less a bit, down to degree 1.

    Raises:
        ValueError: an impossible value.
    """

    m: int = setting(1000, "section 3.2, after theorem 3.2")
    s: int | tuple[int, ...] = setting(10, "section 4.1")
    d: int = setting(2, "section 4.1")
    t: int = setting(1, "section 4.1; 4 for the larger cells, 2 for the RNN (section 4.3)")
    lambda_: float = setting(1.0, "section 4.1")
    p: float = setting(0.5, "section 3")
    connect: bool = setting(False, "section 4.3, for the RNN")
    solver: Literal["lasso", "iht", "omp"] = setting("lasso", "equation 3.2")
    debias: bool = setting(False, "assumption: footnote 2 is a remark, Algorithm 1 has no such step")
    constant_counts: bool = setting(True, "Algorithm 1, line 12: the s largest of all coefficients")
    reuse: bool = setting(False, "Algorithm 1, line 10: every stage collects its own")
    oracle: Literal["one_shot", "stand_alone"] = setting("one_shot", "section 3")
    epochs: int = setting(50, "appendix A.1")
    solution: Literal["least_norm", "any"] = setting(
        "least_norm", "assumption: the paper does not say which of several solutions of equation 3.2", absent="any"
    )
    threshold: float | None = setting(
        None, "assumption: the paper leaves out no loss; the released code those above 1.5", absent=None
    )
    ties: Literal["first_bit_slowest", "first_bit_fastest"] = setting(
        "first_bit_slowest",
        "assumption: the paper does not say which of several minimisers",
        absent="first_bit_slowest",
    )
    completion: Literal["off", "agreeing", "verified"] = setting("off", "Algorithm 1", absent="off")
    target: Literal["loss", "log", "normal_score"] = setting("loss", "equation 3.2", absent="loss")
    penalty: Literal["given", "cross_validated", "noise"] = setting("given", "equation 3.2", absent="given")
    heredity: bool = setting(False, "Algorithm 1, line 12: the s largest of all coefficients", absent=False)

    def __post_init__(self) -> None:
        if isinstance(self.s, list):  # as JSON has it
            object.__setattr__(self, "s", tuple(self.s))
        for name, value, least in (("m", self.m, 2), ("d", self.d, 1), ("t", self.t, 1), ("epochs", self.epochs, 1)):
            _check_whole(f"{name} = {value}", value, least)
        for kind, allowed in CHOICES.items():
            if getattr(self, kind) not in allowed:
                raise ValueError(unknown(kind, getattr(self, kind), allowed))
        for switch in (field.name for field in fields(self) if field.type is bool):
            if not isinstance(getattr(self, switch), bool):
                raise ValueError(f"{switch} = {getattr(self, switch)!r} (allowed: true or false)")
        self._check_numbers()
        if self.completion == "verified" and not self.verified:
            raise ValueError(f"m = {self.m} for completion = 'verified' (allowed: at least {completion.ONE_IN})")
        self._check_sparsities()

    def _check_numbers(self) -> None:
        if not isinstance(self.lambda_, Real) or not 0 < self.lambda_ < math.inf:
            raise ValueError(f"lambda = {self.lambda_} (allowed: any positive number)")
        if not isinstance(self.p, Real) or not 0 < self.p < 1:
            raise ValueError(f"p = {self.p} (allowed: between 0 and 1, both excluded)")
        if self.threshold is not None and not (isinstance(self.threshold, Real) and math.isfinite(self.threshold)):
            raise ValueError(f"threshold = {self.threshold} (allowed: any finite number, or None)")

    def _check_sparsities(self) -> None:
        if len(self.sparsities) != self.t:
            raise ValueError(f"s = {self.s} for t = {self.t} stages (allowed: one number, or one for each stage)")
        for s in self.sparsities:
            _check_whole(f"s = {self.s}", s, 1)
        most = max(self.sparsities)
        least = self.terms(most)
        if self.m - self.verified < least:
            apart = f" less {self.verified} completions" if self.verified else ""
            raise ValueError(f"m = {self.m} measurements{apart} for s = {most} monomials (allowed: {least} and more)")

    def terms(self, s: int) -> int:
        """The measurements that a stage of ``s`` monomials needs: least squares want one for each term, and
        cross-validation wants two beside the one that it leaves out."""
        validates = self.solver == "lasso" and self.penalty == "cross_validated"
        return max(3 if validates else 2, s + int(self.debias and not self.constant_counts))

    @property
    def verified(self) -> int:
        """How many of the t-th stage's m measurements are completions of its answer."""
        return self.m // completion.ONE_IN if self.completion == "verified" else 0

    @property
    def sparsities(self) -> tuple[int, ...]:
        """s of every stage."""
        return self.s if isinstance(self.s, tuple) else (self.s,) * self.t


def _check_whole(said: str, value: float, least: int) -> None:
    if not isinstance(value, Integral) or value < least:
        raise ValueError(f"{said} (allowed: whole numbers, at least {least})")


def search(problem: Problem, seed: int, settings: Settings) -> Outcome:
    """Run Algorithm 1 on ``problem``.

    Raises:
        ValueError: the degree exceeds the number of bits, too few measurements are finite, or the minimiser is out
            of reach.
        UnsupportedError: the problem does not answer what the oracle asks.
    """
    return search_on(_oracle(problem, settings), problem.space, seed, settings)


def search_on(oracle: Oracle, space: Space, seed: int, settings: Settings) -> Outcome:
    """Stage 2 of Algorithm 1 on an oracle that exists already, such as a trained one-shot model; raises as `decide`."""
    alpha, details = decide(oracle, space, seed, settings)
    return Outcome(space.build(alpha), details)


def decide(oracle: Oracle, space: Encoding, seed: int, settings: Settings) -> tuple[Alpha, dict[str, Any]]:
    """Stage 2 of Algorithm 1 on any bits: the encoder that it settles on, shape (n,), and what it saw, as plain data.

    ``oracle``, ``epochs`` and ``connect`` of the settings belong to `search`, which makes the oracle.

    Losses that are NaN or infinite are left out, and not avoided: the answer may well have such a loss. To have a bit
    string avoided, give it a large one.

    Raises:
        ValueError: the degree exceeds the number of bits, too few measurements are finite, the minimiser is out of
            reach, or the oracle or the space is something else.
    """
    _check_kinds(oracle, space)
    _check_degree(space, settings)
    fixed: dict[int, int] = {}
    measured = Measurements.none(space.n)
    stages: list[dict[str, Any]] = []
    for stage, s in enumerate(settings.sparsities, start=1):
        earlier = measured.agreeing(fixed) if settings.reuse else Measurements.none(space.n)
        size = settings.m - (settings.verified if stage == settings.t else 0)
        measured = measure(oracle, space, draws(seed, stage), size, settings.p, fixed, earlier, settings.threshold)
        _check_enough(measured, stage, s, settings)
        fitted = replace(measured, losses=TARGETS[settings.target](measured.losses))
        found = _recover(fitted, settings, s)
        g = _largest(found, fitted, settings, s)
        z = minimise(g, space.groups, settings.ties)
        fixed |= z.assignment
        equal = found.polynomial.equal_at_the_cut(s, settings.constant_counts)
        stage_facts = describe(space, measured, fitted.losses, found, equal, g, z)
        stages.append(stage_facts | {"held_out_r2": _held_out_r2(fitted, settings, s)})
        if not z.assignment or len(fixed) == space.n:
            break
    if settings.completion == "verified" and len(stages) < settings.t:  # no measurements were kept back for it
        settings = replace(settings, completion="agreeing")
    alpha = _complete(oracle, space, seed, settings, fixed, measured)
    details = {"alpha": space.format(alpha), "tie_rule": TIE_RULES[settings.ties], "stages": stages}
    return alpha, details | {"notes": notes(stages)}


def _oracle(problem: Problem, settings: Settings) -> Oracle:
    _check_degree(problem.space, settings)
    if settings.oracle == "stand_alone":
        return TrainedAlone(problem, settings.epochs)
    return problem.ask(OneShot(Bernoulli(settings.p, settings.connect)))


def _check_kinds(oracle: object, space: object) -> None:
    if not hasattr(oracle, "measure"):
        raise ValueError(f"a {type(oracle).__name__} cannot be measured (allowed: Function(f), or any other oracle)")
    if not isinstance(space, Encoding):
        raise ValueError(f"a {type(space).__name__} is no space of bits (allowed: Bits(names), or any other encoding)")


def _check_degree(space: Encoding, settings: Settings) -> None:
    if settings.d > space.n:
        raise ValueError(f"degree d = {settings.d} over {space.n} bits (allowed: 1 to {space.n})")


def _check_enough(measured: Measurements, stage: int, s: int, settings: Settings) -> None:
    used, needed, threshold = len(measured.losses), settings.terms(s), settings.threshold
    if used < needed:
        total = used + measured.dropped + measured.outliers
        usable = "finite" if threshold is None else f"at most {threshold}"
        raise TooFewLosses(
            f"stage {stage}: only {used} of {total} losses are {usable}, s = {s} needs at least {needed}"
        )


def _recover(measured: Measurements, settings: Settings, s: int) -> Recovery:
    found = _recover_all(measured, settings, s)
    return replace(found, polynomial=found.polynomial.hereditary()) if settings.heredity else found


def _recover_all(measured: Measurements, settings: Settings, s: int) -> Recovery:
    if settings.solver == "lasso":
        penalty = _penalty(measured, settings)
        return lasso(measured.alphas, measured.losses, settings.d, penalty, settings.solution)
    greedy = {"iht": iht, "omp": omp}[settings.solver]
    size = s if settings.constant_counts else s + 1
    return greedy(measured.alphas, measured.losses, settings.d, min(size, len(measured.losses)))


def _penalty(measured: Measurements, settings: Settings) -> float:
    if settings.penalty == "given":
        return settings.lambda_
    choose = cross_validated if settings.penalty == "cross_validated" else from_noise
    return choose(measured.alphas, measured.losses, settings.d)


def _largest(found: Recovery, measured: Measurements, settings: Settings, s: int) -> SparsePolynomial:
    g = found.polynomial.top(s, settings.constant_counts)
    return debias(g, measured.alphas, measured.losses) if settings.debias else g


def _held_out_r2(measured: Measurements, settings: Settings, s: int) -> float | None:
    def fit(part: Measurements) -> SparsePolynomial:
        return _largest(_recover(part, settings, s), part, settings, s)

    return held_out_r2(measured, fit, least=settings.terms(s) if settings.debias else 2)


def _complete(
    oracle: Oracle, space: Encoding, seed: int, settings: Settings, fixed: Mapping[int, int], measured: Measurements
) -> Alpha:
    if settings.completion == "agreeing":
        return completion.agreeing(measured, fixed)
    if settings.completion == "off":
        return _activate(space, fixed, measured)
    size = settings.verified if len(fixed) < space.n else 1
    verified = measure(oracle, space, generator(seed, "complete"), size, settings.p, fixed, Measurements.none(space.n))
    return Measurements(
        np.concatenate([measured.alphas, verified.alphas]), np.concatenate([measured.losses, verified.losses])
    ).best


def _activate(space: Encoding, fixed: Mapping[int, int], measured: Measurements) -> Alpha:
    alpha = np.full(space.n, -1, dtype=np.int8)
    grouped = [bit for group in space.groups for bit in group]  # of a group one bit is on: as in the best measured
    alpha[grouped] = measured.best[grouped]
    alpha[list(fixed)] = list(fixed.values())
    return alpha
