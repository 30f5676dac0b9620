"""Table 1: the searches on CIFAR-10."""

from tables.readers import last, mult_adds, params, search_days, searches
from tables.table import Metric, Table

TABLE = Table(
    "table1",
    "CIFAR-10: the cell of every search, trained and tested",
    (
        Metric("error", "Test error (%)", last("test_error"), best=True),
        Metric("params", "Params (M)", params, ".3g"),
        Metric("mult_adds", "Mult-adds (M)", mult_adds, ".4g"),
        Metric("search", "Search (device-days)", search_days, ".3g", applies=searches, comparable=False),
    ),
    (
        "Mult-adds as the paper's column counts them: convolutions, linear layers, batch norms, ReLUs and pools.",
        "The paper's search cost is of an NVIDIA TITAN X; device-days of other devices do not compare with it.",
        "DARTS, NASNet-A and AmoebaNet-A are published cells trained here, not searches run here.",
    ),
)
