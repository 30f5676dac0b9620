"""The rules of the tables against scipy's and against simulation: intervals, equality, power, many tests."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.statistics import holm, interval, student
from tables.published import Figure
from tables.statistics import (
    Estimate,
    Summary,
    against,
    best_of,
    one_more,
    paired,
    ratio,
    ratio_of_sds,
    seeds_to_equate,
    seeds_to_tell,
    summarise,
    trainings_to_tell,
)

values = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12)
MARGIN = 0.2


def exact(mean: float, sd: float | None = None, seeds: int | None = None, best: float | None = None) -> Figure:
    """A figure printed with so many digits that its rounding does not show."""
    return Figure(mean, sd, best, seeds, decimals=12)


@given(values)
def test_a_summary_is_numpys(some: list[float]) -> None:
    found = summarise(some)
    assert found
    assert (found.n, found.best) == (len(some), min(some))
    assert (found.mean, found.sd) == pytest.approx((np.mean(some), np.std(some, ddof=1)))


def test_of_one_value_there_is_no_spread_and_of_none_no_summary() -> None:
    one = summarise([2.0])
    assert one
    assert one.sd is student([2.0]) is summarise([]) is None


@given(values, st.floats(-1e3, 1e3))
def test_against_an_exact_figure_it_is_students_one_sample_interval(some: list[float], paper: float) -> None:
    found = against(some, exact(paper))
    assert found.value == pytest.approx(np.mean(some) - paper, abs=1e-9)
    if np.std(some) > 1e-6:
        expected = stats.ttest_1samp(some, paper).confidence_interval()
        assert (found.low, found.high) == pytest.approx((expected.low - paper, expected.high - paper), abs=1e-6)


@given(values, st.floats(0.1, 10))
def test_against_a_mean_with_its_spread_it_is_welchs_interval(some: list[float], sd: float) -> None:
    if np.std(some) < 1e-3:
        return
    found = against(some, exact(1.0, sd, 5))
    raw = stats.norm.ppf([0.1, 0.3, 0.5, 0.7, 0.9])
    theirs = 1.0 + sd * raw / raw.std(ddof=1)
    expected = stats.ttest_ind(some, theirs, equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-6)


def test_an_interval_is_wider_by_the_rounding_of_the_printed_figure() -> None:
    found = against([22.96] * 5, Figure(23, decimals=0), certain=True)
    assert (found.low, found.high) == pytest.approx((-0.54, 0.46))
    assert found.side == 0


def test_one_run_gives_a_difference_without_an_interval() -> None:
    for question in (against, one_more):
        found = question([3.0], exact(2.5))
        assert (found.value, found.low, found.side, found.within(9.0)) == (0.5, None, 0, None)


def test_intervals_cover_the_truth_about_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(1)
    papers = rng.normal(0, 1, (2_000, 5))
    ours = rng.normal(0, 1, (2_000, 5))
    singles = rng.normal(0, 1, 2_000)
    means = [against(list(a), exact(b.mean(), b.std(ddof=1), 5)).side == 0 for a, b in zip(ours, papers, strict=True)]
    draws = [one_more(list(a), exact(b)).side == 0 for a, b in zip(ours, singles, strict=True)]
    bests = [best_of(list(a), exact(0, 1, 5, b.min())).side == 0 for a, b in zip(ours, papers, strict=True)]
    assert 0.94 <= np.mean(means) <= 0.98  # Welch's is a little too wide for so few
    assert 0.935 <= np.mean(draws) <= 0.965
    assert 0.935 <= np.mean(bests) <= 0.965


@pytest.mark.parametrize("n", [2, 5])
def test_the_best_of_one_is_one_more(n: int) -> None:
    some = list(np.random.default_rng(n).normal(0, 1, n))
    best, more = best_of(some, exact(0, 1, 1, 0.5)), one_more(some, exact(0.5))
    assert best.low is not None
    assert more.low is not None
    sd = np.std(some, ddof=1)
    assert best.value == pytest.approx(more.value, abs=0.02 * sd)
    assert (best.low, best.high) == pytest.approx((more.low, more.high), rel=0.1)


@pytest.mark.parametrize("n", [200, 50, 30, 5])
def test_the_intervals_of_the_studies_cover_the_mean_at_their_numbers_of_values(n: int) -> None:
    rng = np.random.default_rng(2)
    covered = [low <= 1 <= high for low, high in (interval(1 + rng.normal(size=n), str(i)) for i in range(300))]
    assert 0.91 <= np.mean(covered) <= 0.98


def test_one_value_has_no_interval() -> None:
    assert np.isnan(interval([1.0])).all()


@pytest.mark.parametrize(
    ("interval", "equal"),
    [((-0.1, 0.1), True), ((0.05, 0.15), True), ((-0.1, 0.3), None), ((0.1, 0.3), None), ((0.25, 0.3), False)],
)
def test_equal_is_inside_of_the_margin_and_unequal_outside(interval: tuple[float, float], equal: bool | None) -> None:
    assert Estimate(0.0, *interval).within(MARGIN) is equal


def test_a_true_difference_of_the_margin_is_rarely_called_none() -> None:
    rng = np.random.default_rng(3)
    found = [against(list(rng.normal(MARGIN, 0.2, 5)), exact(0.0)).within(MARGIN) for _ in range(2_000)]
    assert np.mean([one is True for one in found]) <= 0.03
    few = [against(list(rng.normal(0, 0.2, 2)), exact(0.0)).within(MARGIN) for _ in range(500)]
    assert np.mean([one is None for one in few]) > 0.9  # two runs decide nothing


@given(values, values)
def test_within_seeds_it_is_students_paired_test(first: list[float], second: list[float]) -> None:
    found = paired(dict(enumerate(first)), dict(enumerate(second)))
    n = min(len(first), len(second))
    if np.std(np.subtract(first[:n], second[:n])) < 1e-6:
        return
    expected = stats.ttest_rel(first[:n], second[:n])
    assert found
    assert found.p == pytest.approx(expected.pvalue, abs=1e-9)
    ends = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), abs=1e-6)


def test_a_few_equal_differences_are_no_proof() -> None:
    found = paired({0: 66.3, 1: 62.7}, {0: 59.5, 1: 55.9})  # 6.8 twice, but for the last of their binary digits
    assert found
    assert (found.value, found.low, found.p) == (pytest.approx(6.8), None, None)
    none = paired({0: 66.3, 1: 62.7}, {0: 66.3, 1: 62.7})
    assert none
    assert (none.low, none.high, none.p) == (0.0, 0.0, 1.0)
    assert paired({0: float("nan"), 1: 1.0, 2: 3.0}, {0: 1.0, 1: 2.0, 2: 3.0}) == paired(
        {1: 1.0, 2: 3.0}, {1: 2.0, 2: 3.0}
    )


def test_a_few_equal_values_are_no_proof_against_the_paper_either() -> None:
    assert all(question([1.5, 1.5], Figure(1.44, decimals=2)).low is None for question in (against, one_more))
    assert best_of([2.1, 2.1, 2.1], exact(2.0, 0.1, 5, 1.9)).low is None
    assert ratio_of_sds([0.1, 0.1, 0.1], [2.0, 3.0]) is None
    assert one_more([3.352, 3.352], Figure(3.3, decimals=1), certain=True).within(0.2) is True


def test_a_ratio_of_equal_spreads_has_one_in_its_interval() -> None:
    rng = np.random.default_rng(4)
    spreads = [np.std(rng.normal(size=(2, 5)), axis=1, ddof=1) for _ in range(1_000)]
    found = [ratio(Summary(5, 0.0, 0.0, a), b, 5) for a, b in spreads]
    assert 0.935 <= np.mean([one.side == 0 for one in found]) <= 0.965
    assert all((one.p is not None and one.p < 0.05) == bool(one.side) for one in found)


def test_holms_adjustment() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.01, float("nan"), 0.04]) == pytest.approx([0.02, float("nan"), 0.04], nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holms_values_keep_the_order_and_never_fall(some: list[float]) -> None:
    adjusted = np.array(holm(some))
    assert all(adjusted >= some)
    assert (np.diff(adjusted[np.argsort(some, kind="stable")]) >= 0).all()


@pytest.mark.parametrize(("effect", "seeds"), [(0.5, 34), (0.8, 15), (1.0, 10), (2.0, 5)])
def test_the_seeds_that_tell_a_difference_are_the_textbooks(effect: float, seeds: int) -> None:
    assert seeds_to_tell(-effect, 1.0) == seeds
    assert seeds_to_tell(0.0, 1.0) is None


def test_independent_trainings_need_as_many_as_the_textbook_says() -> None:
    assert trainings_to_tell(0.8, 1.0, 1.0) == 26  # Cohen (1988), table 2.4.1: two groups, two-sided at 5 %
    assert trainings_to_tell(0.5, 1.0, 1.0) == 64


def test_with_the_seeds_that_equate_equal_means_are_found_equal_four_times_in_five() -> None:
    needed = seeds_to_equate(MARGIN, 0.2, exact(0.0))
    assert needed
    rng = np.random.default_rng(5)
    found = [against(list(rng.normal(0, 0.2, needed)), exact(0.0)).within(MARGIN) for _ in range(2_000)]
    assert 0.75 <= np.mean([one is True for one in found]) <= 0.88
    assert seeds_to_equate(MARGIN, 0.2, exact(0.0, 0.5, 5)) is None  # the paper's own five runs leave more open
