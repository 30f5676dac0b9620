"""What is particular to each search; what all of them promise is in tests/conformance."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines import asha, best_of_m, fixed, harmonica, local_search, random_search, random_wiring, rsws
from baselines import conas as conas_method
from baselines.ranking import NothingFinite, ranked
from baselines.registry import METHODS, Method, register
from baselines.wiring import Wired, draw
from conas import cells
from conas.algorithm import TooFewLosses
from conas.problem import Outcome
from conas.questions import OneShot
from conas.recovery.minimiser import minimise
from conas.refusal import Refused
from conas.seeds import generator
from conas.space import space
from conas.synthetic import SyntheticProblem, random_polynomial
from conas.targets import TARGETS

FIGURE2 = space("cnn-figure2")
DIVERGING = [
    "best_of_m",
    "rsws",
    "random_search",
    "asha",
    "regularised_evolution",
    "bananas",
    "pnas",
    "bocs",
    "combo",
    "comex",
    "qsft",
]


def problem(name: str = "cnn-figure2", s: int = 6, seed: int = 0, noise: float = 0.0) -> SyntheticProblem:
    of = space(name)
    return SyntheticProblem(of, random_polynomial(of.n, s, 2, generator(seed, "polynomial")), noise)


class Watched:
    """A problem that keeps what was asked, with losses of the test's own if wanted."""

    def __init__(self, inner: SyntheticProblem, loss=None) -> None:
        self.inner, self.loss = inner, loss
        self.space, self.answers, self.cost = inner.space, inner.answers, inner.cost
        self.samplers, self.measured, self.trained = [], [], []

    def ask(self, question):
        if isinstance(question, OneShot):
            self.samplers.append((question.policy, question.seconds))
            return self
        return self.stand_alone(question)

    def measure(self, alphas, whole=False):
        self.measured.append((alphas.copy(), whole))
        losses = self.inner.measure(alphas, whole)
        return losses if self.loss is None else np.array([self.loss(alpha, whole) for alpha in alphas])

    def stand_alone(self, question):
        alpha = self.space.encode(question.architecture)
        self.trained.append((alpha, question.epochs))
        loss = self.inner.ask(question)
        return loss if self.loss is None else self.loss(alpha, question.epochs)


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=1, max_size=20))
def test_ranking_puts_finite_losses_in_order_and_leaves_the_others_out(losses) -> None:
    finite = [index for index, loss in enumerate(losses) if np.isfinite(loss)]
    if not finite:
        with pytest.raises(NothingFinite, match=f"none of {len(losses)} losses"):
            ranked(losses)
        return
    assert ranked(losses).tolist() == sorted(finite, key=lambda index: (losses[index], index))


@pytest.mark.parametrize("name", [*DIVERGING, "harmonica", "local_search"])
def test_what_diverges_never_wins(name: str) -> None:
    method: Method = METHODS[name]
    values = method.defaults("smoke", "image")

    def loss(alpha, _):  # a third of all strings diverge, whichever bits a search has fixed
        return float("nan") if alpha @ np.arange(len(alpha)) % 3 == 0 else float((alpha > 0).sum())

    outcome = method(Watched(problem(), loss), 0, method.settings(**values))
    assert np.isfinite(outcome.details["losses"][-1] if name == "local_search" else outcome.details["loss"])


@pytest.mark.parametrize("name", DIVERGING)
def test_if_all_diverge_it_is_said(name: str) -> None:
    method: Method = METHODS[name]
    watched = Watched(problem(), lambda alpha, _: float("inf"))
    with pytest.raises(NothingFinite, match="losses is finite: no network to choose"):
        method(watched, 0, method.settings(**method.defaults("smoke", "image")))


def test_harmonica_says_that_a_stage_diverged() -> None:
    values = harmonica.HarmonicaSettings(samples=10)
    with pytest.raises(TooFewLosses, match="stage 1: 0 of 10 losses are finite"):
        harmonica.search(Watched(problem(), lambda alpha, _: float("nan")), 0, values)


@pytest.mark.parametrize("target", TARGETS)
def test_fourier_search_learns_once_something_is_finite(target: str) -> None:
    asked = itertools.count()
    watched = Watched(problem(), lambda alpha, _: float("nan") if next(asked) < 12 else 2.0 + float(alpha[0]))
    values = METHODS["fourier_search"].settings(m=30, target=target)
    assert METHODS["fourier_search"](watched, 0, values).details["loss"] == 1.0


