"""From what a person types to a checked, frozen configuration, and back to the command that makes the run."""

import dataclasses
import difflib
import math
import os
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import cache
from typing import Annotated, Any, Literal, get_type_hints

import orjson
from pydantic import AfterValidator, ConfigDict, Field, PrivateAttr, TypeAdapter, ValidationError

from baselines.registry import METHODS, method
from conas import settings as conas_settings
from conas.names import unknown
from conas.refusal import Refused
from conas.space import SPACES
from harness.config.checks import check
from harness.config.grammar import ConfigError, dotted, flatten, merge, nest, readings, setting, written
from harness.config.identity import deciding, digest, later
from harness.config.layers import CHOICES, default_profile, defaults, outside, summaries, task_of, variants
from harness.config.schema import (
    Count,
    ImageAlone,
    ImageFinal,
    ImageInput,
    ImageMeasure,
    ImageRelaxed,
    ImageShared,
    Section,
    TextFinal,
    TextInput,
    TextMeasure,
    TextOneShot,
    TextRelaxed,
    TextTraining,
)
from harness.data.registry import dataset_names, is_own, is_pinned

__all__ = [
    "Config",
    "ConfigError",
    "default_profile",
    "defaults",
    "flatten",
    "load",
    "merge",
    "nest",
    "recorded",
    "summaries",
]

PLACES = {"data_dir", "runs_dir", "device", "offline"}
"""Settings that say where a run is made, not what it is."""
NOT_IDENTITY = {*PLACES, "typed"}
"""Settings that tell no run from another."""
_NAMES: dict[str, Callable[[], Iterable[str]]] = {
    "dataset": dataset_names,
    "search_dataset": dataset_names,
    "method": lambda: METHODS,
    "profile": lambda: summaries("profiles"),
    "space": lambda: SPACES,
}
_SHORT = {"genotype": "search.genotype"}

Values = dict[str, Any]
Folder = Annotated[str, AfterValidator(os.path.expanduser)]


class Config(Section):
    """The whole configuration of a run.

    ``search`` holds the settings of the method; ``typed`` what a person said, as words ``NAME=VALUE``. ``name`` tells
    texts of one's own from one another. ``precision`` is that of CUDA devices, see `harness.training.precision`.
    """

    dataset: str
    method: str
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    profile: str
    variant: str | None
    search_dataset: str | None
    search_seed: Annotated[int, Field(ge=0, lt=2**31)] | None
    name: Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")] | None = later(None)
    space: str
    device: str
    threads: Count
    precision: Literal["torch", "float32", "tf32", "bf16"] = later("torch")
    data_dir: Folder
    allow_subset: bool
    offline: bool
    runs_dir: Folder
    typed: list[str]
    search: dict[str, Any]
    _has_final: bool = PrivateAttr(True)

    @property
    def has_final(self) -> bool:
        """Whether a final network is trained: what only that uses means nothing to a search's own configuration."""
        return self._has_final

    @property
    def task(self) -> str:
        """``image`` or ``text``."""
        return task_of(self.dataset)

    @property
    def is_unpinned(self) -> bool:
        """Whether the name of the data set may stand for other data: one's own, a part of them, or a package's."""
        return self.allow_subset or not is_pinned(self.dataset)

    @property
    def key(self) -> str:
        """The hash of all that decides the run's result: 12 hexadecimal digits."""
        return digest(self.identity)

    @property
    def identity(self) -> Values:
        """All that decides the run's result, as JSON data."""
        values = deciding(self, {kind.name for kind in method(self.method).asks(self.settings)})
        identity = {name: value for name, value in values.items() if name not in NOT_IDENTITY}
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
    def updates(self) -> dict[str, str]:
        """What was typed, by dotted name, but for the data set, method, profile and variant."""
        typed = map(setting, self.typed)
        return {name: value for name, value in typed if name not in CHOICES}

    @property
    def command(self) -> str:
        """The command that makes this run: what was typed, without what makes no difference."""
        values = dict(flatten(self.model_dump(mode="json", exclude={"typed"})))
        chosen = {name: values[name] for name in CHOICES if values[name] is not None}
        telling = {name: value for name, value in values.items() if name in self.updates and self._tells(name, value)}
        words = [f"{name}={written(value)}" for name, value in {**chosen, **telling}.items()]
        return shlex.join(["python", "harness/run.py", "with", *words])

    def _tells(self, name: str, value: Any) -> bool:
        """Whether a setting differs from the default of the run, or of its search."""
        choices = {kind: getattr(self, kind) for kind in CHOICES}
        searched = {**choices, "dataset": self.search_dataset or self.dataset}
        return any(flat_defaults(**chosen).get(name) != value for chosen in (choices, searched))

    def with_method(self, name: str) -> "Config":
        """The same configuration with another search method, in its own settings and without a variant."""
        updates = {update: value for update, value in self.updates.items() if not update.startswith("search.")}
        return load({**updates, **self._choices(), "method": name, "variant": None}, self.has_final)

    def for_search(self) -> "Config":
        """The configuration of the run whose search this run uses: on the search's own data set and seed."""
        theirs = ("final.", "search_")
        updates: Values = {name: value for name, value in self.updates.items() if not name.startswith(theirs)}
        updates["seed"] = self.seed if self.search_seed is None else self.search_seed
        dataset = self.search_dataset or self.dataset
        if not is_own(dataset):
            updates.pop("name", None)
        return load({**updates, **self._choices(), "dataset": dataset, "search_dataset": None}, has_final=False)

    def _choices(self) -> Values:
        return {name: getattr(self, name) for name in (*CHOICES, *PLACES)}


