"""Texts in memory, as numbers of words."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from harness.data.content import one_line
from harness.data.files import DataError, Files, Provenance, open_files
from harness.data.registry import TextSet, dataset

_SPLITS = ("train", "valid", "test")
UNKNOWN, END = "<unk>", "<eos>"


@dataclass(frozen=True, eq=False)
class TextData:
    """A text in three splits: int64 tensors of shape (tokens,), each token a position in ``vocabulary``."""

    name: str
    train: Tensor
    valid: Tensor
    test: Tensor
    vocabulary: tuple[str, ...]
    provenance: Provenance

    def head(self, train: int | None, valid: int | None, test: int | None) -> "TextData":
        """The text with only the first so many tokens of each split (None: all); the vocabulary stays.

        Raises:
            ValueError: a limit is less than 1.
        """
        limits = dict(zip(_SPLITS, (train, valid, test), strict=True))
        for split, limit in limits.items():
            if limit is not None and limit < 1:
                raise ValueError(f"a limit of {limit} tokens leaves none of the {split} split")
        return replace(self, **{split: getattr(self, split)[:limit] for split, limit in limits.items()})

    def frequent(self, words: int | None) -> "TextData":
        """The text with only the words that its training split has most often, ``words`` of them (None: all).

        All others become ``<unk>``, which is one of them, as ``<eos>`` is; of words as frequent, the first ones stay.
        """
        if words is None or words >= len(self.vocabulary):
            return self
        counts = torch.bincount(self.train, minlength=len(self.vocabulary))
        unknown = self.vocabulary.index(UNKNOWN)
        counts[[unknown, self.vocabulary.index(END)]] = len(self.train) + 1
        kept = counts.argsort(descending=True, stable=True)[:words].sort().values
        numbers = torch.full((len(self.vocabulary),), int((kept == unknown).nonzero()))
        numbers[kept] = torch.arange(words)
        train, valid, test = (numbers[getattr(self, split)] for split in _SPLITS)
        names = tuple(self.vocabulary[word] for word in kept.tolist())
        return replace(self, train=train, valid=valid, test=test, vocabulary=names)


def load_text(name: str, data_dir: str | Path | None, offline: bool = False) -> TextData:
    """The text ``name``, from ``data_dir`` or its usual sub-folder, downloaded if missing. Words are numbered in the
    order in which they first occur in the training split.

    Files that differ from the published ones are always refused. ``offline`` is as for `load_images`.

    Raises:
        DataError: one line: no such text, files missing, damaged or not the published ones.
    """
    entry = dataset(name)
    if not isinstance(entry, TextSet):
        raise DataError(f"{name} is not a text")
    files = open_files(name, entry.layout, data_dir, allow_subset=None, offline=offline, say=print)
    words = _read(entry, files)
    numbers = {word: number for number, word in enumerate(dict.fromkeys(words["train"]))}
    if entry.own:
        numbers.setdefault(UNKNOWN, len(numbers))
        words = {split: [word if word in numbers else UNKNOWN for word in words[split]] for split in _SPLITS}
    splits = {split: _encode(name, words[split], numbers) for split in _SPLITS}
    counts = {split: len(tokens) for split, tokens in splits.items()} | {"words": len(numbers)}
    _compare(entry, files, counts)
    provenance = Provenance(name, files.source, tuple(files.records), counts, whole=True)
    return TextData(name, **splits, vocabulary=tuple(numbers), provenance=provenance)


def _read(entry: TextSet, files: Files) -> Mapping[str, list[str]]:
    try:
        return entry.read(files)
    except ValueError as error:
        raise DataError(f"{entry.name}: its text in {files.source} cannot be read ({one_line(error)})") from error


def _encode(name: str, words: list[str], numbers: Mapping[str, int]) -> Tensor:
    try:
        return torch.tensor([numbers[word] for word in words], dtype=torch.int64)
    except KeyError as error:
        raise DataError(f"{name}: the word {error} does not occur in the training split") from error


def _compare(entry: TextSet, files: Files, counts: Mapping[str, int]) -> None:
    if entry.counts and dict(entry.counts) != dict(counts):
        raise DataError(f"{entry.name}: {files.source} holds {dict(counts)} instead of {dict(entry.counts)} tokens")