@pytest.mark.parametrize(
    ("name", "of", "m", "values"),
    [
        ("hill_climbing", "cnn-tiny", 60, {}),
        ("hill_climbing", "nasbench201", 60, {}),
        ("local_search", "cnn-tiny", 60, {"flips": 100}),
        ("local_search", "nasbench201", 60, {"flips": 100}),
        ("pnas", "cnn-tiny", 60, {}),
        ("pnas", "nasbench201", 60, {}),
        ("comex", "cnn-tiny", 300, {}),
        ("comex", "nasbench201", 60, {}),
    ],
)
def test_what_is_known_is_not_measured_again(name: str, of: str, m: int, values: dict[str, int]) -> None:
    watched = Watched(problem(of, s=20))
    METHODS[name](watched, 0, METHODS[name].settings(m=m, **values))
    asked = np.concatenate([alphas for alphas, _ in watched.measured])
    own = asked[m:] if name == "local_search" else asked  # CoNAS's own draws may repeat
    assert len(np.unique(own, axis=0)) == len(own)


@given(st.sampled_from(["cnn", "cnn-figure2", "rnn"]), st.integers(1, 2), st.integers(0, 2**31))
@settings(max_examples=30)
def test_a_wired_cell_has_its_inputs_from_distinct_nodes_with_one_operation_each(name, inputs, seed) -> None:
    of = space(name)
    if inputs > of.inputs:
        with pytest.raises(ValueError, match="allowed: at most 1"):
            Wired(inputs)(of, np.random.default_rng(seed))
        return
    genotype = of.decode(Wired(inputs)(of, np.random.default_rng(seed)))
    for cell in genotype.cells.values():
        for node in cell.nodes:
            assert len(node) == len({choice.source for choice in node}) == inputs


def test_every_edge_of_a_wired_cell_is_as_likely_as_its_node_allows() -> None:
    alphas = draw(Wired(2), FIGURE2, np.random.default_rng(0), 4000)
    for edge, share in zip(FIGURE2.edges, (alphas > 0).mean(axis=0), strict=True):
        assert share == pytest.approx(2 / edge.target / 5, abs=0.03)


def test_exclusive_spaces_are_drawn_by_their_own_rule() -> None:
    of = space("nasbench201")
    alphas = draw(Wired(2), of, np.random.default_rng(0), 50)
    assert ((alphas > 0).reshape(50, 6, 5).sum(axis=2) == 1).all()


def test_best_of_m_looks_at_the_networks_that_conas_measures() -> None:
    ours, theirs = Watched(problem()), Watched(problem())
    outcome = METHODS["best_of_m"](ours, 5, best_of_m.BestOfMSettings(m=40))
    METHODS["conas"](theirs, 5, conas_method.METHOD.settings(m=40))
    assert ours.samplers == theirs.samplers
    assert (ours.measured[0][0] == theirs.measured[0][0]).all()
    losses = problem().polynomial(ours.measured[0][0])
    assert outcome.genotype == FIGURE2.build(ours.measured[0][0][losses.argmin()])
    assert ours.cost == theirs.cost


def test_rsws_takes_the_best_of_all_rounds_by_the_whole_validation_set() -> None:
    values = rsws.RSWSSettings(rounds=4, samples=30, refined=3)
    first_rounds = []
    for seed in range(8):
        watched = Watched(problem(noise=0.5))
        outcome = rsws.search(watched, seed, values)
        cheap, whole = watched.measured[::2], watched.measured[1::2]
        assert [len(alphas) for alphas, _ in cheap] == [30] * 4
        assert [(len(alphas), flag) for alphas, flag in whole] == [(3, True)] * 4
        for (drawn, _), (finalists, _) in zip(cheap, whole, strict=True):
            order = np.argsort(problem(noise=0.5).measure(drawn))
            assert (finalists == drawn[order[:3]]).all()
        assert outcome.details["loss"] == min(problem().polynomial(alphas).min() for alphas, _ in whole)
        first_rounds.append(outcome.details["round"] == 0)
    assert not all(first_rounds)


def test_rsws_passes_over_a_round_whose_finalists_diverge() -> None:
    rounds = []

    def loss(alpha: np.ndarray, whole: bool) -> float:
        rounds.append(whole)
        return float("nan") if whole and sum(rounds) <= 2 else float((alpha > 0).sum())

    details = rsws.search(Watched(problem(), loss), 0, rsws.RSWSSettings(rounds=3, samples=5, refined=2)).details
    assert np.isfinite(details["round_losses"]).tolist() == [False, True, True]
    assert details["round"] in (1, 2)


