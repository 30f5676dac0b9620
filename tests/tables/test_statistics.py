"""Means, spreads and intervals against their textbook definitions."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tables.published import Figure
from tables.statistics import BOOTSTRAP_FROM, against, between, summarise

values = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=BOOTSTRAP_FROM - 1)


@given(values)
def test_a_summary_has_the_sample_sd_and_the_least_value(some: list[float]) -> None:
    summary = summarise(some)
    assert summary
    assert (summary.n, summary.best) == (len(some), min(some))
    assert summary.mean == pytest.approx(statistics.fmean(some), abs=1e-9)
    assert summary.sd == pytest.approx(statistics.stdev(some), rel=1e-9, abs=1e-9)


def test_nothing_has_no_summary_and_one_value_no_spread() -> None:
    assert summarise([]) is None
    one = summarise([2.0])
    assert one
    assert one.sd is None


@given(values, st.floats(-1e3, 1e3))
def test_against_an_exact_figure_it_is_students_one_sample_interval(some: list[float], paper: float) -> None:
    found = against(some, Figure(paper))
    expected = stats.ttest_1samp(some, paper).confidence_interval() if np.std(some) > 1e-9 else None
    assert found.value == pytest.approx(np.mean(some) - paper, abs=1e-9)
    if expected:
        assert (found.low, found.high) == pytest.approx((expected.low - paper, expected.high - paper), abs=1e-6)


@given(values, values)
def test_between_two_sets_of_runs_it_is_welchs_interval(first: list[float], second: list[float]) -> None:
    if min(np.std(first), np.std(second)) < 1e-6:
        return
    found = between(first, second)
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-6)


def test_the_papers_spread_widens_the_interval() -> None:
    exact, spread = (against([2.6, 2.7, 2.9], Figure(2.7, sd=sd, seeds=5)) for sd in (None, 0.12))
    assert spread.high - spread.low != exact.high - exact.low
    assert spread.by == "Welch's t"


def test_one_run_gives_a_difference_without_an_interval() -> None:
    found = against([3.0], Figure(2.5))
    assert (found.value, found.low, found.excludes_zero) == (0.5, None, False)


def test_from_ten_runs_on_a_seeded_bootstrap_is_used_that_agrees_with_student() -> None:
    some = np.random.default_rng(0).normal(3, 0.1, 200).tolist()
    found = against(some, Figure(2.9))
    half = float(stats.t.ppf(0.975, 199)) * statistics.stdev(some) / math.sqrt(200)
    assert found.by == "bootstrap"
    assert found == against(some, Figure(2.9))
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=0.002)


def test_the_interval_covers_the_truth_about_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(1)
    paper = [Figure(rng.normal(0, 1, 5).mean(), sd=1.0, seeds=5) for _ in range(400)]
    covered = sum(not against(rng.normal(0, 1, 5).tolist(), one).excludes_zero for one in paper)
    assert 0.9 <= covered / 400 <= 0.99
