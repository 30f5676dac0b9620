from pathlib import Path

import pytest
import torch

from harness.records.checkpoint import CheckpointError, Checkpoints, weights_sha256


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def checkpoints(tmp_path: Path, said: list[str]) -> Checkpoints:
    saved = Checkpoints(tmp_path, "run", said.append)
    for step in (1, 2):
        saved.save({"step": step, "weights": torch.full((3,), float(step))})
    return saved


def test_the_newest_state_is_read_back(checkpoints: Checkpoints) -> None:
    state = checkpoints.load()
    assert state is not None
    assert state["step"] == 2
    assert torch.equal(state["weights"], torch.full((3,), 2.0))


@pytest.mark.parametrize("keep", [0, 10, 100, -1])
def test_a_torn_checkpoint_falls_back_to_the_one_before(checkpoints: Checkpoints, said: list[str], keep: int) -> None:
    checkpoints.newest.write_bytes(checkpoints.newest.read_bytes()[:keep])
    state = checkpoints.load()
    assert state is not None
    assert state["step"] == 1
    assert "damaged" in said[0]
    assert "\n" not in said[0]


def test_a_flipped_bit_falls_back_to_the_one_before(checkpoints: Checkpoints) -> None:
    content = bytearray(checkpoints.newest.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoints.newest.write_bytes(content)
    state = checkpoints.load()
    assert state is not None
    assert state["step"] == 1


def test_a_kill_between_the_two_renames_loses_nothing(checkpoints: Checkpoints) -> None:
    checkpoints.newest.rename(checkpoints.previous)
    state = checkpoints.load()
    assert state is not None
    assert state["step"] == 2


def test_a_checkpoint_of_another_configuration_is_refused(checkpoints: Checkpoints, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="'run', not to 'other'"):
        Checkpoints(tmp_path, "other", print).load()


def test_a_checkpoint_of_another_version_is_refused(checkpoints: Checkpoints) -> None:
    content = checkpoints.newest.read_bytes().replace(b"conas-checkpoint-1", b"conas-checkpoint-0", 1)
    checkpoints.newest.write_bytes(content)
    with pytest.raises(CheckpointError, match="conas-checkpoint-0"):
        checkpoints.load()


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple:
            return (print, ("run",))

    checkpoints = Checkpoints(tmp_path, "run", print)
    checkpoints.save({"object": Malicious()})
    with pytest.raises(Exception, match=r"[Uu]nsupported|Weights only"):
        checkpoints.load()


def test_a_full_disk_leaves_the_checkpoint_before(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save({"step": 3})
    state = checkpoints.load()
    assert state is not None
    assert state["step"] == 2
    assert not list(checkpoints.newest.parent.glob(".*"))


def test_the_hash_of_weights_depends_on_names_shapes_and_values() -> None:
    one = {"a": torch.zeros(2, 3), "b": torch.ones(1)}
    same = {"b": torch.ones(1), "a": torch.zeros(3, 2).T}
    others = [{"a": torch.zeros(3, 2), "b": torch.ones(1)}, {"a": torch.zeros(2, 3), "c": torch.ones(1)}]
    assert weights_sha256(one) == weights_sha256(same)
    assert all(weights_sha256(one) != weights_sha256(other) for other in others)
