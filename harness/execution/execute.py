"""The life of a run: search (or take the cell another run found), build, count, train, test, record.

Every stage can be killed at any instant; the same command continues it to the same bits.
"""

import dataclasses
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import getpid
from platform import node
from typing import Any

from baselines.registry import method
from conas import means
from conas.genotype import Genotype
from conas.saved import FILE, encode
from harness.config.equal_time import rival
from harness.config.identity import digest
from harness.config.load import Config
from harness.console.plain import plain
from harness.console.progress import Reporter, Row
from harness.data.registry import is_own
from harness.deadline import ended_by_signals
from harness.pictures.cells import draw_cells
from harness.problems.trained import TrainedProblem
from harness.records.checkpoint import Checkpoints, weights_sha256
from harness.records.files import write_atomic, write_json
from harness.records.heartbeat import beating, last_heartbeat
from harness.records.output import copied
from harness.records.schema import Attempt, CountsRecord, DamagedRecord, Record, SearchRecord
from harness.records.search_results import Found, kept, place
from harness.records.store import RunFolder, Store, at, claim, now
from harness.training.environment import device_name, device_of, environment, make_deterministic
from harness.training.faults import DeviceFault, device_faults, fitting
from harness.training.loop import DivergedError, fit, refuse_divergence
from harness.training.task import FinalTrainee, final_training, load_task

_DECIDES_SEARCH = {"dataset", "name", "method", "seed", "space", "threads", "allow_subset", "data"}
_DECIDES_SEARCH |= {"numerics", "precision", "search", "oneshot", "measure", "alone", "relaxed"}

_STAGE = "final"


def execute(config: Config, reporter: Reporter) -> Record:
    """Make the run of ``config``, or take it from the store if it is done; its record.

    Raises:
        AlreadyRunning: another process is making it.
        DivergedError: training diverged; the record says so too.
        KeyboardInterrupt: stopped by the user; the record says so too.
    """
    folder = Store(config.runs_dir).run(config.id)
    with folder.claim():
        earlier = _earlier(folder, reporter)
        if earlier is not None and earlier.status == "done":
            if is_own(config.dataset):
                load_task(config)  # refuses other data of the same name
            _checkpoints(config, folder, reporter).clear()  # if a kill came before it
            reporter.say(f"{config.id} is done already; this is its record")
            _say_if_edited(config, earlier.search, reporter)
            return earlier
        make_deterministic(config.threads, config.precision)
        means.forget()
        if earlier is not None:
            reporter.say(f"goes on: attempt {len(earlier.attempts) + 1}, the one before it is {earlier.status}")
            _close(folder, earlier)
        record = _started(config, earlier)
        with (
            copied(folder.path / "output.log"),
            beating(folder.path, reporter),
            _outcome(folder, record),
            ended_by_signals(),
            device_faults(),
        ):
            _make(config, folder, record, reporter)
        _checkpoints(config, folder, reporter).clear()  # the record says done; until then a kill goes on from them
        return record


def _close(folder: RunFolder, record: Record) -> None:
    """Let an attempt that was killed have ended at its last sign of life: it is charged for no longer."""
    for attempt in record.attempts[-1:]:
        if attempt.ended is None:
            beat = last_heartbeat(folder.path)
            seconds = folder.record_path.stat().st_mtime if beat is None else time.time() - max(0.0, beat.age)
            attempt.ended, attempt.status = at(seconds), "interrupted"


def _checkpoints(config: Config, folder: RunFolder, reporter: Reporter) -> Checkpoints:
    return Checkpoints(folder.path, config.key, reporter.say)


def _earlier(folder: RunFolder, reporter: Reporter) -> Record | None:
    """The record of earlier attempts; one that is damaged is put aside, as long as no result goes with it."""
    try:
        return folder.record()
    except DamagedRecord as error:
        if not folder.is_unfinished():
            raise DamagedRecord(f"{error}; the run is done: move the file away to make it anew") from error
        aside = folder.record_path.with_name("record.json.damaged")
        os.replace(folder.record_path, aside)
        reporter.say(f"{plain(error)}; it is kept as {aside.name}, and the run goes on from its checkpoint")
        return None


def _started(config: Config, earlier: Record | None) -> Record:
    attempt = Attempt(started=now(), host=node(), pid=getpid(), device=device_name(device_of(config), config.threads))
    return Record(
        key=config.key,
        method=config.method,
        dataset=config.dataset,
        seed=config.seed,
        profile=config.profile,
        status="running",
        config=config.model_dump(mode="json"),
        environment=environment(),
        attempts=[*(earlier.attempts if earlier else []), attempt],
    )


