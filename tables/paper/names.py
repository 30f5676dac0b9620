"""The rows that claims and figures speak of, by the names that sweeps/ and published.yaml give them: each once."""

CONAS = "CoNAS (t=1)"
CONAS_FOUR_STAGES = "CoNAS (t=4)"
CONAS_WIDE = "CoNAS (t=1, C=60) + AutoAugment"
BEST_OF_M = "Best of m"
RSWS = "RSWS (same space and measure)"
ASHA = "ASHA (same space and measure)"
ASHA_PUBLISHED = "ASHA"
RANDOM_SEARCH = "Random Search (same space and measure)"
RANDOM_SEARCH_TEXT = "Random Search"
DARTS_FIVE = "DARTS (five operations)"
WIRED_15 = "Random wiring, 15 edges"
WIRED_5 = "Random wiring, 5 edges"

DARTS = "DARTS"
NASNET = "NASNet-A"
AMOEBANET = "AmoebaNet-B"
NASNET_TRANSFER = "NASNet"
AMOEBANET_TRANSFER = "AmoebaNet-A"
ENAS = "ENAS"

CONAS_TEXT = "CoNAS"
RSWS_EQUAL_TIME = "RSWS (equal search time)"
DARTS_RERUN = "DARTS (2nd order, by its formula)"
DARTS_SECOND_ORDER = "DARTS (2nd order)"

PENALTIES = {penalty: f"λ = {penalty:g}" for penalty in (0.5, 1.0, 2.0, 5.0, 10.0)}
RANDOM = "Random"
WIRED = tuple(f"Randomly Wired Model ({i})" for i in (1, 2, 3))
