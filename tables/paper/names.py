"""The rows that claims and figures speak of, by the names that sweeps/ and published.yaml give them: each once."""

SAME = " (same space and measure)"
"""What ends the name of a search that runs as CoNAS does, beside the one that runs as its authors published it."""

CONAS = "CoNAS (t=1)"
CONAS_FOUR_STAGES = "CoNAS (t=4)"
CONAS_WIDE = "CoNAS (t=1, C=60) + AutoAugment"
BEST_OF_M = "Best of m"
FOURIER = "Fourier search"
"""This project's own, on CoNAS's one-shot model with as many measurements."""
CONAS_AND_LOCAL_SEARCH = "CoNAS + local search"
"""This project's own: more measurements, from CoNAS's answer."""
EVOLUTION = "Regularised evolution"
RSWS = "RSWS"
ASHA = "ASHA"
RANDOM_SEARCH = "Random Search"
DARTS_FIVE = "DARTS (five operations)"
WIRED_15 = "Random wiring, 15 edges"
WIRED_5 = "Random wiring, 5 edges"

DARTS = "DARTS"
NASNET = "NASNet-A"
AMOEBANET = "AmoebaNet-B"
NASNET_TRANSFER = "NASNet"
AMOEBANET_TRANSFER = "AmoebaNet-A"
ENAS = "ENAS"
SNAS = "SNAS"
PNAS = "PNAS"
ASAP = "ASAP"
GHN = "GHN"

CONAS_TEXT = "CoNAS"
RSWS_EQUAL_TIME = "RSWS (equal search time)"
RSWS_BOUNDED = "RSWS (training time bounded)"
DARTS_RERUN = "DARTS (2nd order, the authors' rerun)"
DARTS_FORMULA = "DARTS (2nd order, by its formula)"
DARTS_SECOND_ORDER = "DARTS (2nd order)"

PENALTIES = {penalty: f"λ = {penalty:g}" for penalty in (0.5, 1.0, 2.0, 5.0, 10.0)}
RANDOM = "Random"
WIRED = tuple(f"Randomly Wired Model ({i})" for i in (1, 2, 3))

_STANDS_FOR = {RSWS_BOUNDED: RSWS_EQUAL_TIME, DARTS_FORMULA: DARTS_RERUN}


def both(row: str) -> tuple[str, str]:
    """A search as its authors published it, and in the space and by the measure of CoNAS."""
    return row, row + SAME


def published_as(row: str) -> str:
    """The row of the paper that ``row`` stands for: itself, or the one whose other settings it has."""
    return _STANDS_FOR.get(row, row.removesuffix(SAME))
