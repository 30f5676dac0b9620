"""Text: data and language models; the trainings lie beside this module."""

from collections.abc import Iterator
from functools import cache, cached_property
from typing import Any

from torch import Tensor, nn

from baselines.networks import build
from baselines.registry import method
from conas.architecture import Architecture, Named
from conas.counting import word_mult_adds
from conas.genotype import Genotype
from conas.rnn.language_model import Dropout, FinalRNN, OneShotRNN
from conas.rnn.text_windows import batchify
from conas.seeds import derive, generator
from conas.space import space
from harness.config.load import ConfigError, TextConfig
from harness.config.schema import TextTraining
from harness.data.text import TextData, load_text
from harness.training.environment import device
from harness.training.work import Work

_Columns = tuple[str, Tensor, int]
"""A setting, the words that are laid out in columns, and how many columns it says."""


@cache
def _load(name: str, data_dir: str, offline: bool) -> TextData:
    return load_text(name, data_dir, offline)


class TextTask:
    """One configuration of a language model: its data, and the models that are trained on them.

    Raises:
        ConfigError: the space is not recurrent, or a text is too short for the columns of a training of the run.
    """

    name = "text"

    def __init__(self, config: TextConfig, data: TextData | None = None) -> None:
        self.config = config
        self.space = space(config.space)
        self.device = device(config.device)
        self.source = data or _load(config.dataset, config.data_dir, config.offline)
        limits = config.data
        frequent = self.source.frequent(limits.vocabulary)
        self.data = frequent.head(limits.train_limit, limits.validation_limit, limits.test_limit)
        self.words = len(self.data.vocabulary)
        _check(config, self.data)
        self.network_mult_adds = cache(self._network_mult_adds)
        """Multiply-adds for one word of a model with these settings, for a cell of about the paper's size."""

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the data came from and how much of it is used."""
        data = self.data
        used = {"train": len(data.train), "validation": len(data.valid), "test": len(data.test)}
        return {**self.source.provenance.as_dict(), "used": used}

    @property
    def content(self) -> str:
        """A hash of all data."""
        return self.source.provenance.fingerprint

    @cached_property
    def whole(self) -> Tensor:
        """The validation text in columns, shape (rows, ``measure.batch_size``)."""
        return batchify(self.data.valid, self.config.measure.batch_size).to(self.device)

    @cached_property
    def cheap(self) -> Tensor:
        """Its first ``measure.limit`` words in as many columns, which cheap measurements read."""
        measure = self.config.measure
        return batchify(self.data.valid[: measure.limit], measure.batch_size).to(self.device)

    def one_shot_model(self, part: str) -> OneShotRNN:
        """An untrained one-shot RNN; its weights are drawn by the name of their ``part``."""
        settings = self.config.oneshot
        seed = derive(self.config.seed, "weights", part)
        return OneShotRNN(self.space, self.words, settings.units, seed, self.dropout(settings)).to(self.device)

    def network(self, architecture: Architecture, settings: TextTraining, part: str) -> nn.Module:
        """An untrained model; its weights are drawn by the name of their ``part``."""
        seed = derive(self.config.seed, "weights", part)
        if isinstance(architecture, Named):
            return build(architecture, self.words, seed=seed).to(self.device)
        return self.cells(architecture, settings, part)

    def cells(self, genotype: Genotype, settings: TextTraining, part: str) -> FinalRNN:
        """An untrained model of a recurrent cell; its weights are drawn by the name of their ``part``."""
        seed = derive(self.config.seed, "weights", part)
        return FinalRNN(genotype, self.words, settings.units, seed, self.dropout(settings)).to(self.device)

    def described(self, architecture: Architecture) -> dict[str, Any]:
        """What builds the final model again, see `conas.saved`."""
        known = {"architecture": architecture.to_json(), "words": self.words}
        if isinstance(architecture, Named):
            return {"kind": "named", **known}
        return {"kind": "rnn", **known, "sizes": {"words": self.words, "size": self.config.final.units, "seed": 0}}

    @staticmethod
    def dropout(settings: TextTraining) -> Dropout:
        """The dropout rates of a training."""
        return Dropout(**settings.dropout.model_dump())

    def count(self, architecture: Architecture) -> dict[str, Any]:
        """Parameters and multiply-adds of the final model, see `harness.records.schema.CountsRecord`."""
        model = self.network(architecture, self.config.final, "final")
        params = sum(parameter.numel() for parameter in model.parameters())
        return {"params": params, "mult_adds": word_mult_adds(model)}

    @cached_property
    def one_shot_mult_adds(self) -> float:
        """Multiply-adds of a random sub-network of the one-shot RNN for one word."""
        alpha = self.space.sample(generator(0, "speed"), 1)[0]
        return word_mult_adds(self.one_shot_model("speed"), alpha)

    def _network_mult_adds(self, settings: TextTraining) -> float:
        genotype = self.space.build(self.space.sample(generator(0, "speed"), 1, p=1 / 12)[0])
        return word_mult_adds(self.cells(genotype, settings, "speed"))

    def epoch(self, settings: TextTraining, word: float) -> Work:
        """The work of an epoch on the training text, ``word`` multiply-adds for every word."""
        rows = len(self.data.train) // settings.batch_size
        return Work(rows, word * rows * settings.batch_size, 1)

    def measuring(self, whole: bool) -> list[Work]:
        """The work of measuring one sub-network of the one-shot RNN."""
        return [_reading(self.whole if whole else self.cheap, self.one_shot_mult_adds)]

    def final_work(self, architecture: Architecture) -> list[Work]:
        """The work of the final training, for a cell of about the paper's size."""
        final = self.config.final
        word = self.network_mult_adds(final)
        if isinstance(architecture, Named):
            word = word_mult_adds(self.network(architecture, final, "speed"))
        validation = _reading(batchify(self.data.valid, final.valid_batch), word)
        test = _reading(batchify(self.data.test, final.test_batch), word)
        epochs = final.passes * final.epochs
        return [self.epoch(final, word).times(epochs), validation.times(epochs), test]


def _reading(text: Tensor, word: float) -> Work:
    return Work(len(text), word * text.numel(), 1, trains=False)


def _check(config: TextConfig, data: TextData) -> None:
    """Refuse what no training of the run can use, before any work."""
    for name, words, columns in (*_searched(config, data), *_trained(config, data)):
        if len(words) < 2 * columns:
            raise ConfigError(
                f"{name}={columns}: {len(words)} words fill no two rows (allowed: 1 to {len(words) // 2})"
            )


def _searched(config: TextConfig, data: TextData) -> Iterator[_Columns]:
    """What the method's questions read; a search on a data set of its own is looked at with that."""
    read = {
        "one_shot": (("oneshot", data.train), ("measure", data.valid[: config.measure.limit])),
        "stand_alone": (("alone", data.train), ("measure", data.valid)),
        "relaxed": (("relaxed", data.train), ("relaxed", data.valid)),
    }
    asked = {kind.name for kind in method(config.method).asks(config.settings)}
    for kind, texts in read.items():
        if kind in asked and config.search_dataset is None:
            for section, words in texts:
                yield f"{section}.batch_size", words, getattr(config, section).batch_size


def _trained(config: TextConfig, data: TextData) -> Iterator[_Columns]:
    """What the final training reads, if there is one."""
    final = config.final
    if config.has_final:
        yield "final.batch_size", data.train, final.batch_size
        yield "final.valid_batch", data.valid, final.valid_batch
        yield "final.test_batch", data.test, final.test_batch
