"""The rows of a ``metrics.jsonl``: one an epoch and stage."""

import math
from collections import defaultdict
from typing import Any

import orjson

Row = dict[str, Any]


def parse(content: bytes) -> list[Row]:
    """The rows in ``content``, of every (stage, epoch) the last one; a line torn by a kill is left out."""
    lines = [line for line in content.split(b"\n") if line]
    try:
        rows = orjson.loads(b"[" + b",".join(lines) + b"]")
    except orjson.JSONDecodeError:
        rows = [row for row in map(_whole, lines) if row is not None]
    return list({(row["stage"], row["epoch"]): row for row in rows}.values())


def _whole(line: bytes) -> Row | None:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def series(rows: list[Row]) -> dict[str, tuple[list[int], list[float]]]:
    """The epochs and values of every figure, by ``STAGE.FIGURE``; a figure that is not finite is NaN."""
    found: dict[str, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
    for row in sorted(rows, key=lambda row: row["epoch"]):
        for name, value in row.items():
            if name not in ("stage", "epoch") and isinstance(value, int | float | None):
                epochs, values = found[f"{row['stage']}.{name}"]
                epochs.append(row["epoch"])
                values.append(math.nan if value is None else float(value))
    return dict(found)
