"""What a row shares with CoNAS, read from the settings of its runs, so that no row can claim more than it has."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from baselines.registry import method
from conas.questions import OneShot
from harness.config.equal_time import rival
from harness.config.load import Config

_SHARED = ("space", "numerics", "precision", "data", "oneshot", "measure")


class Tier(Enum):
    """From what can be compared most closely to what can be compared least: a word, and what it means."""

    SETTINGS = (
        "same settings",
        "space, one-shot training and measure set as in the table's first row of CoNAS, and no more measurements; "
        "the model is CoNAS's own where a search trains on the same sub-networks, on the same processor",
    )
    SECONDS = ("same time", "as many device seconds as CoNAS took under the same seed on the same processor")
    OWN = ("own cost", "a search with a space, measure or budget of its own")
    DRAWN = ("drawn", "cells drawn at random, no search")
    CELL = ("cell", "a published cell, found at full scale, trained as CoNAS's cells unless its row says how else")
    NETWORK = ("network", "a published network, trained by a recipe of its own")

    def __init__(self, word: str, meaning: str) -> None:
        self.word = word
        self.meaning = meaning

    @property
    def place(self) -> int:
        """Its place among the tiers."""
        return list(Tier).index(self)


def tier(config: Config, conas: Config) -> Tier:
    """The tier of a run, beside ``conas``, a run of CoNAS on the same data."""
    if found := without_search(config):
        return found
    if rival(config) is not None:
        return Tier.SECONDS
    return Tier.SETTINGS if _asks_no_more(config, conas) else Tier.OWN


def without_search(config: Config) -> Tier | None:
    """The tier of a run that searches nothing; None if it searches."""
    if method(config.method).is_network:
        return Tier.NETWORK
    return {"fixed": Tier.CELL, "random_wiring": Tier.DRAWN}.get(config.method)


def _asks_no_more(config: Config, conas: Config) -> bool:
    """Whether a search trains the one-shot model of ``conas`` to its end and measures it no more often."""
    searching = method(config.method)
    if searching.learns or searching.asks(config.settings) != {OneShot} or config.search.get("seconds") is not None:
        return False
    measurements, most = (_measurements(search) for search in (config, conas))
    return _shared(config) == _shared(conas) and measurements <= most


def _measurements(config: Config) -> int:
    return method(config.method).budget(config.settings).measurements


def _shared(config: Config) -> Mapping[str, Any]:
    return config.model_dump(mode="json", include=set(_SHARED))
