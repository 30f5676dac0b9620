"""The ensemble learns, its members differ, and BANANAS gains by it over random strings."""

import numpy as np
import pytest
import torch

from baselines.bananas import METHOD, BananasSettings
from baselines.ensemble import Ensemble, Shape
from baselines.registry import METHODS
from conas.seeds import generator
from conas.space import space
from conas.synthetic import SyntheticProblem, random_polynomial

SHAPE = Shape(members=3, layers=2, width=20, share=0.8, epochs=60, batch=32, lr=0.01)
RNG = np.random.default_rng(0)
ALPHAS = np.where(RNG.random((200, 12)) < 0.5, 1, -1).astype(np.int8)
LOSSES = 1000.0 + 30.0 * (ALPHAS @ RNG.normal(size=12))


def test_it_predicts_losses_that_it_has_not_seen_in_their_own_units() -> None:
    predicted = Ensemble(SHAPE, ALPHAS[:150], LOSSES[:150], 0).predict(ALPHAS[150:])
    assert predicted.shape == (3, 50)
    assert np.abs(predicted.mean(axis=0) - LOSSES[150:]).mean() < 0.3 * LOSSES.std()


def test_members_differ_names_decide_them_and_the_global_generator_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    first, same, other = (Ensemble(SHAPE, ALPHAS, LOSSES, 0, name).predict(ALPHAS[:5]) for name in "aab")
    assert (torch.random.get_rng_state() == before).all()
    assert (first == same).all()
    assert (first != other).all()
    assert (first.std(axis=0) > 0).all()


def test_what_diverged_is_not_learned_from() -> None:
    losses = LOSSES.copy()
    losses[::5] = np.inf
    finite = np.isfinite(losses)
    assert (
        Ensemble(SHAPE, ALPHAS, losses, 0).predict(ALPHAS)
        == Ensemble(SHAPE, ALPHAS[finite], losses[finite], 0).predict(ALPHAS)
    ).all()
    with pytest.raises(ValueError, match="none of 200 losses is finite"):
        Ensemble(SHAPE, ALPHAS, np.full(200, np.nan), 0)


@pytest.mark.parametrize("name", ["cnn-figure2", "nasbench201", "rnn"])
def test_it_finds_less_loss_than_the_best_of_as_many(name: str) -> None:
    of = space(name)
    for seed in range(2):
        asked = [SyntheticProblem(of, random_polynomial(of.n, 30, 2, generator(seed, "polynomial")), 0.0) for _ in "ab"]
        ours = METHOD(asked[0], seed, BananasSettings(m=80, start=20, together=20, batch=200, epochs=100))
        theirs = METHODS["best_of_m"](asked[1], seed, METHODS["best_of_m"].settings(m=80))
        assert asked[0].cost == asked[1].cost
        assert ours.details["loss"] < theirs.details["loss"]
