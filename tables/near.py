"""Runs that no table plans, though only a setting or two keep them out: what to say instead of nothing."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from harness.config import sweeps
from harness.config.grammar import ConfigError, flatten, written
from harness.config.load import Config, recorded
from harness.records.schema import Record
from tables.counted import counted
from tables.runs import Runs

_MOST = 2
"""Settings in which a run may differ from a planned one and still be taken for it."""

Difference = tuple[tuple[str, str, str], ...]
"""Name, value in the record and value in the plan of each setting that differs."""


def near(runs: Runs) -> list[str]:
    """One line for every way in which finished runs differ from planned ones of their data set, method and seed, in at
    most two settings, that of the most runs first; empty if every run is planned."""
    planned = {config.id: config for name in sweeps.names() for row in runs.planned(name).values() for config in row}
    wanted = [config for config in planned.values() if config.id not in runs.records]
    done = [record for record in runs.records.values() if record.status == "done" and record.id not in planned]
    differences = (_least(stray, wanted) for stray in filter(None, map(_config, done)))
    found = Counter(filter(None, differences))
    shared = _shared(planned.values()) if found else set()
    return [_line(difference, number, shared) for difference, number in found.most_common()]


def _config(record: Record) -> Config | None:
    try:
        return recorded(record.config)
    except ConfigError:  # of a method or a data set that is not here, or made by something else
        return None


def _least(stray: Config, planned: list[Config]) -> Difference:
    """What differs from the planned run that differs least, nothing if it is too much."""
    alike = (one for one in planned if _subject(one) == _subject(stray))
    differences = (tuple(_differing(stray, one)) for one in alike)
    return min((each for each in differences if len(each) <= _MOST), key=len, default=())


def _subject(config: Config) -> tuple[str, str, int]:
    return config.dataset, config.method, config.seed


def _differing(stray: Config, planned: Config) -> Iterator[tuple[str, str, str]]:
    """What tells the runs apart, with the values that it has: an identity leaves out what has its first default."""
    there, here = _flat(stray.identity), _flat(planned.identity)
    values = [_flat(config.model_dump(mode="json")) for config in (stray, planned)]
    for name in sorted({*there, *here}):
        if there.get(name) != here.get(name):
            yield name, *(written(one.get(name)) for one in values)  # type: ignore[misc]


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(flatten(values))


def _shared(planned: Iterable[Config]) -> set[str]:
    """The settings that have one value in all planned runs: only those can be set for all of them."""
    flat = [_flat(config.model_dump(mode="json")) for config in planned]
    return {name for name in flat[0] if all(name in one and one[name] == flat[0][name] for one in flat)}


def _line(difference: Difference, number: int, shared: Collection[str]) -> str:
    names = " and ".join(name for name, _, _ in difference)
    values = ", ".join(f"{there} there, {here} here" for _, there, here in difference)
    how = " ".join(f"--set {name}={there}" for name, there, _ in difference)
    if not all(name in shared for name, _, _ in difference):
        how = "no --set fits all runs of the tables, so theirs are still to be made"
    runs = counted(number, "run of this profile differs", "runs of this profile differ")
    return f"{runs} only in {names} ({values}): {how}"
