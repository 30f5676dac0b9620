"""The problem that searches are asked to solve: sub-networks of trained models, every answer remembered.

Trained one-shot models, measurements and stand-alone trainings are kept in shared stage folders under a key of what
decides them. A search that was killed is run again from its start and is given the remembered answers, so it ends at
the same point; two searches that ask the same question, one after the other, pay for it once, yet both are charged.
"""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conas.problem import Answer, Cost, refuse
from conas.questions import OneShot, Question, StandAlone
from conas.settings import disjoint
from conas.space import Alpha, Space, space
from harness.config.identity import deciding, digest
from harness.config.load import Config
from harness.console.progress import Reporter
from harness.deadline import stop_if_passed
from harness.records.checkpoint import Checkpoints
from harness.records.files import Lines, facts, write_json
from harness.records.metrics import Metrics
from harness.records.store import Store, claim
from harness.training.answers import Answering, Measurer, Training, answered, answering
from harness.training.faults import device_faults, fitting
from harness.training.loop import DivergedError, fit
from harness.training.task import Task

_TOGETHER = 8
"""How many sub-networks are measured in one call, which is what a kill can lose."""

_JUDGED_BY = {"error": ("valid_error", 100.0)}
"""What networks trained alone are judged by where it is not ``valid_loss``, and the unit of the figure recorded."""

_ARITHMETIC = ("numerics", "precision")

Measurement = tuple[str, int, bool]
"""An encoder in hexadecimal, the number of the batches and whether they are the whole validation set."""