class ImageConfig(Config):
    """The configuration of an image experiment.

    ``numerics``: batch norms on a CPU sum ``exact``ly, or as ``torch`` does channels-last.
    """

    numerics: Literal["exact", "torch"] = later("torch")
    data: ImageInput
    oneshot: ImageShared
    measure: ImageMeasure
    alone: ImageAlone
    relaxed: ImageRelaxed
    final: ImageFinal


class TextConfig(Config):
    """The configuration of an experiment with a language model, where torch's own ``precision`` is float32."""

    precision: Literal["torch", "tf32"] = later("torch")
    data: TextInput
    oneshot: TextOneShot
    measure: TextMeasure
    alone: TextTraining
    relaxed: TextRelaxed
    final: TextFinal


CONFIGS: dict[str, type[Config]] = {"image": ImageConfig, "text": TextConfig}


def load(updates: Mapping[str, Any], has_final: bool = True) -> Config:
    """The checked configuration of what a person typed, by dotted or nested name, over the defaults that it chooses.

    Values may be texts, as in `harness.config.grammar`. ``has_final`` is False for a search's own configuration.

    Raises:
        ConfigError: one line that says what is wrong, what is allowed and the nearest name.
    """
    chosen = {name: _choice_of(name, updates[name]) for name in CHOICES if name in updates}
    values, _ = defaults(chosen)
    allowed = dict(flatten(values))
    typed = {name: _cased(name, value) for name, value in _long_names(dotted({**updates, **chosen})).items()}
    for name in typed:
        _refuse_unknown(name, allowed, values["method"])
    meant = {name: _read(task_of(values["dataset"]), values["method"], name, value) for name, value in typed.items()}
    _refuse_infinite(meant)
    config = _validated(merge(values, nest(meant)))
    complete = dict(flatten(config.model_dump(mode="json")))
    config = config.model_copy(update={"typed": [f"{name}={written(complete[name])}" for name in meant]})
    config._has_final = has_final
    check(config)
    if config.search_dataset is not None:
        config.for_search()
    return config


def _choice_of(name: str, value: Any) -> Any:
    """A choice as it is written in records: no variant for ``null``, several in the order of the alphabet."""
    if name != "variant":
        return _cased(name, value)
    return None if readings(value)[0] is None else "+".join(variants(str(value).lower()))


def _cased(setting: str, value: Any) -> Any:
    """A name as it is registered, in whichever case it is typed; anything else as it is."""
    if setting not in _NAMES or not isinstance(value, str):
        return value
    return next((name for name in _NAMES[setting]() if name.lower() == value.lower()), value)


def _long_names(typed: Mapping[str, Any]) -> Values:
    for short, name in _SHORT.items():
        if short in typed and name in typed:
            raise ConfigError(f"{short} is short for {name}, which is set, too: {typed[short]} and {typed[name]}")
    return {_SHORT.get(name, name): value for name, value in typed.items()}


def _refuse_infinite(updates: Mapping[str, Any]) -> None:
    """Records are JSON, which has neither infinity nor NaN: such a setting would not be read back as it was."""
    for name, value in flatten(updates):
        numbers = value if isinstance(value, list | tuple) else [value]
        if not all(math.isfinite(number) for number in numbers if isinstance(number, float)):
            raise ConfigError(f"{name}={value}: it should be a finite number")


def recorded(values: Values) -> Config:
    """The configuration that a record holds: ``values`` are all settings that there were when it was written.

    Younger settings take the value that their absence meant, whatever the default is today.

    Raises:
        ConfigError: one line that says what is wrong and what is allowed.
    """
    said = values.get("typed")
    if not isinstance(said, list | None):
        raise ConfigError(f"typed={said!r}: it should be a list")
    config = _validated(values)
    return config.model_copy(update={"typed": _typed(config, said)})


def _validated(values: Values) -> Config:
    """The configuration with these ``values``, whatever was typed."""
    for name in ("dataset", "method", "space"):
        if not isinstance(values.get(name), str):
            raise ConfigError(f"{name}={values.get(name)!r}: it should be a name")
    if not isinstance(values.get("search"), Mapping):
        raise ConfigError(f"search={values.get('search')!r}: it should be a group of settings")
    try:
        chosen, kind = method(values["method"]), CONFIGS[task_of(values["dataset"])]
    except (Refused, ValueError) as error:  # of a plug-in that is not here
        raise ConfigError(str(error)) from error
    absent = conas_settings.absences(chosen.settings)
    settings = _method_settings(values["method"], {**outside(absent), **values["search"]})
    if values["space"] not in SPACES:
        raise ConfigError(unknown("space", values["space"], SPACES))
    complete = {**values, "search": _search(asdict(settings)), "typed": []}
    try:
        return kind.model_validate(complete)
    except ValidationError as error:
        raise ConfigError(_one_line(error)) from error


