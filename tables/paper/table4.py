"""Table 4: how stable the search is when the Lasso parameter changes."""

from tables.paper import names
from tables.readers import Last, distance_to_reference, mult_adds, params
from tables.table import Metric, Order, Over, Table, exactly, of_images, share

HAMMING = Metric("hamming", "Hamming distance to λ = 1", distance_to_reference, ".1f", Over.CELL, exactly(2))
ERROR = Metric("error", "Test error (%)", Last("test_error"), margin=of_images(10_000))
PARAMS = Metric("params", "Params (M)", params, ".3g", Over.CELL, share(0.1))
MULT_ADDS = Metric("mult_adds", "Mult-adds (M)", mult_adds, ".4g", Over.CELL, share(0.1))
_OTHERS = [row for penalty, row in names.PENALTIES.items() if penalty != 1.0]
_CHANCE = "the random cells have 15 active edges; random strings as short as these answers would be nearer, too"

TABLE = Table(
    "table4",
    "Stability: other Lasso parameters on the same measurements (CIFAR-10, short final training)",
    (HAMMING, ERROR, PARAMS, MULT_ADDS),
    (
        "Distances are between searches of the same seed, so on the same one-shot model and measurements.",
        "The paper states an SD but not the number of seeds for this table; its means are taken as exact.",
        "Random: 15 active edges of 140, the mean support that the paper states.",
    ),
    claims=(
        *(Order(HAMMING, row, names.RANDOM, "appendix A.6", note=_CHANCE) for row in _OTHERS),
        *(Order(ERROR, row, names.RANDOM, "appendix A.6") for row in _OTHERS),
        Order(ERROR, names.PENALTIES[1.0], names.RANDOM, None),
    ),
)