def test_rsws_trains_on_its_own_cells_for_the_time_it_is_given() -> None:
    watched = Watched(problem())
    rsws.search(watched, 0, rsws.RSWSSettings(rounds=1, samples=3, refined=1, seconds=60.0))
    assert watched.samplers == [(Wired(2), 60.0)]


class Ticking(Watched):
    """Training takes its limit, a measurement a second."""

    def ask(self, question):
        self.cost.seconds += question.limit()
        self.question = question
        return super().ask(question)

    def measure(self, alphas, whole=False):
        self.cost.seconds += len(alphas)
        return super().measure(alphas, whole)


def test_rsws_in_equal_time_trains_and_measures_until_the_time_is_over() -> None:
    watched = Ticking(problem())
    values = rsws.RSWSSettings(rounds=1, samples=20, refined=2, device_seconds=100.0, training_share=0.4)
    details = rsws.search(watched, 0, values).details
    assert (watched.question.seconds, watched.question.to_the_limit) == (40.0, True)
    assert [len(alphas) for alphas, whole in watched.measured if not whole] == [8, 8, 4, 8, 8, 4, 8, 8]
    assert details["device_seconds"] == {"given": 100.0, "spent": 102.0, "share": 1.02}
    assert len(details["round_losses"]) == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"device_seconds": 0.0}, "device_seconds is 0.0"),
        ({"device_seconds": "soon"}, "device_seconds is soon"),
        ({"seconds": "conas"}, "seconds is conas"),
        ({"seconds": 1.0, "device_seconds": 1.0}, "both given"),
        ({"training_share": 1.0}, "training_share is 1.0"),
    ],
)
def test_rsws_refuses_times_that_cannot_be(values, message) -> None:
    with pytest.raises(ValueError, match=message):
        rsws.RSWSSettings(**values)


def test_random_search_trains_each_cell_once_and_keeps_the_best() -> None:
    watched = Watched(problem())
    outcome = random_search.search(watched, 0, random_search.RandomSearchSettings(samples=5, epochs=7))
    assert [epochs for _, epochs in watched.trained] == [7] * 5
    losses = problem().polynomial(np.stack([alpha for alpha, _ in watched.trained]))
    assert outcome.genotype == FIGURE2.build(watched.trained[int(losses.argmin())][0])


def test_asha_promotes_the_best_half_as_soon_as_it_can() -> None:
    losses = [5.0, 3.0, 4.0, 1.0, 6.0, 2.0]
    cells: dict[bytes, int] = {}
    watched = Watched(problem(), lambda alpha, epochs: losses[cells.setdefault(alpha.tobytes(), len(cells))])
    outcome = asha.search(watched, 0, asha.ASHASettings(budget=10, least=1, most=4, eta=2))
    jobs = [(cells[alpha.tobytes()], epochs) for alpha, epochs in watched.trained]
    assert jobs == [(0, 1), (1, 1), (1, 2), (2, 1), (3, 1), (3, 2), (3, 4), (4, 1), (5, 1)]
    assert outcome.details["trained_to"] == {"1": 6, "2": 2, "4": 1}
    assert (outcome.details["cell"], outcome.details["epochs"]) == (3, 4)
    assert watched.cost.stand_alone_epochs == 10


