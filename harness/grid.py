"""Grids of runs as data: the files in sweeps/ say which runs each table and figure of the paper needs.

::

    summary: Table 1 ...                   one line
    set: {dataset: cifar10}                settings of all its runs, by dotted name
    seeds: [0, 1, 2, 3, 4]
    rows:                                  a table's row is one setting under several seeds
      CoNAS (t=4): {variant: t4}           what the row changes; `axes` makes it the product of several values
    profiles:                              what a profile changes
      smoke: {set: {dataset: digits}, seeds: [0, 1]}
      laptop: {rows: {ASHA: null}}         of a row, or null to leave it out

Settings are laid over one another in this order: `set`, the row's own, the axes and the seed, the profile's of the row,
the profile's `set`.
"""

from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from conas.names import unknown
from harness.config import Config, ConfigError, load, nest

Extra = tuple[tuple[str, Any], ...]
SWEEPS = Path(__file__).parent / "sweeps"


def sweeps() -> dict[str, str]:
    """Every sweep with its one-line summary."""
    return {path.stem: _read(path.stem)["summary"] for path in sorted(SWEEPS.glob("*.yaml"))}


@cache
def rows(sweep: str, profile: str, extra: Extra = ()) -> Mapping[str, tuple[Config, ...]]:
    """The runs of each row of ``sweep`` in ``profile``, in the order of the file.

    ``extra`` are further settings of every run, such as ``(("data_dir", "/data"),)``.

    Raises:
        ConfigError: no such sweep or profile, or a setting that is unknown or impossible.
    """
    if sweep not in sweeps():
        raise ConfigError(unknown("sweep", sweep, sweeps()))
    content = _read(sweep)
    changes = content.get("profiles", {}).get(profile, {})
    always = {**changes.get("set", {}), **dict(extra), "profile": profile}
    own = {name: {} for name in content["rows"]} | changes.get("rows", {})
    return {
        name: tuple(load(nest({**values, **own[name], **always})) for values in _product(content, row or {}, changes))
        for name, row in content["rows"].items()
        if own[name] is not None
    }


def runs(sweep: str, profile: str, extra: Extra = ()) -> list[Config]:
    """Every run of ``sweep`` once, in the order of its rows."""
    return list({config.id: config for row in rows(sweep, profile, extra).values() for config in row}.values())


def _read(sweep: str) -> dict[str, Any]:
    return yaml.safe_load((SWEEPS / f"{sweep}.yaml").read_text(encoding="utf-8"))


def _product(content: Mapping[str, Any], row: Mapping[str, Any], changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The settings of every run of a row: its own, times the values of the axes, times the seeds."""
    own = {name: value for name, value in row.items() if name not in ("axes", "seeds")}
    fixed = {**content.get("set", {}), **own}
    seeds = changes.get("seeds") or row.get("seeds") or content["seeds"]
    axes = {**content.get("axes", {}), **row.get("axes", {}), **changes.get("axes", {}), "seed": seeds}
    return [{**fixed, **dict(zip(axes, values, strict=True))} for values in product(*axes.values())]