class TrainedProblem:
    """The problem of a search configuration: a `conas.problem.Problem` whose answers come from trained networks."""

    def __init__(self, config: Config, task: Task, store: Store, reporter: Reporter) -> None:
        self.space: Space = space(config.space)
        self.answers = answered(config.task)
        self.cost = Cost()
        self.metrics: list[dict[str, Any]] = []
        self.reporter = reporter
        self._paid: dict[str, int] = {}
        self._config, self._task, self._store = config, task, store

    def ask(self, question: Question[Answer]) -> Answer:
        """Train what answers the question, or take what was trained before."""
        refuse([type(question)], self, "the search")
        answer: Any = self._stand_alone(question) if isinstance(question, StandAlone) else self._trained(question)
        return answer

    def folder(self, question: Question[Any]) -> Path:
        """Where the shared training that answers ``question`` is kept."""
        how = answering(self._task.name, type(question))
        return self._store.stage(how.stage, digest(self._deciding(question, how)))

    def _deciding(self, question: Question[Any], how: Answering) -> dict[str, Any]:
        """What decides the result of the shared training that answers ``question``."""
        sections = (how.section, "measure") if question.measures() else (how.section,)
        chosen = {section: self._section(section) for section in sections}
        return disjoint(question.identity(), chosen, {"space": self.space.name}, self._identity)

    def _trained(self, question: Question[Any]) -> Any:
        how = answering(self._task.name, type(question))
        training: Training = how.training(self._task, question)
        folder = self.folder(question)
        with self.on_device(how.section):
            trained = self._train(folder, how, training, question)
        self.cost.add(Cost(one_shot_steps=trained["steps"], seconds=trained["seconds"]))
        training.load_weights(_weights(folder))
        return training.answer(lambda measurer: TrainedOracle(self, measurer, folder, self._section("measure")))

    def _stand_alone(self, question: StandAlone) -> float:
        """Train alone, continuing earlier epochs. Infinite if the training diverges: the search goes on."""
        how = answering(self._task.name, StandAlone)
        sections = {name: self._section(name) for name in (how.section, *how.judged)}
        key = digest({**question.identity(), **sections, **self._identity})
        folder = self._store.stage(how.stage, key)
        trained = self._train_alone(folder, key, question, how)
        reached, paid = min(question.epochs, trained["epochs"]), self._paid.get(key, 0)
        unpaid = reached - paid
        self._paid[key] = max(reached, paid)
        if unpaid > 0:
            self.cost.add(Cost(stand_alone_epochs=unpaid, seconds=unpaid * trained["seconds"] / trained["epochs"]))
        column, scale = _JUDGED_BY.get(self._section("measure").get("quantity", ""), ("valid_loss", 1.0))
        row = _epochs(folder).get(question.epochs, {})
        if None in (row.get("valid_loss"), row.get(column)):  # how JSON has NaN and infinity
            return math.inf
        return float(row[column]) / scale

    def _train_alone(self, folder: Path, key: str, question: StandAlone, how: Answering) -> dict[str, Any]:
        """The facts of a stand-alone training of at least ``question.epochs``, or of one that diverged in its last."""
        path = folder / "stage.json"
        with claim(folder, self.reporter.say):
            known = facts(path, epochs=int, seconds=float, diverged=str)
            if known is None or not (known["diverged"] or _reaches(question.epochs, known["epochs"], folder)):
                known = self._train_alone_now(folder, key, question, how)
                write_json(path, known)
        return known

    def _train_alone_now(self, folder: Path, key: str, question: StandAlone, how: Answering) -> dict[str, Any]:
        checkpoints, metrics = Checkpoints(folder, key, self.reporter.say), Metrics(folder / "metrics.jsonl")
        training = how.training(self._task, question)
        earlier = checkpoints.load()
        start = time.monotonic() - (earlier["progress"]["seconds"] if earlier else 0.0)
        try:
            with self.on_device(how.section):
                progress = fit(training, how.stage, checkpoints, metrics, self.reporter)
        except DivergedError as error:
            self.reporter.say(f"{error}; this network's loss counts as infinite")
            reached = max(_epochs(folder), default=0) + 1
            return {"epochs": reached, "seconds": time.monotonic() - start, "diverged": str(error)}
        return {"epochs": progress.epoch, "seconds": progress.seconds, "diverged": ""}

    def _train(self, folder: Path, how: Answering, training: Training, question: Question[Any]) -> dict[str, Any]:
        """The facts of a shared training, trained now if no run has trained it before."""
        metrics = Metrics(folder / "metrics.jsonl")
        with claim(folder, self.reporter.say):
            known = facts(folder / "stage.json", steps=int, seconds=float)
            if known is None:
                known = self._train_now(folder, how, training, metrics, question)
        self.metrics.extend(metrics)
        return known

    def _train_now(
        self, folder: Path, how: Answering, training: Training, metrics: Metrics, question: Question[Any]
    ) -> dict[str, Any]:
        identity = self._deciding(question, how)
        key = digest(identity)
        checkpoints = Checkpoints(folder, key, self.reporter.say)
        endless = isinstance(question, OneShot) and question.to_the_limit
        progress = fit(training, how.stage, checkpoints, metrics, self.reporter, question.limit(), endless)
        steps = sum(training.steps(epoch) for epoch in range(progress.epoch)) + progress.step
        summary = {"steps": steps, "seconds": progress.seconds, "identity": identity}
        Checkpoints(folder / "weights", key, self.reporter.say).save(training.weights())
        write_json(folder / "stage.json", summary)
        checkpoints.clear()
        return summary

    @property
    def _identity(self) -> dict[str, Any]:
        """What decides the result of every training of a search, beside its own settings."""
        arithmetic = {name: value for name, value in self._config.identity.items() if name in _ARITHMETIC}
        return arithmetic | {
            "seed": self._config.seed,
            "threads": self._config.threads,
            "data": self._section("data"),
            "content": self._task.content,
        }

    def on_device(self, section: str) -> AbstractContextManager[None]:
        """Inside, a device that is full is told of with what would fit, of the settings ``section``."""
        return device_faults(fitting(self._config, section))

    def _section(self, name: str) -> dict[str, Any]:
        return deciding(getattr(self._config, name))


