"""The whole life of a run on real text: repeatable, resumable, and rolled back where it diverges."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines.relaxations.darts import Softmax
from conas.cells import cell as fixed
from conas.questions import OneShot, Relaxed, StandAlone
from conas.rnn.measuring import RecurrentMeasurer, evaluate, perplexity
from conas.rnn.text_windows import batchify
from conas.sampling import Bernoulli
from conas.seeds import generator
from harness.config.load import Config, ConfigError, load, merge, nest
from harness.console.progress import Bar, Reporter
from harness.estimates.asking import measuring_seconds, questions
from harness.estimates.machine import Machine
from harness.estimates.run import estimate
from harness.execution.execute import execute
from harness.records.checkpoint import Checkpoints
from harness.records.metrics import Metrics
from harness.records.store import Store
from harness.training.loop import DivergedError, fit
from harness.training.task import load_task, read_task
from harness.training.text import AloneTraining, FinalTraining, OneShotTraining, RelaxedTraining
from harness.training.text.one_shot import TextMeasurer
from tests.runs import Interrupting, result

Configure = Callable[..., Config]
CELL = fixed("darts_v2_rnn")
STEADY = {"lr": 1.0, "patience": 1, "epochs": 5}
SMALL = {"batch_size": 8, "units": 8, "bptt": 15}
TINY: dict[str, Any] = {
    "dataset": "descriptions",
    "profile": "smoke",
    "threads": 1,
    "data": {"train_limit": 600, "validation_limit": 200, "test_limit": 100},
    "oneshot": {"epochs": 2, **SMALL},
    "measure": {"limit": 100, "batch_size": 8},
    "alone": SMALL,
    "relaxed": {"epochs": 2, **SMALL},
    "final": {"epochs": 3, **SMALL},
    "search": {"m": 12, "s": (3, 2)},
}


@pytest.fixture
def tiny(tmp_path: Path) -> Configure:
    """The smallest real run: `tiny(**updates)` is its configuration, recorded below the test's own folder."""

    def configure(updates: dict[str, Any] | None = None, folder: str = "runs") -> Config:
        return load(merge({**TINY, "runs_dir": str(tmp_path / folder)}, updates or {}))

    return configure


@pytest.mark.parametrize("when", [("supernet", 1), ("final", 1)])
def test_an_interrupted_run_ends_at_the_same_bits(tiny: Configure, when: tuple[str, int]) -> None:
    config, undisturbed = tiny(), tiny(folder="undisturbed")
    with pytest.raises(KeyboardInterrupt):
        execute(config, Interrupting(*when))
    resumed = execute(config, Reporter())
    assert [attempt.status for attempt in resumed.attempts] == ["interrupted", "done"]
    execute(undisturbed, Reporter())
    assert result(*Store(config.runs_dir).folders()) == result(*Store(undisturbed.runs_dir).folders())


def test_a_run_records_what_table_3_needs(tiny: Configure) -> None:
    config = tiny()
    record = execute(config, Reporter())
    assert record.search is not None
    assert record.counts is not None
    assert record.search.measurements == sum(stage["measurements"]["used"] for stage in record.search.details["stages"])
    assert record.counts.params > 8 * record.data["counts"]["words"]
    rows = list(Store(config.runs_dir).run(record.id).metrics)
    final = [row for row in rows if row["stage"] == "final"]
    assert [row["epoch"] for row in final] == [1, 2, 3]
    best = min(final, key=lambda row: row["valid_loss"])
    assert record.metrics["last"]["valid_perplexity"] == best["valid_perplexity"] == perplexity(best["valid_loss"])
    assert record.metrics["last"]["test_perplexity"] < record.data["counts"]["words"]
    other = tiny({"seed": 1}, folder="other")
    assert execute(other, Reporter()).weights != record.weights


def training(config: Config, name: str) -> Any:
    task, operations = load_task(config), ("none", "tanh", "relu")
    return {
        "oneshot": lambda: OneShotTraining(task, OneShot(Bernoulli(connect=True))),
        "alone": lambda: AloneTraining(task, StandAlone(CELL, 2)),
        "relaxed": lambda: RelaxedTraining(task, Relaxed(operations, Softmax(1))),
        "relaxed, second order": lambda: RelaxedTraining(task, Relaxed(operations, Softmax(2))),
        "final": lambda: FinalTraining(task, CELL),
    }[name]()


def advance(trainee: Any, epoch: int, first: int = 0, last: int | None = None) -> Any:
    """Train from step ``first`` to ``last``, or to the end of the epoch; the figures of a finished epoch."""
    for step in range(trainee.steps(epoch))[first:last]:
        trainee.step(epoch, step)
    return trainee.finish_epoch(epoch) if last is None else None


