"""Runs as Slurm jobs, one job per run, submitted as arrays through submitit.

A job that reaches its time limit or is preempted ends its run in order and goes back into the queue; Slurm itself puts
it back when a node fails. Either way the run goes on from its checkpoint.
"""

import math
import re
import signal
import subprocess
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from platform import node
from typing import Any

from submitit import SlurmExecutor
from submitit.core.utils import DelayedSubmission, FailedJobError

from conas.refusal import Refused
from harness.config.layers import cuda_devices
from harness.console.plain import last_line
from harness.deadline import interrupt
from harness.launch.console import say
from harness.launch.local import JobList
from harness.launch.plan import Launch, Plan
from harness.launch.pool import Job, Pool
from harness.records.heartbeat import SILENCE_SECONDS

_SECONDS_BEFORE_THE_LIMIT = 90
_LARGEST_ARRAY = 1000
_LONGEST_HEAD_START = 60
_TIME_LIMITS = 10_000
"""How often a run may reach the time limit of its job: every job brings it on."""


class SlurmError(Refused):
    """No Slurm here, or it refuses."""


@dataclass(frozen=True)
class Resources:
    """What every job asks Slurm for.

    Attributes:
        minutes: time limit of a job; a run may take many jobs.
        at_once: jobs of an array that run at the same time, None for no limit.
        others: further options of sbatch, by long name.
    """

    minutes: int
    partition: str | None = None
    gpus: int = 0
    memory_gb: float | None = None
    at_once: int | None = None
    others: dict[str, str] = field(default_factory=dict)

    def parameters(self, threads: int) -> dict[str, Any]:
        """The parameters of submitit's executor for runs of ``threads`` threads."""
        asked = {
            "time": self.minutes,
            "partition": self.partition,
            "gpus_per_node": self.gpus or None,
            "mem": None if self.memory_gb is None else f"{round(1024 * self.memory_gb)}M",
            "array_parallelism": self.at_once or _LARGEST_ARRAY,  # submitit has 256 at once if it is told nothing
        }
        return {name: value for name, value in asked.items() if value is not None} | {
            "job_name": "conas",
            "cpus_per_task": threads,
            "signal_delay_s": min(_SECONDS_BEFORE_THE_LIMIT, 30 * self.minutes),
            "stderr_to_stdout": True,
            "srun_args": ["--cpus-per-task", str(threads)],  # which srun does not take from its job since Slurm 22.05
            "additional_parameters": {"requeue": True, **self.others},
        }


class RunInJob:
    """What a Slurm job does: one run, in a process of its own, so that a killed one is tried again in the same job."""

    def __init__(self, job: Job, launch: Launch, retries: int) -> None:
        self.job, self.launch, self.retries = job, launch, retries

    def __call__(self) -> dict[str, int]:
        """Make the run; how that ended.

        Raises:
            SlurmError: it is to have CUDA, which this node does not have; the run is as it was.
        """
        if self.job.config["device"].startswith("cuda") and not cuda_devices():
            raise SlurmError(f"torch finds no CUDA device on {node()}")
        signal.signal(signal.SIGTERM, interrupt)
        source = JobList([self.job], [self.launch], self.retries, say, patience=SILENCE_SECONDS + 60)
        self.pool = Pool(source, [{}])
        try:
            self.pool.run()
        except KeyboardInterrupt:
            # Slurm says the same before it cancels a job and before it preempts one, and queues only those again that
            # it has to kill. So this one waits for that, or for the signal on which submitit queues it.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                signal.pause()
        return dict(source.states)

    def checkpoint(self) -> DelayedSubmission:
        """End the run in order; what to do when the job starts again. submitit calls this when the time is up."""
        self.pool.stop()
        return DelayedSubmission(RunInJob(self.job, self.launch, self.retries))


