"""What a row shares with CoNAS follows from what its runs spend, not from what it is called."""

from typing import Any

import pytest

from harness.config.load import load
from tables.tiers import Tier, tier

IMAGE = {"dataset": "cifar10", "profile": "paper"}
TEXT = {"dataset": "ptb", "profile": "paper"}


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({**IMAGE, "method": "conas"}, Tier.SETTINGS),
        ({**IMAGE, "method": "conas", "final": {"channels": 60}}, Tier.SETTINGS),
        ({**IMAGE, "method": "best_of_m"}, Tier.SETTINGS),
        ({**IMAGE, "method": "best_of_m", "search": {"m": 1001}}, Tier.OWN),
        ({**IMAGE, "method": "best_of_m", "oneshot": {"epochs": 99}}, Tier.OWN),
        ({**IMAGE, "method": "conas", "variant": "t4"}, Tier.OWN),
        ({**IMAGE, "method": "rsws", "variant": "rsws_published"}, Tier.OWN),
        ({**IMAGE, "method": "rsws", "search": {"rounds": 1, "samples": 900, "seconds": 60.0}}, Tier.OWN),
        ({**IMAGE, "method": "rsws", "search": {"rounds": 1, "samples": 900}}, Tier.SETTINGS),
        ({**IMAGE, "method": "random_search"}, Tier.OWN),
        ({**IMAGE, "method": "darts"}, Tier.OWN),
        ({**TEXT, "method": "rsws", "search": {"device_seconds": "conas"}}, Tier.SECONDS),
        ({**TEXT, "method": "enas", "search": {"device_seconds": "conas"}}, Tier.SECONDS),
        ({**TEXT, "method": "proxylessnas_r", "measure": {"limit": None, "batch_size": 1024}}, Tier.OWN),
        ({**IMAGE, "method": "random_wiring"}, Tier.DRAWN),
        ({**IMAGE, "method": "fixed"}, Tier.CELL),
    ],
)
def test_a_tier_follows_from_what_is_spent(typed: dict[str, Any], expected: Tier) -> None:
    conas = load({"dataset": typed["dataset"], "profile": "paper"})
    assert tier(load(typed), conas) is expected
