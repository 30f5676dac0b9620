"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table whose first column is of names, the others of numbers."""
    return "\n".join(map(markdown_row, [header, ["---", *["---:"] * (len(header) - 1)], *lines]))


def markdown_row(cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"
