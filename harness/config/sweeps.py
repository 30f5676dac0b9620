"""Grids of runs as data: the files in sweeps/ say which runs each table and figure of the paper needs.

A sweep is the name of one of these files or the path of a user's own, ``mine.yaml``.

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

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from conas.names import unknown
from harness.config.load import Config, ConfigError, load, nest

Extra = tuple[tuple[str, Any], ...]
SWEEPS = Path(__file__).parent.parent / "sweeps"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Changes(_Strict):
    set: dict[str, Any] = {}
    seeds: list[int] = []
    axes: dict[str, list[Any]] = {}
    rows: dict[str, dict[str, Any] | None] = {}


class _Sweep(_Strict):
    summary: str = ""
    set: dict[str, Any] = {}
    seeds: list[int] = [0]
    axes: dict[str, list[Any]] = {}
    rows: dict[str, dict[str, Any] | None]
    profiles: dict[str, _Changes] = {}


def names() -> dict[str, str]:
    """Every sweep with its one-line summary."""
    return {path.stem: _read(path).summary for path in sorted(SWEEPS.glob("*.yaml"))}


def named(asked: Iterable[str]) -> list[str]:
    """The sweeps that are asked for, each once; ``all`` stands for every one that comes with the project."""
    return list(dict.fromkeys(name for one in asked for name in (names() if one == "all" else [one])))


@cache
def rows(sweep: str, profile: str, extra: Extra = ()) -> Mapping[str, tuple[Config, ...]]:
    """The runs of each row of ``sweep`` in ``profile``, in the order of the file.

    ``extra`` are further settings of every run, such as ``(("data_dir", "/data"),)``.

    Raises:
        ConfigError: no such sweep or profile, a file that is no sweep, or a setting that is unknown or impossible.
    """
    content = _read(_file(sweep))
    changes = content.profiles.get(profile, _Changes())
    always = {**changes.set, **dict(extra), "profile": profile}
    own: dict[str, dict[str, Any] | None] = {name: {} for name in content.rows} | changes.rows
    return {
        name: _row(
            f"{sweep}, {name}", [{**values, **mine, **always} for values in _product(content, row or {}, changes)]
        )
        for name, row in content.rows.items()
        if (mine := own[name]) is not None
    }


def runs(sweep: str, profile: str, extra: Extra = ()) -> list[Config]:
    """Every run of ``sweep`` once, in the order of its rows."""
    return list({config.id: config for row in rows(sweep, profile, extra).values() for config in row}.values())


def setting(text: str) -> tuple[str, Any]:
    """The setting that ``NAME=VALUE`` stands for.

    Raises:
        ConfigError: it has another form.
    """
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ConfigError(f"{text}: expected NAME=VALUE")
    return name, yaml.safe_load(value)


def _file(sweep: str) -> Path:
    if sweep.endswith((".yaml", ".yml")):
        return Path(sweep)
    if not (SWEEPS / f"{sweep}.yaml").exists():
        raise ConfigError(f"{unknown('sweep', sweep, names())}, or the path of a file NAME.yaml")
    return SWEEPS / f"{sweep}.yaml"


def _read(path: Path) -> _Sweep:
    try:
        return _Sweep.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ConfigError(f"{path}: {_wrong(error)}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def _wrong(error: ValidationError) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        return f"it must have the entries of a sweep (allowed: {', '.join(_Sweep.model_fields)})"
    *path, last = first["loc"]
    where = ".".join(map(str, path))
    if first["type"] == "extra_forbidden":
        return f"{where} {unknown('entry', last, (_Changes if path else _Sweep).model_fields)}".strip()
    return f"{where}.{last}: {first['msg']}".lstrip(".")


def _row(where: str, values: list[dict[str, Any]]) -> tuple[Config, ...]:
    try:
        return tuple(load(nest(one)) for one in values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _product(content: _Sweep, row: Mapping[str, Any], changes: _Changes) -> list[dict[str, Any]]:
    """The settings of every run of a row: its own, times the values of the axes, times the seeds."""
    own = {name: value for name, value in row.items() if name not in ("axes", "seeds")}
    seeds = changes.seeds or row.get("seeds") or content.seeds
    axes = {**content.axes, **row.get("axes", {}), **changes.axes, "seed": seeds}
    return [{**content.set, **own, **dict(zip(axes, values, strict=True))} for values in product(*axes.values())]
