"""Reading, checking, splitting and choosing images."""

import gzip
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.download import Remote
from harness.data.files import DataError, locate
from harness.data.images import Images, load_images, search_split, take
from harness.data.registry import DATASETS, dataset, dataset_names, image_set

NAMES = ["cifar10", "cifar100", "fashion_mnist", "svhn"]


def by_torchvision(name: str, folder: Path) -> dict[str, tuple[np.ndarray, list[int]]]:
    """Images (count, height, width, channels) and labels as torchvision's own classes read them."""
    kind = {"cifar10": reference.CIFAR10, "cifar100": reference.CIFAR100, "svhn": reference.SVHN}.get(name)
    if kind is None:
        sets = {split: reference.FashionMNIST(folder, train=split == "train") for split in ("train", "test")}
        return {split: (found.data.numpy()[..., None], found.targets.tolist()) for split, found in sets.items()}

    class Unchecked(kind):  # type: ignore[misc, valid-type]
        def _check_integrity(self) -> bool:
            return True

        def _load_meta(self) -> None: ...

    if name == "svhn":
        svhn = {split: Unchecked(folder, split=split) for split in ("train", "extra", "test")}
        read = {split: (found.data.transpose(0, 2, 3, 1), found.labels.tolist()) for split, found in svhn.items()}
        (images, labels), (more_images, more_labels) = read["train"], read.pop("extra")
        return read | {"train": (np.concatenate([images, more_images]), labels + more_labels)}
    sets = {split: Unchecked(folder, train=split == "train") for split in ("train", "test")}
    return {split: (found.data, found.targets) for split, found in sets.items()}


@pytest.mark.parametrize("name", NAMES)
def test_every_format_is_read_as_torchvision_reads_it(name, tmp_path, write):
    folder = write[name](tmp_path)
    found = load_images(name, folder, allow_subset=True, offline=True)
    for split, (images, labels) in by_torchvision(name, folder).items():
        part = getattr(found, split)
        assert np.array_equal(part.images.permute(0, 2, 3, 1).numpy(), images)
        assert part.labels.tolist() == list(labels)
        assert part.images.is_contiguous(memory_format=torch.channels_last)
        assert part.indices.tolist() == list(range(len(labels)))


@pytest.mark.parametrize("name", NAMES)
def test_a_subset_needs_the_explicit_setting_and_is_recorded(name, tmp_path, write):
    folder = write[name](tmp_path)
    with pytest.raises(DataError, match=r"not the published file.*allow_subset=true") as refused:
        load_images(name, folder, offline=True)
    assert "\n" not in str(refused.value)
    provenance = load_images(name, folder, allow_subset=True, offline=True).provenance
    assert not provenance.verified
    assert not provenance.whole
    assert provenance.counts.keys() == dataset(name).counts.keys()
    assert provenance.as_dict()["files"][0]["published"] is False


def test_the_published_files_are_recognised_in_any_compression(tmp_path, write, publish):
    folder = write["fashion_mnist"](tmp_path / "as-is")
    raw = folder / "FashionMNIST" / "raw"
    publish("fashion_mnist", raw)
    plain = load_images("fashion_mnist", folder, offline=True)
    packed = tmp_path / "packed"
    packed.mkdir()
    for path in raw.iterdir():
        (packed / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), compresslevel=1, mtime=1))
    same = load_images("fashion_mnist", packed, offline=True)
    assert plain.provenance.verified
    assert same.provenance.verified
    assert same.provenance.fingerprint == plain.provenance.fingerprint
    assert torch.equal(plain.train.images, same.train.images)


@pytest.mark.parametrize("below", ["", "cifar-10-batches-py", "cifar10", "cifar10/cifar-10-batches-py"])
def test_files_are_found_in_the_usual_folders(below, tmp_path, write):
    source = write["cifar10"](tmp_path / "source") / "cifar-10-batches-py"
    target = tmp_path / "data" / below
    target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(source, target)
    found = load_images("cifar10", tmp_path / "data", allow_subset=True, offline=True)
    assert found.provenance.source == str(target)
    assert len(found.train) == 100


def test_missing_files_offline_are_an_error_that_says_where_to_put_them(tmp_path):
    with pytest.raises(DataError, match=r"lacks test_batch.*: put them there \(from https://.*offline=true") as refused:
        _lacking_one_file(tmp_path)
    assert "\n" not in str(refused.value)


def _lacking_one_file(folder: Path) -> None:
    batches = folder / "cifar-10-batches-py"
    batches.mkdir()
    for number in range(1, 6):
        (batches / f"data_batch_{number}").touch()
    load_images("cifar10", folder, allow_subset=True, offline=True)


