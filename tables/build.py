"""Every table and figure of a profile, written to files that are the same for the same runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.records.files import write_atomic
from tables import budgets, render
from tables.counted import counted
from tables.paper.contents import CELLS, PLOTS, TABLES
from tables.runs import Runs
from tables.table import Table
from tables.wording import Sheet, sheet


@dataclass(frozen=True)
class Picture:
    """A figure of the results: its files, the runs behind it and the commands that it waits for."""

    name: str
    title: str
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Results:
    """What was made for ``profile`` in ``folder``."""

    profile: str
    folder: Path
    sheets: list[Sheet] = field(default_factory=list)
    plots: list[Picture] = field(default_factory=list)
    cells: list[Picture] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """The commands of all gaps, each once, tables first."""
        rows = [row.missing for sheet in self.sheets for row in sheet.rows]
        pictures = [picture.missing for picture in [*self.plots, *self.cells]]
        return list(dict.fromkeys(command for commands in [*rows, *pictures] for command in commands))


def build(runs: Runs, out: Path, tables: Sequence[Table] = TABLES) -> Results:
    """Write ``tables`` as Markdown, LaTeX and CSV and every figure as PNG, PDF and SVG.

    Raises:
        OSError: the files cannot be written.
    """
    results = Results(runs.profile, out / runs.profile)
    for table in tables:
        frame = table.rows(runs)
        results.sheets.append(sheet(table, runs, frame))
        _write(results.folder / f"{table.name}.csv", render.csv(frame))
    for one in results.sheets:
        _write(results.folder / f"{one.name}.md", render.markdown(one))
        _write(results.folder / f"{one.name}.tex", render.latex(one))
    _write(results.folder / "tables.tex", render.latex_document([one.name for one in results.sheets]))
    results.plots.extend(_plots(runs, results.folder))
    results.cells.extend(_cells(runs, results.folder))
    spent = budgets.frame(runs, tables)
    _write(results.folder / "budgets.csv", render.csv(spent))
    _write(results.folder / "budgets.md", budgets.markdown(spent, runs.profile))
    _write(results.folder / "README.md", _index(results))
    return results


def _plots(runs: Runs, folder: Path) -> Iterable[Picture]:
    for plot in PLOTS:
        frame = plot.rows(runs)
        files = () if frame.empty else tuple(plot.write(frame, folder))
        _write(folder / f"{plot.name}.csv", render.csv(frame))
        yield Picture(plot.name, plot.title, files, plot.notes, plot.done(runs), plot.missing(runs))


def _cells(runs: Runs, folder: Path) -> Iterable[Picture]:
    for cell in CELLS:
        record = cell.run(runs)
        title = f"Figure {cell.number}. {cell.title}"
        if record is None:
            yield Picture(cell.name, title, (), missing=cell.missing(runs))
        else:
            notes = (f"Seed {record.seed} of {cell.row}.",)
            yield Picture(cell.name, title, tuple(cell.write(record, folder)), notes, (record.id,))


def _index(results: Results) -> str:
    lines = [f"# Results, profile {results.profile}", ""]
    for one in results.sheets:
        lines.append(f"- [{one.heading}]({one.name}.md) ([LaTeX]({one.name}.tex), [CSV]({one.name}.csv))")
    lines.append("- [What every search spent](budgets.md) ([CSV](budgets.csv))")
    lines.append("- [What the runs say about the paper's claims](scorecard.md), written by `make scorecard`")
    for picture in [*results.plots, *results.cells]:
        shown = ", ".join(f"[{path.name}]({path.name})" for path in picture.files if path.suffix != ".pdf")
        lines.append(f"- {picture.title}: {shown or _waits(picture)}")
    missing = counted(len(results.missing), "run is", "runs are")
    return "\n".join([*lines, "", f"{missing} missing (`make missing`).", ""])


def _waits(picture: Picture) -> str:
    if not picture.missing:
        return "its runs have nothing to show"
    return f"gap, {counted(len(picture.missing), 'run')} missing"


def _write(path: Path, text: str) -> None:
    write_atomic(path, text.encode())
