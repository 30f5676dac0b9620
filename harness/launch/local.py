"""Runs from a list, made on this machine."""

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable

from harness.config.layers import cores
from harness.console.progress import duration
from harness.launch.child import Ending
from harness.launch.plan import Launch
from harness.launch.pool import Job
from harness.launch.post_mortem import TRIED_AGAIN, end, give_up, what_ended
from harness.launch.state import FINAL, Standing, standing

_SECONDS_BETWEEN_LOOKS = 5.0


class JobList:
    """A `Source` of ``jobs``, in their order, shared with other launchers on the same store.

    A run that another process makes is waited for: up to ``patience`` seconds, for ever by default. A process that is
    killed, or whose device fails or is full, is started again, ``retries`` times; a run that fails or diverges is not.

    Attributes:
        states: how many runs ended in each state.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        launches: Collection[Launch],
        retries: int,
        say: Callable[[str], None],
        patience: float = float("inf"),
    ) -> None:
        self.states: Counter[str] = Counter()
        self._waiting = list(jobs)
        self._total, self._retries, self._say = len(self._waiting), retries, say
        self._launches = {launch.plan.name: launch for launch in launches}
        self._patience, self._start = patience, time.monotonic()
        self._ends: Counter[str] = Counter()
        self._training: Counter[str] = Counter()
        self._elsewhere: dict[str, float] = {}

    def take(self) -> Job | None:
        """The next run that nobody makes or has made; one that waits for no other's model, if there is one."""
        ready = [job for job in self._waiting if time.monotonic() >= self._elsewhere.get(job.id, 0)]
        for job in sorted(ready, key=lambda job: job.model in self._training):
            self._waiting.remove(job)
            found = standing(job.folder)
            if found.state in FINAL:
                self._settle(job, found)
            elif found.state == "running":
                self._wait_for_another(job)
            else:
                return self._started(job)
        return None

    def _started(self, job: Job) -> Job:
        self._training[job.model] += 1
        about = "" if job.seconds is None else f", about {duration(job.seconds)}"
        self._say(f"start {job.title}{about} ({job.id})")
        return job

    def _left(self, job: Job) -> None:
        self._training -= Counter([job.model])

    def ended(self, job: Job, ending: Ending) -> None:
        """Note the result, or put ``job`` back to be tried again."""
        self._left(job)
        if ending == "busy":
            self._wait_for_another(job)
        elif ending in TRIED_AGAIN:
            self._try_again(job, ending)
        else:
            self._settle(job, end(job.folder, job.config))

    def _wait_for_another(self, job: Job) -> None:
        if time.monotonic() - self._start > self._patience:
            self._settle(job, standing(job.folder), "made elsewhere")
            return
        if job.id not in self._elsewhere:
            self._say(f"wait  {job.title} ({job.id}): {standing(job.folder).worker or 'another process'} makes it")
        self._elsewhere[job.id] = time.monotonic() + _SECONDS_BETWEEN_LOOKS
        self._waiting.append(job)

    def _try_again(self, job: Job, ending: Ending) -> None:
        self._ends[job.id] += 1
        number, what = self._ends[job.id], what_ended(job.folder, ending)
        if number <= self._retries:
            self._say(f"again {job.title} ({job.id}): {what} ({number} of {self._retries} retries)")
            self._waiting.append(job)
        else:
            self._settle(job, give_up(job.folder, job.config, f"{what} ({number} times)"))

    def _settle(self, job: Job, ended: Standing, state: str = "") -> None:
        state = state or ended.state
        self.states[state] += 1
        about = ended.reason if state in ("failed", "diverged") else ended.result
        about = ", ".join(filter(None, [about, duration(ended.spent)]))
        self._say(f"{state:5} {job.title}: {about} [{self.states.total()}/{self._total}] ({job.id})")

    def beat(self, running: Collection[Job]) -> Collection[str]:
        """Stop the runs of sweeps that were cancelled, and forget those that wait."""
        cancelled = {name for name, launch in self._launches.items() if launch.is_cancelled()}
        if not cancelled:
            return ()
        gone = [job for job in self._waiting if job.sweep in cancelled]
        self._waiting = [job for job in self._waiting if job.sweep not in cancelled]
        self.states["cancelled"] += len(gone)
        return {job.id for job in running if job.sweep in cancelled}

    def stopped(self, job: Job) -> None:
        """Note where ``job`` stands now."""
        self._left(job)
        self.states[standing(job.folder).state] += 1
        self._say(f"stop  {job.title} ({job.id})")

    def is_exhausted(self) -> bool:
        """Whether all runs have ended."""
        return not self._waiting


def workers(asked: int | None, threads: int, sharing: int | None = None) -> tuple[int, str]:
    """How many runs of ``threads`` threads this machine makes at once, at most ``asked``, and why.

    ``sharing``: how many its CUDA devices take together, if that is limited.
    """
    there = cores()
    most = max(1, there // threads)
    number = min(asked or most, most)
    if sharing is not None and sharing < number:
        return sharing, f"{sharing} at once: no more are to share the CUDA devices"
    why = f"{number} at once: a run uses {threads} threads, this machine has {there} cores"
    return number, why if asked is None or number == asked else f"{why}, so --workers {asked} is too many"


def slots(number: int, gpus: int) -> list[dict[str, str]]:
    """The environment of each of ``number`` slots: the GPUs that this process may use are dealt out in turn."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(gpus)))).split(",")
    return [{"CUDA_VISIBLE_DEVICES": visible[slot % len(visible)]} if gpus else {} for slot in range(number)]
