"""The page of what is compared names every method, with every setting and its source."""

import dataclasses
import re
from pathlib import Path

import pytest

from baselines.registry import METHODS
from conas import cells
from harness.config.layers import defaults
from tables import compared

DOCS = Path(__file__).parents[2] / "docs"
COMMITTED = (DOCS / "compared.md").read_text(encoding="utf-8")


def sections(page: str) -> dict[str, str]:
    """The text about every method."""
    part = page.partition("\n## Methods and networks\n")[2].partition("\n## ")[0]
    found = re.split(r"^### (.+)$", part, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


@pytest.fixture(scope="module")
def page() -> str:
    return compared.page()


def test_the_committed_page_is_the_one_that_is_made(page: str) -> None:
    assert list(sections(page)) == sorted(METHODS)
    assert page.strip() == COMMITTED.strip(), f"make it anew: {compared.COMMAND}"
    assert "compared" in (DOCS / "index.md").read_text(encoding="utf-8").split()


@pytest.mark.parametrize("name", METHODS)
def test_every_setting_stands_there_with_its_source(page: str, name: str) -> None:
    section = sections(page)[name]
    for task in METHODS[name].tasks:
        chosen = {"dataset": compared.DATASETS[task], "method": name, "profile": "paper"}
        for field in dataclasses.fields(METHODS[name].settings):
            setting = f"search.{field.name.rstrip('_')}"
            source = defaults(chosen)[1][setting].replace("<", r"\<").replace("*", r"\*").replace("|", r"\|")
            assert re.search(rf"^\| `{setting}`(?: \({task}\))? .*\| {re.escape(source)} \|$", section, re.MULTILINE)


def test_a_networks_recipe_stands_there(page: str) -> None:
    assert "| `final.epochs` | `1800` | Cubuk et al. (2019), released code |" in sections(page)["pyramidnet"]
    assert "| `final.clip` | `null` |" in sections(page)["proxylessnas_net"]
    assert "final." not in sections(page)["conas"]


def test_every_published_cell_stands_there_with_its_source(page: str) -> None:
    assert all(f"| `{name}` | {cells.source(name)} |" in page for name in cells.names())


def test_it_is_the_same_page_again(page: str) -> None:
    assert compared.page() == page
