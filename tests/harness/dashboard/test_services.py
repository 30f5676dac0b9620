"""Programs that the dashboard starts end with it, and a store has one dashboard with a database of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pymongo.errors import AutoReconnect

from harness.dashboard import __main__ as dashboard
from harness.records.store import claim
from tests.runs import wait_until

STARTER = """
import sys, time
from pathlib import Path
from harness.dashboard import services
with services._process(["sleep", "600"], {}, Path(sys.argv[1]), lambda: True) as process:
    print(process.pid, flush=True)
    time.sleep(600)
"""


def lives(pid: int) -> bool:
    try:
        return "sleep" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_killed_dashboard_leaves_nothing_running(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path / "log")]
    with subprocess.Popen(command, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        wait_until(lambda: lives(pid))
        os.kill(starter.pid, signal.SIGKILL)
        starter.wait()
    wait_until(lambda: not lives(pid))


def test_a_database_that_is_away_is_said_once_until_it_is_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([AutoReconnect("127.0.0.1:1: connection closed"), ConnectionResetError("reset"), None, None])

    def sync() -> None:
        if (trouble := next(answers)) is not None:
            raise trouble

    monkeypatch.setattr(dashboard, "_SECONDS_BETWEEN_SYNCS", 0)
    watched = iter([True] * 4 + [False])
    dashboard._keep_up(sync, lambda: next(watched))
    lags, back = capsys.readouterr().err.splitlines()
    assert lags == "the database lags behind: 127.0.0.1:1: connection closed"
    assert back == "the database is up to date again"


def test_a_second_dashboard_says_who_holds_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch, claim(tmp_path / "database"):
        patch.delenv("CONAS_MONGO_URL", raising=False)
        patch.setattr(signal, "signal", lambda *_: None)
        assert dashboard.main(["--store", str(tmp_path)]) == 1
    assert f"is being worked on by process {os.getpid()} on " in capsys.readouterr().err
