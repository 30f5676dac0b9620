"""A real Slurm on this machine, for as long as a test needs it."""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from platform import node

from harness.dashboard.services import free_port
from tests.debian import ensure

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
_PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client")
_CONFIG = Path(__file__).parent / "slurm.conf"
_SECONDS_TO_START = 30.0


class NoSlurmError(RuntimeError):
    """There is no Slurm here, and there cannot be."""


@contextmanager
def slurm(folder: Path) -> Iterator[Path]:
    """Munge, a controller and a node, keeping everything in ``folder``; the path of their configuration.

    Raises:
        NotInstalledError: it is not installed and cannot be.
        NoSlurmError: this is not root, or it does not start.
    """
    ensure(_PROGRAMS, _PACKAGES)
    if os.geteuid() != 0:
        raise NoSlurmError("only root can run a node that starts jobs")
    config = _configure(folder)
    environment = {**os.environ, "SLURM_CONF": str(config)}
    with ExitStack() as stack:
        for command in (_munged(folder), ["slurmctld", "-D"], ["slurmd", "-D"]):
            log = stack.enter_context((folder / f"{command[0]}.out").open("wb"))
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
            stack.callback(_stop, process)
        _wait_for_the_node(environment, folder)
        yield config


def _configure(folder: Path) -> Path:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    ports = {"controller_port": free_port(), "node_port": free_port()}
    values = {"host": node(), "folder": folder, "cores": os.cpu_count(), **ports}
    config = folder / "slurm.conf"
    config.write_text(_CONFIG.read_text().format_map(values))
    return config


def _munged(folder: Path) -> list[str]:
    files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    options = [f"--{option}={folder}/munge.{name}" for option, name in files.items()]
    return ["munged", "--foreground", "--force", "--num-threads=2", *options]


def _wait_for_the_node(environment: dict[str, str], folder: Path) -> None:
    limit = time.monotonic() + _SECONDS_TO_START
    while "idle" not in _sinfo(environment):
        if time.monotonic() > limit:
            said = {path.name: path.read_text()[-500:] for path in folder.glob("*.out")}
            raise NoSlurmError(f"the cluster does not start: {said}")
        time.sleep(0.2)


def _sinfo(environment: dict[str, str]) -> str:
    command = ["sinfo", "--noheader", "--format=%T"]
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
