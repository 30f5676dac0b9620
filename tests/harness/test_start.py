"""What a person types first is answered without what computes: its import takes longer than the answer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "torchvision", "sklearn", "scipy.stats"}
DRAWN = {"tables.__main__": {"scipy.stats"}}
"""What pictures need."""

COMMANDS = {
    "help": ("harness.run", ["-h"], 0),
    "sweep": ("harness.sweep", ["-h"], 0),
    "status": ("harness.status", ["-h"], 0),
    "worker": ("harness.worker", ["-h"], 0),
    "archive": ("harness.archive", ["-h"], 0),
    "tables": ("tables.__main__", ["-h"], 0),
    "conas": ("conas.command", ["-h"], 0),
    "printed": ("harness.run", ["print_config", "with", "dataset=svhn", "method=rsws", "seed=3"], 0),
    "text": ("harness.run", ["print_config", "with", "dataset=ptb"], 0),
    "published": ("harness.run", ["print_config", "with", "method=fixed", "genotype=amoebanet_a"], 0),
    "variants": ("harness.run", ["print_named_configs"], 0),
    "refused value": ("harness.run", ["with", "dataset=svhn", "final.epochs=0"], 1),
    "refused name": ("harness.run", ["with", "dataset=svhn", "search.lamda=1"], 1),
    "refused pair": ("harness.run", ["with", "dataset=digits", "space=rnn"], 1),
}


@pytest.mark.parametrize("said", COMMANDS)
def test_a_first_answer_imports_nothing_that_computes(said: str) -> None:
    module, arguments, status = COMMANDS[said]
    heavy = HEAVY - DRAWN.get(module, set())
    program = (
        f"import sys, {module} as command; sys.argv[1:] = {arguments!r}\n"
        "try:\n    code = command.main()\nexcept SystemExit as exit:\n    code = exit.code\n"
        f"print('loaded:', *({heavy!r} & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()[-1].split()) == (status, ["loaded:"]), done.stderr
    assert status == 1 or "\x1b" not in done.stdout


@pytest.mark.parametrize("words", ["harness/sweep.py", "harness/status.py", "harness/worker.py", "-m tables"])
def test_outside_the_environment_it_says_what_is_missing(words: str) -> None:
    command = [sys.executable, "-S", *words.split(), "-h"]  # without the packages that are installed
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": ""}, capture_output=True, text=True)
    assert (done.returncode, done.stderr[:17]) == (1, "error: no numpy, ")