PAGE = b"\n <html><body>Sign in to continue</body></html>"
DAMAGES = {
    "cut short": lambda content: content[: len(content) * 2 // 3],
    "empty": lambda content: b"",
    "a web page": lambda content: PAGE,
    "zeros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_are_refused_even_where_a_subset_is_allowed(name, damage, tmp_path, write):
    folder = write[name](tmp_path)
    layout = dataset(name).layout
    victim = next(path for path in folder.rglob("*") if path.name == next(iter(layout.files)))
    victim.write_bytes(DAMAGES[damage](victim.read_bytes()))
    with pytest.raises(DataError, match="web page" if damage == "a web page" else "cannot be read") as refused:
        load_images(name, folder, allow_subset=True, offline=True)
    assert "\n" not in str(refused.value)
    assert victim.name in str(refused.value)


def test_a_torn_compressed_file_is_refused(tmp_path, write):
    folder = write["fashion_mnist"](tmp_path, compressed=True)
    victim = folder / "FashionMNIST" / "raw" / "train-images-idx3-ubyte.gz"
    victim.write_bytes(victim.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"train-images.*cannot be read \(EOFError"):
        load_images("fashion_mnist", folder, allow_subset=True, offline=True)


@pytest.mark.parametrize("labels", [[10] * 20, [-1] * 20, [1] * 19], ids=["too large", "negative", "one too few"])
def test_impossible_labels_are_refused(labels, tmp_path, write):
    folder = write["cifar10"](tmp_path)
    path = folder / "cifar-10-batches-py" / "test_batch"
    batch = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps(batch | {"labels": labels}))
    with pytest.raises(DataError, match="labels other than 0 to 9"):
        load_images("cifar10", folder, allow_subset=True, offline=True)


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(DataError, match="did you mean 'cifar10'"):
        load_images("cifar11", "anywhere")
    with pytest.raises(DataError, match="ptb is not a data set of images"):
        load_images("ptb", "anywhere")
    with pytest.raises(DataError, match="needs data_dir"):
        load_images("svhn", None)


def test_a_data_set_is_added_by_one_registered_function(monkeypatch):
    dataset_names()  # so that undoing does not forget the others
    monkeypatch.delitem(DATASETS, "halves", raising=False)

    @image_set("halves", classes=10, mean=(0.3,), std=(0.4,), counts={"train": 10, "test": 5})
    def halves(files):
        digits = load_images("digits", None)
        files.shipped("halves", "test", b"")
        parts = {"train": digits.train.select(slice(10)), "test": digits.test.select(slice(5))}
        return {name: (part.images.permute(0, 2, 3, 1).numpy(), part.labels.numpy()) for name, part in parts.items()}

    assert "halves" in dataset_names()
    assert load_images("halves", None).provenance.whole
    with pytest.raises(DataError, match="halves"):
        load_images("halve", None)
    with pytest.raises(ValueError, match="data set 'halves' is registered twice"):
        image_set("halves", classes=10, mean=(0.3,), std=(0.4,), counts={})(halves)
    del DATASETS["halves"]


@pytest.mark.parametrize(
    ("told", "shape", "kind", "said"),
    [
        ({"std": (0.0,)}, (4, 8, 8, 1), np.int64, "std=(0.0,) (allowed: 1 numbers above 0, as mean has)"),
        ({"std": (0.4, 0.4)}, (4, 8, 8, 1), np.int64, "std=(0.4, 0.4) (allowed: 1 numbers"),
        ({"side": 16}, (4, 8, 8, 1), np.int64, "images of 8 x 8 pixels, not of 16 x 16"),
        ({}, (4, 8, 6, 1), np.int64, "test in the package has images of 8 x 8 pixels, not of 8 x 6"),
        ({}, (4, 8, 8, 1), np.float32, "labels of type float32, not integers"),
    ],
)
def test_images_that_are_not_as_registered_are_refused(monkeypatch, told, shape, kind, said):
    dataset_names()
    monkeypatch.delitem(DATASETS, "odd", raising=False)

    @image_set("odd", **{"classes": 2, "mean": (0.3,), "std": (0.4,), "counts": {}} | told)
    def odd(files):
        files.shipped("odd", "the package", b"")
        test = np.zeros((4, 8, 8, 1), np.uint8), np.zeros(4, np.int64)
        return {"train": (np.zeros(shape, np.uint8), np.zeros(4, kind)), "test": test}

    with pytest.raises(DataError) as refusal:
        load_images("odd", None)
    del DATASETS["odd"]
    assert said in str(refusal.value)


def test_digits_are_as_described():
    digits = load_images("digits", None, offline=True)
    assert (len(digits.train), len(digits.test), digits.channels) == (1_500, 297, 1)
    pixels = digits.train.images.double() / 255
    assert pixels.mean().item() == pytest.approx(digits.mean[0], abs=5e-5)
    assert pixels.std().item() == pytest.approx(digits.std[0], abs=1e-4)
    assert digits.provenance.verified
    assert digits.provenance.whole


def labelled(labels: list[int]) -> Images:
    images = torch.arange(len(labels), dtype=torch.uint8).reshape(-1, 1, 1, 1)
    return Images(images, torch.tensor(labels), torch.arange(len(labels)))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 70), st.integers(0, 9))
