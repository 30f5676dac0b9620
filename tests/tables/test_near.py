"""A store that was made with other settings is not silent."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.config import sweeps
from harness.config.load import load
from harness.records.store import Store
from tables.__main__ import main
from tables.near import near
from tables.runs import Runs
from tests.tables.conftest import record


def made(profile: str, **settings: str) -> Runs:
    """Finished runs of all that is planned with ``settings``."""
    extra = tuple(settings.items())
    planned = {config.id: config for name in sweeps.names() for config in sweeps.runs(name, profile, extra)}
    return Runs.of(map(record, planned.values()), profile, extra)


def test_runs_that_one_setting_keeps_out_are_counted_with_it() -> None:
    runs = made("smoke", allow_subset="true")
    assert near(runs) == []
    (told,) = near(replace(runs, extra=()))
    number = len(runs.records)
    assert told == (
        f"{number} runs of this profile differ only in allow_subset (true there, false here): --set allow_subset=true"
    )


def test_what_an_identity_leaves_out_is_told_as_it_is() -> None:
    told = near(replace(made("smoke", numerics="torch"), extra=()))
    assert all("numerics (torch there, exact here): --set numerics=torch" in line for line in told)
    assert told


@pytest.mark.parametrize(("name", "value"), [("search.lambda", 3.3), ("search_seed", 1)])
def test_a_setting_that_rows_have_several_values_of_is_not_proposed_for_all(name: str, value: float) -> None:
    stray = load({"dataset": "digits", "method": "conas", "profile": "smoke", name: value})
    (told,) = near(Runs.of([record(stray)], "smoke"))
    assert told.startswith(f"1 run of this profile differs only in {name} ({value} there, ")
    assert told.endswith("so theirs are still to be made")


def test_runs_of_what_is_not_here_are_passed_over() -> None:
    stray = record(load({"dataset": "digits", "method": "conas", "profile": "smoke", "seed": 99}))
    for name in ("dataset", "method"):
        gone = stray.model_copy(update={"config": {**stray.config, name: "mine"}})
        assert near(Runs.of([gone], "smoke")) == []


def test_tables_of_such_runs_alone_are_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "runs")
    for config in sweeps.runs("table1", "smoke", (("allow_subset", "true"),))[:2]:
        store.run(config.id).save(record(config))
    typed = ["--profile", "smoke", "--store", str(store.root), "--out", str(tmp_path / "results")]
    assert main(["tables", *typed]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: nothing is written: 2 runs of this profile differ only in allow_subset")
    assert told.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_runs_that_differ_in_more_are_others() -> None:
    many = {"final.epochs": "1", "final.batch_size": "8", "oneshot.epochs": "1", "final.channels": "4"}
    assert near(replace(made("smoke", **many), extra=())) == []
