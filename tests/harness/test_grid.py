"""The sweeps of the paper's tables: complete, valid in every profile, and each run once."""

import re
from pathlib import Path

import pytest

from conas import cells
from harness.config import sweeps
from harness.config.load import ConfigError
from tables.paper import table1, table2
from tables.published import published
from tables.table import Table


@pytest.mark.parametrize("profile", ["smoke", "laptop", "paper"])
def test_every_sweep_plans_valid_distinct_runs(profile: str) -> None:
    for sweep, summary in sweeps.names().items():
        assert "\n" not in summary
        runs = sweeps.runs(sweep, profile)
        assert len({config.id for config in runs}) == len(runs) > 0
        assert {config.profile for config in runs} == {profile}


@pytest.mark.parametrize("table", [table1.TABLE, table2.TABLE], ids=lambda table: table.name)
def test_every_row_of_the_paper_is_run_or_a_note_says_why_not(table: Table) -> None:
    planned = sweeps.rows(table.name, "paper")
    notes = " ".join(table.notes)
    assert [row for row in published(table.name) if row not in planned and f"{row} published no" not in notes] == []


def test_published_cells_have_the_published_width_and_length() -> None:
    sizes = {
        config.search["genotype"]: (config.final.channels, config.final.layers)  # type: ignore[attr-defined]
        for table in ("table1", "table2")
        for config in sweeps.runs(table, "paper")
        if config.method == "fixed"
    }
    for genotype, size in sizes.items():
        said = re.search(r"C = (\d+), (\d+) cells", cells.source(genotype))
        assert said is None or size == tuple(map(int, said.groups())), genotype
    assert sum("cells" in cells.source(genotype) for genotype in sizes) == 10


def test_a_row_is_the_product_of_its_axes_and_the_seeds() -> None:
    row = sweeps.rows("table2", "laptop")["CoNAS (t=1)"]
    assert {(config.dataset, config.seed) for config in row} == {
        (dataset, seed) for dataset in ("cifar100", "svhn", "fashion_mnist") for seed in range(5)
    }
    assert all(config.search_dataset == "cifar10" for config in row)


def test_rows_of_table_4_share_the_searchs_measurements_and_differ_in_lambda() -> None:
    rows = sweeps.rows("table4", "paper")
    assert [rows[name][0].search["lambda"] for name in ("λ = 0.5", "λ = 1", "λ = 10")] == [0.5, 1.0, 10.0]
    assert all(config.variant == "short" for row in rows.values() for config in row)


def test_a_profile_changes_or_leaves_out_rows() -> None:
    rows = sweeps.rows("table3", "laptop")
    assert "RSWS" in sweeps.rows("table3", "paper")
    assert "RSWS" not in rows
    assert {config.search["device_seconds"] for config in rows["RSWS (equal search time)"]} == {"conas"}


def test_further_settings_reach_every_run() -> None:
    runs = sweeps.runs("table1", "smoke", (("data_dir", "/elsewhere"), ("seed", 7)))
    assert {(config.data_dir, config.seed) for config in runs} == {("/elsewhere", 7)}


@pytest.mark.parametrize(("sweep", "profile"), [("tabel1", "paper"), ("table1", "papr")])
def test_unknown_names_are_refused_with_the_nearest(sweep: str, profile: str) -> None:
    with pytest.raises(ConfigError, match="did you mean"):
        sweeps.rows(sweep, profile)


def test_a_users_own_file_is_a_sweep(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("rows: {one: {method: conas, axes: {search.s: [3, 4]}, seeds: [5, 6]}}\nset: {dataset: digits}")
    runs = sweeps.runs(str(mine), "smoke")
    assert [(config.search["s"], config.seed) for config in runs] == [(3, 5), (3, 6), (4, 5), (4, 6)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("rows: {a: {}}\nseed: [1]", "unknown entry 'seed'; did you mean 'seeds'?"),
        ("rows: {a: {method: conaz}}", "mine.yaml, a: unknown method 'conaz'; did you mean 'conas'?"),
        ("rows: {a: {}}\nprofiles: {smoke: {sets: {}}}", "profiles.smoke unknown entry 'sets'; did you mean 'set'?"),
        ("rows: {a: ", "is not YAML"),
        ("- a", "holds a list"),
        ("rows: {a: {seed: 5}}", "rows.a sets seed, which is set by seeds: [...]"),
        ("rows: {a: {}}\nset: {seed: 5}", "sets seed, which is set by seeds: [...]"),
        ("rows: {a: {axes: {seed: [5]}}}", "rows.a sets seed"),
        ("rows: {a: {}}\nprofiles: {smoke: {rows: {a: {seed: 5}}}}", "profiles.smoke.rows.a sets seed"),
        ("rows: {a: {}}\nprofiles: {smok: {}}", "profiles unknown profile 'smok'; did you mean 'smoke'?"),
        ("rows: {abc: {}}\nprofiles: {smoke: {rows: {abd: null}}}", "unknown row 'abd'; did you mean 'abc'?"),
        ("rows: {a: {}}\nset: {final.lr: 1, final: {lr: 2}}", "final.lr is set twice"),
        (None, "No such file"),
    ],
)
def test_a_users_file_that_is_wrong_is_refused_in_one_line(tmp_path: Path, content: str | None, said: str) -> None:
    mine = tmp_path / "mine.yaml"
    if content is not None:
        mine.write_text(content)
    with pytest.raises(ConfigError) as refused:
        sweeps.rows(str(mine), "smoke")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_dotted_and_nested_settings_of_a_sweep_are_the_same(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "set: {dataset: digits, final.lr: 1e-2, final: {epochs: 2}}\nseeds: [010]\nrows: {one: {final: {clip: 3}}}"
    )
    (config,) = sweeps.runs(str(mine), "smoke")
    assert (config.final.lr, config.final.epochs, config.final.clip, config.seed) == (0.01, 2, 3.0, 10)
