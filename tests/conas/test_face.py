"""What a user of the library sees: names, an estimator, the README's example; and what it does not need."""

import inspect
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
from conas import Bits, Function, Settings, SparseFourierRegressor, SparsePolynomial, decide

ROOT = Path(__file__).parents[2]
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
    with pytest.raises(ValueError, match="2 names of bits"):
        Bits(["a", "a"])
