"""A folder of images by class: read, resized, split and told apart by its content."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from conas.refusal import Refused
from harness import predict
from harness.config.load import load
from harness.console.progress import Reporter
from harness.data.files import DataError
from harness.data.images import load_images
from harness.execution.execute import execute

LEVELS, LABELS = load_digits(return_X_y=True)


def write(place: Path, numbers: range) -> Path:
    """Digits as images of 48 x 40 pixels, a folder for each."""
    for number in numbers:
        folder = place / f"digit {LABELS[number]}"
        folder.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray((LEVELS[number].reshape(8, 8) * 15).astype(np.uint8)).resize((40, 48))
        image.save(folder / f"{number}.png")
    return place


def test_images_are_resized_and_split_by_their_content(tmp_path: Path) -> None:
    data = load_images("folder", write(tmp_path / "a", range(300)), offline=True)
    assert data.train.images.shape[1:] == data.test.images.shape[1:] == (3, 32, 32)
    assert (data.classes, len(data.train) + len(data.test)) == (10, 300)
    assert 30 < len(data.test) < 75
    pixels = data.train.images.permute(0, 2, 3, 1).reshape(-1, 3).numpy() / 255
    assert np.allclose(pixels.mean(axis=0), data.mean)
    assert np.allclose(pixels.std(axis=0), data.std)
    assert data.class_names == tuple(f"digit {number}" for number in range(10))
    assert not data.provenance.verified
    more = load_images("folder", write(tmp_path / "a", range(300, 320)), offline=True)
    assert len(more.test) >= len(data.test)
    assert more.provenance.fingerprint != data.provenance.fingerprint


def test_what_has_16_bits_is_not_white(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    for split in ("train", "test"):
        for name, levels in (("8", (ramp >> 8).astype(np.uint8)), ("16", ramp)):
            folder = tmp_path / "two" / split / name
            folder.mkdir(parents=True)
            Image.fromarray(levels).save(folder / "ramp.png")
    images = load_images("folder", tmp_path / "two", offline=True).train.images
    assert torch.equal(images[0], images[1])
    Image.fromarray(ramp.astype(np.float32)).save(tmp_path / "two" / "train" / "16" / "float.tif")
    with pytest.raises(DataError, match="which of its levels is white"):
        load_images("folder", tmp_path / "two", offline=True)


def test_splits_that_are_there_are_taken(tmp_path: Path) -> None:
    write(tmp_path / "train", range(100))
    write(tmp_path / "test", range(100, 150))
    data = load_images("folder", tmp_path, offline=True)
    assert data.provenance.counts == {"train": 100, "test": 50}
    assert sorted(data.test.labels.tolist()) == sorted(LABELS[100:150])


def test_what_is_no_image_or_no_class_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 0 folders"):
        load_images("folder", tmp_path, offline=True)
    place = write(tmp_path, range(60))
    (place / "digit 0" / "broken.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"an image in .*digit 0 cannot be read"):
        load_images("folder", place, offline=True)


def test_a_run_on_a_folder_is_of_its_content_and_knows_its_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = {"final.epochs": 1, "final.channels": 4, "final.batch_size": 32, "data.train_limit": 100}
    chosen = {"dataset": "folder", "method": "random_wiring", "profile": "smoke"}
    said = {**chosen, **sizes, "data.test_limit": 30, "runs_dir": str(tmp_path / "runs")}
    config = load({**said, "data_dir": str(write(tmp_path / "a", range(300)))})
    record = execute(config, Reporter())
    assert record.status == "done"
    picture = tmp_path / "a" / f"digit {LABELS[0]}" / "0.png"
    monkeypatch.setattr("sys.argv", ["predict", str(tmp_path / "runs" / "runs" / config.id), str(picture)])
    predict.main()
    told = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(rf"{picture}: (digit \d \d+\.\d %(, )?){{3}}", told), told
    other = load({**said, "data_dir": str(write(tmp_path / "b", range(200)))})
    assert other.id == config.id
    with pytest.raises(Refused, match="dataset=folder without a name is another folder"):
        execute(other, Reporter())
