"""What decides a result, and the hash of it: the same for a run of today and one recorded years ago.

A setting that is younger than version 1 says what its absence meant, and is left out of the identity while it has that
value, so that nothing recorded before it existed changes its name. To declare one:

- in a group of settings (`harness.config.schema`), ``flip_upside_down: bool = later(False)``; its value today stands in
  settings/*.yaml, with a source, as that of every setting does;
- in the settings of a method, or any frozen dataclass that is hashed,
  ``solver: str = setting("newton", "why", absent="homotopy")`` (`conas.settings`);
- a whole new group, which only the methods that ask a kind of question (its ``name``) use:
  ``policy: ImagePolicy = later(ImagePolicy(...), needs="one_shot")``; it decides nothing of the runs of other methods.
"""

import hashlib
from collections.abc import Collection
from typing import Any

import orjson
from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

_VERSION = 1
_LATER = "later than version 1"


def later(absent: Any, needs: str | None = None) -> Any:
    """A setting younger than version 1 whose absence meant ``absent``; with ``needs``, one of methods that ask this."""
    return Field(default=absent, json_schema_extra={_LATER: True, "needs": needs})


def deciding(settings: BaseModel, needs: Collection[str] = ()) -> dict[str, Any]:
    """The settings that decide a result, as JSON data; ``needs`` are the kinds of question that the method asks."""
    values = settings.model_dump(mode="json")
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if _is_silent(field, value, needs):
            del values[name]
        elif isinstance(value, BaseModel):
            values[name] = deciding(value, needs)
    return values


def _is_silent(field: FieldInfo, value: Any, needs: Collection[str]) -> bool:
    """Whether a setting is as if it did not exist."""
    said = field.json_schema_extra
    if not isinstance(said, dict) or _LATER not in said:
        return False
    return bool(value == field.default) or (said["needs"] is not None and said["needs"] not in needs)


def digest(data: Any) -> str:
    """A hash of JSON data: 12 hexadecimal digits."""
    content = orjson.dumps([_VERSION, data], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).hexdigest()[:12]
