"""Claims that one row is lower than another: what is compared, when it is decided, and what survives many tests."""

from collections.abc import Callable, Sequence

import pytest
import yaml

from conas.refusal import Refused
from harness.config import sweeps
from harness.records.schema import Record
from tables.claims import orders
from tables.claims.verdict import Status, Verdict
from tables.paper import names
from tables.paper.contents import TABLES
from tables.paper.table1 import ERROR, SEARCH
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


def on(device: str, found: Sequence[Record]) -> list[Record]:
    """The records, made on another device."""
    return [
        one.model_copy(update={"attempts": [attempt.model_copy(update={"device": device}) for attempt in one.attempts]})
        for one in found
    ]


def test_both_sides_of_every_claim_are_rows_that_are_run() -> None:
    for one in TABLES:
        sweep = yaml.safe_load((SWEEPS / f"{one.name}.yaml").read_text(encoding="utf-8"))
        left_out = {name for name, row in sweep["profiles"].get("paper", {}).get("rows", {}).items() if row is None}
        for order in one.claims:
            sides = {order.first, order.second}
            assert sides <= set(sweep["rows"])
            assert sides & left_out <= {names.RSWS_BOUNDED, names.WIRED_5}  # of reduced scale alone
            assert (order.first != order.second) == (order.than is None)


def test_a_size_that_a_rule_decides_is_told() -> None:
    by_rule = (*names.both(names.RSWS), names.DARTS, names.DARTS_FIVE)
    sizes = [order for order in TABLES[0].claims if order.metric.key in ("params", "mult_adds")]
    assert all(("16 edges" in one.note) == bool({one.first, one.second} & set(by_rule)) for one in sizes)


def test_what_the_profile_does_not_plan_is_no_run_that_is_missing(make_record: Make) -> None:
    found = records(make_record, names.CONAS, [5.0, 6.0, 7.0])
    for other, status, why in (
        (names.WIRED_5, Status.NOT_CHECKABLE, "not planned in profile paper"),
        ("Best of n", Status.NOT_CHECKABLE, "unknown row 'Best of n'; did you mean 'Best of m'?"),
        (names.BEST_OF_M, Status.NOT_RUN, "no seed"),
    ):
        one = verdict(found, Order(ERROR, names.CONAS, other, "here"))
        assert one.status == status
        assert one.why.startswith(why)


def test_runs_of_two_processors_are_told_and_their_times_are_not_compared(make_record: Make) -> None:
    faster = Order(SEARCH, names.CONAS, names.BEST_OF_M, "here", own_scale=True)
    ours = records(make_record, names.CONAS, [5.0, 6.0, 7.0])
    theirs = records(make_record, names.BEST_OF_M, [6.0, 7.1, 8.0])
    for one, time in zip(ours, (0.010, 0.011, 0.012), strict=True):
        one.search.gpu_days = time  # type: ignore[union-attr]
    together, apart, mixed = (
        [*ours, *theirs],
        [*ours, *on("another", theirs)],
        [*ours, *theirs[:2], *on("b", theirs[2:])],
    )
    assert verdict(together, faster).status == Status.REPRODUCED
    assert "device-minutes" in verdict(together).why
    assert verdict(apart, faster).status == verdict(mixed, faster).status == Status.NOT_CHECKABLE
    assert verdict(apart).why == "made on different processors"
    assert verdict(mixed).why == "made on different processors in 1 of 3 seeds"


def test_the_minutes_are_those_of_the_seeds_that_are_compared(make_record: Make) -> None:
    ours = records(make_record, names.CONAS, [5.0, 6.0, 7.0])
    ours[2].search.seconds = 1e6  # type: ignore[union-attr]
    assert verdict([*ours, *records(make_record, names.BEST_OF_M, [6.0, 7.1])]).why.endswith(": 57.6 and 57.6")


def test_the_time_of_another_run_of_conas_is_not_told_as_equal(make_record: Make) -> None:
    [given], ours = records(make_record, names.BEST_OF_M, [6.0]), records(make_record, names.CONAS, [5.0])
    assert given.search
    for seconds, told in ((3456.0, False), (1728.0, True)):
        given.search.details["device_seconds"] = {"given": seconds}
        why = verdict([*ours, *on("another", [given])]).why
        assert ("28.8 device-minutes, CoNAS's on another processor, not the 57.6" in why) is told


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
    assert "device-minutes" not in verdict([*narrow, *wide], order).why
    equal = records(make_record, f"{names.CONAS}, one cell", [2.6, 2.6, 2.6])
    tied = verdict([*narrow, *equal], order)
    assert (tied.status, tied.why) == (Status.UNDECIDED, "all trainings of one side are equal")
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
