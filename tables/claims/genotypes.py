"""Verdicts on the sizes of published cells, counted without training, all by one convention.

A network has a batch norm behind each pool, as the authors' release and the setting ``final.pool_bn`` have it. The
count without them is named beside it, and decides nothing.
"""

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from conas.cells import cell
from tables.claims.verdict import Kind, Status, Verdict
from tables.paper import names
from tables.published import published
from tables.readers import MILLION
from tables.runs import Sample

if TYPE_CHECKING:  # help needs no torch, and its import takes seconds
    from torch import nn

    from conas.cnn.network import FinalNetwork

SHAPE, CLASSES = (3, 32, 32), 10
WORDS = 10_000
TITLES = {"params": "Params (M)", "mult_adds": "Mult-adds (M)"}
COMMAND = "make scorecard"
IMAGE_CELLS = (
    ("nasnet_a", "table1", names.NASNET, (32, 20)),
    ("amoebanet_b", "table1", names.AMOEBANET, (36, 20)),
    ("amoebanet_a", "table2", names.AMOEBANET_TRANSFER, (36, 20)),
    ("snas_moderate", "table1", names.SNAS, (36, 20)),
    ("enas_micro_script", "table1", names.ENAS, (36, 17)),
    ("pnasnet_5", "table2", names.PNAS, (48, 9)),
    ("asap", "table2", names.ASAP, (36, 20)),
    ("darts_v2", "table1", names.DARTS, (36, 20)),
    ("darts_v2", "table2", names.DARTS, (36, 20)),
    ("asha", "table1", names.ASHA, (36, 20)),
    ("conas", "table1", names.CONAS, (36, 20)),
)
TEXT_CELLS = (
    ("enas_rnn", names.ENAS, 748),
    ("darts_v2_rnn", names.DARTS_SECOND_ORDER, 850),
)
"""Genotype, table, row, channels and cells or units: the published cells whose rows print sizes, equal ones once."""
_NOT_ITS_OWN = {
    "conas": "the released README's cell; Table 1's own cells exist as pictures only",
}
"""Why a size says nothing about the figure of the row."""


def is_counted(row: str, sample: Sample, key: str) -> bool:
    """Whether the figure ``key`` of a row with these runs is the size of a published cell, by its row or its genotype.

    So it has its verdict here, and needs no other by a margin.
    """
    if key not in TITLES or not sample.is_published:
        return False
    genotypes = {genotype for genotype, *_ in (*IMAGE_CELLS, *TEXT_CELLS)}
    rows = {*(name for _, _, name, _ in IMAGE_CELLS), *(name for _, name, _ in TEXT_CELLS)}
    return row in rows or {config.search.get("genotype") for config in sample.planned} <= genotypes


@cache
def verdicts() -> tuple[Verdict, ...]:
    """A verdict on every size that the paper prints for a cell whose genotype is published."""
    return (*_image_verdicts(), *_text_verdicts())


def _image_verdicts() -> Iterator[Verdict]:
    for genotype, table, row, sizes in IMAGE_CELLS:
        plain = _parameters(_network(genotype, sizes, pool_bn=False))
        why = f"the published genotype {genotype!r}; {plain:.3f} without the pools' batch norms"
        yield _verdict(genotype, table, row, "params", _parameters(_network(genotype, sizes)), why)
        if "mult_adds" in published(table)[row].figures:
            why = f"the published genotype {genotype!r}"
            yield _verdict(genotype, table, row, "mult_adds", _mult_adds(genotype, sizes), why)


def _text_verdicts() -> Iterator[Verdict]:
    from conas.rnn.language_model import FinalRNN

    for genotype, row, units in TEXT_CELLS:
        model = FinalRNN(cell(genotype), WORDS, units, seed=0)
        why = f"the published genotype {genotype!r} with {units} units"
        yield _verdict(genotype, "table3", row, "params", _parameters(model), why)


@cache
def _network(genotype: str, sizes: tuple[int, int], pool_bn: bool = True) -> "FinalNetwork":
    from conas.cnn.network import FinalNetwork

    return FinalNetwork(cell(genotype), *sizes, CLASSES, pool_bn=pool_bn)


def _parameters(network: "nn.Module") -> float:
    return sum(parameter.numel() for parameter in network.parameters()) / MILLION


@cache
def _mult_adds(genotype: str, sizes: tuple[int, int]) -> float:
    from conas.counting import count

    return count(_network(genotype, sizes), SHAPE).mult_adds_ptflops_like / MILLION


def _verdict(genotype: str, table: str, row: str, key: str, counted: float, why: str) -> Verdict:
    """Reproduced if the count rounds to what the paper prints."""
    figure = published(table)[row].figures[key]
    same = figure.printed(counted) == figure.printed(figure.mean)
    status = Status.REPRODUCED if same else Status.DIFFERS
    if genotype in _NOT_ITS_OWN:
        status, why = Status.NOT_CHECKABLE, _NOT_ITS_OWN[genotype]
    where = f"Table {table.removeprefix('table')}"
    claim = f"{row}: {TITLES[key]} of the published cell"
    return Verdict(Kind.SIZE, where, claim, figure.printed(figure.mean), f"{counted:.3f}", status, why, COMMAND)
