"""What the notes say of how well a search's losses rank networks."""

from collections.abc import Callable

from harness.config import sweeps
from harness.records.schema import Record
from tables.paper import names
from tables.predicted import rankings
from tables.runs import Runs


def test_a_row_that_looked_says_so_with_its_mean_and_its_range(make_record: Callable[..., Record]) -> None:
    records = [make_record(config) for config in sweeps.rows("table1", "paper")[names.CONAS]]
    for record, tau in zip(records, (0.5, -0.2, None), strict=False):
        assert record.search
        record.search.details["kendall_tau"] = tau
    [line] = rankings(Runs.of(records, "paper"), "table1")
    assert line.startswith("CoNAS (t=1): ")
    assert "tau 0.15 on average over 2 searches, -0.20 to 0.50 (1: alike," in line
    [line] = rankings(Runs.of(records[:1], "paper"), "table1")
    assert "tau 0.50 in one search (1: alike," in line


def test_a_table_of_which_no_row_looked_says_nothing() -> None:
    assert list(rankings(Runs("paper", {}), "table1")) == []
