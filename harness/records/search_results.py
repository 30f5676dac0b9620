"""What a search found, kept in the store for every run that trains its cell."""

from dataclasses import dataclass
from pathlib import Path

from conas.genotype import Genotype
from harness.records.files import Lines, read_json, write_json
from harness.records.metrics import Row
from harness.records.store import SearchRecord, Store


@dataclass(frozen=True)
class Found:
    """The genotype, the search's record and the metrics of its trainings."""

    genotype: Genotype
    record: SearchRecord
    metrics: list[Row]

    def keep(self, folder: Path) -> "Found":
        """Write it to ``folder``, and give back what `kept` gives from then on: the same, as it is written."""
        rows = Lines(folder / "metrics.jsonl")
        rows.path.unlink(missing_ok=True)
        if self.metrics:
            rows.append(*self.metrics)
        facts = {"genotype": self.genotype.to_json(), "record": self.record.model_dump(mode="json")}
        write_json(folder / "stage.json", facts)
        return _read(folder)


def place(store: Store, key: str) -> Path:
    """The folder of what the search ``key`` found."""
    return store.stage("search", key)


def kept(folder: Path) -> Found | None:
    """What was kept in ``folder``, None if nothing was."""
    return _read(folder) if (folder / "stage.json").exists() else None


def _read(folder: Path) -> Found:
    facts = read_json(folder / "stage.json")
    metrics = list(Lines(folder / "metrics.jsonl"))
    return Found(Genotype.from_json(facts["genotype"]), SearchRecord(**facts["record"]), metrics)