def stall(trainee: Any, epoch: int) -> Any:
    """An epoch whose validation loss is so bad that averaging starts after it."""
    advance(trainee, epoch, 0, trainee.steps(epoch))
    trainee.model.bias.data[0] += 50
    figures = trainee.finish_epoch(epoch)
    trainee.model.bias.data[0] -= 50
    return figures


@pytest.mark.parametrize(
    ("name", "epochs"), [("oneshot", 1), ("alone", 1), ("relaxed", 0), ("relaxed, second order", 0), ("final", 3)]
)
def test_a_training_goes_on_from_the_middle_of_an_epoch(
    tiny: Configure, tmp_path: Path, name: str, epochs: int
) -> None:
    config = tiny({"final": STEADY})
    whole, first, resumed = (training(config, name) for _ in range(3))
    for epoch in range(epochs):
        for trainee in (whole, first):
            (stall if epoch == 2 else advance)(trainee, epoch)
    advance(whole, epochs)
    advance(first, epochs, 0, 3)
    assert first.state_dict().get("averaging", name) == (True if name == "final" else name)
    assert first.state_dict()["hidden"].abs().sum() > 0
    checkpoints = Checkpoints(tmp_path, "test", print)
    checkpoints.save(first.state_dict())
    resumed.load_state_dict(checkpoints.load() or {})
    advance(resumed, epochs, 3)
    assert bits(resumed.state_dict()) == bits(whole.state_dict())


def bits(state: Any) -> Any:
    """Nested states as values that can be compared."""
    if isinstance(state, torch.Tensor):
        return state.numpy().tobytes()
    if isinstance(state, dict):
        return {name: bits(value) for name, value in state.items()}
    return [bits(value) for value in state] if isinstance(state, list | tuple) else state


class Poisoning(Reporter):
    """Makes a weight NaN when the row of an epoch arrives, as an overflow would."""

    def __init__(self, trainee: Any, epoch: int) -> None:
        super().__init__()
        self.trainee, self.epoch = trainee, epoch

    def metric(self, row: dict[str, Any]) -> None:
        super().metric(row)
        if row["epoch"] == self.epoch:
            self.trainee.model.bias.data[0] = torch.nan


def test_a_loss_that_is_not_finite_rolls_back_to_the_best_weights_and_is_recorded(
    tiny: Configure, tmp_path: Path
) -> None:
    trainee = FinalTraining(load_task(tiny()), CELL)
    rows = Metrics(tmp_path / "metrics.jsonl")
    progress = fit(trainee, "final", Checkpoints(tmp_path, "test", print), rows, Poisoning(trainee, 1))
    assert [row["rolled_back"] for row in rows] == [0, 1, 0]
    assert all(np.isfinite(row["train_loss"]) and np.isfinite(row["valid_perplexity"]) for row in rows)
    assert trainee.results(progress.history)["last"]["rolled_back"] == 1
    # nothing but the hidden state, which starts at zero in every epoch, was lost
    undisturbed = FinalTraining(load_task(tiny()), CELL)
    for epoch in range(3):
        advance(undisturbed, epoch)
    assert bits(undisturbed.model.state_dict()) == bits(trainee.model.state_dict())


def test_a_validation_loss_that_is_not_finite_rolls_back_too(tiny: Configure) -> None:
    trainee = FinalTraining(load_task(tiny()), CELL)
    advance(trainee, 0)
    best = bits(trainee.model.state_dict())
    advance(trainee, 1, 0, -1)
    trainee.model.bias.data[0] = torch.nan
    figures = trainee.finish_epoch(1)
    assert figures["rolled_back"] == 1
    assert np.isfinite(figures["valid_perplexity"])
    assert bits(trainee.model.state_dict()) == best


def test_a_training_without_anything_to_roll_back_to_says_where_it_diverged(tiny: Configure, tmp_path: Path) -> None:
    trainee = FinalTraining(load_task(tiny({"final": {"lr": 1e30, "clip": 1e30}})), CELL)
    with pytest.raises(DivergedError, match=r"final: loss (nan|inf) at epoch 1, step \d"):
        fit(trainee, "final", Checkpoints(tmp_path, "test", print), Metrics(tmp_path / "metrics.jsonl"), Reporter())
    trainee.model.bias.data[0] = torch.nan
    with pytest.raises(DivergedError, match="final: validation loss nan after epoch 1"):
        trainee.finish_epoch(0)


