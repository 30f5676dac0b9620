"""The page of the paper-scale searches says what its files say."""

from pathlib import Path

import pandas as pd

from harness.studies.paper_answers_page import page

FOLDER = Path(__file__).parents[2] / "docs" / "paper-scale"


def test_the_page_has_the_numbers_of_the_files() -> None:
    tables = [pd.read_csv(path) for path in sorted(FOLDER.glob("cifar10-search-seed?/answers.csv"))]
    printed = (FOLDER / "README.md").read_text()
    assert len(tables) == 2
    assert page(tables) in printed


def test_an_answer_of_one_search_alone_has_a_dash_for_the_other() -> None:
    columns = ["answer", "active", "loss", "better", "params_M", "mult_adds_M", "held_out_r2"]
    one = pd.DataFrame([("as published", 4, 2.4, 60.4, 2.28, 1364.0, -0.05)], columns=columns)
    two = pd.DataFrame([("fourier_search", 73, 0.41, 0.0, 9.69, 1491.0, None)], columns=columns)
    *_, first, second = page([one, two]).splitlines()
    assert first == "| as published | 4; – | 2.40; – | 60.4; – | −0.05; – | 2.28; – | 1,364; – |"
    assert second == "| fourier_search | –; 73 | –; 0.41 | –; 0.0 |  | –; 9.69 | –; 1,491 |"
    *_, first, second = page([one, two.assign(measurements=1000)]).splitlines()  # files of before have no such column
    assert first.startswith("| as published |  | 4; – |")
    assert second.startswith("| fourier_search | –; 1,000 | –; 73 |")
