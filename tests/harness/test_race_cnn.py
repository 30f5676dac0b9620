import json

import pytest

from harness.studies import race_cnn
from harness.studies.race_cnn_page import page
from harness.studies.race_contenders import FOURIER


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Where the model is kept that all races are on."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def race(store, tmp_path, monkeypatch):
    """Two searches with some seeds on the smoke profile's model of digits; what they wrote."""
    few = tuple(contender for contender in race_cnn.RACERS if contender.name in (FOURIER, "best of m"))
    monkeypatch.setattr(race_cnn, "RACERS", few)
    out = tmp_path / "race_cnn"

    def run(*more: str):
        command = ["race_cnn", "--dataset", "digits", "--profile", "smoke", "--store", str(store), "--out", str(out)]
        monkeypatch.setattr("sys.argv", [*command, "--budgets", "20", "20", *more])
        race_cnn.main()
        return json.loads((out / "race_cnn.json").read_text())

    run.store, run.out = store, out
    return run


def test_searches_race_on_one_trained_model_and_its_measurements_are_asked_once(race) -> None:
    numbers = race("--searches", "2")
    (duel,) = numbers[f"{FOURIER} minus others"]
    means = {name: found["mean"] for name, found in numbers["loss on the whole validation set"].items()}
    assert duel["difference"] == pytest.approx(means[f"{FOURIER}, 20"] - means["best of m, 20"])
    assert (race.out / "race_cnn.md").read_text() == page(race.out)
    (measured,) = race.store.glob("stages/*/measurements-*.jsonl")
    size = measured.stat().st_size
    (race.out / "searches.jsonl").unlink()
    assert race("--searches", "2") == numbers
    assert measured.stat().st_size == size


def test_a_race_goes_on_where_it_was_stopped_and_one_that_is_stopped_is_smaller(race) -> None:
    with pytest.raises(SystemExit):
        race("--searches", "2", "--minutes", "0")
    assert not (race.out / "race_cnn.json").exists()
    race("--searches", "2")
    kept = race.out / "searches.jsonl"
    before = kept.read_bytes()
    race("--searches", "3", "--minutes", "0")
    assert kept.read_bytes() == before
    assert "2 seeds (100 to 101)" in (race.out / "race_cnn.md").read_text()
    kept.write_text(before.decode() + '{"of": "another model", "seed": 102, "budget": 20, "method": "best of m"}\n')
    race("--searches", "3")
    assert kept.read_bytes().startswith(before)
    assert "3 seeds (100 to 102)" in (race.out / "race_cnn.md").read_text()
