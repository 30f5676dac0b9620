"""Which training answers which kind of question.

A training that answers a question is a class under the decorator `answers`, in a module of its own beside its task; the
problem then trains it, remembers it, resumes it and charges for it, and estimates price it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from conas.oracle import Oracle
from conas.problem import Kinds
from conas.questions import Question
from conas.space import Alpha
from harness.training.loop import Trainee
from harness.training.work import Work


class Measurer(Protocol):
    """Measures sub-networks of one trained model."""

    def measure(self, alphas: Alpha, draw: int, whole: bool) -> NDArray[np.float64]:
        """Losses, shape (k,), of ``alphas``, shape (k, n), on the batches ``draw`` or the whole validation set.

        Those of several in one call are those of several calls.
        """


Remembered = Callable[[Measurer], Oracle]
"""Makes an oracle of a measurer: it measures every sub-network once, and charges for it."""


class Training(Trainee, Protocol):
    """A training that answers a question."""

    def answer(self, remembered: Remembered) -> Any:
        """The answer, from the weights as training left them."""


@dataclass(frozen=True)
class Answering:
    """How a task answers a kind of question.

    Attributes:
        training: makes the training from the task and the question: a `Training`, or a plain `Trainee` where the
            problem reads the answer among its metrics.
        work: what the training computes, from the task and the question.
        measuring: what measuring one sub-network computes, from the task, the question and whether it is on all of the
            validation set.
        stage: the name of its folder and of its rows among the metrics. That of a one-shot model is ``supernet``, since
            the first records call it so.
        section: the group of settings that it reads, which is part of its identity.
        judged: those that decide its figures besides, which are part of it, too.
    """

    training: Callable[[Any, Any], Any]
    work: Callable[[Any, Any], Sequence[Work]]
    measuring: Callable[[Any, Any, bool], Sequence[Work]]
    stage: str
    section: str
    judged: tuple[str, ...] = ()


_ANSWERS: dict[tuple[str, type[Question[Any]]], Answering] = {}

Class = TypeVar("Class", bound=type[Any])


def answers(
    question: type[Question[Any]], task: str, stage: str, section: str, judged: tuple[str, ...] = ()
) -> Callable[[Class], Class]:
    """Register a class of trainings, ``Class(task, question)`` with a static method ``work(task, question)``, and with
    ``measuring(task, question, whole)`` where its sub-networks are not measured as those of a one-shot model are.

    Args:
        question: the kind of question that it answers.
        task: ``image`` or ``text``.
        stage, section, judged: see `Answering`.

    Raises:
        ValueError: the task answers that kind of question already.
    """

    def register(training: Class) -> Class:
        if (task, question) in _ANSWERS:
            raise ValueError(f"{task} answers {question.name} already")
        measuring = getattr(training, "measuring", _as_one_shot)
        _ANSWERS[task, question] = Answering(training, training.work, measuring, stage, section, judged)
        return training

    return register


def _as_one_shot(task: Any, question: Question[Any], whole: bool) -> Sequence[Work]:
    return task.measuring(whole)


def answering(task: str, question: type[Question[Any]]) -> Answering:
    """How ``task`` answers a kind of question; that it does is the caller's affair."""
    return _ANSWERS[task, question]


def answered(task: str) -> Kinds:
    """The kinds of question that ``task`` answers."""
    return frozenset(question for name, question in _ANSWERS if name == task)
