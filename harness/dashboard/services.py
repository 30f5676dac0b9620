"""Programs that are installed beside the project and run as processes of their own: a database server, Omniboard.

The server is SecantusDB, which speaks MongoDB's protocol and installs from PyPI. It is under the GPL and pins other
libraries, so it has a virtual environment to itself and is never imported.
"""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock

from conas.refusal import Refused
from harness.console.plain import last_line

LOOPBACK = "127.0.0.1"

_ASSETS = Path(__file__).parent / "assets"
_BOUND = Path(__file__).parent / "bound.py"
_SECONDS_TO_START = 30.0
_SECONDS_TO_STOP = 10.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks this machine itself, whatever proxy a cluster has for the rest of the world."""


class ServiceError(Refused):
    """A program that cannot be installed or started."""


def cache() -> Path:
    """Where the programs are installed, for all checkouts of this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "conas"


def server_program() -> Path:
    """SecantusDB's program, installed by the first call.

    Raises:
        ServiceError: it cannot be installed.
    """
    lock = _ASSETS / "server.lock"
    folder = _folder("secantusdb", lock)
    program = folder / "bin" / "secantusd-py"

    def install() -> None:
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--require-hashes", "-r", str(lock)])

    return _installed(folder, program, install)


def omniboard_program() -> Path:
    """Omniboard's start script, installed by the first call.

    Raises:
        ServiceError: it cannot be installed, or there is no npm.
    """
    lock = _ASSETS / "package-lock.json"
    folder = _folder("omniboard", lock)
    program = folder / "node_modules" / "omniboard" / "dist" / "start.js"

    def install() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for file in (lock, _ASSETS / "package.json"):
            shutil.copy(file, folder)
        npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        _run([*npm, "--prefix", str(folder)])

    return _installed(folder, program, install)


@contextmanager
def server(folder: Path, port: int, auth: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A database server on loopback that keeps its data in ``folder``; it ends with the context.

    Raises:
        ServiceError: it does not start; the message ends with what it said last.
    """
    command = [str(server_program()), "--host", LOOPBACK, "--port", str(port), "--storage-path", str(folder)]
    command += ["--standalone", "--sync-on-commit", "--cache-size", "256M", *(["--auth"] if auth else [])]
    folder.mkdir(parents=True, exist_ok=True)
    with _process(command, {}, folder.with_name(f"{folder.name}.log"), lambda: _answers(port)) as process:
        yield process


@contextmanager
def omniboard(url: str, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Omniboard on loopback for the database at ``url``; it ends with the context.

    Raises:
        ServiceError: the port is taken, or it does not start.
    """
    if _answers(port):
        raise ServiceError(f"port {port} is taken; choose another one with --port")
    command = ["node", "--require", str(_ASSETS / "preload.js"), str(omniboard_program())]
    # NAMES: Omniboard would answer to whatever a shell calls so
    environment = {"MONGO_URI": url, "HOST": LOOPBACK, "PORT": str(port), "NAMES": ""}
    with _process(command, environment, log, lambda: _serves(port)) as process:
        yield process


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _folder(name: str, lock: Path) -> Path:
    return cache() / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"


def _installed(folder: Path, program: Path, install: Callable[[], None]) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    done = folder.with_name(f"{folder.name}.installed")
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not (done.exists() and program.exists()):
            print(f"installing {folder.name} in {folder.parent} (once)", file=sys.stderr)
            install()
            done.touch()
    return program


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise ServiceError(f"{command[0]} is not installed on this machine") from None
    except subprocess.CalledProcessError as error:
        raise ServiceError(f"{' '.join(command[:3])} failed: {last_line(error.stderr)}") from None


@contextmanager
def _process(
    command: list[str], environment: Mapping[str, str], log: Path, ready: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, so that Ctrl-C reaches this process only, which ends it in order;
    it ends with this one, however that ends."""
    with ExitStack() as stack:
        output = stack.enter_context(log.open("wb"))
        if shutil.which(command[0]) is None:
            raise ServiceError(f"{command[0]} is not installed on this machine")
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_BOUND), str(os.getpid()), *command],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        stack.callback(_stop, process)
        _wait(process, Path(command[0]).name, ready, log)
        yield process


def _wait(process: subprocess.Popen[bytes], name: str, ready: Callable[[], bool], log: Path) -> None:
    limit = time.monotonic() + _SECONDS_TO_START
    while not ready():
        if process.poll() is not None or time.monotonic() > limit:
            said = last_line(log.read_text(errors="replace"))
            raise ServiceError(f"{name} did not start: {said} (see {log})")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def _serves(port: int) -> bool:
    try:
        with _DIRECT.open(f"http://{LOOPBACK}:{port}/api/v1/databases", timeout=2):
            return True
    except OSError:
        return False