@settings(max_examples=60)
def test_a_part_is_balanced_in_order_and_contained_in_larger_parts(labels, limit, seed):
    everything = labelled(labels)
    part, larger = take(everything, limit, seed, "train"), take(everything, limit + 3, seed, "train")
    assert len(part) == min(limit, len(labels))
    assert part.indices.tolist() == sorted(part.indices.tolist())
    assert set(part.indices.tolist()) <= set(larger.indices.tolist())
    assert torch.equal(everything.labels[part.indices], part.labels)
    counts = np.bincount(part.labels.numpy(), minlength=5)
    available = np.bincount(labels, minlength=5)
    assert np.all((counts >= counts.max() - 1) | (counts == available))
    assert take(everything, limit, seed, "train").indices.tolist() == part.indices.tolist()


def test_parts_differ_by_seed_and_by_name():
    train = load_images("digits", None).train
    chosen = {tuple(take(train, 100, s, name).indices.tolist()) for s in range(3) for name in ("train", "test")}
    assert len(chosen) == 6
    assert take(train, None, 0, "train") is train
    with pytest.raises(ValueError, match="limit of 0"):
        take(train, 0, 0, "train")


def test_a_search_has_two_disjoint_halves():
    train = load_images("digits", None).train
    weights, measured = search_split(train)
    assert weights.indices.tolist() + measured.indices.tolist() == list(range(1_500))
    assert len(weights) == 750
    assert torch.equal(train.images[measured.indices], measured.images)


@pytest.fixture
def served_svhn(tmp_path, server, reply, write, publish) -> dict[str, bytes]:
    """A small SVHN, published on the server; the content of its files."""
    published = write["svhn"](tmp_path / "published")
    contents = {path.name: path.read_bytes() for path in published.iterdir()}
    digests = publish("svhn", published).files
    remotes = tuple(Remote(n, d, (server.url(n, reply(contents[n])),), (n,)) for n, d in digests.items())
    publish("svhn", published, remotes=remotes)
    return contents


def test_only_what_is_missing_is_downloaded_and_only_once(tmp_path, server, served_svhn):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "test_32x32.mat").write_bytes(served_svhn["test_32x32.mat"])
    first = load_images("svhn", data_dir, say=pytest.fail)
    again = load_images("svhn", data_dir, offline=True)
    assert [path for path, _ in server.asked] == ["/train_32x32.mat", "/extra_32x32.mat"]
    assert first.provenance == again.provenance
    assert first.provenance.verified
    assert locate(data_dir, "extra_32x32.mat")


def test_runs_that_start_together_download_once(tmp_path, server, served_svhn):
    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(load_images, "svhn", tmp_path, say=pytest.fail) for _ in range(4)]
    assert len({load.result().provenance.fingerprint for load in loads}) == 1
    assert sorted(path for path, _ in server.asked) == sorted(f"/{name}" for name in served_svhn)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_an_error_in_one_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="cannot write to"):
        load_images("svhn", tmp_path)


def test_a_file_in_place_of_the_folder_is_an_error_in_one_line(tmp_path):
    (tmp_path / "data").touch()
    with pytest.raises(DataError, match="cannot write to"):
        load_images("svhn", tmp_path / "data")


@pytest.mark.parametrize("name", NAMES)
def test_real_data_when_at_hand(name):
    root = os.environ.get("CONAS_TEST_DATA")
    if not root:
        pytest.skip("set CONAS_TEST_DATA to a folder with the real data sets to read them here")
    found = load_images(name, root, allow_subset=True, offline=True)
    pixels = found.train.images.double() / 255
    tolerance = 0.001 if found.provenance.whole else 0.05
    assert pixels.mean((0, 2, 3)).tolist() == pytest.approx(found.mean, abs=tolerance)
    assert pixels.std((0, 2, 3)).tolist() == pytest.approx(found.std, abs=tolerance)
    assert set(found.train.labels.tolist()) == set(range(found.classes))


class Harm:
    """Makes a folder when it is unpickled by whoever believes what a pickle says."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_subset_may_be_pickled_by_any_python(protocol, tmp_path, write):
    (folder,) = write["cifar10"](tmp_path / "data").iterdir()
    expected = load_images("cifar10", tmp_path / "data", allow_subset=True)
    for path in folder.iterdir():
        batch = pickle.loads(path.read_bytes())
        path.write_bytes(pickle.dumps(batch | {"labels": list(np.array(batch["labels"]))}, protocol))
    found = load_images("cifar10", tmp_path / "data", allow_subset=True)
    assert torch.equal(found.train.images, expected.train.images)
    assert torch.equal(found.train.labels, expected.train.labels)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_a_pickle_runs_no_code(name, protocol, tmp_path, write):
    folder = write[name](tmp_path / "data")
    for path in folder.glob("cifar-*/*"):
        path.write_bytes(pickle.dumps({"data": Harm(tmp_path / "harmed")}, protocol))
    with pytest.raises(DataError, match=r"cannot be read \(UnpicklingError: it holds \w+\.mkdir, not images\)"):
        load_images(name, tmp_path / "data", allow_subset=True)
    assert not (tmp_path / "harmed").exists()
    pickle.loads(path.read_bytes())
    assert (tmp_path / "harmed").exists(), "the pickle is one that runs code"
