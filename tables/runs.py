"""The runs of a profile, and which of them a table's row is made of."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness import results
from harness.config import sweeps
from harness.config.grammar import readings, written
from harness.config.load import PLACES, Config
from harness.records.schema import Record
from tables.tiers import Tier, tier, without_search

FULL_SCALE = "paper"
_NOT_THE_EXPERIMENT = {*PLACES, "threads", "allow_subset"}
STAND_IN = "digits"
"""What the profile smoke trains on in place of every set of images."""
ONE_CELL = ", one cell"
"""What ends the name of a sweep's row that trains the cell of one search under every seed, as the paper did."""


@dataclass(frozen=True)
class Sample:
    """One row's planned runs and those of them that are done; only these ever enter a mean."""

    planned: tuple[Config, ...]
    done: tuple[Record, ...]
    undone: Mapping[str, str] = field(default_factory=dict)
    """The status of every planned run that was started and is not done, by run id."""

    @property
    def missing(self) -> list[Config]:
        """Planned runs without a result."""
        done = {record.id for record in self.done}
        return [config for config in self.planned if config.id not in done]

    @property
    def is_published(self) -> bool:
        """Whether the runs train a published cell or network: no search of it was made here."""
        return bool(self.planned) and all(map(_is_published, self.planned))

    @property
    def is_drawn(self) -> bool:
        """Whether the runs train cells drawn at random."""
        return bool(self.planned) and all(without_search(config) is Tier.DRAWN for config in self.planned)

    @property
    def is_of_one_cell(self) -> bool:
        """Whether all runs train the cell of one search, so that they differ in the training alone."""
        return all(_is_published(config) or config.search_seed is not None for config in self.planned)

    def where(self, applies: Callable[[Config], bool]) -> "Sample":
        """The runs whose configuration ``applies`` accepts."""
        planned = tuple(filter(applies, self.planned))
        ids = {config.id for config in planned}
        done = tuple(record for record in self.done if record.id in ids)
        return Sample(planned, done, {run: status for run, status in self.undone.items() if run in ids})

    def __add__(self, other: "Sample") -> "Sample":
        """Both samples' runs, each once."""
        planned = {config.id: config for config in self.planned + other.planned}
        done = {record.id: record for record in self.done + other.done}
        return Sample(tuple(planned.values()), tuple(done.values()), {**self.undone, **other.undone})


def _is_published(config: Config) -> bool:
    return without_search(config) in (Tier.CELL, Tier.NETWORK)


