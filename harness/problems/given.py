"""A problem whose one-shot model is there already, such as one whose training was stopped: any search can run on it."""

from dataclasses import dataclass, field
from typing import Any

from conas.oracle import Oracle
from conas.problem import Answer, Cost, Kinds, refuse
from conas.questions import OneShot, OneShotModel, Question
from conas.space import Space


@dataclass
class GivenProblem:
    """Every policy's model is the one behind ``oracle``; nothing is trained."""

    space: Space
    oracle: Oracle
    cost: Cost = field(default_factory=Cost)
    answers: Kinds = frozenset({OneShot})

    def ask(self, question: Question[Answer]) -> Answer:
        """The model.

        Raises:
            UnsupportedError: the question is not about a one-shot model.
        """
        refuse([type(question)], self, "the search")
        assert isinstance(question, OneShot)
        answer: Any = OneShotModel(self.oracle, question.policy.start(self.space, 0))
        return answer
