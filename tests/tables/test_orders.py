"""Claims that one row is lower than another: what is compared, when it is decided, and what survives many tests."""

from collections.abc import Callable

import pytest
import yaml

from conas.refusal import Refused
from harness.config import sweeps
from harness.records.schema import Record
from tables.claims import orders
from tables.claims.verdict import Status, Verdict
from tables.paper import names
from tables.paper.contents import TABLES
from tables.paper.table1 import ERROR
from tables.runs import Runs
from tables.table import Order, Table

Make = Callable[..., Record]
SWEEPS = sweeps.SWEEPS
LOWER = Order(ERROR, names.CONAS, names.BEST_OF_M, "here")


def table(*claims: Order) -> Table:
    return Table("table1", "title", (ERROR,), claims=claims)


def records(make_record: Make, row: str, errors: list[float], profile: str = "paper") -> list[Record]:
    planned = sweeps.rows("table1", profile)[row]
    return [make_record(config, error=error) for config, error in zip(planned, errors, strict=False)]


def verdict(found: list[Record], order: Order = LOWER, profile: str = "paper") -> Verdict:
    return orders.verdicts(Runs.of(found, profile), [table(order)])[0]


def test_both_sides_of_every_claim_are_rows_that_are_run() -> None:
    for one in TABLES:
        planned = yaml.safe_load((SWEEPS / f"{one.name}.yaml").read_text(encoding="utf-8"))["rows"]
        for order in one.claims:
            assert {order.first, order.second} <= set(planned)
            assert (order.first != order.second) == (order.than is None)


def test_every_claim_of_the_paper_says_what_its_figures_say() -> None:
    told = [(order, orders.paper_says(order, one.name)) for one in TABLES for order in one.claims]
    printed = [(order, value) for order, value in told if value is not None]
    assert len(printed) > 40
    assert all(value < (1 if order.of_spread else 0) for order, value in printed)
    assert all(order.where for order, value in printed)


def test_of_several_runs_of_a_seed_none_is_taken(make_record: Make) -> None:
    first, *_, other = [config for config in sweeps.rows("table2", "paper")[names.CONAS] if config.seed == 0]
    runs = Runs.of([make_record(first, error=5.0)], "paper")
    assert ERROR.by_seed(runs, "table2", names.CONAS) == {0: 5.0}
    runs = Runs.of([make_record(first), make_record(other)], "paper")
    with pytest.raises(Refused, match=r"table2, CoNAS \(t=1\): seed 0 has 2 different runs"):
        ERROR.by_seed(runs, "table2", names.CONAS)


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ([5.0, 6.0, 7.0], [6.0, 7.1, 8.0], Status.REPRODUCED),  # a tenth of the spread between seeds
        ([6.0, 7.1, 8.0], [5.0, 6.0, 7.0], Status.DIFFERS),
        ([5.0, 6.0, 7.0], [7.0, 6.0, 5.0], Status.UNDECIDED),
        ([5.0], [6.0, 7.0], Status.UNDECIDED),
        ([], [6.0], Status.NOT_RUN),
    ],
)
def test_a_claim_is_decided_within_the_seeds_that_both_have(
    make_record: Make, first: list[float], second: list[float], status: Status
) -> None:
    found = verdict([*records(make_record, names.CONAS, first), *records(make_record, names.BEST_OF_M, second)])
    assert found.status == status
    assert (found.test.seeds if found.test else ()) == tuple(range(min(len(first), len(second))))


def test_at_reduced_scale_a_published_cell_is_a_reference_line(make_record: Make) -> None:
    order = Order(ERROR, names.CONAS, names.DARTS, "here")
    for profile, status in (("paper", Status.REPRODUCED), ("laptop", Status.NOT_CHECKABLE)):
        found = [
            *records(make_record, names.CONAS, [5.0, 6.0, 7.0], profile),
            *records(make_record, names.DARTS, [6.0, 7.1, 8.0], profile),
        ]
        assert verdict(found, order, profile).status == status


def test_a_spread_is_that_of_trainings_of_one_cell(make_record: Make) -> None:
    order = Order(ERROR, names.CONAS_FOUR_STAGES, names.CONAS, "here", of_spread=True)
    narrow = records(make_record, f"{names.CONAS_FOUR_STAGES}, one cell", [2.60, 2.61, 2.62])
    wide = records(make_record, f"{names.CONAS}, one cell", [2.0, 3.0, 4.0])
    assert verdict([*narrow, *wide], order).status == Status.REPRODUCED
    over_searches = [
        *records(make_record, names.CONAS_FOUR_STAGES, [2.60, 2.61, 2.62]),
        *records(make_record, names.CONAS, [2.0, 3.0, 4.0]),
    ]
    assert verdict(over_searches, order).status == Status.NOT_RUN


def test_p_values_are_adjusted_for_all_claims_that_are_tested(make_record: Make) -> None:
    found = [
        *records(make_record, names.CONAS, [5.0, 6.0, 7.0]),
        *records(make_record, names.BEST_OF_M, [6.0, 7.1, 8.0]),
    ]
    [alone] = orders.verdicts(Runs.of(found, "paper"), [table(LOWER)])
    three = orders.verdicts(Runs.of(found, "paper"), [table(LOWER, LOWER, LOWER)])
    assert alone.test
    assert alone.test.holm == alone.test.estimate.p
    assert [one.test.holm for one in three if one.test] == pytest.approx([3 * (alone.test.holm or 0)] * 3)


def test_it_says_how_many_seeds_would_tell(make_record: Make) -> None:
    noisy = [
        *records(make_record, names.CONAS, [5.0, 6.0, 7.0]),
        *records(make_record, names.BEST_OF_M, [6.0, 6.1, 8.0]),
    ]
    found = verdict(noisy)
    assert found.status == Status.UNDECIDED
    assert found.test
    assert found.test.needed
    assert 4 <= found.test.needed <= 10
