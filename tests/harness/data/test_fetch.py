"""The command that brings and checks data sets."""

import tarfile
from pathlib import Path

import pytest

from harness.data.__main__ import main
from harness.data.content import digest
from harness.data.download import Remote


def test_sets_that_are_there_are_checked(tmp_path, write, capsys):
    folder = str(write["cifar10"](tmp_path))
    assert main(["fetch", "--dataset", "cifar10", "--data-dir", folder, "--offline", "--allow-subset"]) == 0
    line = capsys.readouterr().out
    assert line.startswith("cifar10: 100 train, 20 test; not the published files, not the whole set (")
    assert line.count("\n") == 1


def test_all_sets_are_tried_and_failures_counted(tmp_path, capsys):
    assert main(["fetch", "--data-dir", str(tmp_path), "--offline"]) == 1
    said = capsys.readouterr()
    assert "digits: 1500 train, 297 test; as published" in said.out
    assert "descriptions:" in said.out
    failures = said.err.splitlines()
    there = {"fashion_mnist:"} if Path("/usr/share/datasets/fashion-mnist").is_dir() else set()
    assert {line.split()[1] for line in failures} == {
        "cifar10:",
        "cifar100:",
        "fashion_mnist:",
        "ptb:",
        "svhn:",
    } - there
    assert all(line.startswith("FAILED") and "lacks" in line for line in failures)


@pytest.mark.parametrize("arguments", [[], ["fetch", "--dataset", "cifar11"]])
def test_a_command_that_makes_no_sense_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_download_that_fails_is_one_line_and_a_failure(tmp_path, server, reply, write, publish, capsys):
    published = write["cifar100"](tmp_path / "published") / "cifar-100-python"
    page = server.url("cifar.tar.gz", reply(b"<html>moved</html>", kind="text/html"))
    publish("cifar100", published, remotes=(Remote("cifar.tar.gz", "md5:0", (page,), ("train", "test"), "x"),))
    assert main(["fetch", "--dataset", "cifar100", "--data-dir", str(tmp_path / "data")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "a web page instead of data" in error
    assert "put them there (from http://" in error


@pytest.mark.parametrize("below", [".", "cifar100", "cifar-100-python"])
def test_an_archive_that_lies_there_is_used_offline_and_only_the_files_of_the_set(
    below, tmp_path, write, publish, capsys
):
    folder = write["cifar100"](tmp_path / "published") / "cifar-100-python"
    place = tmp_path / "data" / below
    place.mkdir(parents=True)
    archive = place / "cifar.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / "train", "set/train")
        link = tarfile.TarInfo("set/test")
        link.type, link.linkname = tarfile.SYMTYPE, str(folder / "test")
        tar.addfile(link)
        tar.add(folder / "test", "set/test")
        tar.add(folder / "test", "../escaped")
        tar.add(folder / "test", "set/other")
    packed = archive.read_bytes()
    remote = Remote("cifar.tar.gz", digest(packed, "md5"), ("http://127.0.0.1:9/x",), ("train", "test"), "set")
    publish("cifar100", folder, remotes=(remote,))
    command = ["fetch", "--dataset", "cifar100", "--data-dir", str(tmp_path / "data"), "--offline"]

    archive.write_bytes(packed + b"more")
    assert main(command) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{archive} is not the published file (checksum md5:" in line
    archive.write_bytes(packed)
    assert main(command) == 0, capsys.readouterr()
    there = {path.name for path in (tmp_path / "data").rglob("*") if path.is_file()}
    assert there == {"cifar.tar.gz", "train", "test", ".download.lock"}
    assert not any(path.is_symlink() for path in (tmp_path / "data").rglob("*"))
