"""Checks of the methods' settings with one-line messages, and the sources that several of them share."""

from typing import Any

from conas.names import unknown

LIU = "Liu et al. (2018b)"
LI = "Li & Talwalkar (2019)"
ASSUMPTION = "assumption"


def at_least(least: float, settings: Any, *names: str) -> None:
    """Refuse values that are too small.

    Raises:
        ValueError: one line that names the setting and what is allowed.
    """
    for name in names:
        value = getattr(settings, name)
        if not value >= least:
            raise ValueError(f"{name} is {value} (allowed: {least} and more)")


def one_of(settings: Any, name: str, allowed: Any) -> None:
    """Refuse a value that is not among ``allowed``.

    Raises:
        ValueError: one line that names the setting, what is allowed and what is nearest.
    """
    value = getattr(settings, name)
    if value not in allowed:
        raise ValueError(unknown(name, value, map(str, allowed)))
