"""What a row shares with CoNAS follows from what its runs spend, not from what it is called."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.config.load import load
from tables.runs import Runs
from tables.tiers import Tier, tier

IMAGE = {"dataset": "cifar10", "profile": "paper"}
TEXT = {"dataset": "ptb", "profile": "paper"}
LONGER = {"method": "best_of_m", "oneshot.epochs": 9}


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


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({"CoNAS": {"variant": "t4"}, "Best of m": {"method": "best_of_m"}}, [Tier.SETTINGS, Tier.SETTINGS]),
        ({"CoNAS": {"variant": "t4"}, "Best of m": LONGER}, [Tier.SETTINGS, Tier.OWN]),
        ({"RSWS": {"method": "rsws"}, "Best of m": {"method": "best_of_m"}}, [Tier.OWN, Tier.OWN]),
    ],
)
def test_without_a_plain_conas_no_row_is_compared_with_itself(
    rows: dict[str, Any], expected: list[Tier], tmp_path: Path
) -> None:
    sweep = tmp_path / "mine.yaml"
    sweep.write_text(yaml.safe_dump({"set": {"dataset": "digits"}, "rows": rows}), encoding="utf-8")
    runs = Runs("smoke", {})
    assert [runs.tier(str(sweep), row) for row in rows] == expected
