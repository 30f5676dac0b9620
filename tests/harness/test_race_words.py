"""What the pages say of the race is what its duels say."""

from pathlib import Path

import pandas as pd

from harness.studies.race_cnn_page import page

ROOT = Path(__file__).parents[2]
DUELS = pd.read_csv(ROOT / "docs" / "race" / "duels.csv")
WINS = DUELS[DUELS["verdict"] == "wins"].groupby("against").size()
PAIRS = DUELS.groupby("against").size()
STUDIES = " ".join((ROOT / "docs" / "studies.md").read_text(encoding="utf-8").split())


def of(name: str) -> str:
    return f"{WINS.get(name, 0)} of {PAIRS[name]} against {name}"


def test_the_fourier_search_never_loses() -> None:
    assert "never loses" in STUDIES
    assert not (DUELS["verdict"] == "loses").any()


def test_it_wins_at_all_pairs_against_some() -> None:
    assert "at all pairs against CoNAS, Harmonica, the best of m, q-SFT, RSWS and random search" in STUDIES
    for name in ("CoNAS", "Harmonica", "best of m", "q-SFT", "RSWS", "random search"):
        assert WINS[name] == PAIRS[name]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{PAIRS['best of m']} pairs of board and budget, against the best of as many random measurements" in readme
    assert f"wins at {WINS['best of m']} |" in readme


def test_it_wins_at_so_many_against_others() -> None:
    local, evolution, climbing = (WINS[n] for n in ("CoNAS + local search", "regularised evolution", "hill climbing"))
    pairs = PAIRS["CoNAS + local search"]
    assert (
        f"at {local} of {pairs} against CoNAS with a local search, at {evolution} against regularised evolution"
        in STUDIES
    )
    assert f"and at {climbing} against hill climbing" in STUDIES
    assert PAIRS["regularised evolution"] == PAIRS["hill climbing"] == pairs
    assert f"{of('BOCS')}, {of('COMBO')}, {of('COMEX')} and {of('BANANAS')}" in STUDIES


def test_the_page_of_the_race_on_a_cnn_is_what_its_searches_say() -> None:
    folder = ROOT / "docs" / "race_cnn"
    assert (folder / "race_cnn.md").read_text(encoding="utf-8") == page(folder)
