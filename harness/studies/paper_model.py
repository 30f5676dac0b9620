"""The one-shot model of a paper search that is kept in pieces, whether its training is done or not."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from conas.questions import OneShot
from conas.refusal import Refused
from conas.sampling import Bernoulli
from harness.config.identity import deciding
from harness.config.load import Config
from harness.console.progress import Reporter
from harness.problems.trained import TrainedOracle, TrainedProblem
from harness.records.checkpoint import Checkpoints
from harness.records.files import facts
from harness.records.pieces import join
from harness.records.store import Store
from harness.training.answers import answering
from harness.training.task import load_task

Weights = dict[str, Any]


def newest(
    pieces: Path, stage: str, key: str, end: tuple[int, int], say: Callable[[str], None]
) -> tuple[Weights, tuple[int, int]]:
    """The weights of the training ``key`` in ``pieces`` (see `harness.records.pieces`), and the epoch and the step in
    it that they come from: ``end`` where the training is done.

    Raises:
        Refused: it is not there.
    """
    with TemporaryDirectory() as unpacked:
        store = Path(unpacked) / "store"
        join(pieces, store)
        folder = Store(store).stage(stage, key)
        weights = Checkpoints(folder / "weights", key, say).load()
        if weights is not None and facts(folder / "stage.json", steps=int):
            return weights, end
        state = Checkpoints(folder, key, say).load()
    if state is None:
        raise Refused(
            f"{pieces} has no one-shot model of these settings ({stage}-{key}): another seed, or other images"
        )
    return state["trainee"]["model"], (state["progress"]["epoch"], state["progress"]["step"])


def paper_model(pieces: Path, config: Config, reporter: Reporter) -> tuple[TrainedOracle, int, int]:
    """The oracle of the model in ``pieces``, its measurements kept in the store, and the epochs and steps behind it.

    ``config`` is the search's own but for its device and its measurements.

    Raises:
        Refused: the model of this configuration is not in ``pieces``.
    """
    task, store = load_task(config), Store(config.runs_dir)
    problem = TrainedProblem(config, task, store, reporter)
    question = OneShot(Bernoulli(config.settings.p, config.settings.connect))
    training = answering(task.name, OneShot).training(task, question)
    stage, _, key = problem.folder(question).name.rpartition("-")
    weights, (epoch, step) = newest(pieces, stage, key, (training.epochs, 0), reporter.say)
    training.load_weights(weights)
    steps = sum(training.steps(earlier) for earlier in range(epoch)) + step
    folder = store.stage("paper-model", f"{key}-{steps}")
    folder.mkdir(parents=True, exist_ok=True)
    measure = deciding(config.measure)  # type: ignore[attr-defined]
    model = training.answer(lambda measurer: TrainedOracle(problem, measurer, folder, measure))
    return model.oracle, epoch, steps
