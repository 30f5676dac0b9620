"""What `harness.studies.paper_answers` wrote, as a Markdown table. Arguments: its files.

``python -m harness.studies.paper_answers_page CSV...``: one file per search, in the order of the numbers that a cell
then has. A column that no file has is left out.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from harness.console.markdown import markdown_table

NONE = "–"
COLUMNS: dict[str, tuple[str, str]] = {
    "measurements": ("sub-networks measured", ",.0f"),
    "active": ("edges on", ".0f"),
    "loss": ("one-shot loss", ".2f"),
    "better": ("random sub-networks below it (%)", ".1f"),
    "held_out_r2": ("R² held out, of what was fitted", ".2f"),
    "params_M": ("params (M)", ".2f"),
    "mult_adds_M": ("mult-adds (M), convolutions and linear", ",.0f"),
}


def page(tables: Sequence[pd.DataFrame]) -> str:
    """The table; an answer that a search does not have is a dash there."""
    known = [table.set_index("answer") for table in tables]
    names = dict.fromkeys(name for table in known for name in table.index)
    columns = [column for column in COLUMNS if any(column in table for table in known)]
    titles = ["answer", *(COLUMNS[column][0] for column in columns)]
    rows = [[name, *(_cell(known, name, column) for column in columns)] for name in names]
    return markdown_table(titles, rows)


def _cell(tables: Sequence[pd.DataFrame], name: str, column: str) -> str:
    values = [table[column].get(name) if column in table else None for table in tables]
    said = [NONE if value is None or pd.isna(value) else _number(value, COLUMNS[column][1]) for value in values]
    return "" if set(said) == {NONE} else "; ".join(said)


def _number(value: float, form: str) -> str:
    return format(value, form).replace("-", "−")


def main() -> None:
    """The command line."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print(page([pd.read_csv(Path(name)) for name in sys.argv[1:]]))


if __name__ == "__main__":
    main()
