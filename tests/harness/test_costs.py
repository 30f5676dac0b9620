"""What runs will cost: work that several searches share is counted in the first."""

from collections.abc import Callable
from typing import Any

import pytest

from harness.config.load import Config
from harness.estimates.run import estimate, parts
from harness.estimates.shared import Costs, model

Configure = Callable[..., Config]
BEST_OF_M: dict[str, Any] = {"method": "best_of_m", "search": {"m": 12}}
LAMBDA: dict[str, Any] = {"search": {"lambda": 5.0}}
MORE: dict[str, Any] = {"search": {"m": 24}}
SEED: dict[str, Any] = {"seed": 1}
OTHER_BATCHES: dict[str, Any] = {"measure": {"batches": 2}}


@pytest.mark.parametrize("same", [LAMBDA, BEST_OF_M], ids=["lambda", "best_of_m"])
def test_a_search_that_asks_what_another_asked_pays_its_final_network_only(
    tiny: Configure, same: dict[str, Any]
) -> None:
    costs = Costs()
    assert costs.of(tiny()) == pytest.approx(estimate(tiny()))
    assert costs.of(tiny(same)) == pytest.approx(parts(tiny(same)).final)


@pytest.mark.parametrize("more", [MORE, OTHER_BATCHES], ids=["m", "batches"])
def test_further_measurements_on_a_shared_model_count(tiny: Configure, more: dict[str, Any]) -> None:
    costs = Costs()
    costs.of(tiny())
    seconds = costs.of(tiny(more))
    assert seconds is not None
    assert parts(tiny(more)).final < seconds < estimate(tiny(more))


def test_runs_that_begin_with_the_same_network_are_told_whatever_their_methods(tiny: Configure) -> None:
    others = [{"method": "rsws"}, {"method": "fixed"}, {"method": "darts"}, SEED, {"oneshot": {"epochs": 3}}]
    assert model(tiny()) == model(tiny(BEST_OF_M)) == model(tiny({"method": "hill_climbing"})) == model(tiny(LAMBDA))
    assert len({model(tiny(other)) for other in [{}, *others]}) == 1 + len(others)


def test_seeds_share_nothing(tiny: Configure) -> None:
    costs = Costs()
    assert costs.of(tiny()) == costs.of(tiny(SEED))
