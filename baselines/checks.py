"""Checks of the methods' settings with one-line messages, and the sources that several of them share."""

from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import Any

from conas.names import unknown
from conas.recovery.design import MAX_COLUMNS
from conas.recovery.fourier import basis_size
from conas.space import Space

LIU = "Liu et al. (2018b)"
LI = "Li & Talwalkar (2019)"
ASSUMPTION = "assumption"


def at_least(least: float, settings: Any, *names: str) -> None:
    """Refuse values that are too small.

    Raises:
        ValueError: one line that names the setting and what is allowed.
    """
    _each(settings, names, lambda value: value >= least, f"{least} and more")


def positive(settings: Any, *names: str) -> None:
    """Refuse 0 and less; raises as `at_least`."""
    _each(settings, names, lambda value: value > 0, "any positive number")


def share(settings: Any, *names: str) -> None:
    """Refuse what does not lie between 0 and 1; raises as `at_least`."""
    _each(settings, names, lambda value: 0 < value < 1, "between 0 and 1, both excluded")


def rates(settings: Any, *names: str) -> None:
    """Refuse rates of dropout below 0, or of 1 and more; raises as `at_least`."""
    _each(settings, names, lambda value: 0 <= value < 1, "0 up to, not including, 1")


def _each(settings: Any, names: Iterable[str], fits: Callable[[Any], bool], allowed: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if not fits(value):
            raise ValueError(f"{name} is {value} (allowed: {allowed})")


def adam(settings: Any, name: str) -> None:
    """Refuse what are no rates of the means of Adam.

    Raises:
        ValueError: one line that names the setting and what is allowed.
    """
    value = getattr(settings, name)
    if len(value) != 2 or not all(0 <= beta < 1 for beta in value):
        raise ValueError(f"{name} is {list(value)} (allowed: two rates of 0 and more, below 1)")


def parted(parts: int, channels: int) -> None:
    """Refuse ``channels`` of which operations cannot compute one of ``parts``: an identity that strides halves them.

    Raises:
        ValueError: one line that says what is allowed.
    """
    least = 2 * parts
    if channels % parts or channels < least:
        raise ValueError(f"{channels} channels in {parts} parts (allowed: a multiple of {parts}, {least} and more)")


def one_of(settings: Any, name: str, allowed: Any) -> None:
    """Refuse a value that is not among ``allowed``.

    Raises:
        ValueError: one line that names the setting, what is allowed and what is nearest.
    """
    value = getattr(settings, name)
    if value not in allowed:
        raise ValueError(unknown(name, value, map(str, allowed)))


def degree(space: Space, settings: Any) -> None:
    """Refuse a degree ``d`` above the number of bits, or with more monomials than fit.

    Raises:
        ValueError: one line that names the setting and what is allowed.
    """
    degrees = range(1, space.n + 1)
    fitting = list(takewhile(lambda d: basis_size(space.n, d) <= MAX_COLUMNS, degrees))
    if settings.d not in fitting:
        raise ValueError(f"d is {settings.d} (allowed: 1 to {fitting[-1]} over the {space.n} bits of {space.name!r})")


def inputs(space: Space, settings: Any) -> None:
    """Refuse more ``inputs`` per node than the first node can have.

    Raises:
        ValueError: one line that names the setting and what is allowed.
    """
    if not space.exclusive and settings.inputs > space.inputs:
        raise ValueError(
            f"inputs is {settings.inputs} (allowed: at most {space.inputs}, what {space.name!r}'s first node can read)"
        )
