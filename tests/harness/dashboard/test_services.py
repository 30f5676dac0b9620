"""Programs that the dashboard starts end with it, and a store has one dashboard with a database of its own."""

import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pymongo.errors import AutoReconnect

from harness.dashboard import __main__ as dashboard
from harness.dashboard import services
from harness.records.store import claim
from harness.sync import Outcome
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


def test_what_is_wrong_is_said_once_until_it_is_right_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    troubles = iter([AutoReconnect("127.0.0.1:1: connection closed"), ConnectionResetError("reset"), None, None])

    def sync() -> Outcome:
        if (trouble := next(troubles)) is not None:
            raise trouble
        return Outcome(refused=["a run is damaged", "another is, too"])

    monkeypatch.setattr(dashboard, "_SECONDS_BETWEEN_SYNCS", 0)
    watched = iter([True] * 4 + [False])
    dashboard._keep_up(sync, lambda: next(watched), {"a run is damaged"})
    lags, back, damaged = capsys.readouterr().err.splitlines()
    assert lags == "the database lags behind: 127.0.0.1:1: connection closed"
    assert back == "the database is up to date again"
    assert damaged == "another is, too"


def test_omniboard_is_asked_past_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{services.free_port()}")
    with HTTPServer(("127.0.0.1", 0), Answering) as served:
        Thread(target=served.handle_request, daemon=True).start()
        assert services._serves(served.server_port)


def test_a_second_dashboard_says_who_holds_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch, claim(tmp_path / "database"):
        patch.delenv("CONAS_MONGO_URL", raising=False)
        patch.setattr(signal, "signal", lambda *_: None)
        assert dashboard.main(["--store", str(tmp_path)]) == 1
    assert f"is being worked on by process {os.getpid()} on " in capsys.readouterr().err
