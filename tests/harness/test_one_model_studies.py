"""The numbers of `make prediction`, `make ranking` and `make spectrum`, where the truth is known."""

import numpy as np
import pandas as pd
import pytest

from conas.algorithm import Settings
from conas.oracle import Function
from conas.recovery.fourier import hypercube
from conas.space import Alpha, Bits
from harness.console.progress import Reporter
from harness.deadline import TimeIsUp
from harness.studies import prediction, ranking, spectrum
from harness.studies.cli import study_parser, studying
from harness.studies.losses import share_below
from harness.training.loop import DivergedError


def losses(alphas: Alpha, whole: bool = False) -> np.ndarray:
    return 20 - 5 * alphas[:, 0] - 2.5 * alphas[:, 1] + 1.25 * alphas[:, 2] * alphas[:, 3]


def test_a_known_polynomial_is_predicted_and_its_least_loss_is_found() -> None:
    def many(alphas: Alpha, whole: bool = False) -> np.ndarray:
        return losses(alphas) - alphas @ np.linspace(0.5, 1, 12)

    known, others = Bits("abcdefghijkl").sample(np.random.default_rng(0), 200, 0.5), hypercube(12)
    truth, settings = many(others), Settings(m=200, s=14, lambda_=1e-6)
    judged = prediction._judge(known, many(known), others, truth, Function(many), settings)
    assert [judged[name] for name in (prediction.TOP, prediction.ALL)] == pytest.approx([1, 1])
    assert judged[prediction.LINEAR] == pytest.approx(1 - 1.25**2 / np.var(truth), abs=0.01)
    assert judged[prediction.CONAS] == 0  # nothing is below the least of all, and something below that of 200
    assert judged[prediction.BEST] == 100 * (truth < many(known).min()).mean() > 0


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (OSError(28, "No space left on device", "out.csv"), "error: [Errno 28] No space left on device: 'out.csv'"),
        (DivergedError("supernet: train_loss nan\nat epoch 1"), "error: supernet: train_loss nan\\nat epoch 1"),
        (KeyboardInterrupt(), 130),
        (TimeIsUp(), 0),
    ],
)
def test_a_study_ends_in_one_line(wrong: BaseException, code: object) -> None:
    with pytest.raises(SystemExit) as ended, studying(study_parser("ranking", None, "digits", "smoke"), Reporter()):
        raise wrong
    assert ended.value.code == code


def test_what_the_choice_of_images_adds_is_told_apart_and_infinite_losses_are_left_out() -> None:
    whole = np.array([1.0, 2.0, 3.0, 4.0, np.inf, 1.0])
    noise = prediction._noise(whole + np.array([0.5, -0.5, 0.5, -0.5, 0, np.nan]), whole)
    assert noise["sd_between_subnetworks"] == pytest.approx(np.std([1, 2, 3, 4], ddof=1))
    assert noise["sd_of_a_measurement"] == pytest.approx(np.std([0.5, -0.5, 0.5, -0.5], ddof=1))


def test_orders_that_agree_have_tau_one_and_those_that_are_opposite_minus_one() -> None:
    order = np.arange(20.0)
    rows = pd.DataFrame({ranking.ONE_SHOT: order, ranking.ALONE: order**2, "active edges": -order})
    found = {pair: (known["tau"], known["low"], known["high"]) for pair, known in ranking.summary(rows).items()}
    assert found[f"{ranking.ONE_SHOT} ~ {ranking.ALONE}"] == pytest.approx((1, 1, 1))
    assert found[f"active edges ~ {ranking.ALONE}"] == pytest.approx((-1, -1, -1))
    swapped = rows.assign(**{ranking.ALONE: [1, 0, *order[2:]]})  # one pair of 190
    assert ranking.tau(swapped, ranking.ONE_SHOT, ranking.ALONE)[0] == pytest.approx(1 - 2 / 190)


def test_the_energy_of_a_known_polynomial_and_the_ranks_of_answers_to_it() -> None:
    alphas = hypercube(8)
    truth = spectrum.Spectrum.of(alphas, losses(alphas))
    energy = np.array([5.0, 2.5, 1.25]) ** 2 / np.sum(np.square([5.0, 2.5, 1.25]))
    assert truth.by_degree()[:3] == pytest.approx([energy[:2].sum(), energy[2], 0])
    assert truth.by_size()[:4] == pytest.approx([energy[0], energy[:2].sum(), 1, 1])
    recovered = spectrum.recover(truth, 100, draw=0)
    assert recovered["r2"] == pytest.approx(1, abs=0.01)
    assert recovered["CoNAS"] == 0
    assert share_below(truth.losses, truth.losses.max()) == 100 * (1 - (truth.losses == truth.losses.max()).mean())
