import json

import pytest

from harness.studies import race_cnn
from harness.studies.race_contenders import FOURIER


def test_searches_race_on_one_trained_model_and_its_measurements_are_asked_once(tmp_path, monkeypatch, capsys) -> None:
    few = tuple(contender for contender in race_cnn.RACERS if contender.name in (FOURIER, "best of m"))
    monkeypatch.setattr(race_cnn, "RACERS", few)
    store = tmp_path / "store"
    command = ["race_cnn", "--dataset", "digits", "--profile", "smoke", "--store", str(store), "--searches", "2"]
    monkeypatch.setattr("sys.argv", [*command, "--budgets", "20", "20", "--out", str(tmp_path / "race_cnn")])
    race_cnn.main()
    numbers = json.loads((tmp_path / "race_cnn" / "race_cnn.json").read_text())
    (duel,) = numbers[f"{FOURIER} minus others"]
    means = {name: found["mean"] for name, found in numbers["loss on the whole validation set"].items()}
    assert duel["difference"] == pytest.approx(means[f"{FOURIER}, 20"] - means["best of m, 20"])
    (measured,) = store.glob("stages/*/measurements-*.jsonl")
    size = measured.stat().st_size
    race_cnn.main()
    assert measured.stat().st_size == size
    assert json.loads((tmp_path / "race_cnn" / "race_cnn.json").read_text()) == numbers
