"""Table 2: the cells found on CIFAR-10, trained on other data sets."""

from tables.readers import last, params, search_days, searches
from tables.table import Metric, Table

TABLE = Table(
    "table2",
    "Transfer: the cell found on CIFAR-10, trained and tested on other data sets",
    (
        Metric("cifar100", "CIFAR-100 (%)", last("test_error"), dataset="cifar100"),
        Metric("svhn", "SVHN (%)", last("test_error"), dataset="svhn"),
        Metric("fashion_mnist", "F-MNIST (%)", last("test_error"), dataset="fashion_mnist"),
        Metric("params", "Params (M)", params, ".3g", dataset="fashion_mnist"),
        Metric(
            "search",
            "Search (device-days)",
            search_days,
            ".3g",
            dataset="fashion_mnist",
            applies=searches,
            comparable=False,
        ),
    ),
    (
        "The paper states neither seeds nor spread for this table; its figures are taken as exact.",
        "Parameters of the network for F-MNIST (10 classes).",
        "NASNet, DARTS and AmoebaNet-A are published cells trained here, not searches run here.",
        "In the profile smoke, scikit-learn's digits stand for all three data sets.",
    ),
)
