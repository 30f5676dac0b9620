"""The project's copy of the paper's numbers against an independent transcription, where one is at hand."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tables.published import Figure, claims, published

FACTS = "CONAS_PAPER_FACTS"
TABLES = ("table1", "table2", "table3", "table4", "table5")
NOT_FIGURES = {"group", "name", "cite", "via", "gpu", "epochs", "lambda"}


def independent() -> Any:
    """The transcription named by the environment variable: a YAML file with table1 ... table5 and text_claims."""
    path = os.environ.get(FACTS)
    if not path:
        pytest.skip(f"set {FACTS} to an independent transcription of the paper's numbers to compare with it")
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def figure(value: Any) -> tuple[float | None, float | None, float | None]:
    values = value if isinstance(value, dict) else {"mean": value}
    return values["mean"], values.get("std"), values.get("best")


def ours(value: Figure) -> tuple[float, float | None, float | None]:
    return value.mean, value.sd, value.best


@pytest.mark.parametrize("table", TABLES)
def test_every_figure_of_the_tables(table: str) -> None:
    theirs = [
        {key: figure(value) for key, value in row.items() if key not in NOT_FIGURES and value is not None}
        for row in independent()[table]
    ]
    assert [{key: ours(value) for key, value in row.figures.items()} for row in published(table).values()] == theirs


@pytest.mark.parametrize("table", TABLES)
def test_quoted_rows_are_marked(table: str) -> None:
    own = [row.get("cite", "this paper") == "this paper" for row in independent()[table]]
    assert [row.quoted is None for row in published(table).values()] == own


def test_every_claim_of_the_text() -> None:
    def values(value: Any) -> Iterable[float]:
        return tuple(value) if isinstance(value, list) else (value,)

    theirs = [values(claim["value"]) for claim in independent()["text_claims"]]
    assert [claim.value for claim in claims().values()] == theirs


def test_no_row_is_lost_to_an_equal_name() -> None:
    rows = [row for table in TABLES for row in published(table).values()]
    assert len(rows) == 17 + 7 + 13 + 5 + 3
    assert sum(row.quoted is None for row in rows) == 4 + 1 + 3 + 5 + 3
