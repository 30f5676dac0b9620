import sys

import pytest

from harness.records.output import copied


def test_what_is_printed_is_shown_and_kept(tmp_path, capsys):
    log = tmp_path / "run" / "output.log"
    with copied(log):
        print("one")
        print("two", file=sys.stderr)
        sys.stderr.write("\r 50% of a bar")
        assert log.read_text() == "one\ntwo\n", "kept while the run goes on"
    with copied(log):
        print("again")
    print("outside")
    assert log.read_text() == "one\ntwo\nagain\n"
    shown = capsys.readouterr()
    assert shown.out == "one\nagain\noutside\n"
    assert shown.err == "two\n\r 50% of a bar"


def test_the_traceback_is_kept(tmp_path):
    with pytest.raises(OSError, match="disk full"), copied(tmp_path / "output.log"):
        raise OSError("disk full")
    assert (tmp_path / "output.log").read_text().endswith("OSError: disk full\n")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_stream_stays_what_it_was(tmp_path, monkeypatch, terminal):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    with copied(tmp_path / "output.log"):
        assert sys.stdout.isatty() == terminal
