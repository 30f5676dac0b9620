"""What a run leaves behind can be taken elsewhere: its weights build the network again, and say what it said."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save

import conas
from conas.refusal import Refused
from conas.saved import FILE, NotSaved
from harness.config.load import Config
from harness.console.progress import Reporter
from harness.data.augment import normalise
from harness.evaluate import evaluate
from harness.execution.execute import execute
from harness.export import export, main
from harness.predict import classes, pixels
from harness.records.store import RunFolder, Store
from harness.training.task import load_task

Configure = Callable[..., Config]


@pytest.fixture
def trained(tiny: Configure) -> Config:
    """The configuration of a run that is done."""
    config = tiny({"method": "fixed", "search": {"genotype": "darts_v2"}})
    execute(config, Reporter())
    return config


def folder(config: Config) -> Path:
    return Store(config.runs_dir).run(config.id).path


def test_weights_build_the_network_again_for_the_library_and_for_other_programs(
    trained: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, run = load_task(trained), folder(trained)
    record, figures = evaluate(run, "data")
    assert figures.items() <= record.metrics["last"].items()
    network = conas.load(run)
    images = normalise(task.test.images, task.data.mean, task.data.std)
    with torch.no_grad():
        logits = network(images)[0]
    wrong = (logits.argmax(1) != task.test.labels).double().mean()
    assert 100 * float(wrong) == pytest.approx(figures["test_error"])

    Image.fromarray(task.test.images[3].permute(1, 2, 0).squeeze().numpy()).save(tmp_path / "three.png")
    seen = pixels(tmp_path / "three.png", network.description)
    assert torch.equal(seen, images[3:4])
    Image.fromarray(task.test.images[3].squeeze().numpy().astype(np.uint16) * 257).save(tmp_path / "three16.png")
    assert torch.equal(pixels(tmp_path / "three16.png", network.description), seen)
    assert classes(network, seen)[0][0] == int(logits[3].argmax())

    elsewhere = {"device": "cuda:7", "runs_dir": "/proc/no-store"}  # where it was made, not where it is tested again
    RunFolder(run).save(record.model_copy(update={"config": record.config | elsewhere}))
    assert evaluate(run, "data")[1] == figures
    RunFolder(run).save(record.model_copy(update={"data": record.data | {"fingerprint": "0" * 12}}))
    with pytest.raises(Refused, match="holds other data than those of"):
        evaluate(run, "data")

    export(run, tmp_path / "network.pt2")
    with torch.no_grad():
        again = torch.export.load(tmp_path / "network.pt2").module()(images[:5])
    torch.testing.assert_close(again, logits[:5])
    (tmp_path / "taken.pt2").mkdir()
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr("sys.argv", ["export", str(run), str(tmp_path / "taken.pt2")])
    with pytest.raises(SystemExit, match=r"error: .*taken\.pt2"):
        main()
    assert sorted(tmp_path.iterdir()) == before


def test_a_run_is_exported_as_onnx(trained: Config, tmp_path: Path) -> None:
    reference = pytest.importorskip("onnx.reference", reason="NO ONNX: ITS EXPORT IS NOT TESTED")
    pytest.importorskip("onnxscript", reason="NO ONNXSCRIPT: ITS EXPORT IS NOT TESTED")
    export(folder(trained), tmp_path / "network.onnx")
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 1, 8, 8), np.float32))
    with torch.no_grad():
        logits = conas.load(folder(trained))(images)[0]
    (found,) = reference.ReferenceEvaluator(str(tmp_path / "network.onnx")).run(None, {"images": images.numpy()})
    torch.testing.assert_close(torch.from_numpy(np.asarray(found)), logits, rtol=1e-4, atol=1e-4)


def test_a_language_model_is_tested_again(tiny: Configure) -> None:
    config = tiny({"dataset": "descriptions", "data": {}, "method": "fixed", "search": {"genotype": "darts_v2_rnn"}})
    execute(config, Reporter())
    record, figures = evaluate(folder(config), "data")
    assert figures.items() <= record.metrics["last"].items()
    assert type(conas.load(folder(config))).__name__ == "FinalRNN"


def test_a_picture_that_cannot_be_seen_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("F", (3, 3)).save(tmp_path / "real.tiff")
    Image.new("L", (9, 9)).save(tmp_path / "vast.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    for name, words in (("real.tiff", "which of its levels is white"), ("vast.png", "exceeds limit of 80 pixels")):
        with pytest.raises(Refused, match=words):
            pixels(tmp_path / name, {"shape": (1, 8, 8), "mean": [0.5], "std": [0.5]})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "is not an object"),
        ('{"kind": "mine"}', "a network of kind 'mine'"),
        ('{"kind": "cnn"}', "do not fit"),
        ('{"kind": "cnn", "architecture": {}, "sizes": {}}', "not a genotype"),
    ],
)
def test_weights_of_an_unreadable_description_are_refused(tmp_path: Path, said: str, words: str) -> None:
    (tmp_path / FILE).write_bytes(save({"weight": torch.zeros(1)}, {"conas": said}))
    with pytest.raises(Refused, match=words):
        conas.load(tmp_path)


def test_what_is_no_network_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not weights")
    for path, words in ((tmp_path / "none", "no such file"), (tmp_path, "not a whole safetensors file")):
        with pytest.raises(NotSaved, match=words):
            conas.load(path)
        typed = [sys.executable, "-m", "harness.predict", str(path), "picture.png"]
        answer = subprocess.run(typed, capture_output=True, text=True, check=False)
        assert (answer.returncode, answer.stderr.count("\n")) == (1, 1)
        assert words in answer.stderr
