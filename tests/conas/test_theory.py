import math

import pytest

from conas.recovery.theory import RECOVERY_DELTA, necessary_measurements, sufficient_measurements


def test_the_papers_thousand_lies_between_what_is_needed_and_what_is_proven_enough() -> None:
    needed, enough = necessary_measurements(140, 2, 10), sufficient_measurements(140, 2, 10)
    assert needed == pytest.approx(10 * 2 * 4.9416, rel=1e-4)
    assert needed < 1000 < enough


def test_the_bound_grows_as_theorem_3_2_says() -> None:
    per_delta = math.log(2) ** 2 * 4 * 3 * math.log(6) ** 2 * 2 * math.log(50)
    assert sufficient_measurements(50, 2, 3, delta=0.5) == pytest.approx(per_delta)
    assert sufficient_measurements(140**2, 2, 10) == pytest.approx(2 * sufficient_measurements(140, 2, 10))
    assert pytest.approx(0.41421356) == RECOVERY_DELTA


@pytest.mark.parametrize("arguments", [(1, 2, 3), (5, 0, 3), (5, 2, 0)])
def test_impossible_sizes_are_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="allowed: at least"):
        sufficient_measurements(*arguments)


def test_an_impossible_isometry_constant_is_refused() -> None:
    with pytest.raises(ValueError, match=r"delta = 1 \(allowed: between 0 and 1"):
        sufficient_measurements(140, 2, 10, delta=1)
