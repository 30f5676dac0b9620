"""A text of one's own: read as it is, its rare words left out, another one under the same name refused."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from conas.refusal import Refused
from harness.config.load import ConfigError, load
from harness.console.progress import Reporter
from harness.data.files import DataError
from harness.data.text import load_text
from harness.execution.execute import execute

TEXTS = {
    "train.txt": "Der Apfel fällt nicht weit vom Stamm.\n\nDer Apfel, der Stamm und der Fall\n",
    "valid.txt": "Der Stamm fällt\n",
    "test.txt": "vom Apfel der Erkenntnis\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A text in three files."""
    place = tmp_path / "text"
    place.mkdir()
    for name, content in TEXTS.items():
        (place / name).write_text(content, encoding="utf-8")
    return place


def said(text: Any, split: str) -> str:
    return " ".join(text.vocabulary[token] for token in getattr(text, split).tolist())


def test_words_are_taken_as_they_are_and_unseen_ones_are_unknown(folder: Path) -> None:
    text = load_text("text", folder, offline=True)
    assert said(text, "train") == (
        "Der Apfel fällt nicht weit vom Stamm. <eos> Der Apfel, der Stamm und der Fall <eos>"
    )
    assert said(text, "valid") == "Der Stamm fällt <eos>"
    assert said(text, "test") == "vom Apfel der <unk> <eos>"
    assert not text.provenance.verified


def test_the_vocabulary_is_what_is_frequent_the_earlier_of_equals(folder: Path) -> None:
    text = load_text("text", folder, offline=True).frequent(5)
    assert text.vocabulary == ("Der", "Apfel", "<eos>", "der", "<unk>")
    assert said(text, "train").split()[:4] == ["Der", "Apfel", "<unk>", "<unk>"]
    assert said(text, "valid") == "Der <unk> <unk> <eos>"
    assert len(load_text("text", folder).frequent(2).vocabulary) == 2


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("valid.txt", b"caf\xe9", r"text: valid.txt in .* is not UTF-8 \(byte 3: "),
        ("test.txt", b" \n\n", r"text: test.txt in .* has no words"),
        ("train.txt", None, r"text: .* has no train.txt \(set data_dir to where they are\)"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(folder: Path, file: str, content: bytes | None, message: str) -> None:
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    before = sorted(folder.iterdir())
    with pytest.raises(DataError, match=message) as caught:
        load_text("text", folder)
    assert "\n" not in str(caught.value)
    assert sorted(folder.iterdir()) == before


def test_a_name_is_for_texts_of_ones_own_and_tells_them_apart() -> None:
    with pytest.raises(
        ConfigError, match=r"name=mine is for data of your own \(dataset=text, dataset=folder\), not for ptb"
    ):
        load({"dataset": "ptb", "name": "mine"})
    with pytest.raises(ConfigError, match="name="):
        load({"dataset": "text", "name": "../mine"})
    one, other = (load({"dataset": "text", "name": name}) for name in ("one", "other"))
    assert one.key != other.key
    assert load({"dataset": "text", "search_dataset": "ptb", "name": "one"}).for_search().name is None
    assert load({"dataset": "ptb", "search_dataset": "text", "name": "one"}).for_search().name == "one"


def test_a_run_on_ones_own_text_and_another_text_under_its_name(folder: Path, tmp_path: Path) -> None:
    for file in TEXTS:
        (folder / file).write_text("\n".join(" ".join(str(i * j % 7) for i in range(9)) for j in range(60)))
    typed = {"dataset": "text", "method": "awd_lstm", "profile": "smoke", "name": "sevens"}
    typed |= {"runs_dir": str(tmp_path / "runs"), "final": {"epochs": 1, "bptt": 10}}
    config = load({**typed, "data_dir": str(folder)})
    record = execute(config, Reporter())
    assert record.data["counts"]["words"] == 9
    assert record.metrics["last"]["test_perplexity"] < 9
    other = load({**typed, "data_dir": str(tmp_path / "other")})
    shutil.copytree(folder, tmp_path / "other")
    (tmp_path / "other" / "test.txt").write_text("1 2 3 " * 50)
    assert other.key == config.key
    with pytest.raises(Refused, match=r"name=sevens is another text in .* \(give this one a name of its own"):
        execute(other, Reporter())