class Submitter:
    """Submits runs of ``plans`` as jobs that ask for ``resources``; submitit's files lie below ``folder``.

    ``command`` is what the user typed.
    """

    def __init__(self, plans: Collection[Plan], resources: Resources, retries: int, folder: Path, command: str) -> None:
        self._plans = {plan.name: plan for plan in plans}
        self._resources, self._retries, self._command = resources, retries, command
        self._folder = folder.absolute() / "%j"

    def submit(self, jobs: Iterable[Job]) -> int:
        """Submit ``jobs``, save those that have a Slurm job already; how many were submitted.

        Of runs whose searches begin with the same trained network, one comes first. The others follow when all that
        come first have had the time to train theirs; one whose network is not there yet waits for it in its job.

        Raises:
            SlurmError: there is no Slurm here, or it refuses; the message is Slurm's.
        """
        there = {run for plan in self._plans.values() for run in unfinished(plan)}
        first, others = _split(job for job in jobs if job.id not in there)
        names = self._submit_arrays(first, None)
        arrays = sorted({name.partition("_")[0] for name in names}, key=int)
        after = ":".join(["after", *(f"{array}+{_head_start(first)}" for array in arrays)])
        return len(names) + len(self._submit_arrays(others, after))

    def _submit_arrays(self, jobs: Sequence[Job], after: str | None) -> list[str]:
        parts = [jobs[start : start + _LARGEST_ARRAY] for start in range(0, len(jobs), _LARGEST_ARRAY)]
        return [name for part in parts for name in self._submit_array(part, after)]

    def _submit_array(self, jobs: Sequence[Job], after: str | None) -> list[str]:
        """Submit an array that starts ``after``, as sbatch's --dependency says it; the names of its Slurm jobs."""
        parameters = self._resources.parameters(max(job.config["threads"] for job in jobs))
        if after is not None:
            parameters["dependency"] = after
        tasks = [RunInJob(job, self._plans[job.sweep].launch(), self._retries) for job in jobs]
        names = self._sbatch(parameters, tasks)
        for name, plan in self._plans.items():
            mine = {job.id: slurm for job, slurm in zip(jobs, names, strict=True) if job.sweep == name}
            if mine:
                plan.launched("slurm", self._command, jobs=mine)
        return names

    def _sbatch(self, parameters: dict[str, Any], tasks: Sequence[RunInJob]) -> list[str]:
        try:
            executor = SlurmExecutor(self._folder, max_num_timeout=_TIME_LIMITS)
            executor.update_parameters(**parameters)
            return [job.job_id for job in executor.submit_array(tasks)]
        except FailedJobError as error:
            raise SlurmError(f"sbatch refuses: {last_line(str(error))}") from error
        except ValueError as error:
            raise SlurmError(f"submitit refuses: {last_line(str(error))}") from error
        except RuntimeError as error:
            raise SlurmError(f"no Slurm here: {error}") from error


def _split(jobs: Iterable[Job]) -> tuple[list[Job], list[Job]]:
    """The first job of every model, and all others."""
    first: dict[str, Job] = {}
    others = [job for job in jobs if first.setdefault(job.model, job) is not job]
    return list(first.values()), others


def _head_start(jobs: Iterable[Job]) -> int:
    """Minutes behind the start of ``jobs`` in which they may train the networks that others wait for: as long as the
    longest of them takes altogether, and no more than an hour; who comes too early waits in its own job."""
    known = [math.inf if job.seconds is None else job.seconds / 60 for job in jobs]
    return math.ceil(min(_LONGEST_HEAD_START, max(known, default=0)))


def check() -> None:
    """Ask Slurm for the user's jobs, which takes no time, before work that a missing Slurm would make vain.

    Raises:
        SlurmError: there is no Slurm here, or it does not answer.
    """
    _ask("squeue", "--me", "--noheader")


def unfinished(plan: Plan) -> dict[str, str]:
    """The Slurm job of every run of ``plan`` that has one which waits or works.

    Raises:
        SlurmError: the sweep has Slurm jobs and Slurm does not answer.
    """
    names = {run: job for launch in plan.launches() for run, job in launch.get("jobs", {}).items()}
    alive = set(_jobs()) if names else set()
    return {run: job for run, job in names.items() if job in alive}


def cancel(plan: Plan) -> int:
    """Cancel the Slurm jobs of ``plan``; how many there were.

    Raises:
        SlurmError: Slurm does not answer.
    """
    jobs = list(unfinished(plan).values())
    if jobs:
        _ask("scancel", *jobs)
    return len(jobs)


def _jobs() -> Iterator[str]:
    yield from _ask("squeue", "--me", "--noheader", "--array", "--format=%i").split()


def _ask(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except OSError as error:
        raise SlurmError(f"no Slurm here: {command[0]}: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        said = last_line(error.stderr).removeprefix(f"{command[0]}: ")
        raise SlurmError(f"{command[0]}: {said}") from error


def minutes(text: str) -> int:
    """A time limit in Slurm's own forms, ``MINUTES``, ``HOURS:MINUTES:SECONDS``, ``DAYS-HOURS``..., in minutes.

    Raises:
        ValueError: another form.
    """
    form = re.fullmatch(r"(?:(?P<days>\d+)-)?(?P<rest>\d+(?::\d+){0,2})", text)
    if form is None:
        raise ValueError(f"{text!r} is not a time limit (allowed: MINUTES, HOURS:MINUTES:SECONDS, DAYS-HOURS:MINUTES)")
    parts = [int(part) for part in form["rest"].split(":")]
    hours, mins, seconds = (*parts, 0, 0)[:3] if form["days"] or len(parts) == 3 else (0, *parts, 0)[:3]
    return max(1, int(form["days"] or 0) * 1440 + hours * 60 + mins + (seconds > 0))
