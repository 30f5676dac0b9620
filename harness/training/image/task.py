"""Images: data, networks and how they are evaluated; the trainings lie beside this module."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cache, cached_property
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.networks import build, check_classifier
from conas.architecture import Architecture, Named
from conas.cnn.kernels import sum_like_torch
from conas.cnn.network import FinalNetwork
from conas.cnn.one_shot import OneShotCNN, WholeOneShotCNN
from conas.cnn.operations import OPERATIONS, operation
from conas.counting import check_space, count, mult_adds
from conas.genotype import Genotype
from conas.graphs import Graphs
from conas.seeds import derive, generator
from conas.space import space
from harness.config import checks
from harness.config.load import ImageConfig
from harness.config.schema import ImageAlone, ImageFinal, ImageOneShot
from harness.data.augment import Augmenter, normalise
from harness.data.images import ImageData, Images, load_images, search_split, take
from harness.training.environment import device
from harness.training.image.batches import batches
from harness.training.precision import Precision
from harness.training.sgd import Batch, Batches
from harness.training.work import Work

EVALUATION_BATCH = 256
_CONVOLUTIONS = 12
"""About as many convolutions launch as many kernels as a layer of the one-shot CNN."""
Network = TypeVar("Network", bound=nn.Module)


@cache
def _load(name: str, data_dir: str, allow_subset: bool, offline: bool) -> ImageData:
    return load_images(name, data_dir, allow_subset, offline)


def _both_strides(name: str) -> nn.Module:
    return nn.Sequential(*(operation(name, 2, stride, affine=True, pool_bn=True) for stride in (1, 2)))


class ImageTask:
    """One image configuration: its data, and the networks that are trained on them."""

    name = "image"

    def __init__(self, config: ImageConfig, data: ImageData | None = None) -> None:
        self.config = config
        self.space = space(config.space)
        self.device = device(config.device)
        self.precision = Precision(config.precision, self.device)
        self.data = data or _load(config.dataset, config.data_dir, config.allow_subset, config.offline)
        check_space([name for name in self.space.operations if name in OPERATIONS], _both_strides)
        limits = config.data
        self.train = take(self.data.train, limits.train_limit, config.seed, "train")
        self.test = take(self.data.test, limits.test_limit, config.seed, "test")
        checks.images(config, len(self.train), min(self.shape[1:]))
        self.weights_half, validation = search_split(self.train)
        self.validation = take(validation, limits.validation_limit, config.seed, "validation")
        self.network_mult_adds = cache(self._network_mult_adds)
        """Multiply-adds for one image of a network with these settings, for a cell of about the paper's size."""

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
        kind = WholeOneShotCNN if settings.inactive == "computed" else OneShotCNN
        return self.placed(kind(self.space, *sizes, seed=derive(self.config.seed, "weights", part)))

    def count(self, architecture: Architecture) -> dict[str, Any]:
        """Parameters and multiply-adds of the final network, see `harness.records.schema.CountsRecord`."""
        network = self.network(architecture, self.config.final, "final")
        if isinstance(architecture, Named):
            check_classifier(network, architecture.name, self.shape, self.data.classes)
        counts = asdict(count(network, self.shape))
        counts["mult_adds_ptflops"] = counts.pop("mult_adds_ptflops_like")
        counts["mult_adds_flopcounter"] = counts.pop("mult_adds_independent")
        return counts

    @cached_property
    def one_shot_mult_adds(self) -> float:
        """Multiply-adds of a random sub-network of the one-shot CNN for one image."""
        alpha = self.space.sample(generator(0, "speed"), 1)[0]
        return mult_adds(self.one_shot_model("speed"), lambda net, images: net(images, alpha), self.shape)

    def epoch(self, settings: ImageOneShot, image: float) -> Work:
        """The work of an epoch on the weights' half, ``image`` multiply-adds for every image."""
        return Work(settings.layers, image * settings.batch_size, len(self.weights_half) / settings.batch_size)

    def _network_mult_adds(self, settings: ImageAlone | ImageFinal) -> float:
        genotype = self.space.build(self.space.sample(generator(0, "speed"), 1, p=1 / 8)[0])
        network = self.cells(genotype, settings, "speed").eval()
        return mult_adds(network, lambda net, images: net(images), self.shape)

    def measuring(self, whole: bool) -> list[Work]:
        """The work of measuring one sub-network of the one-shot CNN."""
        layers, image, measure = self.config.oneshot.layers, self.one_shot_mult_adds, self.config.measure
        if whole:
            return [Work(layers, image * EVALUATION_BATCH, self._tests(self.validation), trains=False)]
        return [Work(layers, image * measure.batch_size, measure.batches, trains=False)]

    def final_work(self, architecture: Architecture) -> list[Work]:
        """The work of the final training; for cells, of one of about the paper's size."""
        final, layers, image = self.config.final, self.config.final.layers, self.network_mult_adds(self.config.final)
        if isinstance(architecture, Named):
            network = self.network(architecture, final, "speed").eval()
            layers = max(1, sum(isinstance(part, nn.Conv2d) for part in network.modules()) // _CONVOLUTIONS)
            image = mult_adds(network, lambda net, images: net(images), self.shape)
        train = Work(layers, image * final.batch_size, len(self.train) / final.batch_size)
        test = Work(layers, image * EVALUATION_BATCH, self._tests(self.test), trains=False)
        return [train.times(final.epochs), test.times(final.epochs)]

    @staticmethod
    def _tests(part: Images) -> float:
        return len(part) / EVALUATION_BATCH

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, channels, height, width = self.data.train.images.shape
        return channels, height, width

    def network(self, architecture: Architecture, settings: ImageAlone | ImageFinal, part: str) -> nn.Module:
        """An untrained network; its weights are drawn by the name of their ``part``. One that is not made of cells has
        sizes of its own and ignores ``settings``."""
        if isinstance(architecture, Named):
            seed = derive(self.config.seed, "weights", part)
            return self.placed(build(architecture, self.shape, self.data.classes, seed=seed))
        return self.cells(architecture, settings, part)

    def cells(self, genotype: Genotype, settings: ImageAlone | ImageFinal, part: str) -> FinalNetwork:
        """An untrained network of cells; its weights are drawn by the name of their ``part``."""
        network = FinalNetwork(
            genotype,
            settings.channels,
            settings.layers,
            self.data.classes,
            self.data.channels,
            auxiliary=settings.auxiliary > 0,
            pool_bn=settings.pool_bn,
            seed=derive(self.config.seed, "weights", part),
        )
        return self.placed(network)

    def described(self, architecture: Architecture) -> dict[str, Any]:
        """What builds the final network again, see `conas.saved`, and how its images are normalised."""
        final, classes = self.config.final, self.data.classes
        known = {"architecture": architecture.to_json(), "shape": self.shape, "classes": classes}
        known |= {"mean": self.data.mean, "std": self.data.std}
        known |= {"class_names": self.data.class_names} if self.data.class_names else {}
        if isinstance(architecture, Named):
            return {"kind": "named", **known}
        sizes = {"channels": final.channels, "layers": final.layers, "classes": classes}
        sizes |= {"in_channels": self.data.channels, "auxiliary": final.auxiliary > 0, "pool_bn": final.pool_bn}
        return {"kind": "cnn", **known, "sizes": sizes}

    def placed(self, network: Network) -> Network:
        """``network`` on the device, with the arithmetic of the setting ``numerics``."""
        if self.config.numerics == "torch":
            sum_like_torch(network)
        return network.to(self.device)

    def batches(
        self, part: Images, batch_size: int, name: str, cutout: int = 0, auto_augment: str | None = None
    ) -> Batches:
        """Augmented minibatches of ``part`` in an order drawn by ``name``."""
        augment = self._augmenter(cutout, auto_augment)
        return batches(part, augment, batch_size, derive(self.config.seed, "batches", name), self.device)

    def _augmenter(self, cutout: int = 0, auto_augment: str | None = None) -> Augmenter:
        data = self.config.data
        return Augmenter(self.data.mean, self.data.std, data.crop_padding, data.flip, cutout, auto_augment)

    def evaluation_batches(self, part: Images, size: int = EVALUATION_BATCH) -> Iterator[Batch]:
        """The images of ``part`` in order, normalised, not augmented."""
        for images, labels in zip(part.images.split(size), part.labels.split(size), strict=True):
            yield normalise(images.to(self.device), self.data.mean, self.data.std), labels.to(self.device)

    def measured_batches(self, part: Images, draw: int, size: int = EVALUATION_BATCH) -> Iterator[Batch]:
        """The images of ``part`` in order, for measurements: augmented if they are to be, anew for every ``draw``."""
        if not self.config.measure.augment:
            return self.evaluation_batches(part, size)
        seed = derive(self.config.seed, "batches", "measuring")
        moved = self._augmenter()(part.images, part.indices, draw, seed).to(self.device)
        return zip(moved.split(size), part.labels.to(self.device).split(size), strict=True)

    def evaluation(self, network: nn.Module, part: Images, name: str) -> Callable[[], dict[str, float]]:
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
