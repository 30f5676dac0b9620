"""Verdicts on the sizes of published cells, counted without training, all by one convention.

A network has a batch norm behind each pool, as the authors' release and the setting ``final.pool_bn`` have it. The
count without them is named beside it, and decides nothing.
"""

from collections.abc import Iterator
from functools import cache

from torch import nn

from baselines.genotypes import fixed
from conas.cnn.network import FinalNetwork
from conas.counting import count
from conas.rnn.language_model import FinalRNN
from tables.claims.verdict import Kind, Status, Verdict
from tables.paper import names
from tables.published import published
from tables.readers import MILLION

LAYERS, CHANNELS, SHAPE, CLASSES = 20, 36, (3, 32, 32), 10
WORDS = 10_000
TITLES = {"params": "Params (M)", "mult_adds": "Mult-adds (M)"}
COMMAND = "make scorecard"
IMAGE_CELLS = (
    ("nasnet_a", "table1", names.NASNET, 32),
    ("amoebanet_b", "table1", names.AMOEBANET, CHANNELS),
    ("amoebanet_a", "table2", names.AMOEBANET_TRANSFER, CHANNELS),
    ("darts_v2", "table1", names.DARTS, CHANNELS),
    ("darts_v2", "table2", names.DARTS, CHANNELS),
    ("asha", "table1", names.ASHA, CHANNELS),
    ("conas", "table1", names.CONAS, CHANNELS),
)
TEXT_CELLS = (
    ("enas_rnn", names.ENAS, 748),
    ("darts_v2_rnn", names.DARTS_SECOND_ORDER, 850),
)
"""Genotype, table, row, channels or units: the published cells and rows that print their sizes, equal figures once."""
_NOT_ITS_OWN = {
    "conas": "the released README's cell; Table 1's own cells exist as pictures only",
}
"""Why a size says nothing about the figure of the row."""


@cache
def verdicts() -> tuple[Verdict, ...]:
    """A verdict on every size that the paper prints for a cell whose genotype is published."""
    return (*_image_verdicts(), *_text_verdicts())


def _image_verdicts() -> Iterator[Verdict]:
    for genotype, table, row, channels in IMAGE_CELLS:
        plain = _parameters(_network(genotype, channels, pool_bn=False))
        why = f"the published genotype {genotype!r}; {plain:.3f} without the pools' batch norms"
        yield _verdict(genotype, table, row, "params", _parameters(_network(genotype, channels)), why)
        if "mult_adds" in published(table)[row].figures:
            why = f"the published genotype {genotype!r}"
            yield _verdict(genotype, table, row, "mult_adds", _mult_adds(genotype, channels), why)


def _text_verdicts() -> Iterator[Verdict]:
    for genotype, row, units in TEXT_CELLS:
        model = FinalRNN(fixed(genotype), WORDS, units, seed=0)
        why = f"the published genotype {genotype!r} with {units} units"
        yield _verdict(genotype, "table3", row, "params", _parameters(model), why)


@cache
def _network(genotype: str, channels: int, pool_bn: bool = True) -> FinalNetwork:
    return FinalNetwork(fixed(genotype), channels, LAYERS, CLASSES, pool_bn=pool_bn)


def _parameters(network: nn.Module) -> float:
    return sum(parameter.numel() for parameter in network.parameters()) / MILLION


@cache
def _mult_adds(genotype: str, channels: int) -> float:
    return count(_network(genotype, channels), SHAPE).mult_adds_ptflops_like / MILLION


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
