"""Claims in words: what is compared, and when a claim holds."""

from collections.abc import Callable

import pytest
import yaml

from harness.config import sweeps
from harness.records.schema import Record
from tables.claims import comparisons
from tables.published import published
from tables.runs import Runs

SWEEPS = sweeps.SWEEPS


def line(make_record: Callable[..., Record], first: list[float], second: list[float]) -> dict[str, object]:
    """The comparison of CoNAS with the best of m, with these test errors of seeds 0, 1, ..."""
    planned = sweeps.rows("table1", "paper")
    records = [
        make_record(config, error=error)
        for row, errors in (("CoNAS (t=1)", first), ("Best of m", second))
        for config, error in zip(planned[row], errors, strict=False)
    ]
    lines = comparisons.frame(Runs.of(records, "paper")).to_dict("records")
    return next(one for one in lines if one["claim"].endswith("CoNAS (t=1) < Best of m"))


def test_both_sides_of_every_comparison_are_rows_that_are_run() -> None:
    for one in comparisons.COMPARISONS:
        planned = yaml.safe_load((SWEEPS / f"{one.table}.yaml").read_text(encoding="utf-8"))["rows"]
        assert {one.first, one.second} <= set(planned)
        assert one.first != one.second


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ([5.0, 6.0, 7.0], [6.0, 7.1, 8.0], "holds"),  # a tenth of the spread between seeds
        ([6.0, 7.1, 8.0], [5.0, 6.0, 7.0], "does not hold"),
        ([5.0, 6.0, 7.0], [7.0, 6.0, 5.0], "undecided"),
        ([5.0], [6.0, 7.0], "undecided"),
        ([], [6.0], "not run"),
    ],
)
def test_a_claim_is_decided_within_the_seeds_that_both_have(
    make_record: Callable[..., Record], first: list[float], second: list[float], verdict: str
) -> None:
    found = line(make_record, first, second)
    assert found["verdict"] == verdict
    assert found["seeds"] == " ".join(str(seed) for seed in range(min(len(first), len(second))))


def test_the_papers_difference_is_that_of_its_means() -> None:
    paper = {one: comparisons.frame(Runs("paper", {}))["paper"][i] for i, one in enumerate(comparisons.COMPARISONS)}
    table1 = published("table1")
    for one, value in paper.items():
        if one.table == "table5":
            wired = published("table5")[one.second].figures["error"].mean
            assert value == pytest.approx(table1["CoNAS (t=4)"].figures["error"].mean - wired)
