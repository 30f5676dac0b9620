import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conas.algorithm import Settings
from conas.oracle import Function
from conas.space import Alpha, Bits, space
from harness.records.files import read_json
from harness.studies import scaling
from harness.studies.scaling_picture import STEPS, trend
from tests.runs import contents


def test_a_known_polynomial_is_judged_as_it_is() -> None:
    def losses(alphas: Alpha, whole: bool) -> np.ndarray:
        return 2 - 0.5 * alphas[:, 0] - 0.25 * alphas[:, 1] + 0.125 * alphas[:, 2] * alphas[:, 3]

    judged = scaling.judge(Function(losses), Bits("abcdefghijkl"), 0, Settings(m=300, s=4, lambda_=1e-6))
    assert (judged["on helps"], judged["active"], judged["better"], judged["apart"]) == (100, 3, 0, 0)
    assert (judged["r2"], judged["ranks"]) == (pytest.approx(1), pytest.approx(1, abs=0.01))
    assert (judged["better (log)"], judged["gap (log)"]) == (0, pytest.approx(0, abs=1e-6))
    assert judged["gap"] == pytest.approx(0, abs=1e-6)
    assert judged["fall"] == pytest.approx(judged["mean"] - (2 - 0.875), abs=0.1)


def test_the_fourier_search_answers_with_the_best_of_a_fifth_of_the_measurements() -> None:
    searched, measured = space("cnn"), list[float]()

    def losses(alphas: Alpha, whole: bool) -> np.ndarray:
        measured.extend(2 - 0.5 * alphas[:, 0] - 0.25 * alphas[:, 1])
        return np.array(measured[-len(alphas) :])

    found = scaling.fourier(Function(losses), searched, 0, Settings(m=100))
    assert (len(measured), found) == (20, min(measured))


def test_a_trend_is_the_line_through_its_points() -> None:
    steps = pd.Series([100, 1_000, 10_000, 100_000])
    found = trend(steps, 3 + 2 * np.log10(steps))
    assert found["per tenfold"] == pytest.approx([2, 2, 2])
    assert found["at the paper's steps"] == pytest.approx([3 + 2 * np.log10(STEPS)] * 3)
    assert trend(steps, 3 + 2 * np.log10(steps), low=0, high=10)["at the paper's steps"] == [10, 10, 10]


def test_points_are_written_one_by_one_and_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = tuple(scaling.family(4, 3, 400, (1, 2), 1))
    monkeypatch.setattr(scaling, "POINTS", points)
    monkeypatch.setattr(scaling, "HELD_OUT", 20)
    typed = ["scaling", "--dataset", "digits", "--profile", "smoke", "--store", str(tmp_path / "runs")]
    monkeypatch.setattr(sys, "argv", [*typed, "--out", str(tmp_path / "scaling")])
    scaling.main()
    written = contents(tmp_path / "scaling")
    table = pd.read_csv(tmp_path / "scaling" / "scaling.csv")
    assert table["steps"].tolist() == [point.epochs * table["steps"][0] for point in points]
    monkeypatch.setattr(scaling, "study", lambda *_: pytest.fail("it is done already"))
    others = tmp_path / "scaling" / "points" / "c8-l3-i6000-e2-s0.json"
    others.write_text('{"of": "another profile"}')
    scaling.main()
    others.unlink()
    assert written == contents(tmp_path / "scaling")
    assert set(read_json(tmp_path / "scaling" / "scaling.json")) == {"4 channels, 3 cells, 200 images"}
