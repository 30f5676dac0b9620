"""Table 2: the cells found on CIFAR-10, trained on other data sets."""

from tables.paper import names
from tables.readers import Last, params, search_days, searches
from tables.table import Metric, Order, Over, Table, of_images, share

CIFAR100 = Metric("cifar100", "CIFAR-100 (%)", Last("test_error"), margin=of_images(10_000), dataset="cifar100")
SVHN = Metric("svhn", "SVHN (%)", Last("test_error"), margin=of_images(26_032), dataset="svhn")
FASHION = Metric("fashion_mnist", "F-MNIST (%)", Last("test_error"), margin=of_images(10_000), dataset="fashion_mnist")
PARAMS = Metric("params", "Params (M)", params, ".3g", Over.CELL, share(0.1), dataset="fashion_mnist")
SEARCH = Metric(
    "search",
    "Search (device-days)",
    search_days,
    ".3g",
    Over.CELL,
    dataset="fashion_mnist",
    applies=searches,
    comparable=False,
)
_BETTER = (names.DARTS, names.NASNET_TRANSFER, names.ASAP)
_CELLS = (*_BETTER, names.AMOEBANET_TRANSFER, names.SNAS, names.PNAS)

TABLE = Table(
    "table2",
    "Transfer: the cell found on CIFAR-10, trained and tested on other data sets",
    (CIFAR100, SVHN, FASHION, PARAMS, SEARCH),
    (
        "The paper states neither seeds nor spread for this table; its figures are taken as exact.",
        "Parameters of the network for F-MNIST (10 classes).",
        "The other cells are published ones in networks of the published width and length, trained by the recipe of "
        "CoNAS's cells. Of SNAS's three cells the one with the moderate constraint has the printed size.",
    ),
    claims=(
        *(Order(PARAMS, names.CONAS, cell, "section 4.2: smallest") for cell in _CELLS),
        *(Order(CIFAR100, cell, names.CONAS, "Table 2") for cell in _BETTER),
        Order(CIFAR100, names.CONAS, names.SNAS, "Table 2"),
        *(Order(SVHN, names.CONAS, cell, "Table 2") for cell in _CELLS),
        *(Order(FASHION, cell, names.CONAS, "Table 2") for cell in _CELLS),
        *(Order(metric, names.CONAS, names.RSWS + names.SAME, None) for metric in (CIFAR100, SVHN, FASHION)),
    ),
)
