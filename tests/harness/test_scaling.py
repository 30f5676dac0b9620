import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from baselines.ranking import NothingFinite
from conas.algorithm import Settings
from conas.oracle import Function
from conas.space import Alpha, Bits, space
from harness.records.files import read_json, write_json
from harness.studies import scaling
from harness.studies.scaling_picture import PANELS, STEPS, trend
from harness.training.loop import DivergedError
from tests.runs import Telling, contents


def test_a_known_polynomial_is_judged_as_it_is() -> None:
    def losses(alphas: Alpha, whole: bool) -> np.ndarray:
        return 2 - 0.5 * alphas[:, 0] - 0.25 * alphas[:, 1] + 0.125 * alphas[:, 2] * alphas[:, 3]

    judged = scaling.judge(Function(losses), Bits("abcdefghijkl"), 0, Settings(m=300, s=4, lambda_=1e-6))
    assert (judged["on helps"], judged["active"], judged["better"], judged["apart"]) == (100, 3, 0, 0)
    assert (judged["r2"], judged["ranks"]) == (pytest.approx(1), pytest.approx(1, abs=0.01))
    assert (judged["better (log)"], judged["gap (log)"]) == (0, pytest.approx(0, abs=1e-6))
    assert judged["gap"] == pytest.approx(0, abs=1e-6)
    assert judged["fall"] == pytest.approx(judged["mean"] - (2 - 0.875), abs=0.1)


def test_losses_that_are_not_finite_are_left_out_and_an_answer_that_has_none_is_the_worst() -> None:
    def losses(alphas: Alpha, whole: bool) -> np.ndarray:
        exact = 2 - 0.5 * alphas[:, 0] - 0.25 * alphas[:, 1]
        diverged = np.where((alphas[:, 2:] < 0).all(axis=1), np.nan, np.inf)
        return np.where((alphas[:, 2:] > 0).sum(axis=1) % 3 == 0, diverged, exact)

    settings = Settings(m=300, s=3, lambda_=1e-6)
    judged = scaling.judge(Function(losses), Bits("abcdefgh"), 0, settings)
    assert judged["r2"] == pytest.approx(1)
    assert (judged["better"], judged["gap"]) == (100, np.inf)  # of the answer, whose other bits are all off
    with pytest.raises(NothingFinite, match="of 300 losses 0 are finite"):
        scaling.judge(Function(lambda alphas, whole: np.full(len(alphas), np.nan)), Bits("abcdefgh"), 0, settings)


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


def test_the_published_points_make_the_published_table_and_its_page(tmp_path: Path) -> None:
    docs = Path(__file__).parents[2] / "docs"
    shutil.copytree(docs / "scaling" / "points", tmp_path / "scaling" / "points")
    (of,) = {read_json(path)["of"] for path in (docs / "scaling" / "points").iterdir()}
    scaling.Kept(tmp_path / "scaling", of, Telling()).write()
    for name in ("scaling.csv", "scaling.json"):
        assert (tmp_path / "scaling" / name).read_bytes() == (docs / "scaling" / name).read_bytes()
    rows = pd.read_csv(docs / "scaling" / "scaling.csv").groupby(["paper", "epochs"])
    page = (docs / "studies.md").read_text(encoding="utf-8").replace("−", "-")
    for name, form in {"ranks": ".2f", "active": ".0f", "better": ".1f", "gap": ".2f", "fourier": ".2f"}.items():
        unit = " %" if name == "better" else ""
        cells = ["; ".join(format(value, form) for value in two) + unit for _, two in rows[name]]
        assert f"| {' | '.join(cells)} |" in page


@pytest.fixture
def kept(tmp_path: Path) -> scaling.Kept:
    return scaling.Kept(tmp_path / "scaling", "these", Telling())


def found(epochs: int, **changed: Any) -> dict[str, Any]:
    losses = {name: 1.0 for name in PANELS if name != "tau"}
    return {
        **asdict(scaling.Point(16, 8, 50_000, epochs, 0)),
        "steps": epochs,
        "references": [1, 2, 3],
        **losses,
        **changed,
    }


def done(kept: scaling.Kept, name: str, point: dict[str, Any]) -> None:
    write_json(kept.out / "points" / f"{name}.json", {**point, "of": kept.of})


def test_a_point_that_diverges_is_left_out_and_not_tried_again(kept: scaling.Kept) -> None:
    def diverges() -> dict[str, Any]:
        raise DivergedError("one-shot model: loss nan at epoch 1, step 3")

    kept.add("first", diverges)
    assert not (kept.out / "scaling.csv").exists()
    done(kept, "second", found(2, gap=np.inf, references=[1, np.nan, 3, 4]))
    write_json(kept.alone, {"of": kept.of, "losses": [1, 2, np.inf, 3]})
    kept.add("first", lambda: pytest.fail("it diverged before"))
    kept.add("third", lambda: found(3, references=[4, 3, 2, 1]))
    assert pd.read_csv(kept.out / "scaling.csv")["tau"].tolist() == [1, -1]  # of the networks with two finite losses


def test_models_of_a_paper_search_are_kept_by_their_steps_and_in_no_trend(kept: scaling.Kept) -> None:
    for epochs in range(1, 6):
        done(kept, f"c16-l8-i50000-e{epochs}-s0", found(epochs, gap=epochs))
    kept.add("paper-c16-l8-i50000-e73-s0-28600", lambda: found(73, gap=-40))
    (of_points,) = read_json(kept.out / "scaling.json").values()
    steps = pd.Series([1, 2, 3, 4, 5])
    assert (of_points["points"], of_points["gap"]) == (5, trend(steps, steps))
    assert pd.read_csv(kept.out / "scaling.csv")["epochs"].tolist() == [1, 2, 3, 4, 5, 73]


def test_a_seed_of_the_points_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["scaling", "--seed", "5"])
    with pytest.raises(SystemExit):
        scaling.main()
    assert "--seed 5 (allowed with --paper only" in capsys.readouterr().err
