"""Verdicts: claims that need no training are settled, the others follow the stated rules."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.config import sweeps
from harness.records.schema import Record
from tables.__main__ import main
from tables.claims import genotypes as claims_genotypes
from tables.claims import tables as claims_tables
from tables.claims import text as claims_text
from tables.claims.verdict import Status, Verdict
from tables.published import claims, published
from tables.runs import Runs

Make = Callable[..., Record]
EMPTY = Runs("paper", {})


def conas(make_record: Make, profile: str, row: str, errors: list[float]) -> list[Record]:
    planned = sweeps.rows("table1", profile)[row]
    return [make_record(config, error=error) for config, error in zip(planned, errors, strict=True)]


def verdict(records: list[Record], profile: str, claim: str) -> Verdict:
    return next(v for v in claims_tables.verdicts(Runs.of(records, profile)) if v.claim == claim)


def test_claims_of_the_text_that_need_no_training_are_settled() -> None:
    found = {claim: verdict.status for claim, verdict in zip(claims(), claims_text.verdicts(EMPTY), strict=True)}
    assert found.pop("measuring-cost") == Status.NOT_CHECKABLE
    assert found.pop("active-bits") == Status.NOT_RUN
    assert found.pop("random-distance") == Status.DIFFERS
    assert set(found.values()) == {Status.REPRODUCED}


def test_the_distance_of_random_strings_is_computed() -> None:
    ours = next(v.ours for v in claims_text.verdicts(EMPTY) if v.claim.startswith("Hamming distance of two random"))
    mean, _, sd = ours.partition(" ± ")
    assert float(mean) == pytest.approx(26.79, abs=0.03)
    assert float(sd) == pytest.approx(2.27, abs=0.03)


def test_the_sizes_of_published_cells() -> None:
    found = {(v.where, v.claim): v for v in claims_genotypes.verdicts()}
    darts = found["table 1", "DARTS: Mult-adds (M) of the published cell"]
    assert (darts.paper, darts.status) == ("548", Status.REPRODUCED)
    assert found["table 3", "DARTS (2nd order): Params (M) of the published cell"].status == Status.REPRODUCED
    assert found["table 1", "CoNAS (t=1): Params (M) of the published cell"].status == Status.NOT_CHECKABLE


def test_every_figure_of_the_authors_own_rows_has_a_verdict() -> None:
    verdicts = list(claims_tables.verdicts(EMPTY))
    figures = [
        part
        for table in ("table1", "table2", "table3", "table4", "table5")
        for row in published(table).values()
        if row.quoted is None
        for key, figure in row.figures.items()
        for part in (figure.mean, figure.best, figure.sd)
        if part is not None
    ]
    assert len(verdicts) == len(figures)
    assert {v.status for v in verdicts} == {Status.NOT_RUN}
    assert set(claims_tables.REFERENCES) == {"table1", "table2", "table3", "table4", "table5"}


@pytest.mark.parametrize(
    ("errors", "status"),
    [([2.6, 2.75, 2.9], Status.REPRODUCED), ([3.7, 3.75, 3.8], Status.DIFFERS)],
)
def test_with_the_published_settings_a_mean_is_judged_by_its_interval(
    make_record: Make, errors: list[float], status: Status
) -> None:
    found = verdict(conas(make_record, "paper", "CoNAS (t=1)", errors), "paper", "CoNAS (t=1): Test error (%)")
    assert found.status == status


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ([8.0, 8.1, 8.2], Status.DIRECTION),
        ([9.8, 9.9, 10.0], Status.OPPOSITE),
        ([8.0, 9.0, 10.0], Status.UNDECIDED),
    ],
)
def test_at_reduced_scale_only_the_direction_is_judged(make_record: Make, errors: list[float], status: Status) -> None:
    reference = conas(make_record, "laptop", "CoNAS (t=1)", [9.0, 9.1, 9.2])
    records = reference + conas(make_record, "laptop", "CoNAS (t=4)", errors)
    assert verdict(records, "laptop", "CoNAS (t=4): Test error (%)").status == status
    assert verdict(records, "laptop", "CoNAS (t=4): Test error (%), sd").status == Status.NOT_CHECKABLE


def test_search_time_on_another_device_is_not_compared(make_record: Make) -> None:
    records = conas(make_record, "paper", "CoNAS (t=1)", [2.7, 2.7, 2.8])
    found = verdict(records, "paper", "CoNAS (t=1): Search (device-days)")
    assert (found.status, "made-up device" in found.why) == (Status.NOT_CHECKABLE, True)


def test_the_command_writes_the_scorecard_of_an_empty_store(tmp_path: Path) -> None:
    assert main(["scorecard", "--profile", "paper", "--store", str(tmp_path / "no"), "--out", str(tmp_path)]) == 0
    text = (tmp_path / "paper/scorecard.md").read_text(encoding="utf-8")
    assert "| differs |" in text
    assert text.count("\n| ") > 80
