"""Table 4: how stable the search is when the Lasso parameter changes."""

from tables.readers import distance_to_reference, last, mult_adds, params
from tables.table import Metric, Table

TABLE = Table(
    "table4",
    "Stability: other Lasso parameters on the same measurements (CIFAR-10, short final training)",
    (
        Metric("hamming", "Hamming distance to λ = 1", distance_to_reference, ".1f"),
        Metric("error", "Test error (%)", last("test_error")),
        Metric("params", "Params (M)", params, ".3g"),
        Metric("mult_adds", "Mult-adds (M)", mult_adds, ".4g"),
    ),
    (
        "Distances are between searches of the same seed, so on the same one-shot model and measurements.",
        "The paper states an SD but not the number of seeds for this table; its means are taken as exact.",
        "Random: 15 active edges of 140, the mean support that the paper states.",
    ),
)
