"""A one-shot model whose training is not done, as it is: the newest checkpoint in the pieces of a paper search."""

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
from harness.records.pieces import join
from harness.records.store import Store
from harness.training.answers import answering
from harness.training.task import load_task


def newest(pieces: Path, say: Callable[[str], None]) -> tuple[str, dict[str, Any]]:
    """The key of the one-shot training in ``pieces`` (see `harness.records.pieces`) and its newest checkpoint.

    Raises:
        Refused: there is none.
    """
    with TemporaryDirectory() as unpacked:
        join(pieces, Path(unpacked))
        for folder in Path(unpacked).glob("stages/supernet-*"):
            key = folder.name.partition("-")[2]
            state = Checkpoints(folder, key, say).load()
            if state is not None:
                return key, state
    raise Refused(f"{pieces} has no checkpoint of a one-shot model whose training is not done")


def unfinished(pieces: Path, config: Config, reporter: Reporter) -> tuple[TrainedOracle, int, int]:
    """The oracle of the model in ``pieces``, its measurements kept in the store, and the epochs and steps behind it.

    ``config`` is the search's own but for its device and its measurements.
    """
    key, state = newest(pieces, reporter.say)
    task, store = load_task(config), Store(config.runs_dir)
    problem = TrainedProblem(config, task, store, reporter)
    question = OneShot(Bernoulli(config.settings.p, config.settings.connect))
    training = answering(task.name, OneShot).training(task, question)
    training.load_weights(state["trainee"]["model"])
    position = state["progress"]
    steps = sum(training.steps(epoch) for epoch in range(position["epoch"])) + position["step"]
    folder = store.stage("unfinished", f"{key}-{steps}")
    folder.mkdir(parents=True, exist_ok=True)
    measure = deciding(config.measure)  # type: ignore[attr-defined]
    model = training.answer(lambda measurer: TrainedOracle(problem, measurer, folder, measure))
    return model.oracle, position["epoch"], steps
