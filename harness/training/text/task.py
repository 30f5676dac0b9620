"""Text: data and language models; the trainings lie beside this module."""

from functools import cache
from typing import Any

from torch import Tensor

from conas.counting import word_mult_adds
from conas.genotype import Genotype
from conas.rnn.language_model import Dropout, FinalRNN, OneShotRNN, recurrent
from conas.rnn.text_windows import batchify
from conas.sampling import Sampler
from conas.seeds import derive, generator
from conas.space import SPACES, space
from harness.config.load import ConfigError, TextConfig
from harness.config.schema import TextTraining
from harness.data import TextData, load_text
from harness.estimates.asking import Prices
from harness.estimates.machine import Machine
from harness.training.environment import device
from harness.training.text.final import FinalTraining
from harness.training.text.one_shot import OneShotTraining, TextMeasurer
from harness.training.text.relaxed import RelaxedTraining
from harness.training.text.stand_alone import AloneTraining


@cache
def _load(name: str, data_dir: str, offline: bool) -> TextData:
    return load_text(name, data_dir, offline)


class TextTask:
    """One configuration of a language model: its data, and the models that are trained on them.

    Raises:
        ConfigError: the space is not recurrent, or a split is too short for its columns.
    """

    def __init__(self, config: TextConfig, data: TextData | None = None) -> None:
        self.config = config
        self.space = space(config.space)
        self.device = device(config.device)
        self.source = data or _load(config.dataset, config.data_dir, config.offline)
        limits = config.data
        self.data = self.source.head(limits.train_limit, limits.validation_limit, limits.test_limit)
        self.words = len(self.data.vocabulary)
        _check(config, self.data)
        measure = config.measure
        self.whole = batchify(self.data.valid, measure.batch_size).to(self.device)
        self.cheap = batchify(self.data.valid[: measure.limit], measure.batch_size).to(self.device)

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

    def one_shot_model(self, part: str) -> OneShotRNN:
        """An untrained one-shot RNN; its weights are drawn by the name of their ``part``."""
        settings = self.config.oneshot
        seed = derive(self.config.seed, "weights", part)
        return OneShotRNN(self.space, self.words, settings.units, seed, self.dropout(settings)).to(self.device)

    def network(self, genotype: Genotype, settings: TextTraining, part: str) -> FinalRNN:
        """An untrained model of ``genotype``; its weights are drawn by the name of their ``part``."""
        seed = derive(self.config.seed, "weights", part)
        return FinalRNN(genotype, self.words, settings.units, seed, self.dropout(settings)).to(self.device)

    @staticmethod
    def dropout(settings: TextTraining) -> Dropout:
        """The dropout rates of a training."""
        return Dropout(**settings.dropout.model_dump())

    def one_shot(self, sampler: Sampler) -> OneShotTraining:
        """The training of the one-shot RNN."""
        return OneShotTraining(self, sampler)

    def measurer(self, weights: dict[str, Tensor]) -> TextMeasurer:
        """Measurements on a trained one-shot model."""
        model = self.one_shot_model("oneshot")
        model.load_state_dict(weights)
        return TextMeasurer(model, self.cheap, self.whole, self.config.measure)

    def alone(self, genotype: Genotype, epochs: int) -> AloneTraining:
        """The stand-alone training of a small model of ``genotype``."""
        return AloneTraining(self, genotype, epochs)

    def relaxed(self, operations: tuple[str, ...], order: int) -> RelaxedTraining:
        """The search of DARTS."""
        return RelaxedTraining(self, operations, order)

    def final(self, genotype: Genotype) -> FinalTraining:
        """The training of the final model."""
        return FinalTraining(self, genotype)

    def count(self, genotype: Genotype) -> dict[str, float]:
        """Parameters and multiply-adds of the final model, see `harness.records.store.CountsRecord`."""
        model = self.network(genotype, self.config.final, "final")
        params = sum(parameter.numel() for parameter in model.parameters())
        return {"params": params, "mult_adds": word_mult_adds(model, model.wiring)}

    def prices(self, here: Machine) -> Prices:
        """What the questions of a search cost here."""
        config = self.config
        cell = recurrent(self.space.decode(self.space.sample(generator(0, "speed"), 1)[0]))
        word = word_mult_adds(self.one_shot_model("speed"), cell)
        epoch = self._epoch_seconds(here, config.oneshot, word)
        alone_epoch = self._epoch_seconds(here, config.alone, self._final_mult_adds(config.alone))
        measurement, whole = (_reading_seconds(here, words, word) for words in (self.cheap, self.whole))
        one_shot, relaxed = epoch * config.oneshot.epochs, epoch * config.relaxed.epochs
        return Prices(one_shot, measurement, whole, alone_epoch + whole, relaxed)

    def final_seconds(self, here: Machine) -> float:
        """The time that the final training takes here, for a cell of about the paper's size."""
        final = self.config.final
        word = self._final_mult_adds(final)
        validation = _reading_seconds(here, batchify(self.data.valid, final.valid_batch), word)
        test = _reading_seconds(here, batchify(self.data.test, final.test_batch), word)
        return (self._epoch_seconds(here, final, word) + validation) * final.epochs + test

    def _epoch_seconds(self, here: Machine, settings: TextTraining, word: float) -> float:
        rows = len(self.data.train) // settings.batch_size
        return here.training(rows, word * rows * settings.batch_size)

    def _final_mult_adds(self, settings: TextTraining) -> float:
        genotype = self.space.build(self.space.sample(generator(0, "speed"), 1, p=1 / 12)[0])
        return word_mult_adds(self.network(genotype, settings, "speed"), recurrent(genotype))


def _reading_seconds(here: Machine, text: Tensor, word: float) -> float:
    return here.forward(len(text), word * text.numel())


def _check(config: TextConfig, data: TextData) -> None:
    """Refuse what no training can use, before any work."""
    recurrent_spaces = [name for name, of in SPACES.items() if of.cells == ("recurrent",)]
    if config.space not in recurrent_spaces:
        raise ConfigError(f"space={config.space!r} has no recurrent cell (allowed: {', '.join(recurrent_spaces)})")
    measured = data.valid[: config.measure.limit]
    for name, words, columns in (
        ("oneshot.batch_size", data.train, config.oneshot.batch_size),
        ("measure.batch_size", measured, config.measure.batch_size),
        ("alone.batch_size", data.train, config.alone.batch_size),
        ("relaxed.batch_size", data.train, config.relaxed.batch_size),
        ("relaxed.batch_size", data.valid, config.relaxed.batch_size),
        ("final.batch_size", data.train, config.final.batch_size),
        ("final.valid_batch", data.valid, config.final.valid_batch),
        ("final.test_batch", data.test, config.final.test_batch),
    ):
        if len(words) < 2 * columns:
            raise ConfigError(
                f"{name}={columns}: {len(words)} words fill no two rows (allowed: 1 to {len(words) // 2})"
            )
