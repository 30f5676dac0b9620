"""A store that was made with other settings is not silent."""

from dataclasses import replace

from harness.config import sweeps
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


def test_runs_that_differ_in_more_are_others() -> None:
    many = {"final.epochs": "1", "final.batch_size": "8", "oneshot.epochs": "1", "final.channels": "4"}
    assert near(replace(made("smoke", **many), extra=())) == []
