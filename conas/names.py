"""Messages about names that do not exist."""

import difflib
from collections.abc import Iterable


def unknown(kind: str, name: object, allowed: Iterable[str]) -> str:
    """One line that says which ``name`` is wrong, what is allowed and which name is nearest."""
    choices = sorted(allowed)
    lowered = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.5)
    hint = f"; did you mean {lowered[near[0]]!r}?" if near else ""
    return f"unknown {kind} {name!r}{hint} (allowed: {', '.join(choices)})"
