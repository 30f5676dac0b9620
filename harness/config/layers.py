"""The default of every setting and its source: layers of readable YAML, laid over one another.

In this order: the task's published settings, the data set's, what the search method needs of them, the profile's sizes,
the variants', the search method's own. What a person types comes last, and is none of this module's business.
"""

import ctypes
import dataclasses
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from baselines.registry import Method, method
from conas.names import unknown
from harness.config.grammar import ConfigError, flatten, merge
from harness.data.registry import ImageSet, dataset, dataset_names

SETTINGS = Path(__file__).parent.parent / "settings"
TASKS = ("image", "text")
CHOICES = ("dataset", "method", "profile", "variant")
"""The settings that choose the defaults of the others."""

Values = dict[str, Any]


def defaults(chosen: Mapping[str, Any]) -> tuple[Values, dict[str, str]]:
    """The values that a dataset, method, profile and variant choose, nested, and the source of each by dotted name.

    Raises:
        ConfigError: no such data set, method, profile or variant, or variants that contradict each other.
    """
    name = _choice("dataset", chosen.get("dataset", "cifar10"), dataset_names())
    profile = _choice("profile", chosen.get("profile", default_profile()), _names("profiles"))
    named = _method(chosen.get("method", "conas"))
    task = task_of(name)
    layers = [_read("common"), _read(task), _read(f"datasets/{name}"), _recipe(named, task)]
    layers += _profile(profile, task, name)
    layers.append(_chosen(dataset=name, profile=profile, method=named))
    search, sources = _method_defaults(named, profile, task)
    values: Values = {"search": search}
    for layer in (*layers, *_variants(chosen.get("variant"), profile, named, search)):
        plain, said = _unwrap(layer)
        values = merge(values, plain)
        sources |= {name: said.get(name, f"profile {profile}") for name, _ in flatten(plain)}
    return values, sources


def _recipe(name: str, task: str) -> Values:
    """The settings that a method's network was published with."""
    tasks = method(name).tasks
    if task not in tasks:
        raise ConfigError(f"method {name!r} is for {' and '.join(tasks)} data, not for {task} (choose another dataset)")
    return merge(_read(f"methods/{name}").get(task, {}), method(name).recipe)


def task_of(name: str) -> str:
    """The task of a data set: ``image`` or ``text``."""
    return "image" if isinstance(dataset(name), ImageSet) else "text"


def default_profile() -> str:
    """The profile for this machine: ``paper`` with a CUDA device, ``laptop`` without."""
    return "paper" if cuda_devices() else "laptop"


