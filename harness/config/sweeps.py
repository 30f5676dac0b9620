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

import argparse
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from conas.names import unknown
from harness.config import grammar
from harness.config.grammar import ConfigError, dotted, readings
from harness.config.layers import default_profile, summaries
from harness.config.load import Config, load

Extra = tuple[tuple[str, Any], ...]
SWEEPS = Path(__file__).parent.parent / "sweeps"


def _meant(value: Any) -> Any:
    return readings(value)[0]


Settings = Annotated[dict[str, Any], BeforeValidator(lambda value: {} if _meant(value) is None else value)]
Seeds = Annotated[list[int], BeforeValidator(_meant)]
Axes = dict[str, list[Any]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Row(_Strict):
    set: Settings = {}
    seeds: Seeds = []
    axes: Axes = {}


def _row_of(value: Any) -> Any:
    """What a row changes beside its seeds and axes; None to leave it out."""
    if not isinstance(value, Mapping):
        return _meant(value)
    own = {name: inner for name, inner in value.items() if name not in ("seeds", "axes")}
    return {"set": own, **{name: value[name] for name in ("seeds", "axes") if name in value}}


Rows = dict[str, Annotated[_Row | None, BeforeValidator(_row_of)]]


class _Changes(_Row):
    rows: Rows = {}


class _Sweep(_Row):
    summary: str = ""
    seeds: Seeds = [0]
    rows: Rows
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
        ConfigError: no such sweep or profile, a file that is not a sweep, or a setting that is unknown or impossible.
    """
    content = _read(_file(sweep))
    changes = content.profiles.get(profile, _Changes())
    always = {**dotted(changes.set), **dict(extra), "profile": profile}
    left = {name: row for name, row in content.rows.items() if changes.rows.get(name, _Row()) is not None}
    return {
        name: _configs(f"{sweep}, {name}", _product(content, row or _Row(), changes, changes.rows.get(name)), always)
        for name, row in left.items()
    }


def row_names(sweep: str) -> list[str]:
    """The rows of ``sweep``, also those that some profile leaves out; raises as `rows`."""
    return list(_read(_file(sweep)).rows)


def runs(sweep: str, profile: str, extra: Extra = ()) -> list[Config]:
    """Every run of ``sweep`` once, in the order of its rows."""
    return list({config.id: config for row in rows(sweep, profile, extra).values() for config in row}.values())


def titles(sweep: str, profile: str, extra: Extra = ()) -> dict[str, str]:
    """What people call every run of ``sweep``, by its name: the sweep, the first row that it is in, the seed."""
    found: dict[str, str] = {}
    for row, configs in rows(sweep, profile, extra).items():
        for config in configs:
            found.setdefault(config.id, f"{Path(sweep).stem}, {row}, seed {config.seed}")
    return found


def add_sweeps(parser: argparse.ArgumentParser) -> None:
    """The words of command lines that take sweeps: their names, then as `add_settings`."""
    parser.add_argument("sweeps", nargs="+", metavar="SWEEP", help=f"{', '.join(names())}, all, or a FILE.yaml")
    add_settings(parser)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The options ``--profile`` and ``--set``, which say which runs of a sweep are meant."""
    about = "sizes (default: paper with a CUDA device here, else laptop)"
    parser.add_argument("--profile", choices=summaries("profiles"), default=default_profile(), help=about)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of every run")


def _file(sweep: str) -> Path:
    if sweep.endswith((".yaml", ".yml")):
        return Path(sweep)
    if not (SWEEPS / f"{sweep}.yaml").exists():
        raise ConfigError(f"{unknown('sweep', sweep, names())}, or the path of a file NAME.yaml")
    return SWEEPS / f"{sweep}.yaml"


@cache
def _read(path: Path) -> _Sweep:
    try:
        sweep = _Sweep.model_validate(grammar.read(path))
        _refuse_what_has_no_effect(sweep)
        return sweep
    except ValidationError as error:
        raise ConfigError(f"{path}: {_wrong(error)}") from error
    except _Silent as error:
        raise ConfigError(f"{path}: {error}") from error


class _Silent(ValueError):
    """An entry that would change nothing."""


def _refuse_what_has_no_effect(sweep: _Sweep) -> None:
    for profile, changes in sweep.profiles.items():
        if profile not in summaries("profiles"):
            raise _Silent(f"profiles {unknown('profile', profile, summaries('profiles'))}")
        for name in changes.rows:
            if name not in sweep.rows:
                raise _Silent(f"profiles.{profile}.rows {unknown('row', name, sweep.rows)}")
    parts = {"": sweep, **{f"rows.{name}": row for name, row in sweep.rows.items()}}
    for profile, changes in sweep.profiles.items():
        parts |= {f"profiles.{profile}": changes}
        parts |= {f"profiles.{profile}.rows.{name}": row for name, row in changes.rows.items()}
    for where, part in parts.items():
        for name in ("seed", "profile"):
            if part is not None and name in {**dotted(part.set), **part.axes}:
                instead = "seeds: [...]" if name == "seed" else "the option --profile"
                raise _Silent(f"{where} sets {name}, which is set by {instead}".strip())


def _wrong(error: ValidationError) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        return f"it must have the entries of a sweep (allowed: {', '.join(_Sweep.model_fields)})"
    *path, last = first["loc"]
    where = ".".join(map(str, path))
    if first["type"] == "extra_forbidden":
        return f"{where} {unknown('entry', last, (_Changes if path else _Sweep).model_fields)}".strip()
    return f"{where}.{last}: {first['msg']}".lstrip(".")


def _configs(where: str, runs: list[dict[str, Any]], always: Mapping[str, Any]) -> tuple[Config, ...]:
    try:
        return tuple(load({**values, **always}) for values in runs)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _product(content: _Sweep, row: _Row, changes: _Changes, profile: _Row | None) -> list[dict[str, Any]]:
    """The settings of every run of a row: its own, times the values of the axes, times the seeds."""
    profile = profile or _Row()
    seeds = profile.seeds or changes.seeds or row.seeds or content.seeds
    axes = {**content.axes, **row.axes, **changes.axes, **profile.axes, "seed": seeds}
    own, last = {**dotted(content.set), **dotted(row.set)}, dotted(profile.set)
    return [{**own, **dict(zip(axes, values, strict=True)), **last} for values in product(*axes.values())]