@dataclass(frozen=True)
class Runs:
    """The records of ``profile``, by run id.

    Attributes:
        extra: settings of every planned run beyond the profile's, as in `harness.config.sweeps.rows`.
        foreign: how many records of other profiles were left out.
        damaged: one line for every record that cannot be read.
        address: where they were read.
    """

    profile: str
    records: Mapping[str, Record]
    extra: sweeps.Extra = ()
    foreign: int = 0
    damaged: tuple[str, ...] = ()
    address: str = "runs"

    @classmethod
    def read(cls, address: str | Path, profile: str, extra: sweeps.Extra = ()) -> "Runs":
        """All runs of ``profile`` at ``address``: a store's root folder or a ``mongodb://`` address.

        Raises:
            DatabaseError, PyMongoError: the database cannot be read.
        """
        records, damaged = results.records(results.source(address))
        return replace(cls.of(records, profile, extra), damaged=tuple(damaged), address=str(address))

    @classmethod
    def of(cls, records: Iterable[Record], profile: str, extra: sweeps.Extra = ()) -> "Runs":
        """The runs of ``profile`` among ``records``."""
        everything = list(records)
        own = {record.id: record for record in everything if record.profile == profile}
        return cls(profile, own, extra, sum(record.profile != profile for record in everything))

    @property
    def is_full_scale(self) -> bool:
        """Whether the runs have the published settings and data; with any other only directions compare."""
        changed = any(name not in _NOT_THE_EXPERIMENT for name, _ in self.extra)
        return self.profile == FULL_SCALE and not changed and not self._has_parts

    @property
    def _has_parts(self) -> bool:
        """Whether a run of a plan that allows it was made on a part of its data set."""
        allowed = any(name == "allow_subset" for name, _ in self.extra)
        return allowed and not all(record.data.get("whole", True) for record in self.records.values())

    @property
    def changed(self) -> str:
        """How the planned runs differ from those of the paper or the profile, in sentences; empty if in nothing."""
        told = [f"{name}={written(readings(value)[0])}" for name, value in self.extra if name not in PLACES]
        sentences = []
        if self.profile == "release":
            sentences.append("Its settings are those of the authors' released code, not the paper's.")
        if told:
            part = ", so data may be parts of data sets" if "allow_subset=true" in told else ""
            sentences.append(f"All runs have {' '.join(told)}{part}.")
        return " ".join(sentences)

    @property
    def are_any_done(self) -> bool:
        """Whether a planned run of any sweep is done."""
        return any(self.statuses(name)["done"] for name in sweeps.names())

    def rows(self, sweep: str) -> list[str]:
        """The rows of ``sweep``; its trainings of one cell belong to the row of that search."""
        return [name for name in self.planned(sweep) if not name.endswith(ONE_CELL)]

    def planned(self, sweep: str) -> Mapping[str, tuple[Config, ...]]:
        """The planned runs of every row of ``sweep``."""
        return sweeps.rows(sweep, self.profile, self.extra)

    def trainings(self, sweep: str, row: str, dataset: str | None = None) -> Sample:
        """The runs of a row that train one cell: those of their own row, or the row itself if that is what it does."""
        named = self.sample(sweep, row + ONE_CELL, dataset)
        if named.planned:
            return named
        sample = self.sample(sweep, row, dataset)
        return sample if sample.is_of_one_cell else Sample((), ())

    def sample(self, sweep: str, row: str, dataset: str | None = None) -> Sample:
        """The runs of a row of ``sweep``, each once, on ``dataset`` only or on what stands for it."""
        configs = {config.id: config for config in self.planned(sweep).get(row, ())}.values()
        planned = tuple(config for config in configs if dataset in (None, config.dataset))
        planned = planned or tuple(config for config in configs if config.dataset == STAND_IN)
        found = [self.records[config.id] for config in planned if config.id in self.records]
        done = tuple(record for record in found if record.status == "done")
        return Sample(planned, done, {record.id: record.status for record in found if record.status != "done"})

    def tier(self, sweep: str, row: str) -> Tier | None:
        """What a row of ``sweep``, by its first run, shares with the first of CoNAS; None if no run is planned.

        That is one of no variant where there is one. Where no row is of CoNAS, no search has its settings.
        """
        planned = self.planned(sweep)
        first = next(iter(planned.get(row) or planned.get(row + ONE_CELL, ())), None)
        if first is None:
            return None
        conas = [config for configs in planned.values() for config in configs if config.method == "conas"]
        reference = next((one for one in conas if one.variant is None), next(iter(conas), None))
        found = tier(first, reference or first)
        return Tier.OWN if found is Tier.SETTINGS and reference is None else found

    def done(self, sweep: str) -> list[Record]:
        """The finished runs of all rows of ``sweep``."""
        ids = dict.fromkeys(config.id for row in self.planned(sweep).values() for config in row)
        found = (self.records[run] for run in ids if run in self.records)
        return [record for record in found if record.status == "done"]

    def devices(self, sweep: str) -> list[str]:
        """The devices that the finished runs of ``sweep`` were made on."""
        return sorted({record.attempts[-1].device for record in self.done(sweep) if record.attempts})

    def statuses(self, sweep: str) -> Counter[str]:
        """How many planned runs of ``sweep`` have each status; a run that was never started is ``missing``."""
        ids = {config.id for row in self.planned(sweep).values() for config in row}
        return Counter(self.records[run].status if run in self.records else "missing" for run in ids)