def test_training_ends_with_the_averaged_weights_of_the_best_validation_epoch(tiny: Configure) -> None:
    config = tiny({"final": STEADY})
    trainee = FinalTraining(load_task(config), CELL)
    figures = [(stall if epoch == 2 else advance)(trainee, epoch) for epoch in range(4)]
    trainee.model.bias.data[0] += 50  # of the last epoch's average, too
    figures.append(advance(trainee, 4))
    assert [row["averaged"] for row in figures] == [0, 0, 0, 1, 1]
    history = [{"epoch": epoch, "train_loss": 0.0, **row} for epoch, row in enumerate(figures, start=1)]
    results = trainee.results(history)
    assert results["last"] == results["best"]
    assert results["last"]["epoch"] == 4
    data = load_task(config).data
    for split, name in ((data.valid, "valid"), (data.test, "test")):
        loss = evaluate(trainee.model, batchify(split, 4), config.final.bptt)
        assert results["last"][f"{name}_loss"] == loss
        assert results["last"][f"{name}_perplexity"] == perplexity(loss)


@pytest.mark.parametrize(("quantity", "ceiling"), [("perplexity", 1e5), ("loss", 1e5), ("loss", 1.0)])
def test_a_measurement_is_the_perplexity_of_the_validation_text(tiny: Configure, quantity: str, ceiling: float) -> None:
    config = tiny({"measure": {"quantity": quantity, "ceiling": ceiling}})
    task = load_task(config)
    model = task.one_shot_model("oneshot")
    measurer = TextMeasurer(task, model)
    alpha = task.space.sample(generator(0, "alpha"), 1)[0]
    for whole, words in ((False, 100), (True, 200)):
        (loss,) = RecurrentMeasurer(model, batchify(task.data.valid[:words], 8)).losses(alpha[None])
        value = perplexity(loss) if quantity == "perplexity" else loss
        expected = value if perplexity(loss) <= ceiling else np.inf
        assert measurer.measure(alpha[None], 0, whole)[0] == pytest.approx(expected, rel=1e-5)


def test_every_draw_reads_as_many_rows_from_a_place_of_its_own(tiny: Configure) -> None:
    task = load_task(tiny({"measure": {"quantity": "loss"}}))
    model = task.one_shot_model("oneshot")
    alpha = task.space.sample(generator(0, "alpha"), 1)[0]
    rows = len(task.cheap)
    places = [task.whole[first : first + rows] for first in range(len(task.whole) - rows + 1)]
    known = np.array([RecurrentMeasurer(model, text).losses(alpha[None])[0] for text in places])
    found = [float(TextMeasurer(task, model).measure(alpha[None], draw, False)[0]) for draw in range(1, 30)]
    assert found == [float(TextMeasurer(task, model).measure(alpha[None], draw, False)[0]) for draw in range(1, 30)]
    nearest = [int(np.abs(known - loss).argmin()) for loss in found]
    assert np.allclose(known[nearest], found, rtol=1e-5)
    assert len(set(nearest)) > len(places) / 2