def _typed(config: Config, said: list[str] | None) -> list[str]:
    """What was typed, as a record has ``said`` if it does, and all else that today's defaults would not give."""
    flat = dict(flatten(config.model_dump(mode="json", exclude={"typed"})))
    today = flat_defaults(**{name: flat[name] for name in CHOICES})
    known = CHOICES if said is None else {*CHOICES, *(setting(word)[0] for word in said)}
    differing = [name for name, value in flat.items() if value != today.get(name) and name not in known]
    chosen = CHOICES if said is None else ()
    return [*(said or ()), *(f"{name}={written(flat[name])}" for name in (*chosen, *differing))]


@cache
def flat_defaults(**chosen: str | None) -> Values:
    """The values that a dataset, method, profile and variant choose, by dotted name."""
    return dict(flatten(defaults(chosen)[0]))


def _search(settings: Mapping[str, Any]) -> Values:
    """A method's settings as JSON data."""
    return dict(orjson.loads(orjson.dumps(outside(settings))))


def _method_settings(name: str, values: Mapping[str, Any]) -> Any:
    settings = method(name).settings
    fields = {field.name.rstrip("_"): field.name for field in dataclasses.fields(settings)}
    for key in values:
        if key not in fields:
            raise ConfigError(
                f"method {name!r}: {unknown('setting', f'search.{key}', [f'search.{f}' for f in fields])}"
            )
    try:
        return _checked(settings).validate_python({fields.get(key, key): value for key, value in values.items()})
    except ValidationError as error:
        said = _one_line(error, "search.")
        raise ConfigError(f"search.{said}" if said.partition(" = ")[0] in fields else said) from error


@cache
def _checked(settings: type) -> TypeAdapter[Any]:
    """Building it takes longer than everything else that `load` does."""
    return TypeAdapter(settings)


def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind, config=ConfigDict(strict=True, allow_inf_nan=False))


def _refuse_unknown(name: str, allowed: Mapping[str, Any], chosen: str) -> None:
    if name in allowed:
        return
    if any(other.startswith(f"{name}.") for other in allowed):
        raise ConfigError(f"{name} is a group of settings; set {name}.NAME instead")
    others = (
        _methods_with(name.removeprefix("search."))
        if name.startswith("search.") and not _is_typo(name, allowed)
        else []
    )
    if others:
        raise ConfigError(f"{name} is a setting of method {' or '.join(others)}, not of {chosen!r}")
    raise ConfigError(_unknown_setting(name, allowed))


def _is_typo(name: str, allowed: Iterable[str]) -> bool:
    """Whether a setting that there is was meant: what other methods have need not be looked up."""
    return bool(difflib.get_close_matches(name, allowed, n=1, cutoff=0.9))


def _methods_with(setting: str) -> list[str]:
    return [one for one, known in METHODS.items() if setting in outside(known.defaults("", ""))]


def _read(task: str, chosen: str, name: str, value: Any) -> Any:
    """What ``value`` means for the setting ``name``."""
    errors = []
    for reading in readings(value):
        for form in (reading, tuple(reading)) if isinstance(reading, list) else (reading,):
            try:
                meant = _setting(task, chosen, name).validate_python(form)
                orjson.dumps(meant)
            except ValidationError as error:
                errors.append(error)
            except TypeError as error:
                raise ConfigError(f"{name}={value!r}: {error}") from error
            else:
                return meant
    raise ConfigError(_one_line(errors[0], name)) from errors[0]


@cache
def _setting(task: str, chosen: str, name: str) -> TypeAdapter[Any]:
    """What the setting ``name`` may be."""
    group, _, last = name.rpartition(".")
    kind: Any = CONFIGS[task]
    if group == "search":
        hints = get_type_hints(method(chosen).settings, include_extras=True)
        return _adapter({name.rstrip("_"): hint for name, hint in hints.items()}[last])
    for part in filter(None, group.split(".")):
        kind = kind.model_fields[part].annotation
    field = kind.model_fields[last]
    return _adapter(Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation)


def _unknown_setting(name: str, allowed: Iterable[str]) -> str:
    """The message, with the names of the same group only, if the group exists."""
    group = name.rpartition(".")[0]
    inner = [other for other in allowed if other.endswith(f".{name}")]
    if inner:
        return f"{name} is a setting of groups; which one? {', '.join(inner)}"
    near = [other for other in allowed if other.rpartition(".")[0] == group]
    return unknown("setting", name, near or allowed)


def _one_line(error: ValidationError, prefix: str = "") -> str:
    first = error.errors()[0]
    name = prefix + ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    return f"{name.rstrip('.')}={first['input']!r}: {message}" if name.rstrip(".") != "search" else message