@contextmanager
def _outcome(folder: RunFolder, record: Record) -> Iterator[None]:
    """Write into the record how the work inside ends."""
    try:
        folder.save(record)
        yield
        folder.check_held()
        record.status = "done"
    except DivergedError as error:
        record.status, record.reason = "diverged", str(error)
        raise
    except KeyboardInterrupt:
        record.status, record.reason = "interrupted", "stopped by the user or the scheduler"
        raise
    except DeviceFault as error:  # no fault of the run's
        record.status, record.reason = "interrupted", str(error)
        raise
    except BaseException as error:
        record.status, record.reason = "failed", f"{type(error).__name__}: {error}"
        raise
    finally:
        if means.replaced():
            record.environment["replaced"] = means.replaced()
        record.attempts[-1].ended, record.attempts[-1].status = now(), record.status
        folder.save(record)


def _make(config: Config, folder: RunFolder, record: Record, reporter: Reporter) -> None:
    """Fill the record, stage by stage, saving it after each."""
    task = load_task(config)  # what is wrong with the data is said before the search
    found = search(config.for_search(), reporter)
    _record_search(folder, found.metrics, reporter)
    record.genotype, record.search = found.architecture.to_json(), found.record
    write_json(folder.path / "genotype.json", record.genotype)
    if isinstance(found.architecture, Genotype):
        draw_cells(found.architecture, folder.path)
    record.data, record.counts = task.provenance, CountsRecord(**task.count(found.architecture))
    folder.save(record)
    reporter.say(f"{record.counts.params:,} parameters, {record.counts.mult_adds:,.0f} mult-adds")
    description = {**task.described(found.architecture), "dataset": config.dataset}
    with device_faults(fitting(config, "final")):
        _train_final(config, folder, record, final_training(task, found.architecture), description, reporter)


def _record_search(folder: RunFolder, rows: list[Row], reporter: Reporter) -> None:
    """Let the run's rows be the search's, of every stage and epoch the first, and those of its own training."""
    first: dict[tuple[str, int], Row] = {}
    for row in rows:
        first.setdefault((row["stage"], row["epoch"]), row)
        reporter.replay(row)
    folder.metrics.become([*first.values(), *(row for row in folder.metrics if row["stage"] == _STAGE)])


def _train_final(
    config: Config,
    folder: RunFolder,
    record: Record,
    trainee: FinalTrainee,
    description: Mapping[str, Any],
    reporter: Reporter,
) -> None:
    progress = fit(trainee, _STAGE, _checkpoints(config, folder, reporter), folder.metrics, reporter)
    figures = trainee.results(progress.history)
    refuse_divergence(_STAGE, figures["last"])
    weights = trainee.weights()
    write_atomic(folder.path / FILE, encode(weights, {**description, "run": config.id}))
    record.metrics = figures
    record.training_seconds = progress.seconds
    record.weights = {"path": FILE, "sha256": weights_sha256(weights)}
    folder.save(record)


def search(config: Config, reporter: Reporter, task: Any = None) -> Found:
    """Run the search of ``config``, a search's own configuration, or take what it found before.

    ``task`` is that of the configuration, if it is loaded already.
    """
    store, key = Store(config.runs_dir), search_key(config)
    folder = place(store, key)
    with claim(folder, reporter.say):
        found = kept(folder)
        if found is None:
            return _search_now(config, store, key, reporter, task or load_task(config)).keep(folder)
        _say_if_edited(config, found.record, reporter)
        return found


def _say_if_edited(config: Config, made: SearchRecord | None, reporter: Reporter) -> None:
    """Tell who edits a method that a result of the earlier code is taken: code is no part of a search's name."""
    if made is not None and made.code is not None and made.code != method(config.method).code:
        reporter.say(
            f"the module of {config.method} was edited since this search: its answer is the earlier code's "
            "(to search again, take another store: runs_dir=...)"
        )


def search_key(config: Config) -> str:
    """What a store calls the search of ``config``, a search's own configuration."""
    return digest({name: value for name, value in config.identity.items() if name in _DECIDES_SEARCH})


def _settings(config: Config, reporter: Reporter) -> Any:
    """The method's settings; the seconds of a search of equal time are those of its rival, which is searched first."""
    equal = rival(config)
    if equal is None:
        return config.settings
    return dataclasses.replace(config.settings, device_seconds=search(equal, reporter).record.seconds)


def _search_now(config: Config, store: Store, key: str, reporter: Reporter, task: Any) -> Found:
    chosen = method(config.method)
    problem = TrainedProblem(config, task, store, reporter)
    reporter.say(f"searching with {config.method} on {config.dataset}, seed {config.seed}")
    outcome = chosen(problem, config.seed, _settings(config, reporter))
    for note in outcome.details.get("notes", []):
        reporter.say(note)
    cost = problem.cost
    record = SearchRecord(
        key=key,
        dataset=config.dataset,
        seconds=cost.seconds,
        gpu_days=cost.gpu_days,
        one_shot_steps=cost.one_shot_steps,
        measurements=cost.measurements,
        stand_alone_epochs=cost.stand_alone_epochs,
        code=chosen.code,
        details=outcome.details,
    )
    return Found(outcome.architecture, record, problem.metrics)