@given(st.integers(1, 60), st.integers(1, 3), st.integers(2, 4), st.integers(0, 99))
@settings(max_examples=40)
def test_asha_promotes_whoever_is_in_the_top_fraction_and_else_takes_a_new_cell(budget, least, eta, seed) -> None:
    values = asha.ASHASettings(budget=max(budget, least), least=least, most=30, eta=eta)
    watched = Watched(problem(seed=seed))
    asha.search(watched, seed, values)
    assert watched.cost.stand_alone_epochs <= values.budget
    rungs: list[dict[bytes, float]] = [{} for _ in values.rungs]
    for alpha, epochs in watched.trained:
        level = values.rungs.index(epochs)
        waiting = [
            {cell for cell in sorted(rung, key=rung.get)[: len(rung) // eta] if cell not in above}
            for rung, above in itertools.pairwise(rungs)
        ]
        assert not any(waiting[level:])
        assert level == 0 or alpha.tobytes() in waiting[level - 1]
        rungs[level][alpha.tobytes()] = float(
            problem(seed=seed).polynomial(FIGURE2.encode(FIGURE2.build(alpha))[None])[0]
        )


def test_harmonica_fixes_what_matters_and_finds_the_minimum_of_a_sparse_loss() -> None:
    for seed in range(3):
        asked = problem(s=8, seed=seed)
        values = harmonica.HarmonicaSettings(samples=300, final=20, d=2)
        outcome = harmonica.search(asked, seed, values)
        assert outcome.details["loss"] == pytest.approx(minimise(asked.polynomial).value)
        means = outcome.details["stage_means"]
        assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(means))


@pytest.mark.parametrize("name", ["cnn-figure2", "nasbench201"])
def test_local_search_ends_where_no_flip_helps(name: str) -> None:
    of = space(name)
    for seed in range(3):
        asked = problem(name, s=40, seed=seed)
        outcome = local_search.search(asked, seed, local_search.LocalSearchSettings(m=60, flips=2000))
        alpha = of.parse(outcome.details["alpha"])
        (here,) = asked.measure(alpha[None])
        neighbours = [local_search._flip(of, alpha, bit) for bit in range(of.n)]
        valid = np.stack([neighbour for neighbour in neighbours if neighbour is not None])
        assert (asked.measure(valid) >= here - 1e-9).all()
        assert outcome.details["losses"][1] == here <= outcome.details["losses"][0]
        if of.exclusive:
            assert len(valid) == 24
            assert ((valid > 0).reshape(24, 6, 5).sum(axis=2) == 1).all()


def test_local_search_starts_from_the_answer_of_conas_on_the_same_one_shot_model() -> None:
    watched = Watched(problem())
    values = local_search.LocalSearchSettings(m=40, flips=1)
    outcome = local_search.search(watched, 2, values)
    start = METHODS["conas"](problem(), 2, conas_method.METHOD.settings(m=40))
    assert outcome.genotype == start.genotype
    assert len(watched.samplers) == 1


def test_random_wiring_has_the_edges_that_are_asked_for() -> None:
    asked = problem("cnn")
    counts = [
        random_wiring.search(asked, seed, random_wiring.RandomWiringSettings()).details["active"] for seed in range(400)
    ]
    assert np.mean(counts) == pytest.approx(35, abs=1)
    assert np.var(counts) == pytest.approx(140 * 3 / 16, rel=0.3)
    exactly = random_wiring.RandomWiringSettings(active=15)
    assert {random_wiring.search(asked, seed, exactly).details["active"] for seed in range(20)} == {15}


def test_random_wiring_refuses_edges_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"active is 141 \(allowed: 0 to 140"):
        random_wiring.search(problem("cnn"), 0, random_wiring.RandomWiringSettings(active=141))
    with pytest.raises(ValueError, match="has one operation on every edge"):
        random_wiring.search(problem("nasbench201"), 0, random_wiring.RandomWiringSettings(active=3))


def test_fixed_is_the_published_cell_and_nothing_else() -> None:
    outcome = METHODS["fixed"](problem("cnn"), 0, fixed.FixedSettings("darts_v1"))
    assert len(outcome.genotype.operations) == 16
    with pytest.raises(ValueError, match="genotype 'darts_v2' has the cells normal, reduce with 2 inputs; space 'rnn'"):
        METHODS["fixed"](problem("rnn"), 0, fixed.FixedSettings())
    with pytest.raises(ValueError, match="did you mean 'darts_v2'"):
        fixed.FixedSettings("darts_v3")


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, r"returned nothing \(allowed: Outcome"),
        (np.ones(140), r"returned ndarray \(allowed: Outcome"),
        (Outcome(np.ones(140)), r"returned Outcome\(ndarray\)"),  # type: ignore[arg-type]
        (Outcome(cells.cell("darts_v2"), {"p": np.ones(2)}), r"details\['p'\] is not JSON data"),
    ],
)
def test_what_a_search_returns_is_checked(returned: Any, said: str) -> None:
    odd = replace(METHODS["fixed"], search=lambda problem, seed, settings: returned)
    with pytest.raises(Refused, match=said):
        odd(problem("cnn"), 0, fixed.FixedSettings())


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="'conas' is registered twice"):
        register(conas_method.METHOD)


def test_fourier_search_finds_less_loss_than_the_best_of_as_many() -> None:
    found = {}
    for name in ("fourier_search", "best_of_m"):
        asked = problem(s=60)
        outcome = METHODS[name](asked, 1, METHODS[name].settings(m=120))
        assert asked.cost.measurements == 120
        found[name] = outcome.details["loss"]
    assert found["fourier_search"] < found["best_of_m"]