class TrainedOracle:
    """The loss of sub-networks of a trained one-shot model, each measured once and remembered."""

    def __init__(self, problem: TrainedProblem, measurer: Measurer, folder: Path, measure: dict[str, Any]) -> None:
        self._problem, self._measurer = problem, measurer
        self._fresh = measure.get("mode") == "fresh"
        self._asked = 0
        self._lines = Lines(folder / f"measurements-{digest(measure)}.jsonl")
        self._known: dict[Measurement, dict[str, Any]] = {}
        self._position = 0
        self._catch_up()

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        """Losses, shape (k,), of the encoders ``alphas``, shape (k, n)."""
        questions = [self._question(alpha, whole) for alpha in alphas]
        if not self._known.keys() >= set(questions):
            self._catch_up()
        new = {
            question: alpha for question, alpha in zip(questions, alphas, strict=True) if question not in self._known
        }
        with self._problem.reporter.bar("measuring", len(new)) as bar:
            for together in _blocks(new):
                self._ask(together, [new[question] for question in together])
                bar.step(len(together))
                stop_if_passed()
        rows = [self._known[question] for question in questions]
        self._problem.cost.add(Cost(measurements=len(rows), seconds=sum(row["seconds"] for row in rows)))
        return np.array([float(row["loss"]) for row in rows])

    def _question(self, alpha: Alpha, whole: bool) -> Measurement:
        draw = self._asked if self._fresh and not whole else 0
        self._asked += 1
        return np.packbits(alpha > 0).tobytes().hex(), draw, whole

    def _ask(self, questions: list[Measurement], alphas: list[Alpha]) -> None:
        """Measure ``alphas``, which share their batches, and remember the answers."""
        _, draw, whole = questions[0]
        start = time.monotonic()
        with self._problem.on_device("measure"):
            losses = self._measurer.measure(np.stack(alphas), draw, whole)
        seconds = (time.monotonic() - start) / len(losses)
        rows = [
            # a string, because JSON has no NaN and no infinity
            {"alpha": alpha, "draw": draw, "whole": whole, "loss": repr(float(loss)), "seconds": seconds}
            for (alpha, draw, whole), loss in zip(questions, losses, strict=True)
        ]
        self._lines.append(*rows)
        self._catch_up()

    def _catch_up(self) -> None:
        """Read what this and other processes have measured. Of a measurement made twice at the same time, the first
        line counts, also after a kill."""
        rows, self._position = self._lines.after(self._position)
        for row in filter(_is_answer, rows):
            self._known.setdefault((row["alpha"], row["draw"], row["whole"]), row)


def _is_answer(row: Mapping[str, Any]) -> bool:
    """Whether a line holds a measurement; whatever does not is measured again."""
    kinds = {"alpha": str, "draw": int, "whole": bool, "loss": str, "seconds": int | float}
    if not all(isinstance(row.get(name), kind) for name, kind in kinds.items()):
        return False
    with suppress(ValueError):
        float(row["loss"])
        return True
    return False


def _blocks(questions: Mapping[Measurement, Any]) -> Iterator[list[Measurement]]:
    """A few questions at a time that can be answered together, because they share their batches."""
    for _, same in groupby(questions, key=lambda question: question[1]):
        alike = list(same)
        yield from (alike[start : start + _TOGETHER] for start in range(0, len(alike), _TOGETHER))


def _epochs(folder: Path) -> dict[int, dict[str, Any]]:
    """The rows of metrics of the training in ``folder``, by epoch; a damaged one is not among them."""
    return {row["epoch"]: row for row in Metrics(folder / "metrics.jsonl")}


def _reaches(epoch: int, trained: int, folder: Path) -> bool:
    """Whether so many ``trained`` epochs reach ``epoch``, and its row is not lost."""
    return trained >= epoch and epoch in _epochs(folder)


def _weights(folder: Path) -> dict[str, Any]:
    key = folder.name.rpartition("-")[2]
    weights = Checkpoints(folder / "weights", key, print).load()
    if weights is None:
        raise FileNotFoundError(f"{folder}: its weights are gone; delete the folder to train them again")
    return weights
