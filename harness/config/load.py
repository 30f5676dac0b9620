"""From readable YAML to a checked, frozen configuration.

Values are laid over one another in this order: the task's published settings, the data set's, the profile's sizes, the
variant's, the search method's own, and at last what the user types. Every value keeps its source.
"""

import dataclasses
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import torch
import yaml
from pydantic import Field, TypeAdapter, ValidationError

from baselines.registry import METHODS, method
from conas import settings as conas_settings
from conas.names import unknown
from conas.refusal import Refused
from conas.space import SPACES
from harness.config.identity import deciding, digest, later
from harness.config.schema import (
    Count,
    ImageFinal,
    ImageInput,
    ImageMeasure,
    ImageOneShot,
    ImageRelaxed,
    Section,
    TextFinal,
    TextInput,
    TextMeasure,
    TextOneShot,
    TextRelaxed,
    TextTraining,
)
from harness.data import ImageSet, dataset, dataset_names

SETTINGS = Path(__file__).parent.parent / "settings"
_NOT_IDENTITY = {"data_dir", "runs_dir", "device", "offline"}

Values = dict[str, Any]


class ConfigError(Refused, ValueError):
    """A setting that is unknown, of the wrong type or impossible."""


class Config(Section):
    """The whole configuration of a run; ``search`` holds the settings of the method."""

    dataset: str
    method: str
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    profile: str
    variant: str | None
    search_dataset: str | None
    search_seed: Annotated[int, Field(ge=0, lt=2**31)] | None
    space: str
    device: str
    threads: Count
    data_dir: str
    allow_subset: bool
    offline: bool
    runs_dir: str
    search: dict[str, Any]

    @property
    def task(self) -> str:
        """``image`` or ``text``."""
        return task_of(self.dataset)

    @property
    def key(self) -> str:
        """The hash of all that decides the run's result: 12 hexadecimal digits."""
        return digest(self.identity)

    @property
    def identity(self) -> Values:
        """All that decides the run's result, as JSON data."""
        values = deciding(self, {kind.name for kind in method(self.method).asks(self.settings)})
        identity = {name: value for name, value in values.items() if name not in _NOT_IDENTITY}
        return identity | {"search": _search(conas_settings.deciding(self.settings))}

    @property
    def id(self) -> str:
        """The name of the run."""
        return f"{self.dataset}-{self.method}-s{self.seed}-{self.key}"

    @property
    def settings(self) -> Any:
        """The method's settings, as its own dataclass."""
        return _method_settings(self.method, self.search)

    @property
    def updates(self) -> Values:
        """What differs from the defaults of this data set, method, profile and variant, by dotted name."""
        chosen = {"dataset": self.dataset, "method": self.method, "profile": self.profile, "variant": self.variant}
        base, _ = defaults(chosen)
        mine, theirs = dict(flatten(self.model_dump(mode="json"))), dict(flatten(base))
        return {name: value for name, value in mine.items() if name not in chosen and value != theirs[name]}

    @property
    def command(self) -> str:
        """The command that makes this run."""
        chosen = {"dataset": self.dataset, "method": self.method, "profile": self.profile}
        chosen |= {"variant": self.variant} if self.variant else {}
        words = [shlex.quote(f"{name}={value}".replace(" ", "")) for name, value in {**chosen, **self.updates}.items()]
        return " ".join(["python harness/run.py with", *words])

    def with_profile(self, profile: str) -> "Config":
        """The same configuration in another profile."""
        chosen = {"dataset": self.dataset, "method": self.method, "variant": self.variant, "profile": profile}
        return load({**nest(self.updates), **chosen})

    def for_search(self) -> "Config":
        """The configuration of the run whose search this run uses: on the search's own data set and seed."""
        updates = {name: value for name, value in self.updates.items() if not name.startswith(("final.", "search_"))}
        updates["seed"] = self.seed if self.search_seed is None else self.search_seed
        chosen = {"method": self.method, "profile": self.profile, "variant": self.variant}
        return load({**nest(updates), **chosen, "dataset": self.search_dataset or self.dataset, "search_dataset": None})


