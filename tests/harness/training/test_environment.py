"""What a record says of where a run was made."""

import pytest

from harness.training.environment import _commit


@pytest.mark.parametrize(("said", "recorded"), [("0123abc", "0123abc"), ("", None)], ids=["named", "not named"])
def test_an_image_without_git_names_its_commit(
    monkeypatch: pytest.MonkeyPatch, said: str, recorded: str | None
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("CONAS_COMMIT", said)
    assert _commit.__wrapped__() == recorded
