"""What searches at the paper's scale say alone: from the kept files, and where it would be decided."""

import json

import pytest

from tables.claims.searched import FOLDER, Searched, searches, verdicts
from tables.claims.verdict import Kind, Status


def test_the_kept_searches_fill_the_paper_s_figures() -> None:
    kept = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*/search.json"))]
    found = list(verdicts(searches()))
    assert [(verdict.kind, verdict.paper) for verdict in found] == [
        (Kind.SEARCHED, paper) for paper in ("2.3", "386", "0.4", "15")
    ]
    assert found[0].ours == "2.28; 1.48"
    assert found[2].ours == "; ".join(format(record["gpu_days"], ".3g") for record in kept)
    assert found[3].ours == "; ".join(str(record["details"]["alpha"].count("1")) for record in kept)
    assert [verdict.status for verdict in found[::2]] == [Status.UNDECIDED, Status.NOT_CHECKABLE]


@pytest.mark.parametrize(
    ("edges", "params", "expected"),
    [(15.0, 2.3, Status.REPRODUCED), (40.0, 6.0, Status.DIFFERS)],
    ids=["as the paper's", "far from the paper's"],
)
def test_several_searches_decide(edges: float, params: float, expected: Status) -> None:
    some = [Searched(edges + i / 10, params + i / 1000, 386.0 + i, 0.4) for i in range(5)]
    size, *_, support = verdicts(some)
    assert (size.status, support.status) == (expected, expected)


def test_no_search_no_verdict() -> None:
    assert list(verdicts([])) == []
