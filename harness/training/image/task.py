"""Images: the one-shot CNN, measurements on it, stand-alone networks, the relaxation of DARTS and the final network."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from baselines.darts.bilevel import WeightStep, call, first_order, second_order, split
from baselines.darts.relaxed import RelaxedCNN
from conas.cnn.measuring import Measurer
from conas.cnn.network import FinalNetwork
from conas.cnn.one_shot import OneShotCNN
from conas.counting import count
from conas.genotype import Genotype
from conas.sampling import Sampler
from conas.seeds import derive, generator, torch_generator
from conas.space import Alpha, space
from harness.config.load import ImageConfig
from harness.config.schema import ImageFinal, ImageOneShot
from harness.console.progress import Row
from harness.data import Augmenter, ImageData, Images, load_images, normalise, search_split, take
from harness.estimates.asking import Prices
from harness.estimates.machine import Machine, mult_adds
from harness.training.environment import device
from harness.training.sgd import Batch, SgdTraining, cosine

_EVALUATION_BATCH = 256
_SAMPLED_SUBNETWORKS = 8


@dataclass(frozen=True)
class ShuffledBatches:
    """Augmented minibatches of ``part`` in an order drawn anew for every epoch.

    A last minibatch of a single image is left out: batch norm has nothing to normalise there.
    """

    part: Images
    augment: Augmenter
    batch_size: int
    seed: int
    device: torch.device

    def steps(self, epoch: int) -> int:
        """The number of minibatches of an epoch."""
        whole, rest = divmod(len(self.part), self.batch_size)
        return whole + (rest > 1)

    def __call__(self, epoch: int, step: int) -> Batch:
        """Images (N, C, H, W), normalised, and labels (N,)."""
        order = generator(self.seed, "order", epoch).permutation(len(self.part))
        batch = self.part.select(order[step * self.batch_size : (step + 1) * self.batch_size])
        images = self.augment(batch.images, batch.indices, epoch, self.seed)
        return images.to(self.device, non_blocking=True), batch.labels.to(self.device, non_blocking=True)


@cache
def _load(name: str, data_dir: str, allow_subset: bool, offline: bool) -> ImageData:
    return load_images(name, data_dir, allow_subset, offline)


class ImageTask:
    """The trainings and measurements of one image configuration."""

    def __init__(self, config: ImageConfig) -> None:
        self.config = config
        self.space = space(config.space)
        self.device = device(config.device)
        self.data = _load(config.dataset, config.data_dir, config.allow_subset, config.offline)
        limits = config.data
        self.train = take(self.data.train, limits.train_limit, config.seed, "train")
        self.test = take(self.data.test, limits.test_limit, config.seed, "test")
        self.weights_half, validation = search_split(self.train)
        self.validation = take(validation, limits.validation_limit, config.seed, "validation")

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the data came from and how much of it is used."""
        used = {"train": len(self.train), "test": len(self.test), "validation": len(self.validation)}
        return {**self.data.provenance.as_dict(), "used": used}

    @property
    def content(self) -> str:
        """A hash of all data."""
        return self.data.provenance.fingerprint

    def one_shot(self, sampler: Sampler) -> SgdTraining:
        """The training of the one-shot CNN: a new sub-network for every minibatch (Algorithm 1, stage 1)."""
        settings, seed = self.config.oneshot, self.config.seed
        model = self._supernet("oneshot")

        def loss(epoch: int, step: int, images: Tensor, labels: Tensor) -> Tensor:
            alpha = sampler(self.space, generator(seed, "subgraph", epoch, step))
            return F.cross_entropy(model(images, alpha), labels)

        batches = self._batches(self.weights_half, settings.batch_size, "oneshot")
        return SgdTraining(model, settings, batches, loss, partial(self._sampled, model, sampler))

    def _supernet(self, part: str) -> OneShotCNN:
        settings = self.config.oneshot
        sizes = (settings.channels, settings.layers, self.data.classes, self.data.channels)
        return OneShotCNN(self.space, *sizes, seed=derive(self.config.seed, "weights", part)).to(self.device)

    def _sampled(self, model: OneShotCNN, sampler: Sampler) -> dict[str, float]:
        """Mean figures of a few sub-networks, always the same, on one batch of validation images."""
        rng = generator(self.config.seed, "sampled sub-networks")
        images, labels = next(self._evaluation_batches(self.validation))
        model.eval()
        logits = [model(images, sampler(self.space, rng)) for _ in range(_SAMPLED_SUBNETWORKS)]
        wrong = [(out.argmax(1) != labels).float().mean().item() for out in logits]
        losses = [F.cross_entropy(out, labels).item() for out in logits]
        return {"valid_loss": sum(losses) / len(losses), "valid_error": 100 * sum(wrong) / len(wrong)}

    def measurer(self, weights: dict[str, Tensor]) -> "ImageMeasurer":
        """Measurements on a trained one-shot model."""
        model = self._supernet("oneshot")
        model.load_state_dict(weights)
        return ImageMeasurer(self, model)

    def alone(self, genotype: Genotype, epochs: int) -> SgdTraining:
        """The stand-alone training of a small network of ``genotype`` on the weights' half, tested on the other."""
        settings = self.config.alone
        network = self._network(genotype, settings, "alone")

        def loss(epoch: int, step: int, images: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(network(images)[0], labels)

        batches = self._batches(self.weights_half, settings.batch_size, "alone")
        evaluate = partial(self._evaluated, network, self.validation, "valid")
        return SgdTraining(network, settings, batches, loss, evaluate, epochs=epochs)

    def relaxed(self, operations: tuple[str, ...], order: int) -> "RelaxedTraining":
        """The search of DARTS: weights on one half of the training set, architecture on the other."""
        return RelaxedTraining(self, operations, order)

    def final(self, genotype: Genotype) -> "FinalTraining":
        """The training of the final network on the whole training set, tested on the test set."""
        return FinalTraining(self, genotype)

    def count(self, genotype: Genotype) -> dict[str, float]:
        """Parameters and multiply-adds of the final network, see `harness.records.store.CountsRecord`."""
        network = self._network(genotype, self.config.final, "final")
        counts = asdict(count(network, self._shape))
        counts["mult_adds_ptflops"] = counts.pop("mult_adds_ptflops_like")
        counts["mult_adds_flopcounter"] = counts.pop("mult_adds_independent")
        return counts

    def prices(self, here: Machine) -> Prices:
        """What the questions of a search cost here."""
        config, half = self.config, len(self.weights_half)
        supernet, alone, measure = config.oneshot, config.alone, config.measure
        alpha = self.space.sample(generator(0, "speed"), 1)[0]
        one_image = mult_adds(self._supernet("speed"), lambda net, images: net(images, alpha), self._shape)
        alone_image = self._final_mult_adds(alone)
        epoch = here.training(supernet.layers, one_image * supernet.batch_size) * half / supernet.batch_size
        alone_epoch = here.training(alone.layers, alone_image * alone.batch_size) * half / alone.batch_size
        measurement = here.forward(supernet.layers, one_image * measure.batch_size) * measure.batches
        whole = here.forward(supernet.layers, one_image * _EVALUATION_BATCH) * len(self.validation) / _EVALUATION_BATCH
        return Prices(epoch * supernet.epochs, measurement, whole, alone_epoch, epoch * config.relaxed.epochs)

    def final_seconds(self, here: Machine) -> float:
        """The time that the final training takes here, for a cell of about the paper's size."""
        final = self.config.final
        images = self._final_mult_adds(final)
        epoch = here.training(final.layers, images * final.batch_size) * len(self.train) / final.batch_size
        test = here.forward(final.layers, images * _EVALUATION_BATCH) * len(self.test) / _EVALUATION_BATCH
        return (epoch + test) * final.epochs

    def _final_mult_adds(self, settings: ImageOneShot | ImageFinal) -> float:
        genotype = self.space.build(self.space.sample(generator(0, "speed"), 1, p=1 / 8)[0])
        network = self._network(genotype, settings, "speed").eval()
        return mult_adds(network, lambda net, images: net(images), self._shape)

    @property
    def _shape(self) -> tuple[int, int, int]:
        _, channels, height, width = self.data.train.images.shape
        return channels, height, width

    def _network(self, genotype: Genotype, settings: ImageOneShot | ImageFinal, part: str) -> FinalNetwork:
        final = settings if isinstance(settings, ImageFinal) else None
        return FinalNetwork(
            genotype,
            settings.channels,
            settings.layers,
            self.data.classes,
            self.data.channels,
            auxiliary=final is not None and final.auxiliary > 0,
            pool_bn=final is not None and final.pool_bn,
            seed=derive(self.config.seed, "weights", part),
        ).to(self.device)

    def _batches(
        self, part: Images, batch_size: int, name: str, cutout: int = 0, auto_augment: str | None = None
    ) -> ShuffledBatches:
        data = self.config.data
        augment = Augmenter(self.data.mean, self.data.std, data.crop_padding, data.flip, cutout, auto_augment)
        return ShuffledBatches(part, augment, batch_size, derive(self.config.seed, "batches", name), self.device)

    def _evaluation_batches(self, part: Images, size: int = _EVALUATION_BATCH) -> Iterator[Batch]:
        for images, labels in zip(part.images.split(size), part.labels.split(size), strict=True):
            yield normalise(images.to(self.device), self.data.mean, self.data.std), labels.to(self.device)

    def _evaluated(self, network: FinalNetwork, part: Images, name: str) -> dict[str, float]:
        """Mean cross-entropy (nats) and error (percent) on ``part``."""
        network.eval()
        loss, wrong = 0.0, 0
        for images, labels in self._evaluation_batches(part):
            logits = network(images)[0]
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            wrong += int((logits.argmax(1) != labels).sum())
        return {f"{name}_loss": loss / len(part), f"{name}_error": 100 * wrong / len(part)}


class ImageMeasurer:
    """The mean cross-entropy of sub-networks of one trained one-shot CNN on validation images, without augmentation.

    Draw 0 is the batches that ``common`` measurements share; ``fresh`` ones have a draw each.
    """

    def __init__(self, task: ImageTask, model: OneShotCNN) -> None:
        self._task, self._model = task, model
        self._measurers: dict[int | None, Measurer] = {}

    def measure(self, alphas: Alpha, draw: int, whole: bool) -> NDArray[np.float64]:
        """The losses of ``alphas`` on the batches number ``draw``, or on the whole validation set."""
        number = None if whole else draw
        if number not in self._measurers:
            self._measurers = {kept: old for kept, old in self._measurers.items() if kept in (None, 0)}
            self._measurers[number] = Measurer(self._model, self._batches(number), self._task.config.measure.bn)
        return self._measurers[number].losses(alphas)

    def _batches(self, draw: int | None) -> list[Batch]:
        task, measure = self._task, self._task.config.measure
        if draw is None:
            return list(task._evaluation_batches(task.validation))
        order = generator(task.config.seed, "measuring", draw).permutation(len(task.validation))
        chosen = task.validation.select(order[: measure.batches * measure.batch_size])
        return list(task._evaluation_batches(chosen, measure.batch_size))


class RelaxedTraining(SgdTraining):
    """DARTS (Liu et al., 2018b): before each step of the weights, one of Adam on the architecture."""

    def __init__(self, task: ImageTask, operations: tuple[str, ...], order: int) -> None:
        settings, seed = task.config.relaxed, task.config.seed
        sizes = (settings.channels, settings.layers, task.data.classes, task.data.channels)
        model = RelaxedCNN(task.space, operations, *sizes, seed=derive(seed, "weights", "relaxed")).to(task.device)
        self._model, self._order = model, order
        self._validation = task._batches(task.validation, settings.batch_size, "relaxed architecture")
        batches = task._batches(task.weights_half, settings.batch_size, "relaxed")
        weights, architecture = split(model)
        super().__init__(
            model,
            settings,
            batches,
            lambda epoch, step, images, labels: F.cross_entropy(model(images), labels),
            dict,
            parameters=list(weights.values()),  # type: ignore[arg-type]
        )
        self._adam = torch.optim.Adam(
            list(architecture.values()),
            lr=settings.lr_alpha,
            betas=(0.5, 0.999),
            weight_decay=settings.weight_decay_alpha,
        )

    def step(self, epoch: int, step: int) -> float:
        """One step of the architecture, then one of the weights."""
        self._optimizer.param_groups[0]["lr"] = cosine(self._schedule, epoch)
        self._model.train()
        weights, architecture = split(self._model)
        held_out = self._validation(epoch, step % self._validation.steps(epoch))
        valid = partial(self._loss_at, held_out)
        if self._order == 1:
            gradients = first_order(valid, weights, architecture)
        else:
            train = partial(self._loss_at, self._batches(epoch, step))
            gradients = second_order(train, valid, weights, architecture, WeightStep.of(self._optimizer, weights))
        for name, parameter in architecture.items():
            parameter.grad = gradients[name]
        self._adam.step()
        return super().step(epoch, step)

    def _loss_at(self, batch: Batch, parameters: dict[str, Tensor]) -> Tensor:
        images, labels = batch
        return F.cross_entropy(call(self._model, parameters, images), labels)

    def state_dict(self) -> dict[str, Any]:
        """Weights, architecture and both optimisers."""
        return super().state_dict() | {"adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        super().load_state_dict(state)
        self._adam.load_state_dict(state["adam"])


class FinalTraining(SgdTraining):
    """The recipe of DARTS: auxiliary head, drop-path rising linearly with the epoch, cutout; tested every epoch."""

    def __init__(self, task: ImageTask, genotype: Genotype) -> None:
        settings = task.config.final
        network = task._network(genotype, settings, "final")
        seed = task.config.seed

        def loss(epoch: int, step: int, images: Tensor, labels: Tensor) -> Tensor:
            dropping = torch_generator(seed, "drop path", epoch, step, device=task.device.type)
            logits, auxiliary = network(images, settings.drop_path * epoch / settings.epochs, dropping)
            total = F.cross_entropy(logits, labels)
            return total if auxiliary is None else total + settings.auxiliary * F.cross_entropy(auxiliary, labels)

        super().__init__(
            network,
            settings,
            task._batches(task.train, settings.batch_size, "final", settings.cutout, settings.auto_augment),
            loss,
            partial(task._evaluated, network, task.test, "test"),
            accumulate=settings.accumulate,
            precision=_precision(task.device, settings.bf16),
        )

    def results(self, history: list[Row]) -> dict[str, dict[str, float]]:
        """The figures of the last epoch, which count, and of the epoch with the lowest test error."""
        figures = [{name: value for name, value in row.items() if name != "stage"} for row in history]
        return {"last": figures[-1], "best": min(figures, key=lambda row: row["test_error"])}


def _precision(device: torch.device, bf16: bool) -> Callable[[], AbstractContextManager[Any]]:
    return partial(torch.autocast, device.type, torch.bfloat16, enabled=bf16)
