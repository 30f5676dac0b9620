"""The parts of CoNAS that a setting changes: completion, targets, penalties, heredity."""

import numpy as np
import pytest

from conas.algorithm import Settings, decide, search
from conas.completion import agreeing
from conas.measurements import Measurements
from conas.oracle import Function
from conas.recovery.fourier import SparsePolynomial
from conas.recovery.penalties import cross_validated, from_noise
from conas.recovery.solve import lasso
from conas.refusal import Refused
from conas.seeds import generator
from conas.settings import deciding
from conas.space import Alpha, Bits, space
from conas.synthetic import SyntheticProblem, random_polynomial
from conas.targets import logarithms, normal_scores

CNN = space("cnn")
BITS = Bits(f"b{number}" for number in range(12))


class Counted:
    """An oracle that keeps its answers."""

    def __init__(self, seed: int = 0, noise: float = 0.1) -> None:
        self.problem = SyntheticProblem(CNN, random_polynomial(CNN.n, 30, 2, generator(seed, "truth"), mean=2.0), noise)
        self.losses: list[float] = []

    def measure(self, alphas: Alpha, whole: bool = False) -> np.ndarray:
        losses = self.problem.measure(alphas)
        self.losses += losses.tolist()
        return losses


def test_the_published_values_decide_nothing_so_that_old_records_keep_their_names() -> None:
    young = {"completion", "target", "penalty", "heredity"}
    assert not young & deciding(Settings()).keys()
    assert deciding(Settings(heredity=True))["heredity"]


@pytest.mark.parametrize("name", ["cnn", "nasbench201"])
@pytest.mark.parametrize("stages", [1, 2])
def test_a_verified_answer_is_the_best_of_what_the_last_stage_measured_and_costs_nothing_more(name, stages) -> None:
    cells = space(name)
    asked: list[float] = []
    truth = random_polynomial(cells.n, 8, 2, generator(1, "truth"), mean=2.0)

    def losses(alphas: Alpha, whole: bool) -> np.ndarray:
        asked.extend(truth(alphas).tolist())
        return truth(alphas)

    alpha, _ = decide(Function(losses), cells, 3, Settings(m=60, t=stages, s=2, completion="verified"))
    last = asked[60 * (stages - 1) :]
    assert len(asked) == 60 * stages
    assert truth(alpha[None])[0] == pytest.approx(min(last))


@pytest.mark.parametrize("truth", [lambda alphas: np.full(len(alphas), 2.0), lambda alphas: alphas.sum(axis=1) + 20.0])
def test_a_verified_search_that_ends_early_measures_nothing_more(truth) -> None:
    asked: list[float] = []

    def losses(alphas: Alpha, whole: bool) -> np.ndarray:
        asked.extend(truth(alphas).tolist())
        return truth(alphas)

    alpha, details = decide(Function(losses), BITS, 0, Settings(m=60, t=4, s=13, completion="verified"))
    assert len(details["stages"]) == 1
    assert len(asked) == 60
    assert truth(alpha[None])[0] <= min(asked)


def test_an_answer_completed_from_measurements_is_near_one_of_them() -> None:
    alphas = np.array([[1, 1, -1], [1, -1, -1], [-1, -1, 1]], dtype=np.int8)
    measured = Measurements(alphas, np.array([3.0, 2.0, 1.0]))
    assert agreeing(measured, {0: 1, 1: -1}).tolist() == [1, -1, -1]
    assert agreeing(measured, {0: 1, 1: -1, 2: 1}).tolist() == [1, -1, 1]  # two agree in two bits: the better one
    assert agreeing(measured, {}).tolist() == [-1, -1, 1]
    oracle = Counted()
    plain, filled = (decide(oracle, CNN, 0, Settings(m=200, completion=how))[0] for how in ("off", "agreeing"))
    assert np.count_nonzero(plain > 0) < 20 < np.count_nonzero(filled > 0)


def test_targets_keep_the_order_and_shorten_the_tail() -> None:
    losses = np.array([2.0, 1.0, 50.0, 2.0, np.inf, np.nan])
    scores = normal_scores(losses)
    assert scores[0] == scores[3]
    assert scores[1] < scores[0] < scores[2] < scores[4] == scores[5]
    assert normal_scores(losses[:4]) == pytest.approx(normal_scores(losses[:4] * 7 + 1))
    assert normal_scores(np.array([1.0, 2.0, 3.0])) == pytest.approx([-0.9674, 0, 0.9674], abs=1e-4)
    with pytest.raises(Refused, match="allowed with target = 'log': positive losses"):
        logarithms(np.array([1.0, 0.0]))


