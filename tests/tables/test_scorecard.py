"""Verdicts: claims that need no training are settled, the others follow the stated rules, and none is flattered."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from conas import counting
from harness.config import sweeps
from harness.records.schema import Record
from tables.__main__ import main
from tables.claims import figures, genotypes, scorecard, text
from tables.claims.verdict import Kind, Status, Verdict
from tables.paper import names
from tables.paper.contents import TABLES
from tables.paper.table1 import ERROR
from tables.published import claims, published
from tables.runs import ONE_CELL, Runs

Make = Callable[..., Record]
EMPTY = Runs("paper", {})


def records(make_record: Make, row: str, errors: list[float], profile: str = "paper") -> list[Record]:
    planned = sweeps.rows("table1", profile)[row]
    return [make_record(config, error=error) for config, error in zip(planned, errors, strict=True)]


def verdict(found: list[Record], claim: str, profile: str = "paper") -> Verdict:
    return next(v for v in figures.verdicts(Runs.of(found, profile), TABLES) if v.claim == claim)


def test_what_follows_from_other_constants_reproduces_nothing() -> None:
    found = {claim: verdict.status for claim, verdict in zip(claims(), text.verdicts(EMPTY), strict=True)}
    assert Status.REPRODUCED not in found.values()
    assert found["random-distance"] == found["identity-repair"] == Status.DIFFERS
    assert found["encoder"] == found["training-cost"] == found["random-edges"] == Status.CONSISTENT
    assert found["smallest-of-all"] == found["darts-size"] == Status.CONTRADICTORY
    assert found["enough-measurements"] == found["measuring-cost"] == Status.NOT_CHECKABLE
    assert found["svhn-training"] == found["active-bits"] == found["two-percent"] == Status.NOT_RUN


def test_the_images_are_counted_where_runs_read_the_whole_set(make_record: Make) -> None:
    [config, *_] = [c for c in sweeps.rows("table2", "paper")[names.CONAS] if c.dataset == "svhn"]
    for whole, status in ((True, Status.CONSISTENT), (False, Status.NOT_CHECKABLE)):
        record = make_record(config)
        counts = {"train": 73257, "test": 26032, "extra": 531131}
        record.data = {"dataset": "svhn", "whole": whole, "counts": counts}
        found = dict(zip(claims(), text.verdicts(Runs.of([record], "paper")), strict=True))
        assert found["svhn-splits"].status == found["svhn-training"].status == status


def test_the_distance_of_random_strings_is_computed() -> None:
    ours = next(v.ours for v in text.verdicts(EMPTY) if v.claim.startswith("Hamming distance of two random"))
    mean, _, sd = ours.partition(" ± ")
    assert float(mean) == pytest.approx(26.79, abs=0.03)
    assert float(sd) == pytest.approx(2.27, abs=0.03)


def test_one_convention_decides_the_sizes_of_published_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {(v.where, v.claim): v for v in genotypes.verdicts()}
    assert found["Table 1", "DARTS: Mult-adds (M) of the published cell"].status == Status.REPRODUCED
    sizes = [found[where, "DARTS: Params (M) of the published cell"] for where in ("Table 1", "Table 2")]
    assert [size.ours for size in sizes] == ["3.352", "3.352"]
    assert [size.status for size in sizes] == [Status.DIFFERS, Status.REPRODUCED]
    assert found["Table 3", "ENAS: Params (M) of the published cell"].status == Status.DIFFERS
    assert found["Table 1", "CoNAS (t=1): Params (M) of the published cell"].status == Status.NOT_CHECKABLE
    monkeypatch.setattr(counting, "count", None)  # nothing is counted twice
    assert genotypes.verdicts() == tuple(found.values())


def test_every_figure_of_the_authors_own_rows_has_one_verdict() -> None:
    found = [v for v in figures.verdicts(EMPTY, TABLES) if "quoted" not in v.where]
    printed = [
        part
        for table in TABLES
        for row in published(table.name).values()
        if row.quoted is None
        for figure in row.figures.values()
        for part in (figure.mean, figure.best, figure.sd)
        if part is not None
    ]
    assert len(found) == len(printed) == len({(v.where, v.claim) for v in found})


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ([2.70, 2.72, 2.73, 2.74, 2.75, 2.76, 2.78, 2.75, 2.74, 2.73], Status.REPRODUCED),
        ([3.7, 3.75, 3.8], Status.DIFFERS),
        ([2.2, 4.9], Status.UNDECIDED),  # the interval contains the paper's figure, and nearly any other
        ([2.6, 2.75, 2.9], Status.UNDECIDED),
    ],
)
def test_a_mean_is_reproduced_if_it_is_equal_and_not_if_it_may_be(errors: list[float], status: Status) -> None:
    found = figures._mean(errors, published("table1")[names.CONAS].figures["error"], TABLES[0].metrics[0])
    assert found[0] == status
    assert ("power" in found[1]) == (status is Status.UNDECIDED)
    assert "counts as equal within ±" in found[1]


def test_one_run_enters_a_mean_once_and_the_column_of_its_data_set_alone(make_record: Make) -> None:
    seed = (("seed", 0),)
    [config, *_] = sweeps.rows("table1", "paper", seed)[names.CONAS + ONE_CELL]
    runs = Runs.of([make_record(config, error=2.74)], "paper", seed)
    assert ERROR.values(runs, "table1", names.CONAS) == [2.74]
    one = runs.sample("table1", names.CONAS + ONE_CELL)
    assert len(one.planned) == len((one + one).planned) == len((one + one).done) == 1
    only = (("dataset", "cifar100"),)
    found = Runs.of([make_record(c) for c in sweeps.rows("table2", "paper", only)[names.CONAS]], "paper", only)
    assert [len(metric.by_seed(found, "table2", names.CONAS)) for metric in TABLES[1].metrics[:3]] == [2, 0, 0]


def test_the_size_of_a_published_cell_has_one_verdict(make_record: Make) -> None:
    runs = Runs.of(records(make_record, names.DARTS, [2.7, 2.8, 2.9]), "paper")
    assert not [v for v in figures.verdicts(runs, TABLES) if v.claim.startswith("DARTS: Params")]


def test_a_figure_that_no_planned_run_has_is_not_waited_for() -> None:
    found = {v.claim: v for v in figures.verdicts(EMPTY, TABLES) if v.where == "Table 3"}
    assert {v.why for v in found.values()} == {"not planned in profile paper"}  # the small Table 3 has other rows
    assert {v.status for v in found.values()} == {Status.NOT_CHECKABLE}


def test_equal_runs_reproduce_nothing_unless_they_cannot_but_be_equal() -> None:
    hamming = TABLES[3].metrics[0]
    figure = published("table4")["λ = 0.5"].figures["hamming"]
    assert figures._mean([figure.mean] * 2, figure, hamming) == (Status.UNDECIDED, "equal runs give no interval")


@pytest.mark.parametrize(
    ("errors", "status"),
    [([1.9, 1.9], Status.UNDECIDED), ([1.9], Status.UNDECIDED), ([1.86, 1.87, 1.88], Status.REPRODUCED)],
)
def test_below_two_percent_takes_an_interval(
    make_record: Make, monkeypatch: pytest.MonkeyPatch, errors: list[float], status: Status
) -> None:
    monkeypatch.setattr(names, "CONAS_WIDE", names.CONAS)  # the small sweeps have no wide network
    planned = sweeps.rows("table1", "paper")[names.CONAS + ONE_CELL]
    found = [make_record(config, error=error) for config, error in zip(planned, errors, strict=False)]
    settled, shown, _ = text._two_percent(claims()["two-percent"], Runs.of(found, "paper"))
    assert (settled, f"(n = {len(errors)})" in shown) == (status, True)


def test_a_section_without_a_run_is_summed_up_in_a_line(make_record: Make) -> None:
    some = [v for v in scorecard.scorecard(EMPTY, TABLES[:1]) if v.kind is Kind.FIGURE and v.status is Status.NOT_RUN]
    assert len({v.why for v in some}) > 1
    assert re.fullmatch(r"\d+ figures, not run \([^;]*(; [^;]*)?\): listed in the CSV file\.", scorecard.in_short(some))
    orders = [v for v in scorecard.scorecard(EMPTY, TABLES[:1]) if v.kind is Kind.ORDER and v.status is Status.NOT_RUN]
    assert scorecard.in_short(orders[:1]) == "1 comparison, not run (no seed with both): listed in the CSV file."


def test_only_trainings_of_one_cell_are_set_against_the_papers_mean(make_record: Make) -> None:
    claim = "CoNAS (t=1): Test error (%), one cell"
    searches = records(make_record, names.CONAS, [2.7, 2.7, 2.8])
    assert verdict(searches, claim).status == Status.NOT_RUN
    trainings = records(make_record, names.CONAS + ONE_CELL, [3.7, 3.7, 3.8])
    assert verdict([*searches, *trainings], claim).status == Status.DIFFERS


def test_at_reduced_scale_no_figure_is_judged(make_record: Make) -> None:
    found = figures.verdicts(Runs.of(records(make_record, names.CONAS, [9.0, 9.1, 9.2], "laptop"), "laptop"), TABLES)
    assert {v.status for v in found} == {Status.NOT_RUN}


@pytest.mark.parametrize(
    ("profile", "extra", "told"),
    [
        ("paper", (("data_dir", "elsewhere"),), ""),
        ("paper", (("threads", "3"),), "All runs have threads=3."),
        ("paper", (("final.epochs", "1"),), "All runs have final.epochs=1."),
        ("release", (), "Its settings are those of the authors' released code, not the paper's."),
        ("paper", (("allow_subset", "true"),), "All runs have allow_subset=true, so data may be parts of data sets."),
    ],
)
def test_other_settings_are_told_and_reproduce_nothing(
    make_record: Make, profile: str, extra: sweeps.Extra, told: str
) -> None:
    planned = sweeps.rows("table1", profile, extra)[names.CONAS]
    found = [make_record(config, error=error) for config, error in zip(planned, [2.7, 2.7, 2.8], strict=True)]
    whole = [one.model_copy(update={"data": {"whole": True}}) for one in found]
    part = [one.model_copy(update={"data": {"whole": False}}) for one in found]
    runs = Runs.of(whole, profile, extra)
    assert told in runs.changed
    assert runs.changed in scorecard.markdown([], runs)
    assert bool(told) == bool(runs.changed)
    changes = "epochs" in told or profile == "release"
    assert runs.is_full_scale is not changes
    assert Runs.of(part, profile, extra).is_full_scale is not (changes or "allow_subset" in told)


def test_the_printed_digits_are_all_that_is_asked_of_a_size() -> None:
    params = published("table3")[names.CONAS_TEXT].figures["params"]
    metric = next(metric for metric in TABLES[2].metrics if metric.key == "params")
    assert figures._mean([22.96] * 5, params, metric)[0] == Status.REPRODUCED


def test_another_random_draw_is_not_compared(make_record: Make) -> None:
    config = sweeps.rows("table5", "paper")[names.WIRED[0]]
    found = verdict([make_record(one) for one in config], f"{names.WIRED[0]}: Test error (%), one cell")
    assert found.status == Status.NOT_CHECKABLE


def test_search_time_on_another_device_is_not_compared(make_record: Make) -> None:
    found = verdict(records(make_record, names.CONAS, [2.7, 2.7, 2.8]), "CoNAS (t=1): Search (device-days)")
    assert (found.status, "made-up device" in found.why) == (Status.NOT_CHECKABLE, True)


def test_own_questions_and_what_searches_alone_say_do_not_count_as_claims_of_the_paper() -> None:
    found = scorecard.scorecard(EMPTY)
    own = [v for v in found if v.kind in (Kind.CONTROL, Kind.SEARCHED)]
    assert {v.kind for v in own} == {Kind.CONTROL, Kind.SEARCHED}
    assert sum(scorecard.counts(found).values()) == len(found) - len(own)


def test_the_command_writes_the_scorecard_of_an_empty_store(tmp_path: Path) -> None:
    assert main(["scorecard", "--profile", "paper", "--store", str(tmp_path), "--out", str(tmp_path)]) == 0
    page = (tmp_path / "paper/scorecard.md").read_text(encoding="utf-8")
    assert "0 comparisons are tested" in page
    assert all(f"## {kind.value}" in page for kind in Kind)
    assert "<0.001" not in page
