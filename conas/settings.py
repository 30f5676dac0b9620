"""Settings that know where their values come from, and what they meant before they existed."""

import dataclasses
from collections.abc import Mapping
from typing import Any

_ABSENT = "absent"


def setting(default: Any, source: str, *, absent: Any = dataclasses.MISSING) -> Any:
    """A dataclass field with the place that its default comes from: a section of the paper, or "assumption".

    A setting younger than version 1 says in ``absent`` what its absence meant; see `deciding`.
    """
    younger = {} if absent is dataclasses.MISSING else {_ABSENT: absent}
    return dataclasses.field(default=default, metadata={"source": source, **younger})


def deciding(settings: Any) -> dict[str, Any]:
    """The fields of a dataclass that decide a result: all but the younger ones whose value is what absence meant.

    So results recorded before a setting existed keep their names.
    """
    values = {field.name: (getattr(settings, field.name), field) for field in dataclasses.fields(settings)}
    return {
        name: value
        for name, (value, field) in values.items()
        if _ABSENT not in field.metadata or value != field.metadata[_ABSENT]
    }


def disjoint(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """All that several descriptions say, which together decide a result.

    Raises:
        ValueError: two of them use one name, so that one would hide what the other says.
    """
    whole: dict[str, Any] = {}
    for part in parts:
        twice = sorted(whole.keys() & part.keys())
        if twice:
            raise ValueError(f"{', '.join(twice)}: a name that is taken (the field of a policy or rule needs another)")
        whole |= part
    return whole


def absences(settings: type) -> dict[str, Any]:
    """What the younger fields of a dataclass meant when they did not exist."""
    fields = dataclasses.fields(settings)
    return {field.name: field.metadata[_ABSENT] for field in fields if _ABSENT in field.metadata}