def cuda_devices() -> int:
    """How many CUDA devices torch can use here; it is not imported where there is no driver."""
    if not has_driver():
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def cores() -> int:
    """How many cores this process may use; all of them where the system cannot say, as macOS."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_driver() -> bool:
    """Whether a driver for CUDA is installed, usable or not."""
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


def is_meant_for_gpu(profile: str) -> bool:
    """Whether a run in ``profile`` takes days on a CPU."""
    return _read(f"profiles/{profile}").get("meant_for") == "GPU"


def needs_cuda(device: str, profile: str) -> bool:
    """Whether a run with this setting of ``device`` is to be made on a GPU and nowhere else."""
    return device.startswith("cuda") or (device == "auto" and is_meant_for_gpu(profile))


def summaries(kind: str) -> dict[str, str]:
    """The name and one-line summary of each profile or variant (``kind``: ``profiles``, ``variants``)."""
    return {name: _read(f"{kind}/{name}")["summary"] for name in _names(kind)}


def outside(settings: Mapping[str, Any]) -> Values:
    """Settings under the names that users type: ``lambda`` for the field ``lambda_``, a reserved word in Python."""
    return {name.rstrip("_"): list(value) if isinstance(value, tuple) else value for name, value in settings.items()}


def variants(name: str | None) -> list[str]:
    """The variants that ``t4+short`` combines."""
    return sorted(set(name.split("+"))) if name else []


@cache
def _read(name: str) -> Values:
    """The settings file ``name``; a data set need not have one."""
    path = SETTINGS / f"{name}.yaml"
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


@cache
def _names(kind: str) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in (SETTINGS / kind).glob("*.yaml")))


def _choice(kind: str, name: Any, allowed: Any) -> str:
    if name not in list(allowed):
        raise ConfigError(unknown(kind, name, allowed))
    return str(name)


def _method(name: Any) -> str:
    try:
        return method(str(name)).name
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _profile(profile: str, task: str, dataset: str) -> list[Values]:
    read = _read(f"profiles/{profile}")
    return [read.get(part) or {} for part in ("common", task, dataset)]


def _variants(combined: str | None, profile: str, method: str, search: Values) -> Iterator[Values]:
    names, taken = variants(combined), dict[str, tuple[str, Any]]()
    for name in names:
        layers = _variant(_choice("variant", name, _names("variants")), profile)
        for leaf, value in (leaf for layer in layers for leaf in flatten(_unwrap(layer)[0])):
            if leaf.startswith("search.") and leaf.split(".")[1] not in search:
                raise ConfigError(f"variant {name} sets {leaf}, which {method} does not have")
            other, theirs = taken.setdefault(leaf, (name, value))
            if value != theirs and other != name:
                raise ConfigError(f"variants {other} and {name} contradict: {leaf} is {theirs} and {value}")
        yield from layers
    if names:
        yield {"variant": "+".join(names)}


def _variant(name: str, profile: str) -> list[Values]:
    read = _read(f"variants/{name}")
    return [read.get("common") or {}, read.get("paper" if profile == "release" else profile) or {}]


def _unwrap(layer: Mapping[str, Any], prefix: str = "") -> tuple[Values, dict[str, str]]:
    """A layer's plain values, and the sources it states."""
    values: Values = {}
    sources: dict[str, str] = {}
    for name, value in layer.items():
        if isinstance(value, Mapping) and "value" in value:
            if "source" not in value:
                raise ConfigError(
                    f"{prefix}{name}={value['value']!r} has no source (allowed: {{value: ..., source: ...}})"
                )
            values[name] = value["value"]
            sources[prefix + name] = value["source"]
        elif isinstance(value, Mapping):
            values[name], inner = _unwrap(value, f"{prefix}{name}.")
            sources |= inner
        else:
            values[name] = value
    return values, sources


def _check_sizes(chosen: Method) -> None:
    """Refuse sizes of a method for what is neither a profile nor a task: nobody would read them."""
    profiles = _names("profiles")
    allowed = [*profiles, *TASKS, *(f"{profile}/{task}" for profile in profiles for task in TASKS)]
    for key in chosen.sizes:
        if key not in allowed:
            raise ConfigError(f"method {chosen.name!r}: {unknown('size', key, allowed)}")


def _method_defaults(name: str, profile: str, task: str) -> tuple[Values, dict[str, str]]:
    chosen = method(name)
    _check_sizes(chosen)
    values = outside(chosen.defaults(profile, task))
    fields = {field.name.rstrip("_"): field for field in dataclasses.fields(chosen.settings)}
    sources = {f"search.{name}": field.metadata.get("source", "assumption") for name, field in fields.items()}
    for_task = dict.fromkeys(chosen.sizes.get(task, {}), f"published for {task}") | dict(chosen.sources.get(task, {}))
    sources |= {f"search.{name}": source for name, source in outside(for_task).items()}
    for layer in (profile, f"{profile}/{task}"):
        sources |= {f"search.{name}": f"profile {profile}" for name in outside(chosen.sizes.get(layer, {}))}
    return values, sources


def _chosen(**names: str) -> Values:
    return {kind: {"value": name, "source": "chosen by the user or this machine"} for kind, name in names.items()}
