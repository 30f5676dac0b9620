"""CoNAS itself, Algorithm 1 of the paper, among the methods that it is compared with."""

from typing import Any

from baselines.registry import Method, register
from conas.algorithm import Settings, search

SIZES: dict[str, dict[str, Any]] = {
    "text": {"t": 2, "s": (10, 5), "connect": True},
    "smoke": {"m": 30},
    "laptop": {"m": 300},
    "laptop/text": {"m": 100},
}

METHOD = register(
    Method(
        "conas", "sparse recovery of the one-shot loss (Algorithm 1)", search, Settings, frozenset({"one_shot"}), SIZES
    )
)
