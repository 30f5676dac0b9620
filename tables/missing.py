"""The runs that tables and figures still need, with what they will cost."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness import grid
from harness.config import Config
from harness.data import DataError
from harness.environment import device, device_name
from harness.estimate import estimate
from tables.runs import Runs, Sample

DAY = 86_400


@dataclass(frozen=True)
class Gap:
    """The missing runs of a row, and the device-days that each takes, None where they cannot be told, and why."""

    sweep: str
    row: str
    missing: tuple[Config, ...]
    days_each: float | None
    basis: str

    @property
    def days(self) -> float:
        """Device-days of all its runs, 0 where unknown."""
        return len(self.missing) * (self.days_each or 0)


def gaps(runs: Runs) -> Iterator[Gap]:
    """A gap for every row with missing runs; a run that several rows need is counted in the first."""
    counted: set[str] = set()
    for sweep in grid.sweeps():
        for row in runs.planned(sweep):
            sample = runs.sample(sweep, row)
            missing = tuple(config for config in sample.missing if config.id not in counted)
            counted |= {config.id for config in missing}
            if missing:
                yield Gap(sweep, row, missing, *_cost(sample, missing[0]))


def _cost(sample: Sample, config: Config) -> tuple[float | None, str]:
    """From the row's finished runs where there are any, else from the work counted and timed on this machine."""
    spent = [
        record.training_seconds + record.search.seconds
        for record in sample.done
        if record.training_seconds is not None and record.search is not None
    ]
    if spent:
        return sum(spent) / len(spent) / DAY, f"mean of the row's {len(spent)} finished runs"
    try:
        return estimate(config) / DAY, f"work timed on {device_name(device(config.device))}"
    except DataError as error:
        return None, f"no estimate: {error}"
