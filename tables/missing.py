"""The runs that tables and figures still need, with what they will cost."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.config import sweeps
from harness.config.load import Config
from harness.estimates.shared import Costs
from tables.runs import Runs

DAY = 86_400


@dataclass(frozen=True)
class Gap:
    """The missing runs of a row, and the device-days that they take together here, None where these cannot be told."""

    sweep: str
    row: str
    missing: tuple[Config, ...]
    days: float | None


def gaps(runs: Runs, costs: Costs | None) -> Iterator[Gap]:
    """A gap for every row with missing runs; a run or a search that several rows need is counted in the first.

    Without ``costs`` nothing is estimated for this machine.
    """
    counted: set[str] = set()
    for sweep in sweeps.names():
        for row in runs.planned(sweep):
            missing = tuple(config for config in runs.sample(sweep, row).missing if config.id not in counted)
            counted |= {config.id for config in missing}
            if missing:
                yield Gap(sweep, row, missing, _days(missing, costs))


def _days(missing: tuple[Config, ...], costs: Costs | None) -> float | None:
    if costs is None:
        return None
    seconds = [costs.of(config) for config in missing]
    known = [each for each in seconds if each is not None]
    return sum(known) / DAY if len(known) == len(seconds) else None
