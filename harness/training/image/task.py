"""Images: data, networks and how they are evaluated; the trainings lie beside this module."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cache
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conas.cnn.kernels import sum_like_torch
from conas.cnn.network import FinalNetwork
from conas.cnn.one_shot import OneShotCNN
from conas.counting import count
from conas.genotype import Genotype
from conas.graphs import Graphs
from conas.sampling import Sampler
from conas.seeds import derive, generator
from conas.space import space
from harness.config.load import ImageConfig
from harness.config.schema import ImageFinal, ImageOneShot
from harness.data import Augmenter, ImageData, Images, load_images, normalise, search_split, take
from harness.estimates.asking import Prices
from harness.estimates.machine import Machine, mult_adds
from harness.training.environment import device
from harness.training.image.batches import batches
from harness.training.image.final import FinalTraining
from harness.training.image.one_shot import ImageMeasurer, OneShotTraining
from harness.training.image.relaxed import RelaxedTraining
from harness.training.image.stand_alone import AloneTraining
from harness.training.sgd import Batch, Batches

_EVALUATION_BATCH = 256
Network = TypeVar("Network", bound=nn.Module)


@cache
def _load(name: str, data_dir: str, allow_subset: bool, offline: bool) -> ImageData:
    return load_images(name, data_dir, allow_subset, offline)


class ImageTask:
    """One image configuration: its data, and the networks that are trained on them."""

    def __init__(self, config: ImageConfig, data: ImageData | None = None) -> None:
        self.config = config
        self.space = space(config.space)
        self.device = device(config.device)
        self.data = data or _load(config.dataset, config.data_dir, config.allow_subset, config.offline)
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

    def one_shot_model(self, part: str) -> OneShotCNN:
        """An untrained one-shot CNN; its weights are drawn by the name of their ``part``."""
        settings = self.config.oneshot
        sizes = (settings.channels, settings.layers, self.data.classes, self.data.channels)
        return self.placed(OneShotCNN(self.space, *sizes, seed=derive(self.config.seed, "weights", part)))

    def one_shot(self, sampler: Sampler) -> OneShotTraining:
        """The training of the one-shot CNN."""
        return OneShotTraining(self, sampler)

    def measurer(self, weights: dict[str, Tensor]) -> ImageMeasurer:
        """Measurements on a trained one-shot model."""
        model = self.one_shot_model("oneshot")
        model.load_state_dict(weights)
        return ImageMeasurer(self, model)

    def alone(self, genotype: Genotype, epochs: int) -> AloneTraining:
        """The stand-alone training of a small network of ``genotype``."""
        return AloneTraining(self, genotype, epochs)

    def relaxed(self, operations: tuple[str, ...], order: int) -> RelaxedTraining:
        """The search of DARTS."""
        return RelaxedTraining(self, operations, order)

    def final(self, genotype: Genotype) -> FinalTraining:
        """The training of the final network."""
        return FinalTraining(self, genotype)

    def count(self, genotype: Genotype) -> dict[str, float]:
        """Parameters and multiply-adds of the final network, see `harness.records.store.CountsRecord`."""
        network = self.network(genotype, self.config.final, "final")
        counts = asdict(count(network, self.shape))
        counts["mult_adds_ptflops"] = counts.pop("mult_adds_ptflops_like")
        counts["mult_adds_flopcounter"] = counts.pop("mult_adds_independent")
        return counts

    def prices(self, here: Machine) -> Prices:
        """What the questions of a search cost here."""
        config, half = self.config, len(self.weights_half)
        supernet, alone, measure = config.oneshot, config.alone, config.measure
        alpha = self.space.sample(generator(0, "speed"), 1)[0]
        one_image = mult_adds(self.one_shot_model("speed"), lambda net, images: net(images, alpha), self.shape)
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
        network = self.network(genotype, settings, "speed").eval()
        return mult_adds(network, lambda net, images: net(images), self.shape)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, channels, height, width = self.data.train.images.shape
        return channels, height, width

    def network(self, genotype: Genotype, settings: ImageOneShot | ImageFinal, part: str) -> FinalNetwork:
        """An untrained network of ``genotype``; its weights are drawn by the name of their ``part``."""
        final = settings if isinstance(settings, ImageFinal) else None
        network = FinalNetwork(
            genotype,
            settings.channels,
            settings.layers,
            self.data.classes,
            self.data.channels,
            auxiliary=final is not None and final.auxiliary > 0,
            pool_bn=final is not None and final.pool_bn,
            seed=derive(self.config.seed, "weights", part),
        )
        return self.placed(network)

    def placed(self, network: Network) -> Network:
        """``network`` on the device, with the arithmetic of the setting ``numerics``."""
        if self.config.numerics == "torch":
            sum_like_torch(network)
        return network.to(self.device)

    def batches(
        self, part: Images, batch_size: int, name: str, cutout: int = 0, auto_augment: str | None = None
    ) -> Batches:
        """Augmented minibatches of ``part`` in an order drawn by ``name``."""
        data = self.config.data
        augment = Augmenter(self.data.mean, self.data.std, data.crop_padding, data.flip, cutout, auto_augment)
        return batches(part, augment, batch_size, derive(self.config.seed, "batches", name), self.device)

    def evaluation_batches(self, part: Images, size: int = _EVALUATION_BATCH) -> Iterator[Batch]:
        """The images of ``part`` in order, normalised, not augmented."""
        for images, labels in zip(part.images.split(size), part.labels.split(size), strict=True):
            yield normalise(images.to(self.device), self.data.mean, self.data.std), labels.to(self.device)

    def evaluation(self, network: FinalNetwork, part: Images, name: str) -> Callable[[], dict[str, float]]:
        """What says the mean cross-entropy (nats) and the error (percent) of ``network`` on ``part``."""

        def batch(images: Tensor, labels: Tensor) -> Tensor:
            logits = network(images)[0]
            loss, wrong = F.cross_entropy(logits, labels, reduction="sum"), logits.argmax(1) != labels
            return torch.stack([loss, wrong.sum().to(loss)])

        graphs = Graphs(batch)

        def evaluate() -> dict[str, float]:
            network.eval()
            loss, wrong = 0.0, 0.0
            for figures in torch.stack([graphs(*images) for images in self.evaluation_batches(part)]).tolist():
                loss, wrong = loss + figures[0], wrong + figures[1]
            return {f"{name}_loss": loss / len(part), f"{name}_error": 100 * wrong / len(part)}

        return evaluate
