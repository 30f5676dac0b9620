"""The paper's numbers, from published.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_FACTS = ("name", "group", "quoted", "epochs")


@dataclass(frozen=True)
class Figure:
    """What the paper prints for one quantity.

    Attributes:
        seeds: trainings behind a mean with an SD, None where the paper does not say.
        decimals: digits printed behind the point, so the figure is known to half a unit of the last one.
    """

    mean: float
    sd: float | None = None
    best: float | None = None
    seeds: int | None = None
    decimals: int = 0

    @property
    def rounding(self) -> float:
        """How far the printed mean may be from the exact one."""
        return 0.5 * 10.0**-self.decimals

    @property
    def text(self) -> str:
        """The figure as it is printed: ``best | mean ± SD``, or what there is of them."""
        best = f"{self.printed(self.best)} | " if self.best is not None else ""
        spread = f" ± {self.printed(self.sd)}" if self.sd is not None else ""
        return f"{best}{self.printed(self.mean)}{spread}"

    def printed(self, value: float) -> str:
        """``value`` with the digits that the paper prints here."""
        return f"{value:.{self.decimals}f}"


@dataclass(frozen=True)
class Published:
    """One row of a table of the paper; ``quoted`` names the work it is taken from, None for the authors' own runs."""

    name: str
    group: str
    quoted: str | None
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class Claim:
    """A number, or several, in the paper's running text."""

    id: str
    where: str
    says: str
    value: tuple[float, ...]


@cache
def published(table: str) -> dict[str, Published]:
    """The rows of ``table1`` ... ``table5`` in the paper's order, by name; none for a table that is not the paper's."""
    content = _content().get(table, {"rows": (), "seeds": None})
    return {row["name"]: _row(row, content["seeds"]) for row in content["rows"]}


@cache
def claims() -> dict[str, Claim]:
    """The numeric claims of the running text, by id."""
    return {
        entry["id"]: Claim(
            entry["id"],
            entry["where"],
            entry["says"],
            tuple(entry["value"]) if isinstance(entry["value"], list) else (entry["value"],),
        )
        for entry in _content()["claims"]
    }


def _content() -> Any:
    return yaml.safe_load((Path(__file__).parent / "published.yaml").read_text(encoding="utf-8"))


def _row(row: Mapping[str, Any], seeds: int | None) -> Published:
    quoted = row.get("quoted")
    trainings = None if quoted else seeds  # the captions speak of the authors' own experiments
    figures = {key: _figure(value, trainings) for key, value in row.items() if key not in _FACTS}
    return Published(row["name"], row.get("group", ""), quoted, figures)


def _figure(value: Any, seeds: int | None) -> Figure:
    if isinstance(value, Mapping):
        return Figure(value["mean"], value.get("sd"), value.get("best"), seeds, _decimals(value["mean"]))
    return Figure(value, decimals=_decimals(value))


def _decimals(value: float) -> int:
    """Digits behind the point, as published.yaml writes them."""
    return len(str(value).partition(".")[2])
