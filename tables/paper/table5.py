"""Table 5: randomly wired cells with about as many edges as CoNAS (t=4)."""

from tables.paper import names
from tables.readers import Last, active_edges, params
from tables.table import Metric, Order, Over, Table, of_images

EDGES = Metric("edges", "Active edges", active_edges, ".1f", Over.CELL)
PARAMS = Metric("params", "Params (M)", params, ".3g", Over.CELL)
ERROR = Metric("error", "Test error (%)", Last("test_error"), margin=of_images(10_000))

_ONE = "the wiring is one draw, trained anew under each seed: the interval says nothing of other wirings"

TABLE = Table(
    "table5",
    "Random wiring by Binomial(140, 1/4) on CIFAR-10",
    (EDGES, PARAMS, ERROR),
    (
        "Each randomly wired model is one cell trained under several seeds.",
        "The paper's cells are other random draws than ours, so no cell of a row is set against the paper's.",
    ),
    claims=tuple(Order(ERROR, names.CONAS_FOUR_STAGES, wired, "appendix A.8", note=_ONE) for wired in names.WIRED),
)
