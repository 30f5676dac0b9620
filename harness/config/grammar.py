"""How a setting is written, the same on a command line, in a configuration file, in a sweep and after ``--set``.

``NAME=VALUE``, or ``NAME: VALUE`` in a file, where groups may also be nested. A value is a text until the setting that
it is for is known, which takes the first of its `readings` that it can hold: ``true``, ``null``, ``10``, ``1e-4``,
``[10, 5]``, or the text itself. So ``data_dir=2024`` is a folder and ``seed=010`` is ten.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from conas.refusal import Refused

_MAPPINGS = {"genotype", "search.genotype"}
"""The settings whose values may be mappings."""
_WORDS = {"true": True, "false": False, "null": None, "none": None, "~": None, "": None}
_WHOLE = re.compile(r"[-+]?[0-9][0-9_]*")
_DECIMAL = re.compile(r"[-+]?([0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|[-+]?\.?inf(inity)?|\.?nan", re.IGNORECASE)


class ConfigError(Refused, ValueError):
    """A setting that is unknown, of the wrong type or impossible."""


def setting(text: str) -> tuple[str, str]:
    """The name and the value of ``NAME=VALUE``.

    Raises:
        ConfigError: it has another form.
    """
    name, equals, value = text.partition("=")
    if not name.strip() or not equals:
        raise ConfigError(f"{text!r}: expected NAME=VALUE, without spaces around the =")
    return name.strip(), value.strip()


def readings(value: Any) -> tuple[Any, ...]:
    """What a written value may mean, likelier first; anything but a text means itself, with its parts' meanings."""
    meant = _meaning(value)
    return (meant,) if type(meant) is type(value) and meant == value else (meant, value)


def _meaning(value: Any) -> Any:
    if isinstance(value, str):
        return _meaning_of_text(value)
    if isinstance(value, Mapping):
        return {name: _meaning(inner) for name, inner in value.items()}
    return [_meaning(inner) for inner in value] if isinstance(value, list | tuple) else value


def _meaning_of_text(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        if _WHOLE.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:  # an underscore at the end, or thousands of digits
        return text
    flow = _flow(text) if text.startswith(("[", "{")) else text
    return flow if flow is text else _meaning(flow)


def _flow(text: str) -> Any:
    """The list or the mapping that ``text`` writes, its leaves texts; ``text`` itself if it is neither."""
    try:
        found = yaml.load(text, _Texts)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ConfigError):
        return text
    return found if isinstance(found, list | dict) else text


def written(value: Any) -> str:
    """A text of which ``value`` is the first of the `readings`."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, list | tuple | Mapping):
        return json.dumps(value, separators=(",", ":"))
    return str(value)


def read(path: Path | str) -> dict[str, Any]:
    """The entries of a YAML or JSON file, whose leaves are texts.

    Raises:
        ConfigError: it is not there, empty, broken, no mapping, or has an entry twice.
    """
    try:
        found = yaml.load(Path(path).read_text(encoding="utf-8-sig"), _Texts)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(found, dict) or not found:
        kind = "a list" if isinstance(found, list) else "nothing" if found is None or found == {} else "a text"
        raise ConfigError(f"{path} holds {kind} (expected: entries NAME: VALUE)")
    return found


class _Texts(yaml.SafeLoader):
    """YAML whose scalars all are texts, and whose entries have one value each."""

    yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile("<<"))]}  # noqa: RUF012 - as yaml has it

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As a `SafeLoader`, but no entry takes the place of another."""
        names = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ConfigError(f"{twice[0]} is set twice, again in line {node.start_mark.line + 1} or below")
        return super().construct_mapping(node, deep)


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a nested mapping with its dotted name."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def dotted(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by dotted name, from names that are dotted, nested or both.

    Raises:
        ConfigError: a setting has two values.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        full = f"{prefix}{name}"
        inner = isinstance(value, Mapping) and full not in _MAPPINGS
        for leaf, meant in (dotted(value, f"{full}.") if inner else {full: value}).items():
            if leaf in found:
                raise ConfigError(f"{leaf} is set twice, to {found[leaf]} and to {meant}")
            found[leaf] = meant
    return found


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `flatten`."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        *path, last = name.split(".")
        inner = nested
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return nested


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the leaves of ``over`` laid over it; neither is changed."""
    merged = dict(base)
    for name, value in over.items():
        inner = merged.get(name)
        both = isinstance(value, Mapping) and isinstance(inner, Mapping)
        merged[name] = merge(inner, value) if both else value  # type: ignore[arg-type]
    return merged
