"""Programs that tests need and Python's package index does not have, from Debian's packages."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock


class NotInstalledError(RuntimeError):
    """Programs that are not here and cannot be installed."""


def ensure(programs: Sequence[str], packages: Sequence[str]) -> None:
    """Install ``packages`` unless all ``programs`` are here, one process at a time.

    Raises:
        NotInstalledError: this process may not, or it fails.
    """
    if all(map(shutil.which, programs)):
        return
    with FileLock(Path(tempfile.gettempdir(), f"conas-tests-apt-{os.geteuid()}.lock")):
        missing = [name for name in programs if shutil.which(name) is None]
        if not missing:
            return
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise NotInstalledError(
                f"{', '.join(missing)} not installed; as root: apt-get install {' '.join(packages)}"
            )
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            done = subprocess.run(["apt-get", "--quiet", *command], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise NotInstalledError(f"apt-get: {done.stderr.strip().splitlines()[-1:]}")
