"""The groups of settings of images and of text, each a frozen, checked value."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict

from harness.config.identity import later

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A group of settings: unknown names and wrong types are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ImageInput(Section):
    """How many images are used, class-balanced (None: all), and how the training images are moved about."""

    train_limit: Count | None
    test_limit: Count | None
    validation_limit: Count | None
    crop_padding: Annotated[int, Field(ge=0)]
    flip: bool


class ImageOneShot(Section):
    """Training of a small network: SGD with a cosine schedule over ``epochs`` from ``lr`` to ``lr_min``, by epoch."""

    epochs: Count
    batch_size: Count
    channels: Count
    layers: Annotated[int, Field(ge=3)]
    lr: Positive
    lr_min: NonNegative
    momentum: Fraction
    weight_decay: NonNegative
    clip: Positive


class ImageShared(ImageOneShot):
    """Training of the one-shot model.

    ``inactive``: operations of inactive edges are ``skipped``, or ``computed`` times 0, as the released code does: they
    see batch-norm statistics, decay and keep their momentum, and the factors' gradients count when gradients are
    clipped.
    """

    inactive: Literal["skipped", "computed"] = later("skipped")


class ImageAlone(ImageOneShot):
    """Training of one small network, with what the final training has besides, if wanted (`ImageFinal`)."""

    auxiliary: NonNegative = later(0.0)
    drop_path: Fraction = later(0.0)
    cutout: Annotated[int, Field(ge=0)] = later(0)
    pool_bn: bool = later(False)


class ImageMeasure(Section):
    """One measurement: the mean cross-entropy over ``batches`` validation batches.

    ``common``: the same batches for every sub-network; ``fresh``: new random ones each time. ``bn``: the running or the
    batch's own statistics. ``quantity``: what searches are told, of networks trained alone, too; an ``error`` is a
    share. ``augment``: the images are moved about as those of the training are.
    """

    mode: Literal["common", "fresh"]
    batches: Count
    batch_size: Count
    bn: Literal["running", "batch"]
    quantity: Literal["loss", "error"] = later("loss")
    augment: bool = later(False)


class ImageRelaxed(ImageOneShot):
    """A search by relaxation: weights as the one-shot model's, architecture parameters by Adam."""

    lr_alpha: Positive
    weight_decay_alpha: NonNegative
    nesterov: bool = later(False)


class ImageFinal(Section):
    """Training of the final network: the recipe of DARTS.

    ``accumulate`` splits each batch into that many pieces; ``auxiliary`` is the auxiliary head's weight (0: none);
    ``drop_path`` its final probability; ``cutout`` a side in pixels (0: none); ``clip`` the largest norm of the
    gradients (None: any). The learning rate follows ``schedule`` (`harness.training.schedules`): with ``steps`` it is
    multiplied by ``decay`` at each of the ``milestones``, shares of the epochs.
    """

    epochs: Count
    batch_size: Count
    accumulate: Count
    channels: Count
    layers: Annotated[int, Field(ge=3)]
    lr: Positive
    momentum: Fraction
    nesterov: bool
    weight_decay: NonNegative
    clip: Positive | None
    auxiliary: NonNegative
    drop_path: Fraction
    cutout: Annotated[int, Field(ge=0)]
    auto_augment: Literal["cifar10", "svhn"] | None
    pool_bn: bool
    bf16: bool
    schedule: Literal["cosine", "steps", "constant"] = later("cosine")
    milestones: Annotated[tuple[Fraction, ...], Strict(False)] = later(())
    decay: Positive = later(0.1)


class TextInput(Section):
    """How many words of each split are used, from its start (None: all).

    ``vocabulary``: so many words, the most frequent ones of the whole training split; all others are ``<unk>``. None:
    every word.
    """

    train_limit: Count | None
    validation_limit: Count | None
    test_limit: Count | None
    vocabulary: Annotated[int, Field(ge=2)] | None = later(None)


class TextDropout(Section):
    """The rates of `conas.rnn.language_model.Dropout`."""

    output: Fraction
    state: Fraction
    input: Fraction
    embedding: Fraction
    words: Fraction


class TextTraining(Section):
    """Training of a language model of ``units`` units by SGD on ``batch_size`` columns of text.

    A window is ``bptt`` rows long, half of that with probability ``bptt_short``, give or take ``bptt_deviation``; the
    learning rate ``lr`` is that of a window of ``bptt`` rows. ``activation`` and ``temporal`` are the factors of the
    regularisers of Merity et al. (2017), ``clip`` the largest norm of a gradient.
    """

    batch_size: Count
    units: Count
    bptt: Count
    bptt_deviation: NonNegative
    bptt_short: Fraction
    lr: Positive
    weight_decay: NonNegative
    clip: Positive
    dropout: TextDropout
    activation: NonNegative
    temporal: NonNegative


class TextOneShot(TextTraining):
    """Training of the one-shot model."""

    epochs: Count


class TextMeasure(Section):
    """One measurement: over the first ``limit`` words of the validation text (None: all) in ``batch_size`` columns.

    ``quantity`` is what searches are told. A sub-network whose perplexity exceeds ``ceiling`` diverges: it counts as
    infinite, and methods leave it out. ``bptt`` rows are computed at a time, which does not change the result.
    """

    quantity: Literal["perplexity", "loss"]
    ceiling: Positive
    limit: Count | None
    batch_size: Count
    bptt: Count


class TextRelaxed(TextOneShot):
    """A search by relaxation: weights as the one-shot model's, architecture parameters by Adam.

    ``second_order``: by the formula of its paper, or with the two faults of the released code
    (`baselines.relaxations.bilevel.WeightStep`).
    """

    lr_alpha: Positive
    weight_decay_alpha: NonNegative
    second_order: Literal["formula", "released"] = later("formula")


class TextFinal(TextOneShot):
    """Training of the final network: the recipe of DARTS.

    SGD gives way to averaged SGD when the validation loss is worse than the best one of more than ``patience`` epochs
    ago; never if not ``averaging``. The learning rate is ``lr`` for ``steady`` epochs, and ``decay`` times that of the
    epoch before from then on. With ``finetuning_lr`` a second pass of at most as many epochs follows, as AWD-LSTM has
    it: averaged SGD of that learning rate from the best weights on, until the validation loss stops falling.
    ``valid_batch`` and ``test_batch`` are the columns in which validation and test text are read.
    """

    patience: Count
    valid_batch: Count
    test_batch: Count
    averaging: bool = later(True)
    steady: Annotated[int, Field(ge=0)] = later(0)
    decay: Positive = later(1.0)
    finetuning_lr: Positive | None = later(None)

    @property
    def passes(self) -> int:
        """How many times ``epochs`` the training lasts at most."""
        return 1 if self.finetuning_lr is None else 2
