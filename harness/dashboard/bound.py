"""``python bound.py STARTER PROGRAM ...``: become a program that ends with the process STARTER, however that ends.

Where the system cannot promise it (only Linux can), the program ends when it is told to.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """The command line."""
    starter, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(starter):
            sys.exit("the process that started this has ended")
    os.execvp(command[0], command)  # noqa: S606 - a list, and no shell


if __name__ == "__main__":
    main()
