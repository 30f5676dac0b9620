"""Several processes on one CUDA device: whether runs that share it are done sooner than one after the other."""

import multiprocessing
import time
from typing import Any

_WARM, _STEPS = 5, 60
_READY_S, _LIMIT_S = 60.0, 90.0


def steps_per_second(processes: int, make: Any) -> float:
    """Training steps of as many processes together, each with a trainee of its own, which ``make()`` returns.

    Raises:
        RuntimeError: one of them has failed.
    """
    context = multiprocessing.get_context("spawn")
    ready, found = context.Barrier(processes), context.SimpleQueue()
    workers = [context.Process(target=_train, args=(make, ready, found)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    end = time.monotonic() + _LIMIT_S
    for worker in workers:
        worker.join(max(0.0, end - time.monotonic()))
        if worker.is_alive():
            worker.kill()
            worker.join()
    if any(worker.exitcode for worker in workers):
        raise RuntimeError(f"of {processes} processes on one device, {sum(bool(w.exitcode) for w in workers)} failed")
    return sum(_STEPS / found.get() for _ in workers)


def _train(make: Any, ready: Any, found: Any) -> None:
    """The seconds that some steps take while the others train, too."""
    trainee = make()
    _finish(trainee, range(_WARM))
    ready.wait(_READY_S)
    start = time.monotonic()
    _finish(trainee, range(_WARM, _WARM + _STEPS))
    found.put(time.monotonic() - start)


def _finish(trainee: Any, steps: range) -> None:
    """Some steps, until the device is done with them: only then can the last one's loss be read."""
    for step in steps:
        loss = trainee.step(0, step)
    float(loss)
