"""Table 1: the searches on CIFAR-10."""

from itertools import pairwise

from tables.paper import names
from tables.readers import Last, StageMean, mult_adds, params, search_days, searches
from tables.table import Metric, Order, Over, Table, of_images, share

ERROR = Metric("error", "Test error (%)", Last("test_error"), margin=of_images(10_000), best=True)
PARAMS = Metric("params", "Params (M)", params, ".3g", Over.CELL, share(0.1))
MULT_ADDS = Metric("mult_adds", "Mult-adds (M)", mult_adds, ".4g", Over.CELL, share(0.1))
SEARCH = Metric("search", "Search (device-days)", search_days, ".3g", Over.CELL, applies=searches, comparable=False)
STAGES = [Metric(f"stage{k}", f"Measured loss, stage {k}", StageMean(k), ".3f") for k in (1, 2, 3, 4)]
_RSWS = names.both(names.RSWS)
_SIXTEEN = "every network of DARTS and RSWS has 16 edges by rule"

TABLE = Table(
    "table1",
    "CIFAR-10: the cell of every search, trained and tested",
    (ERROR, PARAMS, MULT_ADDS, SEARCH),
    (
        "The paper states the number of trainings of its own rows alone; quoted figures are taken as exact, SDs aside.",
        "Mult-adds as the paper's column counts them: convolutions, linear layers, batch norms, ReLUs and pools.",
        "The paper's search cost is of an NVIDIA TITAN X; device-days of other devices do not compare with it.",
        "PyramidNet, AutoAugment and ProxylessNAS are networks trained by recipes of their authors' code. NASNet-A, "
        "AmoebaNet, SNAS, ENAS and DARTS are published cells, in profile paper in networks of the published width and "
        "length, trained by the recipe of CoNAS's cells: an error beside the paper's compares recipes, too.",
        "Of SNAS's three cells the one with the moderate constraint has the printed size. ENAS published two cells; "
        "neither reaches the printed size without the 1x1 convolutions that its code adds.",
        f"{names.GHN} published no architecture that could be trained; beside it stands a search with a hypernetwork.",
        "RSWS, ASHA and random search run as their authors published them (eight operations, 1 - top-1 accuracy); "
        "with the same space and measure, in the five operations and by the cross-entropy that CoNAS has.",
    ),
    claims=(
        *(Order(ERROR, names.CONAS, other, "section 4.1") for other in (*_RSWS, names.DARTS)),
        *(Order(ERROR, names.CONAS, other, "section 1") for other in names.both(names.RANDOM_SEARCH)),
        *(Order(ERROR, names.CONAS, other, "Table 1") for other in (names.DARTS_FIVE, *names.both(names.ASHA))),
        *(
            Order(metric, names.CONAS, other, "section 4.1: smaller", note=_SIXTEEN)
            for metric in (PARAMS, MULT_ADDS)
            for other in (*_RSWS, names.DARTS)
        ),
        *(Order(metric, names.CONAS, names.DARTS_FIVE, "Table 1", note=_SIXTEEN) for metric in (PARAMS, MULT_ADDS)),
        *(Order(PARAMS, names.CONAS, other, "section 1") for other in names.both(names.RANDOM_SEARCH)),
        *(Order(metric, names.CONAS, names.ENAS, "section 1") for metric in (ERROR, PARAMS)),
        *(
            Order(SEARCH, names.CONAS, other, "section 4.1: faster", own_scale=True)
            for other in (*_RSWS, names.DARTS_FIVE)
        ),
        Order(ERROR, names.CONAS_FOUR_STAGES, names.CONAS, "section 4.1: four stages"),
        Order(ERROR, names.CONAS_FOUR_STAGES, names.CONAS, "section 4.1: four stages", of_spread=True),
        *(
            Order(metric, other, names.CONAS_FOUR_STAGES, "section 4.1: four stages", note=note)
            for metric in (PARAMS, MULT_ADDS)
            for other, note in ((names.CONAS, ""), *((other, _SIXTEEN) for other in (*_RSWS, names.DARTS)))
        ),
        Order(ERROR, names.CONAS_WIDE, names.CONAS, "Table 1: wide"),
        *(
            Order(later, names.CONAS_FOUR_STAGES, names.CONAS_FOUR_STAGES, "appendix A.7", than=earlier)
            for earlier, later in pairwise(STAGES)
        ),
        *(Order(ERROR, names.CONAS, other, None) for other in (names.BEST_OF_M, names.WIRED_15, names.WIRED_5)),
        *(
            Order(ERROR, names.FOURIER, other, None)
            for other in (names.CONAS, names.CONAS_AND_LOCAL_SEARCH, names.EVOLUTION, names.BEST_OF_M, names.WIRED_15)
        ),
    ),
)
