import numpy as np
import pytest

from baselines.relaxations.darts import Softmax
from conas.problem import Cost, UnsupportedError
from conas.questions import OneShot, Relaxed, StandAlone
from conas.recovery.fourier import SparsePolynomial
from conas.sampling import Bernoulli
from conas.space import space
from conas.synthetic import SyntheticProblem, random_polynomial

FIGURE2 = space("cnn-figure2")


def test_noise_belongs_to_the_encoder_and_the_seed() -> None:
    alphas = FIGURE2.sample(np.random.default_rng(0), 500)
    truth = SparsePolynomial({(): 1.0, (3,): 0.5})
    noisy, again, other = (SyntheticProblem(FIGURE2, truth, 0.2, seed) for seed in (0, 0, 1))
    losses = noisy.ask(OneShot(Bernoulli())).measure(alphas)
    assert (losses == again.measure(alphas[::-1])[::-1]).all()
    assert (losses != other.measure(alphas)).any()
    assert (losses - truth(alphas)).std() == pytest.approx(0.2, rel=0.1)
    assert (noisy.measure(alphas, whole=True) == truth(alphas)).all()


def test_everything_asked_is_counted_and_training_goes_on_where_it_stopped() -> None:
    problem = SyntheticProblem(FIGURE2, SparsePolynomial({(): 1.0}))
    alpha = np.full(FIGURE2.n, -1, dtype=np.int8)
    problem.measure(np.stack([alpha, alpha]))
    cell = FIGURE2.build(alpha)
    assert problem.ask(StandAlone(cell, 4)) > problem.ask(StandAlone(cell, 10)) > 1.0
    assert problem.cost == Cost(measurements=2, stand_alone_epochs=10)


def test_a_random_polynomial_has_what_was_asked_for() -> None:
    g = random_polynomial(12, 30, 3, np.random.default_rng(0), least=0.5, mean=2.0)
    assert len(g) == 31
    assert g.constant == 2.0
    assert g.degree == 3
    assert all(0.5 <= abs(value) <= 1 for bits, value in g.terms.items() if bits)


def test_it_cannot_be_relaxed() -> None:
    problem = SyntheticProblem(FIGURE2, SparsePolynomial({}))
    with pytest.raises(UnsupportedError, match="asks for relaxed; this problem answers one_shot, stand_alone"):
        problem.ask(Relaxed(("skip_connect",), Softmax(1)))
