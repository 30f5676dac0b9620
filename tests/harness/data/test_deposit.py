"""Published runs travel: made, pushed and fetched again byte for byte; what is not what it should be is refused."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from conas.refusal import Refused
from conas.saved import FILE
from harness import deposit
from harness.archive import Archive
from harness.records.store import RunFolder, Store
from tests.runs import contents

WriteRun = Callable[..., RunFolder]
NUMBER, TOKEN = "4711", "a-token"


@pytest.fixture
def made(write_run: WriteRun, tmp_path: Path) -> Path:
    store = Store(tmp_path / "runs")
    folders = [write_run(store, seed) for seed in (0, 1)]
    (folders[0].path / FILE).write_bytes(bytes(range(256)) * 40)
    deposit.make(store, [folder.path.name for folder in folders], tmp_path / "deposit")
    return tmp_path / "deposit"


@pytest.fixture
def zenodo() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A server that takes and gives files as Zenodo's interface does, for the owner of the token; and its files."""
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[1]
            if self.path == f"/api/deposit/depositions/{NUMBER}" and self._is_owner():
                self._say(200, json.dumps({"links": {"bucket": f"{address}/api/files/bucket"}}).encode())
            elif (
                self.path.startswith((f"/records/{NUMBER}/files/", "/datasets/me/mine/resolve/main/")) and name in files
            ):
                self._say(200, files[name])
            else:
                self._say(404, b"")

        def do_PUT(self) -> None:
            if self._is_owner() and self.path.startswith("/api/files/bucket/"):
                files[self.path.rsplit("/", 1)[1]] = self.rfile.read(int(self.headers["Content-Length"]))
                self._say(201, b"{}")
            else:
                self._say(403, b"")

        def _is_owner(self) -> bool:
            return self.headers["Authorization"] == f"Bearer {TOKEN}"

        def _say(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        address = f"http://127.0.0.1:{http.server_port}"
        Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield address, files
        http.shutdown()


def test_what_is_pushed_is_fetched_again_byte_for_byte(
    made: Path, zenodo: tuple[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server, files = zenodo
    deposit.push(made, NUMBER, TOKEN, server)
    assert files == contents(made)
    assert sum(name.endswith(deposit.WEIGHTS) for name in files) == 1
    servers = {"zenodo": server, "hf": server}
    for number, place in enumerate((f"zenodo:{NUMBER}", "hf:me/mine", f"{server}/records/{NUMBER}/files/", str(made))):
        deposit.fetch(place, tmp_path / str(number), servers)
        assert contents(tmp_path / str(number)) == contents(made)
    assert len(list(Archive(tmp_path / "0" / deposit.RECORDS).read())) == 2
    with pytest.raises(Refused, match=r"Forbidden|403|404"):
        deposit.push(made, NUMBER, "another token", server)
    (made / deposit.RECORDS).write_bytes((made / deposit.RECORDS).read_bytes()[:-1])
    with pytest.raises(Refused, match="is not the file that"):
        deposit.push(made, NUMBER, TOKEN, server)


@pytest.mark.parametrize(
    ("sums", "words"),
    [
        (b"<html>", "not a list of checksums"),
        (b"0" * 64 + b"  ../outside\n", "not a list of checksums"),
        (b"0" * 64 + b"  runs.jsonl\n", "not the file that its checksum names"),
    ],
)
def test_what_is_no_deposit_or_was_changed_is_refused(made: Path, tmp_path: Path, sums: bytes, words: str) -> None:
    (made / deposit.SUMS).write_bytes(sums)
    with pytest.raises(Refused, match=words):
        deposit.fetch(str(made), tmp_path / "there")
    assert contents(tmp_path / "there") == {}


def test_a_folder_called_as_a_server_is_a_folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made.rename(tmp_path / "hf")
    monkeypatch.chdir(tmp_path)
    deposit.fetch("hf", tmp_path / "there")
    assert contents(tmp_path / "there") == contents(tmp_path / "hf")


def test_a_push_without_a_token_or_to_nowhere_is_refused(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZENODO_TOKEN", raising=False)
    for place, words in ((f"zenodo:{NUMBER}", "ZENODO_TOKEN"), ("zenodo:mine", "allowed"), ("ftp:x", "allowed")):
        monkeypatch.setattr("sys.argv", ["deposit", "push", str(made), place])
        with pytest.raises(SystemExit, match=words):
            deposit.main()


def test_weights_of_an_earlier_deposit_go_and_nothing_else(made: Path, tmp_path: Path) -> None:
    store, own = Store(tmp_path / "runs"), made / "weights.safetensors"
    (earlier,) = made.glob(f"*{deposit.WEIGHTS}")
    own.write_bytes(b"a user's")
    others = [folder.path.name for folder in store.folders() if folder.path.name != earlier.stem]
    assert sorted([*deposit.make(store, others, made), own.name]) == sorted(contents(made))


def test_nothing_is_made_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "runs" / "runs").mkdir(parents=True)
    with pytest.raises(OSError, match="none of the runs"):
        deposit.make(Store(tmp_path / "runs"), ["digits-conas-s0-000000000000"], tmp_path / "deposit")
