"""What a user of the library sees: names, an estimator, the README's example; and what it does not need."""

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import estimator_checks_generator

import conas
from conas import Bits, Function, Settings, SparseFourierRegressor, SparsePolynomial, decide, lasso

ROOT = Path(__file__).parents[2]
ANY = Function(lambda alphas, whole: alphas[:, 0])
CHECKS = estimator_checks_generator(SparseFourierRegressor(penalty=0.01))


def test_algorithm_1_and_the_recovery_import_no_torch() -> None:
    code = (
        "import sys, conas, conas.algorithm, conas.recovery, conas.synthetic\n"
        "conas.Settings, conas.decide, conas.lasso, conas.SparseFourierRegressor, conas.Bits\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_exported_name_is_there_and_is_documented() -> None:
    assert set(conas.__all__) <= set(dir(conas))
    for name in set(conas.__all__) - {"__version__"}:
        assert inspect.getdoc(getattr(conas, name)), name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        conas.nothing  # noqa: B018


def test_the_readmes_example_prints_what_it_says() -> None:
    readme = (ROOT / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```\s+This prints `([^`]*)`", readme, flags=re.S)
    done = subprocess.run([sys.executable, "-c", example[0]], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == example[1]


@pytest.mark.parametrize(("estimator", "check"), [pytest.param(e, c, id=c.func.__name__) for e, c in CHECKS])
def test_it_follows_scikit_learns_rules(estimator: object, check: Callable[[object], None]) -> None:
    check(estimator)


@pytest.mark.parametrize("off", [-1, 0])
def test_the_estimator_learns_a_sparse_polynomial(off: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.choice([off, 1], size=(200, 30))
    y = 2 + X[:, 3] * X[:, 5] - 0.5 * X[:, 7] + 0.01 * rng.normal(size=200)
    model = SparseFourierRegressor(penalty=0.1, terms=8)
    assert cross_val_score(model, X, y).min() > 0.99
    assert model.fit(X, y).unique_ is True
    assert 0 <= model.dual_gap_ <= 1e-8 * model.objective_


def test_any_pseudo_boolean_function_is_minimised() -> None:
    bits = Bits(f"x{i}" for i in range(30))
    truth = SparsePolynomial({(0, 4): 1.0, (4,): 0.6, (7,): -1.0, (): 3.0})
    alpha, details = decide(Function(lambda alphas, whole: truth(alphas)), bits, 0, Settings(m=150, s=4, lambda_=0.1))
    assert {name: int(alpha[bits.names.index(name)]) for name in ("x0", "x4", "x7")} == {"x0": 1, "x4": -1, "x7": 1}
    assert details["stages"][0]["fixed"].keys() == {"x0", "x4", "x7"}


def test_whole_numbers_do_not_wrap_around_and_a_function_may_write_into_what_it_is_given() -> None:
    def losses(alphas: np.ndarray, whole: bool) -> np.ndarray:
        alphas[alphas < 0] = 0  # less than -128 in all, the range of int8
        return -90 * alphas[:, 0] - 70 * alphas[:, 1] + 60 * alphas[:, 2] * alphas[:, 0]

    alpha, details = decide(Function(losses), Bits("abc"), 0, Settings(m=30, s=4, lambda_=0.1))
    assert alpha.tolist() == [1, 1, -1]
    seen = details["stages"][0]["measurements"]
    assert (seen["least"], seen["least_at"]) == (-160, "110")


def test_exactly_one_bit_of_a_group_is_on() -> None:
    bits, prices = Bits("abcdef", groups=[range(3)]), np.array([3, 1, 2, 5, -4, 6])
    found: list[np.ndarray] = []

    def losses(alphas: np.ndarray, whole: bool) -> np.ndarray:
        found.extend(alphas)
        return (alphas > 0) @ prices

    alpha, _ = decide(Function(losses), bits, 0, Settings(m=100, s=8, lambda_=0.1))
    assert alpha.tolist() == [-1, 1, -1, -1, 1, -1]
    assert set((np.array(found)[:, :3] > 0).sum(axis=1)) == {1}
    assert not bits.exclusive
    assert Bits("ab", groups=[range(2)]).exclusive


def test_what_a_reader_must_know_of_the_answer_is_noted() -> None:
    def losses(alphas: np.ndarray, whole: bool) -> np.ndarray:
        return np.where(alphas[:, 0] < 0, np.nan, alphas[:, 1:].prod(axis=1))

    _, details = decide(Function(losses), Bits(range(9)), 0, Settings(m=60, s=4, lambda_=0.1))
    lost = details["stages"][0]["measurements"]["dropped"]
    assert details["notes"][0] == f"stage 1: {lost} of 60 losses are left out; the answer may well have such a loss"
    assert details["notes"][1].startswith(
        "stage 1: the polynomial predicts other measurements no better than their mean"
    )
    json.dumps(details)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: decide(len, Bits("ab"), 0, Settings()), r"cannot be measured \(allowed: Function\(f\)"),  # type: ignore[arg-type]
        (lambda: decide(ANY, ["a", "b"], 0, Settings()), r"a list is no space of bits \(allowed: Bits\(names\)"),  # type: ignore[arg-type]
        (lambda: decide(ANY, Bits("ab"), np.random.default_rng(0), Settings(m=9, s=2)), "seed = Generator"),  # type: ignore[arg-type]
        (lambda: Settings(lambda_="1"), r"lambda = 1 \(allowed: any positive number"),  # type: ignore[arg-type]
        (lambda: Settings(debias="yes"), r"debias = 'yes' \(allowed: true or false"),  # type: ignore[arg-type]
        (lambda: Bits("aba"), "the name 'a' twice"),
        (lambda: Bits("abc", groups=[range(2), range(1, 3)]), "groups .* none shared"),
        (lambda: lasso([[1, -1]] * 4, [1.0] * 4, 1, 1.0, "least"), "did you mean 'least_norm'"),  # type: ignore[arg-type]
        (lambda: SparseFourierRegressor(degree=1.5).fit([[0, 1], [1, 0]], [1, 2]), "degree = 1.5"),  # type: ignore[arg-type]
        (lambda: SparseFourierRegressor(penalty=0).fit([[0, 1], [1, 0]], [1, 2]), "penalty = 0 "),
        (lambda: SparseFourierRegressor(terms=0).fit([[0, 1], [1, 0]], [1, 2]), "terms = 0 "),
        (lambda: SparseFourierRegressor(threshold=np.nan).fit([[0, 1], [1, 0]], [1, 2]), "threshold = nan"),
    ],
)
def test_mistakes_are_named(wrong: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrong()