def test_logarithms_undo_an_exponential() -> None:
    truth = random_polynomial(CNN.n, 9, 2, generator(4, "truth"), mean=0.0)
    oracle = Function(lambda alphas, whole: np.exp(truth(alphas)))
    log = decide(oracle, CNN, 0, Settings(m=400, target="log"))[1]["stages"][0]
    raw = decide(oracle, CNN, 0, Settings(m=400))[1]["stages"][0]
    assert log["held_out_r2"] > 0.99 > raw["held_out_r2"]
    assert log["measurements"] == raw["measurements"]  # losses, whatever is fitted


def data(noise: float, m: int = 120) -> tuple[Alpha, np.ndarray, SparsePolynomial]:
    rng = generator(5, "penalties")
    truth = random_polynomial(BITS.n, 6, 2, rng, mean=1.0)
    alphas = BITS.sample(rng, m)
    return alphas, truth(alphas) + noise * rng.standard_normal(m), truth


@pytest.mark.parametrize("choose", [cross_validated, from_noise])
def test_penalties_grow_with_the_noise_and_with_the_scale_of_the_losses(choose) -> None:
    alphas, clear, _ = data(0.05)
    noisy = data(1.0)[1]
    assert choose(alphas, noisy, 2) > choose(alphas, clear, 2) > 0
    assert choose(alphas, 10 * noisy, 2) == pytest.approx(10 * choose(alphas, noisy, 2), rel=1e-6)


@pytest.mark.parametrize("choose", [cross_validated, from_noise])
@pytest.mark.parametrize("constant", [0.1, 0.0, -3e-9])
def test_of_equal_losses_their_constant_is_found(choose, constant: float) -> None:
    alphas = data(0.0)[0]
    losses = np.full(len(alphas), constant)
    found = lasso(alphas, losses, 2, choose(alphas, losses, 2)).polynomial
    assert set(found.terms) <= {()}
    assert found(alphas[0]) == pytest.approx(constant, rel=2e-3)


def test_the_penalty_of_noise_finds_the_polynomial_and_little_else() -> None:
    alphas, losses, truth = data(0.2)
    found = lasso(alphas, losses, 2, from_noise(alphas, losses, 2)).polynomial
    large = {monomial for monomial, value in truth.terms.items() if abs(value) > 0.3}
    assert large <= set(found.terms)
    assert len(found) < len(lasso(alphas, losses, 2, 1.0).polynomial)


def test_a_pair_is_kept_only_with_one_of_its_bits() -> None:
    g = SparsePolynomial({(): 1.0, (0,): 1.0, (0, 1): 5.0, (2, 3): 9.0, (0, 1, 2): 2.0, (1, 2, 3): 3.0})
    assert g.hereditary().terms == {(): 1.0, (0,): 1.0, (0, 1): 5.0, (0, 1, 2): 2.0}
    free, kept = (orphans(Settings(m=200, s=190, heredity=heredity)) for heredity in (False, True))
    assert free
    assert not kept


def orphans(settings: Settings) -> set[frozenset[str]]:
    """The monomials of a search's polynomial that are kept without any of their parents."""
    terms = search(Counted().problem, 0, settings).details["stages"][0]["polynomial"]
    kept = {frozenset(term["bits"]) for term in terms}
    assert kept
    return {bits for bits in kept if len(bits) > 1 and not any(bits - {bit} in kept for bit in bits)}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"completion": "of"}, "'off'"),
        ({"target": "rank"}, "target"),
        ({"penalty": "cv"}, "penalty"),
        ({"m": 2, "s": 1, "penalty": "cross_validated"}, "m = 2 measurements for s = 1 monomials .allowed: 3 and more"),
        ({"m": 4, "completion": "verified"}, "m = 4 for completion = 'verified' .allowed: at least 5"),
        ({"m": 11, "completion": "verified"}, "m = 11 measurements less 2 completions for s = 10 monomials"),
    ],
)
def test_impossible_variants_are_refused_in_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**values)  # type: ignore[arg-type]
