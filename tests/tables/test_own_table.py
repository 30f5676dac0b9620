"""CONTRIBUTING's recipe for a table of one's own, executed as it stands."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from harness.config import sweeps
from harness.records.schema import Record
from tables.build import build
from tables.claims import scorecard
from tables.claims.verdict import Kind, Status
from tables.paper import contents
from tables.runs import Runs
from tables.table import Table

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
RECIPE = PAGE.read_text(encoding="utf-8").partition("## Add a table")[2].partition("\n## ")[0]
NAME = "debiasing"


def block(language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)```", RECIPE, re.DOTALL)[0]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    shutil.copytree(sweeps.SWEEPS, tmp_path / "sweeps")
    (tmp_path / "sweeps" / f"{NAME}.yaml").write_text(block("yaml"), encoding="utf-8")
    monkeypatch.setattr(sweeps, "SWEEPS", tmp_path / "sweeps")
    sweeps.rows.cache_clear()
    module = ModuleType(f"tables.{NAME}")
    exec(compile(block("python"), str(PAGE), "exec"), module.__dict__)
    return module.TABLE


def test_the_recipe_names_the_files_and_the_line() -> None:
    assert all(f"`{name}`" in RECIPE for name in (f"harness/sweeps/{NAME}.yaml", f"tables/{NAME}.py"))
    assert f"`{NAME}.TABLE`" in RECIPE
    assert hasattr(contents, "TABLES")


def test_the_table_has_its_rows_its_claim_and_its_gaps(
    table: Table, tmp_path: Path, make_record: Callable[..., Record]
) -> None:
    errors = {"CoNAS, de-biased": [2.0, 3.0, 4.0, 5.0], "CoNAS": [3.0, 4.1, 5.0, 6.0]}
    planned = sweeps.rows(NAME, "paper")
    records = [
        make_record(config, error=error)
        for row, some in errors.items()
        for config, error in zip(planned[row], some, strict=False)
    ]
    runs = Runs.of(records, "paper")
    results = build(runs, tmp_path / "out", [table])
    page = (results.folder / f"{NAME}.md").read_text(encoding="utf-8")
    assert page.startswith(f"## {table.title}")
    assert "| CoNAS, de-biased | 3.50 ± 1.29 (n = 4 of 5) |" in page
    assert [config.command for config in planned["CoNAS"][4:]] == [
        line for line in page.splitlines() if "seed=4" in line and "debias" not in line
    ]
    [verdict] = [one for one in scorecard.scorecard(runs, [table]) if one.kind is Kind.CONTROL]
    assert (verdict.where, verdict.status) == (table.title, Status.REPRODUCED)
