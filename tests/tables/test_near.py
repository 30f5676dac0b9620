"""A store that was made with other settings is not silent."""

from pathlib import Path

from tables.near import near
from tables.runs import Runs

KEPT = Path(__file__).parents[2] / "docs/laptop-replication/runs.jsonl"


def test_runs_that_one_setting_keeps_out_are_counted_with_it() -> None:
    told = near(Runs.read(KEPT, "laptop"))
    assert told == [
        "165 runs of this profile differ only in allow_subset (true there, false here): --set allow_subset=true"
    ]


def test_runs_that_are_planned_are_not_mentioned() -> None:
    assert near(Runs.read(KEPT, "laptop", (("allow_subset", "true"),))) == []
    assert near(Runs.read(KEPT, "paper")) == []
