"""Terminals that cannot show every letter are shown what they can."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.registry import METHODS
from harness import run
from harness.config.load import load
from harness.execution.experiment import ex
from harness.records.store import Store


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


def test_a_reader_that_leaves_early_ends_a_command_in_silence() -> None:
    program = (
        "from harness.console.pipes import piped\n"
        "try:\n    with piped():\n        [print(letter * 9999) for letter in 'abcdefghijklmnop']\n"
        "except OSError as error:\n    print('error:', error)"
    )
    command = [sys.executable, "-c", program]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_a_pipe_gets_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["print_config", "with", "dataset=digits", "seed=3"]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "seed = 3                           # set by you\n" in told


def test_sacred_says_nothing_of_its_own_about_a_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sizes = {"final": {"epochs": 1}, "data": {"train_limit": 64, "test_limit": 32}, "runs_dir": str(tmp_path)}
    config = load({"dataset": "digits", "profile": "smoke", "method": "random_wiring", **sizes})
    ex.run(config_updates=config.model_dump(mode="json"), meta_info={"is_announced": True})
    assert Store(tmp_path).run(config.id).record().status == "done"  # type: ignore[union-attr]
    assert not [line for line in caplog.records if line.levelname != "DEBUG"]


def test_a_value_that_was_set_is_shown_beside_that_of_the_profile_and_the_paper(
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed = ["search.lambda=5", "search.m=40", "search.debias=true"]
    assert run.main(["print_config", "with", "dataset=cifar10", "profile=smoke", *typed]) == 0
    comments = {line.split(" = ")[0].strip(): line.partition("# ")[2] for line in capsys.readouterr().out.splitlines()}
    assert comments["lambda"] == "set by you; paper: 1.0"
    assert (
        comments["m"] == f"set by you; profile smoke: {METHODS['conas'].defaults('smoke', 'image')['m']}; paper: 1000"
    )
    assert comments["debias"] == "set by you; assumed: false"
