"""What a search found, kept in the store for every run that trains its cell."""

from dataclasses import dataclass
from pathlib import Path

from conas.architecture import Architecture, architecture
from harness.records.files import facts, write_json
from harness.records.metrics import Metrics, Row
from harness.records.schema import SearchRecord
from harness.records.store import Store


@dataclass(frozen=True)
class Found:
    """The architecture, the search's record and the metrics of its trainings."""

    architecture: Architecture
    record: SearchRecord
    metrics: list[Row]

    def keep(self, folder: Path) -> "Found":
        """Write it to ``folder``, and give back what `kept` gives from then on: the same, as it is written."""
        Metrics(folder / "metrics.jsonl").replace(self.metrics)
        content = {"genotype": self.architecture.to_json(), "record": self.record.model_dump(mode="json")}
        write_json(folder / "stage.json", content)
        again = kept(folder)
        assert again is not None
        return again


def place(store: Store, key: str) -> Path:
    """The folder of what the search ``key`` found."""
    return store.stage("search", key)


def kept(folder: Path) -> Found | None:
    """What was kept in ``folder``, None if nothing was or it is damaged: the search then finds it again."""
    content = facts(folder / "stage.json", genotype=dict, record=dict)
    if content is None:
        return None
    try:
        answer, record = architecture(content["genotype"]), SearchRecord.model_validate(content["record"])
    except ValueError:
        return None
    return Found(answer, record, list(Metrics(folder / "metrics.jsonl")))
