"""The project's copy of the paper's numbers against another transcription, made from the paper's text."""

from pathlib import Path

import pytest

from tables.published import Published, claims, published

TRANSCRIPTION = Path(__file__).with_name("transcription.tsv")


RENAMED = {
    "DARTs (by Li & Talwalkar)": "DARTS (rerun by Li & Talwalkar)",
    "DARTs (this paper)": "DARTS (five operations)",
    "DARTs (2nd order, this paper)": "DARTS (2nd order, the authors' rerun)",
    "RSWS (this paper)": "RSWS (equal search time)",
    "CoNAS (t=1, C=60)+AutoAugment": "CoNAS (t=1, C=60) + AutoAugment",
    "λ = 2.0": "λ = 2",
    "λ = 5.0": "λ = 5",
    "λ = 10.0": "λ = 10",
}
"""Rows that the paper calls otherwise."""


def transcription() -> dict[str, list[dict[str, str]]]:
    """Every table's rows in order: what is printed by quantity, and ``quoted``."""
    found: dict[str, list[dict[str, str]]] = {}
    for line in TRANSCRIPTION.read_text(encoding="utf-8").splitlines():
        name, *cells = line.split("\t")
        if line.startswith("#"):
            continue
        if cells and name.startswith(("table", "text")):
            rows, quantities = found.setdefault(name, []), cells
        else:
            rows.append(
                {
                    "name": RENAMED.get(name, name).replace("DARTs", "DARTS"),
                    "quoted": cells[0],
                    **dict(zip(quantities, cells[1:], strict=True)),
                }
            )
    return found


def row(of: Published, quantities: set[str]) -> dict[str, str]:
    assert set(of.figures) <= quantities
    cells = {name: of.figures[name].text.replace(" | ", "|") if name in of.figures else "-" for name in quantities}
    return {"name": of.name, "quoted": "*" if of.quoted else "", **cells}


@pytest.mark.parametrize("table", [name for name in transcription() if name != "text"])
def test_every_figure_is_the_one_that_the_paper_prints(table: str) -> None:
    theirs = [{name: text.replace("1e4", "10000") for name, text in one.items()} for one in transcription()[table]]
    quantities = set(theirs[0]) - {"name", "quoted"}
    assert [row(one, quantities) for one in published(table).values()] == theirs


def test_every_number_of_the_text_is_the_one_that_the_paper_prints() -> None:
    words = {"one": "1", "neither": "0"}
    theirs = [
        [words.get(word, word.replace(",", "")) for word in row["printed"].split(", ")]
        for row in transcription()["text"]
    ]
    assert [[f"{value:.12g}" for value in claim.value] for claim in claims().values()] == theirs


def test_the_transcription_is_whole() -> None:
    assert {table: len(rows) for table, rows in transcription().items()} == {
        "table1": 17,
        "table2": 7,
        "table3": 13,
        "table4": 5,
        "table5": 3,
        "text": len(claims()),
    }


def test_only_the_authors_own_runs_have_the_seeds_of_the_captions() -> None:
    table1 = published("table1")
    assert table1["CoNAS (t=1)"].figures["error"].seeds == 5
    assert table1["DARTS"].figures["error"].seeds is None


def test_a_printed_figure_is_known_to_half_a_unit_of_its_last_digit() -> None:
    assert published("table3")["CoNAS"].figures["params"].rounding == 0.5
    assert published("table1")["CoNAS (t=1)"].figures["error"].rounding == pytest.approx(0.005)
