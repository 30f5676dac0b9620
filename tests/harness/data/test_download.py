"""Downloads against a real server: whole, broken off, corrupt, HTML in place of data, away."""

import io
import os
import tarfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from harness.data import download
from harness.data.content import digest
from harness.data.download import ROUNDS, DownloadError, Remote, fetch

CONTENT = load_digits().data.astype(np.uint8).tobytes()
DIGEST = digest(CONTENT, "sha256")
PAGE = b"<!DOCTYPE html><html><body>503 Service Unavailable</body></html>"


def remote(*urls: str) -> Remote:
    return Remote("digits.bin", DIGEST, urls, ("digits.bin",))


@pytest.fixture
def said() -> list[str]:
    return []


def test_a_whole_file_arrives_and_nothing_else_is_left(tmp_path, server, reply, said):
    fetch(remote(server.url("a", reply(CONTENT))), tmp_path, said.append)
    assert (tmp_path / "digits.bin").read_bytes() == CONTENT
    assert os.listdir(tmp_path) == ["digits.bin"]
    assert said == []


def test_a_broken_connection_is_continued_where_it_broke(tmp_path, server, reply, said):
    url = server.url("a", reply(CONTENT, breaks=[1_000, 30_000]))
    fetch(remote(url), tmp_path, said.append)
    assert (tmp_path / "digits.bin").read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=1000-", "bytes=31000-"]
    assert len(said) == 2
    assert "broke after 1000 of 115008 bytes" in said[0]


def test_a_server_that_cannot_continue_sends_all_again(tmp_path, server, reply, said):
    fetch(remote(server.url("a", reply(CONTENT, resumable=False, breaks=[5_000]))), tmp_path, said.append)
    assert (tmp_path / "digits.bin").read_bytes() == CONTENT


def test_what_a_killed_process_left_is_continued(tmp_path, server, reply, said):
    (tmp_path / ".download").mkdir()
    (tmp_path / ".download" / "digits.bin").write_bytes(CONTENT[:70_000])
    fetch(remote(server.url("a", reply(CONTENT))), tmp_path, said.append)
    assert server.asked == [("/a", "bytes=70000-")]
    assert (tmp_path / "digits.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("left", [CONTENT, CONTENT + b"more"], ids=["whole", "too long"])
def test_what_a_killed_process_left_may_be_all_or_wrong(tmp_path, server, reply, said, left):
    (tmp_path / ".download").mkdir()
    (tmp_path / ".download" / "digits.bin").write_bytes(left)
    fetch(remote(server.url("a", reply(CONTENT))), tmp_path, said.append)
    assert (tmp_path / "digits.bin").read_bytes() == CONTENT


def test_a_corrupt_copy_is_dropped_for_the_next_address(tmp_path, server, reply, said):
    corrupt = bytearray(CONTENT)
    corrupt[777] ^= 1
    bad, good = server.url("bad", reply(bytes(corrupt))), server.url("good", reply(CONTENT))
    fetch(remote(bad, good), tmp_path, said.append)
    assert (tmp_path / "digits.bin").read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/bad", "/good"]
    assert "corrupt" in said[0]


@pytest.mark.parametrize(
    ("content", "kind", "status", "reason"),
    [
        (PAGE, "text/html; charset=utf-8", 200, "web page"),
        (PAGE, "application/octet-stream", 200, "web page"),
        (PAGE, "text/html", 404, "404"),
        (CONTENT[:-1], "application/octet-stream", 200, "corrupt"),
        (b"", "application/octet-stream", 200, "corrupt"),
    ],
    ids=["page", "page as data", "not found", "short without saying so", "empty"],
)
def test_anything_else_is_refused_after_a_bounded_number_of_attempts(
    tmp_path, server, reply, said, content, kind, status, reason
):
    url = server.url("a", reply(content, status=status, kind=kind))
    with pytest.raises(DownloadError, match=reason) as refused:
        fetch(remote(url), tmp_path, said.append)
    assert len(server.asked) == len(said) == ROUNDS
    assert "\n" not in str(refused.value)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_an_archive_is_unpacked_beside_what_is_there(tmp_path, server, reply, said):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in ("set/one", "set/two", "set/not-wanted"):
            member = tarfile.TarInfo(name)
            member.size = len(CONTENT)
            tar.addfile(member, io.BytesIO(CONTENT))
    (tmp_path / "one").write_bytes(b"the user's own")
    url = server.url("set.tar.gz", reply(packed.getvalue()))
    archive = Remote("set.tar.gz", digest(packed.getvalue(), "md5"), (url,), ("one", "two"), inside="set")
    fetch(archive, tmp_path, said.append)
    assert sorted(os.listdir(tmp_path)) == ["one", "two"]
    assert (tmp_path / "one").read_bytes() == b"the user's own"
    assert (tmp_path / "two").read_bytes() == CONTENT


def test_a_server_that_never_ends_is_left(tmp_path, server, reply, said):
    url = server.url("a", reply(CONTENT + bytes(3 << 20)))
    with pytest.raises(DownloadError, match="more than the 1,163,584 bytes"):
        fetch(replace(remote(url), size=len(CONTENT)), tmp_path, said.append)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_server_that_is_too_slow_is_left_and_continued(tmp_path, server, reply, said, monkeypatch):
    source = remote(server.url("a", reply(CONTENT)))
    with monkeypatch.context() as slow, suppress(DownloadError):  # whether three pieces are enough depends on the net
        slow.setattr(download, "_SECONDS_AT_LEAST", -1e9)
        fetch(source, tmp_path, said.append)
    assert "too slow" in said[0]
    assert server.asked[1][1].startswith("bytes=")
    fetch(source, tmp_path, said.append)
    assert (tmp_path / "digits.bin").read_bytes() == CONTENT


def test_no_network_is_an_error_in_one_line(tmp_path, server, said):
    nobody = "http://127.0.0.1:9/digits.bin"  # the discard port: nothing listens there
    with pytest.raises(DownloadError, match=r"could not be downloaded.*refused") as refused:
        fetch(remote(nobody), tmp_path, said.append)
    assert "\n" not in str(refused.value)


def test_resuming_never_mixes_two_files(tmp_path: Path, server, reply, said):
    other = bytes(reversed(CONTENT))
    broken = server.url("other", reply(other, breaks=[50_000]))
    fetch(remote(broken, server.url("right", reply(CONTENT))), tmp_path, said.append)
    assert (tmp_path / "digits.bin").read_bytes() == CONTENT
