"""The page and the figure of the race on a one-shot CNN, all of it from the numbers.

``python -m harness.studies.race_cnn_page FOLDER`` writes the page of a folder that `harness.studies.race_cnn` wrote.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from harness.console.markdown import markdown_table
from harness.pictures.plots import MARKERS, panels
from harness.records.files import read_json, write_atomic
from harness.statistics import interval, kind
from harness.studies.race_contenders import FOURIER
from harness.studies.race_report import pivot
from harness.studies.race_statistics import duels

PAGE = """# The race on a one-shot CNN

Searches on one trained one-shot model of {dataset} ({profile} profile: {channels} channels, {cells} cells,
{epochs} epochs), {seeds} seeds ({first} to {last}). A search sees the loss on {images} images; its answer is judged on
the whole validation set. No search was designed on this model. There is one model, so the intervals are of the searches
and not of models.

## Losses of the answers

Mean one-shot loss on the whole validation set (nats) with its 95 % interval ({intervals}). Lower is better;
a column's lowest is bold.

{means}

![losses of the answers]({name}.png)

## {fourier} against the others

Its loss minus the other's, within a seed, with the 95 % interval. A win or a loss is a difference whose interval
excludes 0 and whose p value, adjusted for all {duels} comparisons (Holm), is below 0.05.

{fights}

{words}

## What the searches saw

Losses of the same answers on the {images} images that the searches measure on. They are too low where an answer was
chosen by them, as all were but CoNAS's.

{seen}

By these losses, p adjusted for as many comparisons:

{seen_words}

Each search: [{name}.csv]({name}.csv).
"""


def page(folder: Path) -> str:
    """The page of the race in ``folder``."""
    rows = pd.read_csv(folder / f"{folder.name}.csv")
    model = read_json(folder / f"{folder.name}.json")["model"]
    fights, by_seen = fought(rows), fought(rows, "seen")
    seeds = rows["seed"]
    about = {"seeds": seeds.nunique(), "first": seeds.min(), "last": seeds.max(), "name": folder.name, **model}
    budgets = fights["budget"].unique().tolist()
    said = [
        "\n".join(f"- {sentence(found[found['budget'] == budget], budget)}" for budget in budgets)
        for found in (fights, by_seen)
    ]
    return PAGE.format(
        means=_means(rows, "whole"),
        seen=_means(rows, "seen"),
        fights=_fights(fights),
        duels=len(fights),
        fourier=FOURIER,
        words=said[0],
        seen_words=said[1],
        intervals=kind(fights["seeds"]),
        **about,
    )


def fought(rows: pd.DataFrame, images: str = "whole") -> pd.DataFrame:
    """The Fourier search's duels on the images that the column ``images`` is of; nobody knows the least loss, so nobody
    is there."""
    named = rows.assign(table="one-shot CNN", regret=rows[images], seen_regret=1.0)
    return duels(named, FOURIER).drop(columns=["table", "there"])


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Mean losses with intervals, and the Fourier search's duels."""
    means = averages(rows, "whole").itertuples(index=False)
    return {
        "loss on the whole validation set": {
            f"{name}, {budget}": {"mean": mean, "interval": (low, high)} for budget, name, mean, low, high in means
        },
        f"{FOURIER} minus others": fought(rows).to_dict("records"),
    }


def averages(rows: pd.DataFrame, images: str) -> pd.DataFrame:
    """The mean loss of each search's answers for each budget, and its interval, on the images that the column
    ``images`` is of: columns budget, method, mean, low and high."""
    found = [
        (budget, method, losses.mean(), *interval(losses, str(method), str(budget)))
        for (budget, method), losses in rows.groupby(["budget", "method"], sort=False)[images]
    ]
    return pd.DataFrame(found, columns=["budget", "method", "mean", "low", "high"])


def sentence(fights: pd.DataFrame, budget: int) -> str:
    """Against whom the Fourier search wins and loses with a budget, in words."""
    named = {
        verdict: ", ".join(fights.loc[fights["verdict"] == verdict, "against"]) or "nobody"
        for verdict in ("wins", "loses", "undecided")
    }
    return (
        f"{budget} measurements: {FOURIER} wins against {named['wins']}; loses to {named['loses']}; "
        f"undecided: {named['undecided']}"
    )


def _means(rows: pd.DataFrame, images: str) -> str:
    """`averages` as a table."""
    shown = averages(rows, images)
    bold = np.where(shown["mean"] == shown.groupby("budget")["mean"].transform("min"), "**", "")
    numbers = zip(bold, shown["mean"], shown["low"], shown["high"], strict=True)
    texts = [f"{b}{mean:.3f}{b} [{low:.3f}, {high:.3f}]" for b, mean, low, high in numbers]
    columns = [f"{budget} measurements" for budget in shown["budget"]]
    return pivot(shown.assign(text=texts, column=columns), "column")


def _fights(fights: pd.DataFrame) -> str:
    columns = ["difference", "low", "high"]
    differences = [
        "{:+.3f} [{:+.3f}, {:+.3f}]".format(*row).replace("-", "−") for row in fights[columns].itertuples(index=False)
    ]
    adjusted = [f"{p:.2g}" for p in fights["holm"]]
    budgets = fights["budget"].astype(str)
    lines = zip(fights["against"], budgets, differences, adjusted, fights["verdict"], strict=True)
    return markdown_table(["against", "measurements", "difference (nats)", "p adjusted", "verdict"], lines)


def draw(rows: pd.DataFrame) -> Figure:
    """The means of the answers' losses with their intervals: a line per search, a colour per budget."""
    figure, (axis,) = panels(1, width=5.6, height=3.4)
    shown = rows.astype({"budget": str})
    apart = 0.4 if shown["budget"].nunique() > 1 else False  # seaborn cannot put a single one apart
    style = {"dodge": apart, "linestyle": "none", "palette": "colorblind", "markers": list(MARKERS)}
    about = {"errorbar": lambda losses: interval(losses, "drawn"), "err_kws": {"linewidth": 1.2}}
    order = rows.groupby("method")["whole"].mean().sort_values().index
    sns.pointplot(shown, x="whole", y="method", hue="budget", order=order, ax=axis, **style, **about)
    seeds = rows["seed"].nunique()
    axis.set(xlabel=f"one-shot loss, whole validation set (nats)\nmean of {seeds} searches, 95 % interval", ylabel="")
    axis.legend(title="measurements", frameon=False)
    return figure


def main() -> None:
    """The command line."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    write_atomic(folder / f"{folder.name}.md", page(folder).encode())


if __name__ == "__main__":
    main()
