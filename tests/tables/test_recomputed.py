"""The published pages say what anybody computes from the published records."""

import pytest

from tests.outsider import PUBLISHED, figures


@pytest.mark.parametrize(("place", "figure"), figures().items())
def test_a_published_page_says_what_the_records_give(place: str, figure: str) -> None:
    page, _, row = place.partition(" ")
    text = (PUBLISHED.parent / "laptop" / page).read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if row in line)
    assert figure in line
