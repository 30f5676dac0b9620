"""Texts: numbered words, checked against what is published."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.data.files import DataError
from harness.data.registry import DATASETS, dataset
from harness.data.text import load_text

FILES = ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The descriptions that ship with scikit-learn in the format of Penn Treebank."""
    text = load_text("descriptions", None)
    for name, tokens in zip(FILES, (text.train, text.valid, text.test), strict=True):
        words = " ".join(text.vocabulary[token] for token in tokens.tolist())
        (tmp_path / name).write_text(words.replace(" <eos>", " \n"))
    return tmp_path


def test_the_shipped_text_can_train_a_language_model():
    text = load_text("descriptions", None, offline=True)
    assert len(text.train) > 4_000
    assert min(len(text.valid), len(text.test)) > 400
    assert len(text.vocabulary) > 400
    assert {"<unk>", "<eos>", "the"} <= set(text.vocabulary)
    counts = torch.bincount(text.train, minlength=len(text.vocabulary))
    assert counts.min() >= 1
    assert max(text.valid.max(), text.test.max()) < len(text.vocabulary)
    assert text.provenance.source.startswith("scikit-learn")


def test_words_are_numbered_by_first_occurrence(small, publish, monkeypatch):
    publish("ptb", small)
    monkeypatch.setitem(DATASETS, "ptb", replace(dataset("ptb"), counts={}))
    read, source = load_text("ptb", small, offline=True), load_text("descriptions", None)
    assert read.vocabulary == source.vocabulary
    for split in ("train", "valid", "test"):
        assert torch.equal(getattr(read, split), getattr(source, split))
    assert list(dict.fromkeys(read.train.tolist())) == list(range(len(read.vocabulary)))


@pytest.mark.parametrize("victim", FILES)
def test_a_file_cut_short_is_refused(victim, small, publish):
    publish("ptb", small)
    path = small / victim
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DataError, match=f"{victim} is not the published file") as refused:
        load_text("ptb", small, offline=True)
    assert "\n" not in str(refused.value)
    assert "allow_subset" not in str(refused.value)


def test_the_right_checksum_with_wrong_counts_is_refused(small, publish):
    publish("ptb", small)
    with pytest.raises(DataError, match=r"instead of .*929589"):
        load_text("ptb", small, offline=True)


def test_another_text_is_refused(small):
    with pytest.raises(DataError, match="not the published file"):
        load_text("ptb", small, offline=True)


def test_a_word_the_training_split_lacks_is_refused(small, publish):
    (small / "ptb.valid.txt").write_text("unheard of\n")
    publish("ptb", small)
    with pytest.raises(DataError, match="'unheard' does not occur"):
        load_text("ptb", small, offline=True)


def test_the_head_of_a_text_keeps_its_vocabulary():
    text = load_text("descriptions", None)
    head = text.head(100, 50, None)
    assert torch.equal(head.train, text.train[:100])
    assert (len(head.valid), len(head.test)) == (50, len(text.test))
    assert head.vocabulary == text.vocabulary
    with pytest.raises(ValueError, match="limit of 0 tokens"):
        text.head(0, None, None)


def test_images_are_not_a_text():
    with pytest.raises(DataError, match="digits is not a text"):
        load_text("digits", None)


def test_the_real_corpus_when_at_hand():
    root = os.environ.get("CONAS_TEST_DATA")
    if not root:
        pytest.skip("set CONAS_TEST_DATA to a folder with the real data sets to read them here")
    text = load_text("ptb", root, offline=True)
    assert (len(text.train), len(text.valid), len(text.test)) == (929_589, 73_760, 82_430)
    assert len(text.vocabulary) == 10_000
