"""Regularised evolution: who lives, who dies, and what it gains over random strings."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.registry import METHODS
from baselines.regularised_evolution import METHOD, EvolutionSettings, search
from conas.oracle import Function
from conas.problem import Cost
from conas.questions import OneShot, OneShotModel
from conas.seeds import generator
from conas.space import hamming, space
from conas.synthetic import SyntheticProblem, random_polynomial


class Watched:
    """A problem that keeps every string that is measured, in order."""

    def __init__(self, name: str, loss) -> None:
        self.space, self.answers, self.cost = space(name), frozenset({OneShot}), Cost()
        self.measured: list[np.ndarray] = []
        self.loss = loss

    def ask(self, question: OneShot) -> OneShotModel:
        return OneShotModel(Function(self._losses), question.policy.start(self.space, 0))

    def _losses(self, alphas: np.ndarray, whole: bool) -> np.ndarray:
        self.measured.extend(alphas)
        return np.array([self.loss(alpha) for alpha in alphas])


@given(
    st.sampled_from(["cnn-figure2", "nasbench201", "rnn"]), st.integers(1, 60), st.integers(1, 12), st.integers(0, 99)
)
@settings(max_examples=25)
def test_every_child_is_one_change_from_one_of_the_youngest(name: str, m: int, population: int, seed: int) -> None:
    weights = np.random.default_rng(seed).normal(size=space(name).n)
    watched = Watched(name, lambda alpha: float(alpha @ weights))
    search(watched, seed, EvolutionSettings(m=m, population=population, sample=3))
    assert len(watched.measured) == m
    for number in range(population, m):
        living = watched.measured[number - population : number]
        apart = {hamming(watched.measured[number], parent) for parent in living}
        assert (2 if watched.space.exclusive else 1) in apart


def test_the_oldest_dies_however_good_it_is() -> None:
    order = itertools.count()
    watched = Watched("cnn-figure2", lambda alpha: float(next(order)))  # every later string is worse
    search(watched, 0, EvolutionSettings(m=40, population=5, sample=50))
    for number in range(5, 40):  # so large a sample holds the best one, which is the oldest that lives
        assert hamming(watched.measured[number], watched.measured[number - 5]) == 1


@pytest.mark.parametrize("name", ["cnn-figure2", "nasbench201", "rnn"])
def test_it_finds_less_loss_than_the_best_of_as_many(name: str) -> None:
    of = space(name)
    for seed in range(3):
        found = []
        for method in (METHOD, METHODS["best_of_m"]):
            problem = SyntheticProblem(of, random_polynomial(of.n, 60, 2, generator(seed, "polynomial")), 0.0)
            found.append(method(problem, seed, method.settings(m=300)).details["loss"])
        assert found[0] < found[1]
