"""What searches share that are given the device seconds of another one."""

from typing import Any

CONAS = "conas"
"""As long as CoNAS's search of the same data and seed."""


def device_seconds(value: Any) -> None:
    """Refuse a limit that is none, and no other search's time.

    Raises:
        ValueError: one line that says what is allowed.
    """
    if value != CONAS:
        seconds(value, "device_seconds")


def seconds(value: Any, name: str) -> None:
    """Refuse a limit that is none.

    Raises:
        ValueError: one line that says what is allowed.
    """
    if not (value is None or (isinstance(value, int | float) and value > 0)):
        raise ValueError(f"{name} is {value} (allowed: more than 0, or nothing for no limit)")


def reached(who: str, given: float, spent: float) -> dict[str, Any]:
    """What the record says of a search that was ``given`` some device seconds."""
    note = f"{who} spent {spent:.0f} of the {given:.0f} device seconds given to it ({spent / given:.0%})"
    return {"device_seconds": {"given": given, "spent": spent, "share": spent / given}, "notes": [note]}