class ImageConfig(Config):
    """The configuration of an image experiment.

    ``numerics``: batch norms on a CPU sum ``exact``ly, or as ``torch`` does channels-last.
    """

    numerics: Literal["exact", "torch"] = later("torch")
    data: ImageInput
    oneshot: ImageOneShot
    measure: ImageMeasure
    alone: ImageOneShot
    relaxed: ImageRelaxed
    final: ImageFinal


class TextConfig(Config):
    """The configuration of an experiment with a language model."""

    data: TextInput
    oneshot: TextOneShot
    measure: TextMeasure
    alone: TextTraining
    relaxed: TextRelaxed
    final: TextFinal


CONFIGS: dict[str, type[Config]] = {"image": ImageConfig, "text": TextConfig}


def load(updates: Values) -> Config:
    """The checked configuration for nested ``updates`` over the defaults that they choose.

    Raises:
        ConfigError: one line that says what is wrong, what is allowed and the nearest name.
    """
    values, _ = defaults(updates)
    _refuse_unknown(updates, values)
    merged = merge(values, updates)
    genotype = merged.pop("genotype")
    if genotype is not None:
        merged["search"]["genotype"] = genotype
    if merged["space"] not in SPACES:
        raise ConfigError(unknown("space", merged["space"], SPACES))
    return recorded(merged)


def recorded(values: Values) -> Config:
    """The configuration that a record holds: ``values`` are all settings that there were when it was written.

    Younger settings take the value that their absence meant, whatever the default is today.

    Raises:
        ConfigError: one line that says what is wrong and what is allowed.
    """
    absent = conas_settings.absences(method(values["method"]).settings)
    settings = _method_settings(values["method"], {**_outside(absent), **values["search"]})
    try:
        return CONFIGS[task_of(values["dataset"])].model_validate({**values, "search": _search(asdict(settings))})
    except ValidationError as error:
        raise ConfigError(_one_line(error)) from error


def defaults(updates: Mapping[str, Any]) -> tuple[Values, dict[str, str]]:
    """The values chosen by ``updates``' dataset, method, profile and variant, nested, and the source of each by name.

    Raises:
        ConfigError: no such data set, method, profile or variant.
    """
    name = _choice("dataset", updates.get("dataset", "cifar10"), dataset_names())
    profile = _choice("profile", updates.get("profile", default_profile()), _names("profiles"))
    named = _choice("method", updates.get("method", "conas"), METHODS)
    task = task_of(name)
    layers = [_read("common"), _read(task), _read(f"datasets/{name}"), *_profile(profile, task, name)]
    layers.append(_chosen(dataset=name, profile=profile, method=named))
    search, sources = _method_defaults(named, profile, task)
    values: Values = {"search": search}
    for layer in (*layers, *_variant(updates.get("variant"), profile)):
        plain, said = _unwrap(layer)
        values = merge(values, plain)
        sources |= {name: said.get(name, f"profile {profile}") for name, _ in flatten(plain)}
    return values, sources


def task_of(name: str) -> str:
    """The task of a data set: ``image`` or ``text``."""
    return "image" if isinstance(dataset(name), ImageSet) else "text"


def default_profile() -> str:
    """The profile for this machine: ``paper`` with a CUDA device, ``laptop`` without."""
    return "paper" if torch.cuda.is_available() else "laptop"


def summaries(kind: str) -> dict[str, str]:
    """The name and one-line summary of each profile or variant (``kind``: ``profiles``, ``variants``)."""
    return {name: _read(f"{kind}/{name}")["summary"] for name in _names(kind)}


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a nested mapping with its dotted name."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def nest(values: Mapping[str, Any]) -> Values:
    """The inverse of `flatten`."""
    nested: Values = {}
    for name, value in values.items():
        *path, last = name.split(".")
        inner = nested
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return nested


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Values:
    """``base`` with the leaves of ``over`` laid over it; neither is changed."""
    merged = dict(base)
    for name, value in over.items():
        inner = merged.get(name)
        both = isinstance(value, Mapping) and isinstance(inner, Mapping)
        merged[name] = merge(inner, value) if both else value  # type: ignore[arg-type]
    return merged


@cache
def _read(name: str) -> Values:
    """The settings file ``name``; a data set need not have one."""
    path = SETTINGS / f"{name}.yaml"
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


def _names(kind: str) -> list[str]:
    return sorted(path.stem for path in (SETTINGS / kind).glob("*.yaml"))


