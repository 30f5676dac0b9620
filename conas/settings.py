"""Settings that know where their values come from."""

import dataclasses
from typing import Any


def setting(default: Any, source: str) -> Any:
    """A dataclass field with the place that its default comes from: a section of the paper, or "assumption"."""
    return dataclasses.field(default=default, metadata={"source": source})
