"""Every module registers the methods that are offered in its name."""

import pytest

from baselines.registry import METHODS


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_registered_by_the_module_that_offers_it(name: str) -> None:
    assert METHODS[name].name == name


def test_no_module_registers_a_method_that_is_not_offered() -> None:
    offered = set(METHODS)
    assert {known.name for known in METHODS.values()} == offered == set(METHODS)
