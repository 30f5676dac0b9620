"""Table 3: the searches on Penn Treebank."""

from tables.paper import names
from tables.readers import Last, StageMean, params, search_days, searches
from tables.table import Metric, Order, Over, Table, share

VALID = Metric("valid", "Valid perplexity", Last("valid_perplexity"), ".1f", margin=share(0.01))
TEST = Metric("test", "Test perplexity", Last("test_perplexity"), ".1f", margin=share(0.01))
PARAMS = Metric("params", "Params (M)", params, ".3g", Over.CELL, share(0.1), certain=True)  # no cell changes it
SEARCH = Metric("search", "Search (device-days)", search_days, ".3g", Over.CELL, applies=searches, comparable=False)
STAGES = [Metric(f"stage{k}", f"Measured perplexity, stage {k}", StageMean(k), ".1f") for k in (1, 2)]
_RIVALS = (names.RSWS_EQUAL_TIME, names.RSWS_BOUNDED, names.DARTS_RERUN, names.DARTS_FORMULA)

TABLE = Table(
    "table3",
    "Penn Treebank: the cell of every search, trained and tested",
    (VALID, TEST, PARAMS, SEARCH),
    (
        "The paper states means over five seeds but no spread; its figures are taken as exact.",
        "The paper searched on TITAN X (its own rows), GTX 1080Ti (ENAS, random search, DARTS) and Tesla P100 (ASHA, "
        "RSWS); device-days of other devices do not compare.",
        "What is published of the NAS cell's training does not suffice to repeat it: two layers, as wide as makes 25 "
        "million parameters, are trained by the recipe of DARTS.",
        "ENAS's released code has 22.0 million parameters at its width of 748 units, where the paper prints 24.",
        "Rows with the recipe of AWD-LSTM train the same networks and cells as AWD-LSTM was trained, with finetuning. "
        "Searched cells keep DARTS' dropout of states, for they lack the weights that AWD-LSTM drops.",
        "DARTS by its formula repairs two faults of the released code, which the authors' rerun has.",
    ),
    "with the weights of its best validation epoch, as DARTS does",
    claims=(
        *(Order(TEST, names.CONAS_TEXT, other, "section 4.3") for other in _RIVALS),
        Order(TEST, names.CONAS_TEXT, names.RANDOM_SEARCH, "Table 3"),
        *(Order(TEST, other, names.CONAS_TEXT, "section 4.4") for other in (names.RSWS, names.DARTS_SECOND_ORDER)),
        *(
            Order(SEARCH, names.CONAS_TEXT, other, "section 4.4", own_scale=True)
            for other in (names.DARTS_RERUN, names.DARTS_FORMULA)
        ),
        Order(STAGES[1], names.CONAS_TEXT, names.CONAS_TEXT, "appendix A.7", than=STAGES[0]),
        *(
            Order(TEST, names.FOURIER, other, None)
            for other in (names.CONAS_TEXT, names.BEST_OF_M, names.RANDOM_SEARCH)
        ),
    ),
)
