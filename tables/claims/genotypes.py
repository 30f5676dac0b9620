"""Verdicts on the sizes of published cells, counted without training."""

from collections.abc import Iterator
from functools import cache

from torch import nn

from baselines.genotypes import fixed
from conas.cnn.network import FinalNetwork
from conas.counting import count
from conas.rnn.language_model import FinalRNN
from tables.claims.verdict import Status, Verdict
from tables.published import published
from tables.readers import MILLION

LAYERS, CHANNELS, SHAPE, CLASSES = 20, 36, (3, 32, 32), 10
WORDS, UNITS = 10_000, 850
TITLES = {"params": "Params (M)", "mult_adds": "Mult-adds (M)"}
COMMAND = "make scorecard"
IMAGE_CELLS = (
    ("nasnet_a", "table1", "NASNet-A", 32),
    ("nasnet_a", "table2", "NASNet", 32),
    ("amoebanet_b", "table1", "AmoebaNet-B", CHANNELS),
    ("amoebanet_a", "table2", "AmoebaNet-A", CHANNELS),
    ("darts_v2", "table1", "DARTS", CHANNELS),
    ("darts_v2", "table2", "DARTS", CHANNELS),
    ("asha", "table1", "ASHA", CHANNELS),
    ("conas", "table1", "CoNAS (t=1)", CHANNELS),
)
TEXT_CELLS = (
    ("enas_rnn", "ENAS"),
    ("darts_v1_rnn", "DARTS (1st order)"),
    ("darts_v2_rnn", "DARTS (2nd order)"),
)
"""Genotype, table, row and channels: the published cells and the rows that print their sizes."""


@cache
def verdicts() -> tuple[Verdict, ...]:
    """A verdict on every size that the paper prints for a cell whose genotype is published."""
    return (*_image_verdicts(), *_text_verdicts())


def _image_verdicts() -> Iterator[Verdict]:
    for genotype, table, row, channels in IMAGE_CELLS:
        networks = [_network(genotype, channels, pool_bn) for pool_bn in (False, True)]
        yield _verdict(genotype, table, row, "params", [_parameters(network) for network in networks])
        if "mult_adds" in published(table)[row].figures:
            yield _verdict(genotype, table, row, "mult_adds", [_mult_adds(network) for network in networks])


def _text_verdicts() -> Iterator[Verdict]:
    for genotype, row in TEXT_CELLS:
        model = FinalRNN(fixed(genotype), WORDS, UNITS, seed=0)
        yield _verdict(genotype, "table3", row, "params", [_parameters(model)])


def _network(genotype: str, channels: int, pool_bn: bool) -> FinalNetwork:
    return FinalNetwork(fixed(genotype), channels, LAYERS, CLASSES, pool_bn=pool_bn)


def _parameters(network: nn.Module) -> float:
    return sum(parameter.numel() for parameter in network.parameters()) / MILLION


def _mult_adds(network: FinalNetwork) -> float:
    return count(network, SHAPE).mult_adds_ptflops_like / MILLION


def _verdict(genotype: str, table: str, row: str, key: str, counted: list[float]) -> Verdict:
    """Reproduced if any count rounds to what the paper prints; two are those without and with pool batch norms."""
    paper = f"{published(table)[row].figures[key].mean:g}"
    digits = len(paper.partition(".")[2])
    same = any(f"{size:.{digits}f}" == paper for size in counted)
    status = Status.REPRODUCED if same else Status.DIFFERS
    why = f"the published genotype {genotype!r}, rounded as the paper prints"
    if len(counted) == 2:
        why += "; without and with a batch norm behind each pool"
    if genotype == "conas":
        status, why = Status.NOT_CHECKABLE, "the released README's cell; Table 1's own cells exist as pictures only"
    return Verdict(
        f"table {table.removeprefix('table')}",
        f"{row}: {TITLES[key]} of the published cell",
        paper,
        " / ".join(f"{size:.3f}" for size in counted),
        status,
        why,
        COMMAND,
    )
