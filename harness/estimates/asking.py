"""What a search will ask of a problem, counted exactly without any of the work."""

from typing import Any

from baselines.registry import method
from conas.architecture import Architecture
from conas.problem import Answer, Asked, DryProblem
from conas.questions import Question
from conas.refusal import Refused
from conas.space import space
from harness.config.equal_time import rival
from harness.config.identity import digest
from harness.config.load import Config
from harness.estimates.machine import Machine
from harness.training.answers import answered, answering
from harness.training.task import Task


def questions(config: Config) -> tuple[dict[str, Asked], Architecture]:
    """What the search of ``config`` will ask, by a name of the network that is asked, and what it settles on then.

    A search that takes as long as another one is reckoned to ask the same of networks of its own.

    Names do not depend on the seed: those of two searches are the same if they share the network whenever their seeds,
    sizes and data are the same.

    Raises:
        UnsupportedError: the method asks what the task cannot answer.
    """
    equal = rival(config)
    if equal is not None:
        theirs, architecture = questions(equal)
        return {f"as long as {name}": asked for name, asked in theirs.items()}, architecture
    problem = DryProblem(space(config.space), answered(config.task))
    outcome = method(config.method).rehearse(problem, config.settings)
    return {_name(asked.questions[0], config): asked for asked in problem.asked}, outcome.architecture


def _name(first: Question[Any], config: Config) -> str:
    measured = config.model_dump(mode="json", include={"measure"}) if first.measures() else {}
    return f"{first.name} {digest(first.identity() | measured)}"


def first_asked(config: Config) -> str | None:
    """The name, as of `questions`, of the network that the search of ``config`` asks first; None if it asks none."""
    equal = rival(config)
    if equal is not None:
        return f"{config.method}, as long as {first_asked(equal)}"
    try:
        method(config.method).rehearse(_Curious(space(config.space), answered(config.task)), config.settings)
    except _Heard as heard:
        return _name(heard.question, config)
    except Refused:
        return None
    return None


class _Heard(Exception):
    def __init__(self, question: Question[Any]) -> None:
        self.question = question


class _Curious(DryProblem):
    """Ends the search at its first question."""

    def ask(self, question: Question[Answer]) -> Answer:
        raise _Heard(question)


def training_seconds(asked: Asked, task: Task, here: Machine) -> float:
    """The time that training the network takes here: of several trainings, each continues the one before."""
    seconds = 0.0
    for question in asked.questions:
        work = here.seconds(answering(task.name, type(question)).work(task, question))
        seconds = max(seconds, min(work, question.limit() or work))
    return seconds


def measuring_seconds(asked: Asked, task: Task, here: Machine) -> float:
    """The time that measuring its sub-networks takes here."""
    first = asked.questions[0]
    how = answering(task.name, type(first))
    measured = {False: asked.oracle.measurements, True: asked.oracle.whole}
    return sum((n * here.seconds(how.measuring(task, first, whole)) for whole, n in measured.items() if n), 0.0)
