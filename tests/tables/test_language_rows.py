"""Every row of Table 3 that can be run has runs, at the published sizes and at reduced ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.config import sweeps
from tables.published import published

SWEEPS = Path(sweeps.__file__).parent.parent / "sweeps"


@pytest.fixture(autouse=True)
def real_sweeps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The sweeps of the paper, not those of the tests beside this one."""
    monkeypatch.setattr(sweeps, "SWEEPS", SWEEPS)
    sweeps.rows.cache_clear()
    yield
    sweeps.rows.cache_clear()


def test_every_row_of_the_paper_has_runs_with_recipes_that_no_profile_changes() -> None:
    paper, smoke = (sweeps.rows("table3", profile) for profile in ("paper", "smoke"))
    assert set(published("table3")) <= set(paper)
    rules = ("lr", "weight_decay", "clip", "averaging", "steady", "decay", "finetuning_lr", "activation", "patience")
    for row, (first, *_) in smoke.items():
        full, reduced = paper[row][0].final, first.final
        assert [getattr(full, rule) for rule in rules] == [getattr(reduced, rule) for rule in rules], row


def test_a_search_is_shared_by_the_trainings_of_its_cell() -> None:
    for profile in ("paper", "laptop"):
        rows = sweeps.rows("table3", profile)
        ours, theirs = (rows[name][0].for_search() for name in ("CoNAS", "CoNAS (recipe of AWD-LSTM)"))
        assert ours.model_copy(update={"typed": []}) == theirs.model_copy(
            update={"typed": [], "final": ours.final, "variant": None}
        )
