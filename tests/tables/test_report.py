"""The report: one page that needs nothing else, and whose links lead somewhere."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tables.build import Results, build
from tables.claims.scorecard import compared, counts, scorecard, survives
from tables.claims.text import verdicts
from tables.paper.contents import TABLES
from tables.report import report
from tables.runs import Runs


@pytest.fixture(scope="module")
def page(results: tuple[Runs, Results]) -> str:
    return report(*results, list(verdicts(results[0])))


def test_the_page_is_self_contained_and_its_links_lead_somewhere(results: tuple[Runs, Results], page: str) -> None:
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert all(source.startswith("data:") for source in re.findall(r'src="([^"]*)"', page))
    targets = set(re.findall(r'id="([^"]*)"', page))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= targets
    records = re.findall(r'href="([^"#]*record\.json)"', page)
    assert records
    assert all((results[1].folder / record).is_file() for record in records)


def test_the_page_opens_with_what_came_out(results: tuple[Runs, Results]) -> None:
    verdicts = scorecard(results[0])
    page = report(*results, verdicts)
    outcome = page[page.index('id="outcome"') : page.index('id="figures"')]
    assert (
        page.index('id="outcome"')
        < page.index('id="budgets"')
        < page.index('id="table1"')
        < page.index("<details><summary><strong>")
    )
    made = compared(verdicts)
    assert made
    assert outcome.count("<tr") == 1 + len(made)
    assert outcome.count('class="survives"') == sum(map(survives, made))
    filtered = [part for part in page.split("<details") if part.startswith("><summary><strong>")]
    listed = Counter(status for part in filtered for status in re.findall(r'<span class="status \w+">([^<]*)<', part))
    assert 'data-filters="#scorecard details:not(.own)"' in page
    assert listed == {str(status): number for status, number in counts(verdicts).items()}


def test_every_finished_run_of_a_row_is_linked(results: tuple[Runs, Results], page: str) -> None:
    for record in results[0].sample("table1", "CoNAS (t=1)").done:
        assert f'href="#run-{record.id}"' in page
        assert f'id="run-{record.id}"' in page


def test_what_runs_say_is_text_and_never_markup(results: tuple[Runs, Results]) -> None:
    runs, made = results
    failed = next(record for record in runs.records.values() if record.status == "failed")
    hostile = failed.model_copy(update={"reason": "<script>alert(1)</script>"})
    text = report(replace(runs, records={**runs.records, failed.id: hostile}), made, [])
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_changed_settings_are_told_at_the_top_and_under_every_table(tmp_path: Path) -> None:
    runs = Runs.of([], "paper", (("final.epochs", "1"),))
    made = build(runs, tmp_path, TABLES[:1])
    told = "All runs have final.epochs=1."
    head = report(runs, made, []).partition("</header>")[0]
    assert told in head
    assert "at which only directions compare" in head
    assert told in made.sheets[0].caption
    assert not any("reduced scale" in line for line in (head, *made.sheets[0].caption))


def test_an_empty_store_gives_a_page_of_gaps(tmp_path: Path) -> None:
    runs = Runs.read(tmp_path, "laptop")
    text = report(runs, Results("laptop", tmp_path), list(verdicts(runs)))
    assert "No run of this profile has been started." in text
    assert re.search(r"\b0 of [1-9]\d* planned runs are done", text)


def test_the_page_is_the_same_for_the_same_runs(results: tuple[Runs, Results], page: str) -> None:
    assert page == report(*results, list(verdicts(results[0])))
