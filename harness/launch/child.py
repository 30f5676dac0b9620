"""The process that makes one run, as `python harness/run.py` would.

It is forked from a server that has imported everything and started nothing, so a run costs no start-up and shares the
memory of the libraries with the others, and whatever ends it, a crash or the system's memory guard, ends nothing else.
It has a session of its own: signals for the launcher reach the launcher alone, which ends its children in order.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import connection, forkserver
from multiprocessing.context import ForkServerProcess
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import Any, Literal, NoReturn

from harness.deadline import ended_by_signals
from harness.launch.console import INTERRUPTED
from harness.launch.post_mortem import LOG, refuse
from harness.records.files import opener
from harness.records.store import AlreadyRunning, RunFolder

BUSY, FAULT = os.EX_TEMPFAIL, os.EX_UNAVAILABLE
Ending = Literal["done", "failed", "busy", "killed", "fault"]
"""How a child ended: with a result; with a record that says why not; another process makes the run; without a word; its
device failed or was full."""

PRELOADED = ["harness.execution.execute", "harness.execution.summary", "harness.execution.experiment"]
PRELOADED += ["harness.data.auto_augment", "sklearn.datasets", "sklearn.linear_model"]
"""All that a run imports when it starts, or when it needs it."""
_LONGEST_PLACE = 70
"""Characters; multiprocessing adds some 30, and the address of a socket has 107."""
_LAUNCHERS_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT)


class Child:
    """A process that makes the run of ``config``, the plain data of a configuration, recorded in ``folder``."""

    def __init__(self, config: Mapping[str, Any], folder: Path, environment: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        _have_a_place_for_sockets()
        with _ignored(_LAUNCHERS_SIGNALS):
            forkserver.ensure_running()
        self._process: ForkServerProcess = context.Process(
            target=work, args=(config, folder, environment), name=folder.name
        )
        try:
            self._process.start()
        except EOFError as error:  # of the pipe to the server
            raise OSError("the process that starts runs was killed; the same command goes on from here") from error

    @property
    def sentinel(self) -> int:
        """Becomes ready when the process ends."""
        return self._process.sentinel

    @property
    def ending(self) -> Ending | None:
        """How it ended, None while it works."""
        code = self._process.exitcode
        if code is None:
            return None
        named: dict[int, Ending] = {0: "done", 1: "failed", BUSY: "busy", FAULT: "fault"}
        return named.get(code, "killed")

    def interrupt(self) -> None:
        """Ask it to record where it is and to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


def _have_a_place_for_sockets() -> None:
    """Let multiprocessing have its folder, which it keeps, in /tmp where TMPDIR is too long for a socket's address."""
    if len(os.fsencode(tempfile.gettempdir())) > _LONGEST_PLACE and Path("/tmp").is_dir():  # noqa: S108
        before, tempfile.tempdir = tempfile.tempdir, "/tmp"  # noqa: S108
        try:
            get_temp_dir()
        finally:
            tempfile.tempdir = before


@contextmanager
def _ignored(signals: tuple[signal.Signals, ...]) -> Iterator[None]:
    """Let a process that is started inside ignore ``signals``: its children would be lost with it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def work(config: dict[str, Any], folder: Path, environment: Mapping[str, str]) -> NoReturn:
    """Make the run and exit with how that ended: 0, 1, BUSY, FAULT or INTERRUPTED."""
    os.setsid()
    signal.signal(signal.SIGTERM, _interrupt)
    os.environ.update(environment)
    threading.Thread(target=_end_with_the_launcher, name="launcher", daemon=True).start()
    try:
        _print_into(folder / LOG)
        code = _make(config, folder)
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _interrupt(signum: int, frame: object) -> NoReturn:
    signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_with_the_launcher() -> None:
    launcher = multiprocessing.parent_process()
    assert launcher is not None
    connection.wait([launcher.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _print_into(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab", opener=opener) as file:  # another's last words stay
        sys.stdout.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _make(config: dict[str, Any], folder: Path) -> int:
    from harness.console.refusal import RefusedError
    from harness.execution.experiment import ex
    from harness.training.faults import DeviceFault

    try:
        with ended_by_signals():
            ex.run(config_updates=config, meta_info={"is_announced": True})
    except RefusedError as error:
        print(f"error: {error}", flush=True)
        if isinstance(error.__cause__, AlreadyRunning):
            return BUSY
        if isinstance(error.__cause__, DeviceFault):
            return FAULT
        refuse(RunFolder(folder), config, str(error))
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0
