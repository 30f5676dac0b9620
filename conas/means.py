"""What computes on a CUDA device beside torch's own calls. Each can be switched off by the environment, to compare.

What does not work on a device is replaced by torch's calls, which compute the same: this is said once, and noted.
"""

import os
import warnings
from functools import cache

_replaced: dict[str, str] = {}


def kernels() -> bool:
    """Whether this package's own kernels are used: unless CONAS_KERNELS is 0."""
    return os.environ.get("CONAS_KERNELS", "1") != "0"


def graphs() -> bool:
    """Whether steps become CUDA graphs: unless CONAS_GRAPHS is 0."""
    return os.environ.get("CONAS_GRAPHS", "1") != "0"


def replace(what: str, error: BaseException) -> None:
    """Note that torch's calls take the place of ``what`` because of ``error``; say so, the first time."""
    _replaced[what] = reason(error)
    _warn(f"{what} cannot be used here, so this is slower: {_replaced[what]}")


def replaced() -> dict[str, str]:
    """What torch's calls took the place of since `forget`, and why."""
    return dict(_replaced)


def forget() -> None:
    """Another run begins."""
    _replaced.clear()


def reason(error: BaseException) -> str:
    """An error in a line. Compilers show their source first and say in the last line what is wrong with it."""
    lines = list(filter(str.strip, str(error).splitlines())) or [""]
    return f"{type(error).__name__}: {lines[-1 if lines[0].startswith('at ') else 0].strip()}"


@cache
def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=3)
