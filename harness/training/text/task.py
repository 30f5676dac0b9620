"""Text: the one-shot RNN, perplexities measured on it, stand-alone models, DARTS' relaxation and the final network."""

import math
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from conas.counting import word_mult_adds
from conas.genotype import Genotype
from conas.rnn.language_model import Dropout, FinalRNN, OneShotRNN, Run, recurrent
from conas.rnn.measuring import RecurrentMeasurer, evaluate, perplexity
from conas.rnn.text_windows import batchify
from conas.sampling import Sampler
from conas.seeds import derive, generator
from conas.space import SPACES, Alpha, space
from harness.config.load import ConfigError, TextConfig
from harness.config.schema import TextMeasure, TextTraining
from harness.data import TextData, load_text
from harness.estimates.asking import Prices
from harness.estimates.machine import Machine
from harness.training.bptt import BpttTraining
from harness.training.environment import device
from harness.training.loop import DivergedError
from harness.training.text.trainings import FinalTraining, RelaxedObjective, RelaxedTraining

_SAMPLED_SUBNETWORKS = 8


@cache
def _load(name: str, data_dir: str, offline: bool) -> TextData:
    return load_text(name, data_dir, offline)


class TextTask:
    """The trainings and measurements of one configuration of a language model.

    Raises:
        ConfigError: the space is not recurrent, or a split is too short for its columns.
    """

    def __init__(self, config: TextConfig) -> None:
        self.config = config
        self.space = space(config.space)
        self.device = device(config.device)
        self.source = _load(config.dataset, config.data_dir, config.offline)
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

    def one_shot(self, sampler: Sampler) -> BpttTraining:
        """The training of the one-shot RNN: a new sub-network for every window (Algorithm 1, stage 1)."""
        settings, seed = self.config.oneshot, self.config.seed
        model = self._supernet("oneshot")

        def forward(epoch: int, step: int, tokens: Tensor, hidden: Tensor, dropping: torch.Generator) -> Run:
            alpha = sampler(self.space, generator(seed, "subgraph", epoch, step))
            return model(tokens, hidden, alpha, dropping)

        evaluated = partial(self._sampled, model, sampler)
        part = derive(seed, "training", "oneshot")
        return BpttTraining(model, settings, self.data.train, part, forward, evaluated, epochs=settings.epochs)

    def _supernet(self, part: str) -> OneShotRNN:
        settings = self.config.oneshot
        seed = derive(self.config.seed, "weights", part)
        return OneShotRNN(self.space, self.words, settings.units, seed, _dropout(settings)).to(self.device)

    def _sampled(self, model: OneShotRNN, sampler: Sampler) -> dict[str, float]:
        """The mean loss of a few sub-networks, always the same, on the text of cheap measurements; none diverging."""
        rng = generator(self.config.seed, "sampled sub-networks")
        alphas = np.stack([sampler(self.space, rng) for _ in range(_SAMPLED_SUBNETWORKS)])
        losses = RecurrentMeasurer(model, self.cheap, self.config.measure.bptt).losses(alphas)
        finite = [loss for loss in losses if math.isfinite(perplexity(loss))]
        return _figures(sum(finite) / len(finite)) if finite else {}

    def measurer(self, weights: dict[str, Tensor]) -> "TextMeasurer":
        """Measurements on a trained one-shot model."""
        model = self._supernet("oneshot")
        model.load_state_dict(weights)
        return TextMeasurer(model, self.cheap, self.whole, self.config.measure)

    def alone(self, genotype: Genotype, epochs: int) -> BpttTraining:
        """The stand-alone training of a small model of ``genotype``, without averaging."""
        settings = self.config.alone
        model = self._model(genotype, settings, "alone")
        part = derive(self.config.seed, "training", "alone")

        def forward(epoch: int, step: int, tokens: Tensor, hidden: Tensor, dropping: torch.Generator) -> Run:
            return model(tokens, hidden, dropping)

        evaluated = partial(self._validated, model)
        return BpttTraining(model, settings, self.data.train, part, forward, evaluated, epochs=epochs)

    def _validated(self, model: FinalRNN) -> dict[str, float]:
        loss = evaluate(model, self.whole, self.config.measure.bptt)
        if not math.isfinite(perplexity(loss)):
            raise DivergedError(f"alone: validation loss {loss}")
        return _figures(loss)

    def relaxed(self, operations: tuple[str, ...], order: int) -> RelaxedTraining:
        """The search of DARTS: weights on the training text, architecture on the validation text."""
        settings, seed = self.config.relaxed, self.config.seed
        sizes = (self.words, settings.units, _dropout(settings))
        model = RelaxedObjective(self.space, operations, *sizes, seed=derive(seed, "weights", "relaxed"))
        return RelaxedTraining(model.to(self.device), settings, self.data, derive(seed, "training", "relaxed"), order)

    def final(self, genotype: Genotype) -> FinalTraining:
        """The training of the final model, tested by the weights of its best validation epoch."""
        settings = self.config.final
        model = self._model(genotype, settings, "final")
        return FinalTraining(model, settings, self.data, derive(self.config.seed, "training", "final"))

    def _model(self, genotype: Genotype, settings: TextTraining, part: str) -> FinalRNN:
        seed = derive(self.config.seed, "weights", part)
        return FinalRNN(genotype, self.words, settings.units, seed, _dropout(settings)).to(self.device)

    def count(self, genotype: Genotype) -> dict[str, float]:
        """Parameters and multiply-adds of the final model, see `harness.records.store.CountsRecord`."""
        model = self._model(genotype, self.config.final, "final")
        params = sum(parameter.numel() for parameter in model.parameters())
        return {"params": params, "mult_adds": word_mult_adds(model, model.wiring)}

    def prices(self, here: Machine) -> Prices:
        """What the questions of a search cost here."""
        config = self.config
        cell = recurrent(self.space.decode(self.space.sample(generator(0, "speed"), 1)[0]))
        word = word_mult_adds(self._supernet("speed"), cell)
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
        return word_mult_adds(self._model(genotype, settings, "speed"), recurrent(genotype))


class TextMeasurer:
    """The perplexity, or the loss, of sub-networks of one trained one-shot RNN on validation text."""

    def __init__(self, model: OneShotRNN, cheap: Tensor, whole: Tensor, settings: TextMeasure) -> None:
        self._settings = settings
        self._cheap, self._whole = (RecurrentMeasurer(model, text, settings.bptt) for text in (cheap, whole))

    def measure(self, alphas: Alpha, draw: int, whole: bool) -> NDArray[np.float64]:
        """The perplexities or losses of ``alphas`` on the text of cheap measurements, or on ``whole`` of it.

        Infinite for a sub-network that diverges, which is one whose perplexity is no number or above the ceiling.
        """
        return np.array([self._figure(loss) for loss in (self._whole if whole else self._cheap).losses(alphas)])

    def _figure(self, loss: float) -> float:
        if not perplexity(loss) <= self._settings.ceiling:
            return math.inf
        return perplexity(loss) if self._settings.quantity == "perplexity" else loss


def _figures(loss: float) -> dict[str, float]:
    return {"valid_loss": loss, "valid_perplexity": perplexity(loss)}


def _dropout(settings: TextTraining) -> Dropout:
    return Dropout(**settings.dropout.model_dump())


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