def test_multiply_adds_of_a_word(tiny: Configure) -> None:
    task = load_task(tiny())
    counts = task.count(CELL)
    size, words = 8, task.words
    first, nodes = 2 * size * 2 * size, 8 * size * 2 * size
    assert counts == {"params": first + nodes + words * size + words, "mult_adds": first + nodes + words * size}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("measure.batch_size", 60, ["measure.batch_size=60", "100 words", "1 to 50"]),
        ("final.test_batch", 51, ["final.test_batch=51", "100 words"]),
        ("space", "cnn", ["space='cnn'", "recurrent", "rnn"]),
    ],
)
def test_a_setting_that_the_text_cannot_serve_is_refused_in_one_line(
    tiny: Configure, name: str, value: Any, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as error:
        load_task(tiny(nest({name: value})))
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_only_what_the_run_trains_must_have_room_in_its_text(tmp_path: Path) -> None:
    sections = ("oneshot", "measure", "alone", "relaxed")
    crowded = {"search": {}, "runs_dir": str(tmp_path)} | {section: {"batch_size": 1000} for section in sections}

    def task(method: str, **fitting: Any) -> Any:
        return read_task(load(merge(TINY | crowded, {"method": method, **fitting})))

    assert task("fixed").words > 0
    search = task("random_search", alone=SMALL, measure={"batch_size": 90, "limit": 100})
    asked, _ = questions(search.config)
    assert {measuring_seconds(one, search, Machine(overhead=1e-3, rate=1e9)) for one in asked.values()} == {0.0}
    for method, refused in (("random_search", "alone"), ("darts", "relaxed"), ("conas", "oneshot")):
        with pytest.raises(ConfigError, match=f"{refused}.batch_size=1000: 600 words"):
            task(method)


def test_an_estimate_costs_no_training(tiny: Configure) -> None:
    seconds = {name: estimate(tiny({"final": {"epochs": epochs}})) for name, epochs in (("few", 1), ("many", 100))}
    assert 0 < seconds["few"] < seconds["many"]


FINETUNED = {**STEADY, "epochs": 2, "finetuning_lr": 0.5}


def test_the_second_pass_averages_from_the_best_weights_on_at_its_own_learning_rate(tiny: Configure) -> None:
    trainee = FinalTraining(load_task(tiny({"final": FINETUNED})), CELL)
    assert trainee.epochs == 4
    figures = [advance(trainee, epoch) for epoch in range(2)]
    best = trainee.state_dict()["best"]
    assert best["loss"] == min(row["valid_loss"] for row in figures)
    assert bits(trainee.model.state_dict()) == bits(best["model"])
    trainee.step(2, 0)
    assert isinstance(trainee._optimizer, torch.optim.ASGD)
    length = trainee._windows(2)[0][1]
    assert trainee._optimizer.param_groups[0]["lr"] == pytest.approx(0.5 * length / SMALL["bptt"])


def test_the_second_pass_ends_when_the_validation_loss_stalls_also_after_a_resume(tiny: Configure) -> None:
    config = tiny({"final": {**FINETUNED, "epochs": 4}})
    trainee, resumed = (FinalTraining(load_task(config), CELL) for _ in range(2))
    for epoch in range(6):
        advance(trainee, epoch)
    assert trainee.epochs == 8
    trainee._losses[:] = [0.1, 0.2]  # as if the first epoch of the pass had been far better
    advance(trainee, 6)
    assert trainee.epochs == 7
    resumed.load_state_dict(trainee.state_dict())
    assert resumed.epochs == 7
    assert bits(trainee.model.state_dict()) == bits(trainee.state_dict()["best"]["model"])


def test_a_decaying_rate_and_no_averaging(tiny: Configure) -> None:
    trainee = FinalTraining(load_task(tiny({"final": {**STEADY, "steady": 2, "decay": 0.5, "averaging": False}})), CELL)
    assert [trainee._whole_rate(epoch) for epoch in range(5)] == [1.0, 1.0, 0.5, 0.25, 0.125]
    for epoch in range(3):
        stall(trainee, epoch)
    assert isinstance(trainee._optimizer, torch.optim.SGD)


class Noting(Reporter):
    """Keeps the notes beside a bar."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def bar(self, title: str, total: int, done: int = 0, unit: str = "") -> Bar:
        bar = super().bar(title, total, done, unit)
        step = bar.step
        bar.step = lambda steps=1, note="": (self.notes.append(note), step(steps, note))[1]  # type: ignore[method-assign]
        return bar


def test_progress_tells_the_perplexity_of_the_epoch_so_far(tiny: Configure, tmp_path: Path) -> None:
    trainee, reporter = FinalTraining(load_task(tiny({"final": {"epochs": 1}})), CELL), Noting()
    progress = fit(trainee, "final", Checkpoints(tmp_path, "test", print), Metrics(tmp_path / "m.jsonl"), reporter)
    assert len(reporter.notes) == trainee.steps(0)
    assert reporter.notes[-1] == f"epoch 1/1, perplexity {perplexity(progress.history[0]['train_loss']):.1f}"


def test_a_loss_that_is_not_finite_in_the_second_pass_goes_back_to_its_best_average(tiny: Configure) -> None:
    trainee = FinalTraining(load_task(tiny({"final": FINETUNED})), CELL)
    for epoch in range(2):
        advance(trainee, epoch)
    best = bits(trainee.model.state_dict())
    trainee.step(2, 0)
    trainee.model.bias.data[0] = torch.nan
    assert trainee.recover()
    assert bits(trainee.model.state_dict()) == best
    assert isinstance(trainee._optimizer, torch.optim.ASGD)
    assert not trainee._optimizer.state


def test_a_training_that_only_time_ends_counts_seconds_and_no_epochs_ahead(tiny: Configure, tmp_path: Path) -> None:
    trainee, reporter = FinalTraining(load_task(tiny({"final": {"epochs": 1}})), CELL), Noting()
    rows, checkpoints = Metrics(tmp_path / "m.jsonl"), Checkpoints(tmp_path, "test", print)
    fit(trainee, "final", checkpoints, rows, reporter, seconds=1.0, to_the_limit=True)
    bar = reporter.current
    assert bar is not None
    assert (bar.total, bar.unit) == (1, " s")
    assert "epoch " in reporter.notes[-1]
    assert "/" not in reporter.notes[-1]
