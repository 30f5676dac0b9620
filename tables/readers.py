"""What the tables read from a finished run."""

from conas.genotype import Genotype
from conas.space import hamming, space
from harness.config.load import Config
from harness.records.schema import Record
from tables.paper import names
from tables.runs import Runs
from tables.tiers import without_search

MILLION = 1e6
REFERENCE_ROW = names.PENALTIES[1.0]
_TITLES = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "svhn": "SVHN",
    "fashion_mnist": "Fashion-MNIST",
    "ptb": "Penn Treebank",
}


def title(dataset: str) -> str:
    """The data set as a reader knows it; its name here where the paper has none."""
    return _TITLES.get(dataset, dataset)


class Last:
    """Reads a metric of the final network at the last epoch, never at the best one."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, record: Record, runs: Runs) -> float | None:
        """The value, None if the run has no such metric."""
        return record.metrics.get("last", {}).get(self.name)


class StageMean:
    """Reads the mean of the losses (perplexities) that were measured in one stage of the search."""

    def __init__(self, stage: int) -> None:
        self.stage = stage

    def __call__(self, record: Record, runs: Runs) -> float | None:
        """The mean, None if the search had no such stage."""
        if len(record.stages) < self.stage:
            return None
        return float(record.stages[self.stage - 1]["measurements"]["mean"])


def params(record: Record, runs: Runs) -> float | None:
    """Parameters in millions."""
    return record.counts.params / MILLION if record.counts else None


def mult_adds(record: Record, runs: Runs) -> float | None:
    """Multiply-adds in millions, in the convention behind the paper's column."""
    counted = record.counts.mult_adds_ptflops if record.counts else None
    return counted / MILLION if counted is not None else None


def search_days(record: Record, runs: Runs) -> float | None:
    """Device-days that the search took."""
    return record.search.gpu_days if record.search else None


def searches(config: Config) -> bool:
    """Whether a run searches at all: a published cell or network is taken, a random one drawn."""
    return without_search(config) is None


def active_edges(record: Record, runs: Runs) -> float | None:
    """Active edges of all cells, before empty nodes are repaired where the search says which they were."""
    alpha = encoder(record)
    if alpha is not None:
        return float(alpha.count("1"))
    cells = record.genotype if record.genotype and "cells" in record.genotype else None
    return float(len(Genotype.from_json(cells).operations)) if cells else None


def distance_to_reference(record: Record, runs: Runs) -> float | None:
    """Hamming distance to the solution of lambda = 1 on the same measurements (appendix A.6)."""
    own = encoder(record)
    peers = runs.sample("table4", REFERENCE_ROW).done
    reference = next((encoder(peer) for peer in peers if peer.seed == record.seed), None)
    if own is None or reference is None:
        return None
    bits = space(record.config["space"])
    return float(hamming(bits.parse(own), bits.parse(reference)))


def encoder(record: Record) -> str | None:
    """The encoder that the search settled on, as a string of 0 and 1, if it says so."""
    return record.search.details.get("alpha") if record.search else None
