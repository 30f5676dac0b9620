"""What the notes say of the recovery: as much as the records tell, and that they do not tell more."""

from collections.abc import Callable
from typing import Any

import pytest

from harness.config import sweeps
from harness.records.schema import Record
from tables.paper import names
from tables.recovered import left_open
from tables.runs import Runs

OLD = {"minimisers": 8, "recovery": {"nonzeros": 31}, "measurements": {"used": 30}}
UNKNOWN = {"minimisers": 1, "recovery": {"nonzeros": 12}, "measurements": {"used": 30}}
NEW = {
    "minimisers": 2,
    "decided_by_tie_rule": 5,
    "recovery": {"nonzeros": 12, "unique": False, "equal_at_the_cut": 2},
    "measurements": {"used": 30},
}
SURE = {
    "minimisers": 1,
    "decided_by_tie_rule": 0,
    "recovery": {"nonzeros": 12, "unique": True, "equal_at_the_cut": 0},
    "measurements": {"used": 30},
}


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        (
            [OLD, UNKNOWN],
            "in 1 the Lasso's solution is one of many, of 1 it is not known. In 1 several strings are equally good; "
            "there the tie rule alone decides, at least 3 bits in all.",
        ),
        (
            [NEW, SURE, SURE],
            "in 1 the Lasso's solution is one of many. In 1 several strings are equally good; there the tie rule "
            "alone decides, 5 bits in all. In 1 equal monomials compete for the last place.",
        ),
    ],
)
def test_the_note_says_what_the_records_tell(
    make_record: Callable[..., Record], stages: list[dict[str, Any]], said: str
) -> None:
    record = make_record(sweeps.rows("table1", "paper")[names.CONAS][0])
    assert record.search
    record.search.details["stages"] = stages
    [line] = left_open(Runs.of([record], "paper"), "table1")
    assert line == f"Sparse recovery, {len(stages)} stages of 1 search: {said}"


def test_a_table_without_such_searches_says_nothing() -> None:
    assert list(left_open(Runs("paper", {}), "table1")) == []
