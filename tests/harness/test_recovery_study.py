import os
import sys
from pathlib import Path

import pandas as pd
import pytest

from conas.recovery.theory import sufficient_measurements
from harness.records.files import read_json
from harness.studies import recovery


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "SPARSITIES", (5,))
    monkeypatch.setattr(recovery, "COUNTS", (20, 1000))
    monkeypatch.setattr(recovery, "SETTINGS", recovery.SETTINGS[::2])


def run(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["recovery", "--trials", "2", "--out", str(out)])
    recovery.main()


def test_a_thousand_measurements_find_the_support_and_twenty_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "one", monkeypatch)
    table = pd.read_csv(tmp_path / "one" / "recovery.csv")
    found = {(row.setting, row.m): row.probability for row in table.itertuples()}
    assert found == {(setting.title, m): float(m == 1000) for setting in recovery.SETTINGS for m in (20, 1000)}
    assert table["low"].lt(table["high"]).all()
    for setting in read_json(tmp_path / "one" / "recovery.json")["settings"].values():
        assert setting["5"] == {
            "least m": 1000,
            "implied constant": pytest.approx(1000 / sufficient_measurements(140, 2, 5)),
            "probability at 1000": 1.0,
        }
    run(tmp_path / "two", monkeypatch)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="macOS cannot keep a process to some cores")
def test_as_many_processes_as_there_are_cores_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[int]()
    pool = recovery.ProcessPoolExecutor
    monkeypatch.setattr(recovery, "ProcessPoolExecutor", lambda count: (seen.append(count), pool(count))[1])
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        run(tmp_path / "one", monkeypatch)
    finally:
        os.sched_setaffinity(0, allowed)
    assert seen == [1]


def test_no_trials_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["recovery", "--trials", "0"])
    with pytest.raises(SystemExit):
        recovery.main()
    assert "--trials 0 (allowed: at least 1)" in capsys.readouterr().err
