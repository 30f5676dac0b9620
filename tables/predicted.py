"""How well what a row searched by ranks networks, where its searches looked."""

from collections.abc import Iterator

from tables.runs import Runs


def rankings(runs: Runs, sweep: str) -> Iterator[str]:
    """One line for each row whose searches compared losses with those of networks that were trained alone."""
    for row in runs.planned(sweep):
        searches = [record.search for record in runs.sample(sweep, row).done if record.search]
        found = {search.key: search.details.get("kendall_tau") for search in searches}
        taus = [tau for tau in found.values() if tau is not None]
        if taus:
            yield (
                f"{row}: the loss that it searches by ranks random cells as training them alone does with Kendall's "
                f"tau {_average(taus)} (1: alike, 0: by chance)."
            )


def _average(taus: list[float]) -> str:
    """Their mean and range, or the only one."""
    if len(taus) == 1:
        return f"{taus[0]:.2f} in one search"
    return f"{sum(taus) / len(taus):.2f} on average over {len(taus)} searches, {min(taus):.2f} to {max(taus):.2f}"
