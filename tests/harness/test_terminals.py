"""Terminals that cannot show every letter are shown what they can."""

import os
import subprocess
import sys
from pathlib import Path


def test_a_letter_that_a_terminal_lacks_ends_nothing() -> None:
    program = "import harness; print('λ = 5'); import sys; print('λ', file=sys.stderr)"
    shown = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "\\u03bb = 5\n", "\\u03bb\n")
