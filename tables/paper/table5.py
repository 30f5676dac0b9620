"""Table 5: randomly wired cells with about as many edges as CoNAS (t=4)."""

from tables.readers import active_edges, last, params
from tables.table import Metric, Table

TABLE = Table(
    "table5",
    "Random wiring by Binomial(140, 1/4) on CIFAR-10",
    (
        Metric("edges", "Active edges", active_edges, ".1f"),
        Metric("params", "Params (M)", params, ".3g"),
        Metric("error", "Test error (%)", last("test_error")),
    ),
    (
        "Each randomly wired model is one cell trained under several seeds; CoNAS (t=4) has one cell a seed.",
        "The paper shows one training of each model; its figures are taken as exact.",
    ),
)
