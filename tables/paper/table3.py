"""Table 3: the searches on Penn Treebank."""

from tables.readers import last, params, search_days, searches
from tables.table import Metric, Table

TABLE = Table(
    "table3",
    "Penn Treebank: the cell of every search, trained and tested",
    (
        Metric("valid", "Valid perplexity", last("valid_perplexity"), ".1f"),
        Metric("test", "Test perplexity", last("test_perplexity"), ".1f"),
        Metric("params", "Params (M)", params, ".3g"),
        Metric("search", "Search (device-days)", search_days, ".3g", applies=searches, comparable=False),
    ),
    (
        "The paper states means over five seeds but no spread; its figures are taken as exact.",
        "The paper searched on TITAN X, GTX 1080Ti and Tesla P100; device-days of other devices do not compare.",
        "ENAS and both rows DARTS under published searches are published cells trained here.",
        "Assumed, as the paper is silent: the epochs, clip, m, lambda and seeds of its search on Penn Treebank "
        "(`python harness/run.py print_config with dataset=ptb profile=paper` shows every value and its source).",
    ),
    "with the weights of its best validation epoch, as DARTS does",
)