def _choice(kind: str, name: Any, allowed: Any) -> str:
    if name not in list(allowed):
        raise ConfigError(unknown(kind, name, allowed))
    return str(name)


def _profile(profile: str, task: str, dataset: str) -> list[Values]:
    read = _read(f"profiles/{profile}")
    return [read.get(part) or {} for part in ("common", task, dataset)]


def _variant(variant: str | None, profile: str) -> list[Values]:
    if variant is None:
        return []
    read = _read(f"variants/{_choice('variant', variant, _names('variants'))}")
    size = "paper" if profile == "release" else profile
    return [{"variant": variant}, read.get("common") or {}, read.get(size) or {}]


def _unwrap(layer: Mapping[str, Any], prefix: str = "") -> tuple[Values, dict[str, str]]:
    """A layer's plain values, and the sources it states."""
    values: Values = {}
    sources: dict[str, str] = {}
    for name, value in layer.items():
        if isinstance(value, Mapping) and "value" in value:
            values[name] = value["value"]
            sources[prefix + name] = value["source"]
        elif isinstance(value, Mapping):
            values[name], inner = _unwrap(value, f"{prefix}{name}.")
            sources |= inner
        else:
            values[name] = value
    return values, sources


def _method_defaults(name: str, profile: str, task: str) -> tuple[Values, dict[str, str]]:
    chosen = method(name)
    values = _outside(chosen.defaults(profile, task))
    fields = {field.name.rstrip("_"): field for field in dataclasses.fields(chosen.settings)}
    sources = {f"search.{name}": field.metadata.get("source", "assumption") for name, field in fields.items()}
    for_task = dict.fromkeys(chosen.sizes.get(task, {}), f"published for {task}") | dict(chosen.sources.get(task, {}))
    sources |= {f"search.{name}": source for name, source in _outside(for_task).items()}
    for layer in (profile, f"{profile}/{task}"):
        sources |= {f"search.{name}": f"profile {profile}" for name in _outside(chosen.sizes.get(layer, {}))}
    return values, sources


def _chosen(**names: str) -> Values:
    return {kind: {"value": name, "source": "chosen by the user or this machine"} for kind, name in names.items()}


def _outside(settings: Mapping[str, Any]) -> Values:
    """Settings under the names that users type: ``lambda`` for the field ``lambda_``, a reserved word in Python."""
    return {name.rstrip("_"): list(value) if isinstance(value, tuple) else value for name, value in settings.items()}


def _search(settings: Mapping[str, Any]) -> Values:
    """A method's settings as JSON data."""
    return dict(orjson.loads(orjson.dumps(_outside(settings))))


def _method_settings(name: str, values: Mapping[str, Any]) -> Any:
    settings = method(name).settings
    fields = {field.name.rstrip("_"): field.name for field in dataclasses.fields(settings)}
    for key in values:
        if key not in fields:
            raise ConfigError(
                f"method {name!r}: {unknown('setting', f'search.{key}', [f'search.{f}' for f in fields])}"
            )
    try:
        return _adapter(settings).validate_python({fields.get(key, key): value for key, value in values.items()})
    except ValidationError as error:
        raise ConfigError(_one_line(error, "search.")) from error


@cache
def _adapter(settings: type) -> TypeAdapter[Any]:
    """Building it takes longer than everything else that `load` does."""
    return TypeAdapter(settings)


def _refuse_unknown(updates: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    allowed = dict(flatten(values))
    sections = [name for name, value in values.items() if isinstance(value, Mapping)]
    for name, _ in flatten(updates):
        if name in sections:
            raise ConfigError(f"{name} is a group of settings; set {name}.NAME instead")
        if name not in allowed:
            raise ConfigError(_unknown_setting(name, allowed))


def _unknown_setting(name: str, allowed: Iterable[str]) -> str:
    """The message, with the names of the same group only, if the group exists."""
    group = name.rpartition(".")[0]
    near = [other for other in allowed if other.rpartition(".")[0] == group]
    return unknown("setting", name, near or allowed)


def _one_line(error: ValidationError, prefix: str = "") -> str:
    first = error.errors()[0]
    name = prefix + ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    return f"{name.rstrip('.')}={first['input']!r}: {message}" if first["loc"] else message
