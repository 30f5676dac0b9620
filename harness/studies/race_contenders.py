"""Who races: searches with the settings that make them spend a budget, and what is changed in two of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from baselines.registry import Method, method
from conas.problem import Kinds

Values = Mapping[str, Any]

BUDGETS = (20, 50, 100, 200, 500, 1000, 2000)
FEW = (50, 200)
"""Budgets of variants and of parts."""

SEARCH, VARIANT, PART = "search", "variant", "part"
CONAS, FOURIER, CONTROL = "CoNAS", "Fourier search", "best of m"


@dataclass(frozen=True)
class Contender:
    """A method with the settings that make it spend a budget.

    Attributes:
        settings: (budget, epochs of the table's trainings) -> the method's settings that differ from its defaults.
        group: a contestant, a variant of CoNAS, or the Fourier search without a part.
        most: the largest budget, where the method's own time is the limit.
        slow: its own time is such that it races with fewer seeds, and not on the noise-free benchmarks.
        anytime: its first measurements are those of a smaller budget and its answer is the best of them, so that one
            search with the largest budget answers for all.
    """

    name: str
    method: str
    settings: Callable[[int, int], Values]
    group: str = SEARCH
    most: int = max(BUDGETS)
    slow: bool = False
    anytime: bool = False

    @property
    def searches(self) -> Method:
        """The method."""
        return method(self.method)

    def chosen(self, budget: int, epochs: int) -> Any:
        """The method's settings for a budget."""
        return self.searches.settings(**self.settings(budget, epochs))

    def asks(self, epochs: int) -> Kinds:
        """The kinds of question that it asks."""
        return self.searches.asks(self.chosen(max(BUDGETS), epochs))

    def budgets(self, most: int) -> tuple[int, ...]:
        """Those that it races with on a board whose largest is ``most``."""
        offered = BUDGETS if self.group == SEARCH else FEW
        return tuple(budget for budget in offered if budget <= min(most, self.most))


def _m(**others: Any) -> Callable[[int, int], Values]:
    return lambda budget, epochs: {"m": budget, **others}


def _rsws(budget: int, epochs: int) -> Values:
    refined = min(10, budget // 10)
    return {"rounds": 1, "samples": budget - refined, "refined": refined}


def _harmonica(budget: int, epochs: int) -> Values:
    final = budget // 10
    return {"stages": 3, "samples": (budget - final) // 3, "final": final}


def _local_search(budget: int, epochs: int) -> Values:
    return {"m": budget // 2, "flips": budget - budget // 2}


def _evolution(budget: int, epochs: int) -> Values:
    return {"m": budget, "population": max(10, budget // 20), "sample": max(3, budget // 100)}


def _bananas(budget: int, epochs: int) -> Values:
    tenth = max(10, budget // 10)
    return {"m": budget, "start": tenth, "together": tenth, "batch": 200}


def _random_search(budget: int, epochs: int) -> Values:
    return {"samples": budget, "epochs": epochs}


def _variant(name: str, **values: Any) -> Contender:
    return Contender(f"CoNAS, {name}", "conas", _m(**values), VARIANT)


def _without(name: str, **values: Any) -> Contender:
    return Contender(f"Fourier search, {name}", "fourier_search", _m(**values), PART, anytime=True)


SEARCHES = (
    Contender(FOURIER, "fourier_search", _m(), most=1000, anytime=True),
    Contender(CONAS, "conas", _m(), most=1000),
    Contender("CoNAS + local search", "local_search", _local_search),
    Contender("Harmonica", "harmonica", _harmonica),
    Contender("BOCS", "bocs", _m(), most=200, slow=True, anytime=True),
    Contender("COMBO", "combo", _m(), most=100, slow=True, anytime=True),
    Contender("COMEX", "comex", _m(), most=1000, slow=True, anytime=True),
    Contender("q-SFT", "qsft", _m(), most=1000),
    Contender(CONTROL, "best_of_m", _m(), anytime=True),
    Contender("hill climbing", "hill_climbing", _m()),
    Contender("regularised evolution", "regularised_evolution", _evolution),
    Contender("BANANAS", "bananas", _bananas, most=50, slow=True),
    Contender("random search", "random_search", _random_search, most=1000),
    Contender("RSWS", "rsws", _rsws),
    Contender("random wiring", "random_wiring", lambda budget, epochs: {}),
)

TOGETHER = {
    "completion": "verified",
    "constant_counts": False,
    "debias": True,
    "penalty": "noise",
    "target": "normal_score",
    "heredity": True,
}
"""All variants at once."""

VARIANTS = (
    Contender(CONAS, "conas", _m(), VARIANT),
    _variant("completed as the best that agrees", completion="agreeing"),
    _variant("completions verified", completion="verified"),
    _variant("constant beside the s", constant_counts=False),
    _variant("least squares", debias=True),
    _variant("penalty cross-validated", penalty="cross_validated"),
    _variant("penalty from noise", penalty="noise"),
    _variant("logarithms", target="log"),
    _variant("normal scores", target="normal_score"),
    _variant("heredity", heredity=True),
    _variant("p = 1/4", p=0.25),
    _variant("d = 1", d=1),
    Contender("CoNAS, all monomials", "conas", lambda budget, epochs: {"m": budget, "s": budget}, VARIANT),
    _variant("all but completions", **{**TOGETHER, "completion": "off"}),
    _variant("all together", **TOGETHER),
)

PARTS = (
    Contender(FOURIER, "fourier_search", _m(), PART, anytime=True),
    _without("losses instead of scores", target="loss"),
    _without("logarithms instead of scores", target="log"),
    _without("bits alike", spread=1e-3),
    _without("never alone", alone=1),
    _without("one parent", parents=1),
    _without("no pairs of changes", doubles=1),
    _without("no new strings", fresh=1),
    _without("fitted rarely", growth=3.0),
    _without("from the 30 best", known=30),
    Contender(
        "Fourier search, a fifth at random",
        "fourier_search",
        lambda budget, epochs: {"m": budget, "start": budget // 5},
        PART,
    ),
)

CONTENDERS = (*SEARCHES, *VARIANTS, *PARTS)
"""Names are unique within a group."""
