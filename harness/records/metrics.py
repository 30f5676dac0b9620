"""The rows of a ``metrics.jsonl``: one per epoch and stage."""

import io
import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import orjson

from harness.records.files import Lines, encode, objects

Row = dict[str, Any]
_LATEST = 2**31


class Metrics(Lines):
    """A file of rows; whatever is none is skipped when read."""

    def __iter__(self) -> Iterator[Row]:
        return filter(is_row, super().__iter__())

    def become(self, rows: list[Row]) -> None:
        """Let the file hold ``rows``; it is written anew only if it does not."""
        if encode(self) != encode(rows):
            self.replace(rows)

    def keep(self, stage: str, rows: list[Row]) -> None:
        """Let ``rows`` be all rows of ``stage``, after those of the other stages."""
        self.become([*(row for row in self if row["stage"] != stage), *rows])


def is_row(row: Any) -> bool:
    """Whether ``row`` names a stage and an epoch, and figures besides."""
    if not isinstance(row, dict) or not isinstance(row.get("stage"), str):
        return False
    epoch = row.get("epoch")
    is_counted = isinstance(epoch, int) and not isinstance(epoch, bool) and 0 < epoch < _LATEST
    return is_counted and not any(isinstance(value, list | dict) for value in row.values())


def parse(content: bytes) -> list[Row]:
    """The rows in ``content``, of every (stage, epoch) the last one; a line torn by a kill is left out."""
    try:
        rows = orjson.loads(b"[" + b",".join(line for line in content.split(b"\n") if line) + b"]")
    except orjson.JSONDecodeError:
        rows = list(objects(io.BytesIO(content)))
    return list({(row["stage"], row["epoch"]): row for row in rows if is_row(row)}.values())


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
