import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from conas.algorithm import Settings, decide, search, search_on
from conas.genotype import GenotypeError
from conas.measurements import Measurements, measure
from conas.oracle import Function
from conas.problem import Cost, UnsupportedError
from conas.questions import OneShot, StandAlone
from conas.recovery.fourier import SparsePolynomial
from conas.recovery.minimiser import minimise
from conas.recovery.solve import lasso
from conas.report import r2
from conas.sampling import Bernoulli
from conas.seeds import generator
from conas.space import Alpha, Bits, Space, space
from conas.synthetic import SyntheticProblem, random_polynomial

CNN = space("cnn")
Measure = Callable[[Alpha], NDArray[np.float64]]


class Asked:
    """An oracle that keeps what it was asked."""

    def __init__(self, answer: Measure) -> None:
        self.answer, self.alphas = answer, list[Alpha]()

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        self.alphas.append(alphas.copy())
        return self.answer(alphas)


def problem(of: Space = CNN, s: int = 9, noise: float = 0.0, seed: int = 0) -> SyntheticProblem:
    return SyntheticProblem(of, random_polynomial(of.n, s, 2, generator(seed, "truth"), mean=1.2), noise)


def settings(**changes: object) -> Settings:
    return Settings(**{"m": 300, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("solver", ["lasso", "iht", "omp"])
def test_it_finds_the_minimum_of_a_sparse_loss(solver: str) -> None:
    asked = problem(noise=0.05)
    outcome = search(asked, 0, settings(m=600, solver=solver))
    alpha = CNN.parse(outcome.details["alpha"])
    assert float(asked.polynomial(alpha[None])[0]) == minimise(asked.polynomial).value
    assert outcome.genotype == CNN.build(alpha)
    assert asked.cost == Cost(measurements=600)


def test_line_by_line_it_is_algorithm_1() -> None:
    """Two stages written out: measure, recover, keep s, minimise, restrict; unfixed edges are off."""
    asked, truth = Asked(problem(noise=0.1).measure), problem(noise=0.1)
    outcome = search_on(asked, CNN, 7, settings(t=2, s=(10, 5)))
    fixed: dict[int, int] = {}
    for stage, s in ((1, 10), (2, 5)):
        alphas = CNN.sample(generator(7, "measure", stage), 300, 0.5)
        for bit, sign in fixed.items():
            alphas[:, bit] = sign
        assert (asked.alphas[stage - 1] == alphas).all()
        losses = truth.measure(alphas)
        seen = outcome.details["stages"][stage - 1]["measurements"]
        assert (seen["least"], seen["least_at"]) == (losses.min(), CNN.format(alphas[losses.argmin()]))
        fixed |= minimise(lasso(alphas, losses, 2, 1.0).polynomial.top(s)).assignment
    on = "".join("1" if fixed.get(bit) == 1 else "0" for bit in range(CNN.n))
    assert outcome.details["alpha"] == on


def test_later_stages_find_what_earlier_ones_dropped() -> None:
    asked = problem(s=30)
    values = []
    for t in (1, 3):
        alpha = CNN.parse(search(asked, 0, settings(m=600, s=8, t=t)).details["alpha"])
        values.append(float(asked.polynomial(alpha[None])[0]))
    assert values[1] < values[0]


def test_a_report_is_plain_data_and_says_what_was_seen() -> None:
    outcome = search(problem(noise=0.1), 0, settings(m=1000))
    (stage,) = json.loads(json.dumps(outcome.details))["stages"]
    counts = {"used": 1000, "reused": 0, "dropped": 0, "outliers": 0}
    assert counts.items() <= stage["measurements"].items()
    assert stage["recovery"]["lambda"] == {"paper": 1.0, "release": 0.5, "sklearn": 1 / 2000}
    assert len(stage["polynomial"]) == 10
    assert stage["held_out_r2"] > 0.9
    assert set(stage["fixed"]) == {name for term in stage["polynomial"] for name in term["bits"]}
    assert set(stage["fixed"]) <= {str(edge) for edge in CNN.edges}


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    runs = [json.dumps(search(problem(noise=0.3), seed, settings()).details) for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


def test_losses_that_are_not_finite_are_dropped_and_counted() -> None:
    def diverging(alphas: Alpha) -> NDArray[np.float64]:
        return np.where(alphas[:, 0] * alphas[:, 1] * alphas[:, 2] > 0, problem().measure(alphas), math.nan)

    asked = Asked(diverging)
    (stage,) = search_on(asked, CNN, 0, settings(m=1000)).details["stages"]
    bad = int(np.isnan(diverging(asked.alphas[0])).sum())
    assert (stage["measurements"]["used"], stage["measurements"]["dropped"]) == (1000 - bad, bad)


def test_too_few_finite_losses_end_the_search_in_one_line() -> None:
    oracle = Asked(lambda alphas: np.where(np.arange(len(alphas)) < 9, 1.0, math.inf))
    with pytest.raises(ValueError, match=r"stage 1: only 9 of 300 losses are finite, s = 10 needs at least 10"):
        search_on(oracle, CNN, 0, settings())


@pytest.mark.parametrize("debias", [False, True])
def test_a_penalty_so_large_that_nothing_is_found_answers_no_edges(debias: bool) -> None:
    outcome = search(problem(), 0, settings(lambda_=1e9, t=3, debias=debias))
    (stage,) = outcome.details["stages"]
    assert stage["note"] == "no edges: nothing but a constant was recovered"
    assert outcome.details["alpha"] == "0" * CNN.n
    assert outcome.genotype == CNN.build(np.full(CNN.n, -1))


def test_losses_that_are_all_equal_answer_no_edges() -> None:
    outcome = search_on(Asked(lambda alphas: np.full(len(alphas), 2.3)), CNN, 0, settings())
    assert outcome.details["alpha"] == "0" * CNN.n
    assert outcome.details["stages"][0]["held_out_r2"] is None


def test_the_search_ends_when_every_bit_is_fixed() -> None:
    tiny = space("cnn-figure2")
    truth = SparsePolynomial({(bit,): (-1.0) ** bit for bit in range(tiny.n)})
    outcome = search(SyntheticProblem(tiny, truth), 0, settings(s=60, t=5, constant_counts=False))
    assert len(outcome.details["stages"]) == 1
    assert outcome.details["alpha"] == "01" * (tiny.n // 2)


def test_the_constant_takes_a_place_unless_told_otherwise() -> None:
    counting, apart = (
        search(problem(s=15), 0, settings(constant_counts=c)).details["stages"][0] for c in (True, False)
    )
    assert [len(stage["polynomial"]) for stage in (counting, apart)] == [10, 11]


def test_debiasing_removes_the_shrinkage() -> None:
    asked = problem()
    found = {
        debias: {tuple(term["bits"]): term["coefficient"] for term in stage["polynomial"]}
        for debias in (False, True)
        for stage in search(asked, 0, settings(debias=debias)).details["stages"]
    }
    truth = {tuple(str(CNN.edges[bit]) for bit in bits): value for bits, value in asked.polynomial.terms.items()}
    assert found[True] == pytest.approx(truth)
    assert all(abs(found[False][bits]) < abs(truth[bits]) for bits in truth)


def test_earlier_measurements_that_agree_are_used_again_when_asked() -> None:
    asked = Asked(SyntheticProblem(CNN, SparsePolynomial({(4,): -1.0, (): 1.0, (9,): 0.3})).measure)
    first, second = search_on(asked, CNN, 0, settings(s=(2, 2), t=2, reuse=True)).details["stages"]
    agreeing = int((asked.alphas[0][:, 4] == 1).sum())
    assert first["fixed"] == {str(CNN.edges[4]): 1}
    assert second["measurements"]["reused"] == agreeing == 300 - len(asked.alphas[1])
    assert second["measurements"]["used"] == 300


def test_restricted_measurements_never_leave_the_subcube() -> None:
    fixed = {3: 1, 20: -1}
    oracle = Asked(problem().measure)
    found = measure(oracle, CNN, generator(0, "x"), 50, 0.5, fixed, Measurements.none(CNN.n))
    assert (found.alphas[:, [3, 20]] == [1, -1]).all()
    assert (found.best == found.alphas[found.losses.argmin()]).all()


@pytest.mark.parametrize("name", ["nasbench201", "nasbench-macro"])
def test_on_an_exclusive_space_every_string_is_valid(name: str) -> None:
    of = space(name)
    asked = Asked(problem(of, s=4).measure)
    outcome = search_on(asked, of, 0, settings(t=2, s=4))
    for alphas in (*asked.alphas, of.parse(outcome.details["alpha"])[None]):
        assert all(((alphas[:, list(group)] > 0).sum(axis=1) == 1).all() for group in of.groups)


def test_undecided_edges_of_an_exclusive_space_are_those_of_the_best_measured_network() -> None:
    of = space("nasbench-macro")
    asked = Asked(SyntheticProblem(of, SparsePolynomial({(1,): -1.0, (4, 8): 1e-4})).measure)
    alpha = of.parse(search_on(asked, of, 0, settings(s=1)).details["alpha"])
    best = asked.alphas[0][
        SyntheticProblem(of, SparsePolynomial({(1,): -1.0, (4, 8): 1e-4})).measure(asked.alphas[0]).argmin()
    ]
    assert alpha[:3].tolist() == [-1, 1, -1]
    assert alpha[3:].tolist() == best[3:].tolist()


def test_stand_alone_trainings_can_be_the_oracle() -> None:
    asked = problem(space("cnn-figure2"), s=3)
    outcome = search(asked, 0, settings(m=60, s=4, oracle="stand_alone", epochs=10))
    assert asked.cost.measurements == 0
    assert asked.cost.stand_alone_epochs == 60 * 10
    assert len(outcome.details["stages"][0]["fixed"]) > 0


def test_the_one_shot_model_is_trained_as_the_settings_say() -> None:
    samplers = []

    class Watched(SyntheticProblem):
        def ask(self, question):  # type: ignore[no-untyped-def]
            samplers.append(question)
            return self

    search(Watched(CNN, problem().polynomial), 0, settings(p=0.25, connect=True))
    assert samplers == [OneShot(Bernoulli(0.25, True))]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"m": 1}, r"m = 1 \(allowed: whole numbers, at least 2\)"),
        ({"m": 20.5}, r"m = 20.5 \(allowed: whole numbers, at least 2\)"),
        ({"m": 9}, r"m = 9 measurements for s = 10 monomials \(allowed: 10 and more\)"),
        ({"s": 0}, r"s = 0 \(allowed: whole numbers, at least 1\)"),
        ({"s": (10, 2.5), "t": 2}, r"s = \(10, 2.5\) \(allowed: whole numbers, at least 1\)"),
        ({"s": [10, 5]}, r"s = \(10, 5\) for t = 1 stages \(allowed: one number, or one for each stage\)"),
        ({"d": 0}, r"d = 0 \(allowed: whole numbers, at least 1\)"),
        ({"t": 0}, r"t = 0 \(allowed: whole numbers, at least 1\)"),
        ({"lambda_": 0.0}, r"lambda = 0.0 \(allowed: any positive number\)"),
        ({"lambda_": math.nan}, r"lambda = nan \(allowed: any positive number\)"),
        ({"lambda_": math.inf}, r"lambda = inf \(allowed: any positive number\)"),
        ({"threshold": math.nan}, r"threshold = nan \(allowed: any finite number, or None\)"),
        ({"p": 1.0}, r"p = 1.0 \(allowed: between 0 and 1, both excluded\)"),
        ({"solver": "laso"}, r"unknown solver 'laso'; did you mean 'lasso'\?"),
        ({"oracle": "oneshot"}, r"unknown oracle 'oneshot'; did you mean 'one_shot'\?"),
        ({"epochs": 0}, r"epochs = 0 \(allowed: whole numbers, at least 1\)"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("losses", [lambda a, whole: a[1:, 0], lambda a, whole: a[:, :1], lambda a, whole: 0.5])
def test_a_function_that_returns_other_than_one_loss_per_encoder_is_refused(losses: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match=r"losses of shape \S*.* for 30 encoders \(allowed: one for each, \(30,\)\)"):
        decide(Function(losses), Bits("abcd"), 0, Settings(m=30, s=3))


def test_a_degree_beyond_the_bits_is_refused() -> None:
    of = space("nasbench-macro")
    with pytest.raises(ValueError, match=r"degree d = 25 over 24 bits \(allowed: 1 to 24\)"):
        search(problem(of), 0, settings(d=25))


def test_a_problem_without_the_oracle_is_refused() -> None:
    asked = SyntheticProblem(CNN, problem().polynomial, answers=frozenset({StandAlone}))
    with pytest.raises(UnsupportedError, match="asks for one_shot; this problem answers stand_alone"):
        search(asked, 0, settings())


@pytest.mark.parametrize("size", [2.0**-532, 2.0**532, 2.0**1020])
def test_losses_of_any_size_have_a_report_that_json_holds(size: float) -> None:
    truth = problem(noise=0.1)
    outcome = search_on(Asked(lambda alphas: size * truth.measure(alphas)), CNN, 0, settings(lambda_=size))
    plain = search_on(Asked(truth.measure), CNN, 0, settings())
    (stage,) = json.loads(json.dumps(outcome.details, allow_nan=False))["stages"]
    (same,) = plain.details["stages"]
    assert outcome.details["alpha"] == plain.details["alpha"]
    assert stage["measurements"]["sd"] == size * same["measurements"]["sd"]
    assert (stage["fit_r2"], stage["held_out_r2"]) == (same["fit_r2"], same["held_out_r2"])
    largest = 2.0**1023 * np.array([1.0, 1.5])
    assert r2(largest, largest[::-1]) == r2(largest / 2.0**1023, largest[::-1] / 2.0**1023) == -3


def test_losses_above_the_threshold_are_left_out_and_counted() -> None:
    truth = problem(noise=0.1)
    outlying = Asked(
        lambda alphas: np.where(alphas[:, 0] * alphas[:, 1] * alphas[:, 2] > 0, 1e5, truth.measure(alphas))
    )
    (stage,) = search_on(outlying, CNN, 0, settings(m=600, threshold=10.0)).details["stages"]
    above = int((outlying.answer(outlying.alphas[0]) > 10).sum())
    assert (stage["measurements"]["used"], stage["measurements"]["outliers"]) == (600 - above, above)
    with pytest.raises(ValueError, match=r"stage 1: only 0 of 300 losses are at most -100, s = 10 needs at least 10"):
        search_on(Asked(truth.measure), CNN, 0, settings(threshold=-100))


@pytest.mark.parametrize(("constant_counts", "least"), [(True, 10), (False, 11)])
def test_least_squares_want_a_measurement_for_each_term(constant_counts: bool, least: int) -> None:
    with pytest.raises(ValueError, match=f"allowed: {least} and more"):
        settings(m=least - 1, s=10, debias=True, constant_counts=constant_counts)
    few = settings(m=least, s=10, debias=True, constant_counts=constant_counts)
    (stage,) = search(problem(), 0, few).details["stages"]
    assert stage["held_out_r2"] is None  # four fifths are too few to fit


class Mixed(Bits):
    """One bit of the first three is on; the others are free."""

    @property
    def groups(self) -> tuple[range, ...]:
        return (range(3),)


def test_one_bit_of_a_group_beside_free_bits_is_on() -> None:
    bits = Mixed("abcde")
    assert (bits.sample(np.random.default_rng(0), 50)[:, :3] == 1).sum(axis=1).tolist() == [1] * 50
    alpha, details = decide(
        Function(lambda alphas, whole: 2.0 - alphas[:, 4]), bits, 0, Settings(m=40, s=2, lambda_=0.1)
    )
    assert set(details["stages"][0]["fixed"]) == {"e"}
    assert (int((alpha[:3] == 1).sum()), int(alpha[4])) == (1, 1)


def test_a_cell_that_a_space_cannot_tell_from_another_is_refused() -> None:
    searched = space("cnn")
    genotype = searched.build(searched.sample(generator(0, "cell"), 1)[0])
    name, cell = next(iter(genotype.cells.items()))
    twice = replace(cell, nodes=((cell.nodes[0][0],) * 2, *cell.nodes[1:]))
    for other, words in ((replace(cell, concat=cell.concat[1:]), "its output is of"), (twice, "twice")):
        with pytest.raises(GenotypeError, match=words):
            searched.encode(replace(genotype, cells={**genotype.cells, name: other}))
