"""A problem is a space and what can be asked about it; a search method asks and returns one genotype.

A method is a pure function of the problem, a seed and its settings. It keeps nothing and saves nothing:
problems of the harness remember every answer, so a killed search is resumed by running the method again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from conas.architecture import Architecture, Named
from conas.genotype import Genotype, GenotypeError
from conas.questions import MadeUpOracle, Question
from conas.refusal import Refused
from conas.space import Space

Answer = TypeVar("Answer")
Kinds = frozenset[type[Question[Any]]]


class UnsupportedError(Refused, ValueError):
    """A problem was asked what it cannot answer."""


class Problem(Protocol):
    """What a search may ask; ``answers`` holds the kinds of question."""

    space: Space
    answers: Kinds
    cost: "Cost"

    def ask(self, question: Question[Answer]) -> Answer:
        """The answer.

        Raises:
            UnsupportedError: a question of another kind than ``answers``; see `refuse`.
        """


@dataclass
class Cost:
    """What a search has spent, in the units every method shares. ``seconds`` is device time."""

    one_shot_steps: int = 0
    measurements: int = 0
    stand_alone_epochs: int = 0
    seconds: float = 0.0

    def add(self, other: "Cost") -> None:
        """Add another cost to this one."""
        self.one_shot_steps += other.one_shot_steps
        self.measurements += other.measurements
        self.stand_alone_epochs += other.stand_alone_epochs
        self.seconds += other.seconds

    @property
    def gpu_days(self) -> float:
        """Device time in days."""
        return self.seconds / 86_400


@dataclass(frozen=True)
class Outcome:
    """What a method settles on, cells repaired, and what it saw on the way (``details``, JSON only)."""

    architecture: Architecture
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def genotype(self) -> Genotype:
        """The cells.

        Raises:
            GenotypeError: it is a network by name, without cells.
        """
        if isinstance(self.architecture, Named):
            raise GenotypeError(f"network {self.architecture.name!r} has no cells")
        return self.architecture


def refuse(asked: Iterable[type[Question[Any]]], problem: Problem, who: str) -> None:
    """Refuse the kinds of question that ``problem`` does not answer.

    Raises:
        UnsupportedError: one line that says who asks for what, and what the problem answers.
    """
    missing = sorted(kind.name for kind in set(asked) - problem.answers)
    if missing:
        answers = ", ".join(sorted(kind.name for kind in problem.answers)) or "nothing"
        raise UnsupportedError(f"{who} asks for {', '.join(missing)}; this problem answers {answers}")


@dataclass
class Asked:
    """What a dry run asked of one network: the questions that train it, and measurements of its sub-networks."""

    questions: list[Question[Any]]
    oracle: MadeUpOracle


class DryProblem:
    """Answers every question at once with a made-up answer, to learn what a search will ask."""

    def __init__(self, space: Space, answers: Kinds) -> None:
        self.space, self.answers, self.cost = space, answers, Cost()
        self._known: dict[tuple[str, str], Asked] = {}

    def ask(self, question: Question[Answer]) -> Answer:
        """A made-up answer."""
        refuse([type(question)], self, "the search")
        known = self._known.setdefault((question.name, str(question.identity())), Asked([], MadeUpOracle(self.space)))
        if question not in known.questions:
            known.questions.append(question)
        return question.made_up(known.oracle)

    @property
    def asked(self) -> list[Asked]:
        """What was asked of each network; questions with the same identity train the same one."""
        return list(self._known.values())
