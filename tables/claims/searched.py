"""What searches with the published settings say of the paper's figures, before a network of theirs has been trained.

`harness.studies.paper_search` makes such a search; `docs/paper-scale` keeps them apart from the runs. Their cells say
how large the networks are, and nothing of an error.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from conas.space import space
from tables.claims.figures import PAPER_DEVICE, Settled, decided
from tables.claims.genotypes import CLASSES, SHAPE
from tables.claims.text import EDGES_MARGIN
from tables.claims.verdict import Kind, Status, Verdict
from tables.paper import names
from tables.paper.table1 import MULT_ADDS, PARAMS, SEARCH
from tables.published import Figure, claims, published
from tables.readers import MILLION
from tables.statistics import against
from tables.table import Metric

FOLDER = Path(__file__).parents[2] / "docs" / "paper-scale"
SIZES = (36, 20)
"""Channels and cells of the paper's network."""
COMMAND = "make paper-search"


@dataclass(frozen=True)
class Searched:
    """A finished search on CIFAR-10: the edges that its polynomial turns on, the size of the network (in millions) that
    its cell makes, and the device-days that it took."""

    edges: float
    params: float
    mult_adds: float
    days: float


@cache
def searches(folder: Path = FOLDER) -> tuple[Searched, ...]:
    """Those that are kept in ``folder``, by their seeds."""
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("cifar10-search-seed*/search.json"))]
    return tuple(map(_searched, records))


def _searched(record: dict[str, Any]) -> Searched:
    from conas.cnn.network import FinalNetwork  # help needs no torch, and its import takes seconds
    from conas.counting import count

    cells = space("cnn")
    alpha = cells.parse(record["details"]["alpha"])
    size = count(FinalNetwork(cells.build(alpha), *SIZES, CLASSES, pool_bn=True), SHAPE)
    edges = float((alpha > 0).sum())
    return Searched(edges, size.params / MILLION, size.mult_adds_ptflops_like / MILLION, record["gpu_days"])


def verdicts(found: Sequence[Searched]) -> Iterator[Verdict]:
    """A verdict on each of the paper's figures that the search with one stage speaks to; none if ``found`` is empty."""
    if not found:
        return
    yield _of_table(PARAMS, [one.params for one in found])
    yield _of_table(MULT_ADDS, [one.mult_adds for one in found])
    yield _of_table(SEARCH, [one.days for one in found])
    edges, claim = [one.edges for one in found], claims()["active-bits"]
    figure = Figure(claim.value[0])
    settled = decided(against(edges, figure), EDGES_MARGIN, len(edges), ".1f")
    yield _verdict(claim.where, claim.says, figure, edges, "g", settled)


def _of_table(metric: Metric, measured: list[float]) -> Verdict:
    figure = published("table1")[names.CONAS].figures[metric.key]
    if metric.comparable:
        settled = decided(metric.difference(measured, figure, is_published=False), metric.margin(figure), len(measured))
    else:
        settled = Status.NOT_CHECKABLE, f"time of other devices than the paper's {PAPER_DEVICE}"
    return _verdict("Table 1", f"{names.CONAS}: {metric.header}", figure, measured, metric.form, settled)


def _verdict(where: str, claim: str, figure: Figure, measured: list[float], form: str, settled: Settled) -> Verdict:
    ours = "; ".join(format(value, form) for value in measured)
    return Verdict(Kind.SEARCHED, where, claim, figure.printed(figure.mean), ours, *settled, COMMAND)
