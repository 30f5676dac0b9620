"""The password in a database's address is neither recorded nor shown, whatever is done with a sweep."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from harness import status, sweep
from harness.launch.console import typed
from harness.launch.plan import named
from harness.records.store import Store
from tests.harness.sweep.runs import Tiny

ROOT = Path(__file__).parents[3]
SECRET = "Zq7secret"
URL = f"mongodb://lab:{SECRET}@127.0.0.1:1/conas?authSource=admin"


@pytest.fixture
def launched(tiny: Tiny, capfd: pytest.CaptureFixture[str]) -> Iterator[str]:
    """A store with a sweep that was launched with the address on the command line; all output is looked at."""
    with mock.patch.dict(os.environ):  # a process of its own
        assert sweep.main(tiny.command(tiny.store, "--mongo-url", URL)) == 0
    yield str(tiny.store)
    printed = capfd.readouterr()
    assert SECRET not in printed.out + printed.err
    files = [path for path in tiny.store.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_commands_name_the_variable(launched: str, capfd: pytest.CaptureFixture[str]) -> None:
    for words in (["cancel", "all"], [], ["retry", "--failed"]):
        assert status.main([*words, "--store", launched]) == 0
    assert capfd.readouterr().out.count('--mongo-url "$CONAS_MONGO_URL"') == 2


def test_a_command_that_an_older_version_recorded_is_shown_without(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    (plan,) = named(Store(tiny.store), [])
    plan.launched("local", f"python harness/sweep.py tiny --mongo-url '{URL}'")
    plan.cancel()
    assert status.main(["--store", str(tiny.store)]) == 0
    printed = capsys.readouterr().out
    assert "mongodb://...@127.0.0.1:1/conas" in printed
    assert SECRET not in printed
    (plan.folder / "events.jsonl").unlink()
    plan.launched("local", "python harness/sweep.py tiny")


@pytest.mark.parametrize("words", [["--mongo-url", URL], [f"--mongo-url={URL}"]])
def test_what_was_typed_can_be_typed_again(words: list[str]) -> None:
    command = typed("harness/sweep.py", ["a file.yaml", *words, "--queue"])
    assert command == """python harness/sweep.py 'a file.yaml' --mongo-url "$CONAS_MONGO_URL" --queue"""
    echo = subprocess.run(["sh", "-c", f"echo {command}"], env={"CONAS_MONGO_URL": URL}, capture_output=True, text=True)
    assert f"--mongo-url {URL} --queue" in echo.stdout


@pytest.mark.parametrize("words", [["dashboard", f"MONGO_URL={URL}"], ["tables", f"STORE={URL}"]])
def test_make_echoes_no_password(words: list[str]) -> None:
    echoed = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, env={**os.environ})
    assert f"python -m {'harness.' if 'dashboard' in words else ''}{words[0]} " in echoed.stdout
    assert SECRET not in echoed.stdout + echoed.stderr
