"""Figures 3 and 5 to 13: the cells that the searches found, drawn as the paper draws them."""

from dataclasses import dataclass
from pathlib import Path

from conas.genotype import Genotype
from harness.pictures.cells import draw_cell
from harness.records.schema import Record
from tables.paper import names
from tables.runs import Runs


@dataclass(frozen=True)
class CellFigure:
    """A figure of the paper that shows the cell of one row of a sweep."""

    number: int
    title: str
    sweep: str
    row: str

    @property
    def name(self) -> str:
        """The stem of its files."""
        return f"figure{self.number:02d}"

    def run(self, runs: Runs) -> Record | None:
        """The run whose cell is shown: the finished one of the lowest seed, whatever its error."""
        done = [record for record in runs.sample(self.sweep, self.row).done if record.genotype]
        return min(done, key=lambda record: record.seed, default=None)

    def missing(self, runs: Runs) -> tuple[str, ...]:
        """The command that would show the cell, if no run does."""
        planned = runs.sample(self.sweep, self.row).planned
        return () if self.run(runs) or not planned else (planned[0].command,)

    def write(self, record: Record, folder: Path) -> list[Path]:
        """Draw the cells of ``record``."""
        genotype = Genotype.from_json(record.genotype)
        kinds = ("svg", "png", "pdf")
        return [path for cell in genotype.cells for path in draw_cell(genotype, cell, self._stem(folder, cell), kinds)]

    def _stem(self, folder: Path, cell: str) -> Path:
        return folder / f"{self.name}_{cell}"


FIGURES = (
    CellFigure(3, "Cell found by CoNAS (t=1)", "table1", names.CONAS),
    CellFigure(5, "Cell found by CoNAS (t=4)", "table1", names.CONAS_FOUR_STAGES),
    CellFigure(6, "Recurrent cell found by CoNAS", "table3", names.CONAS_TEXT),
    CellFigure(7, "Cell found by DARTS", "table1", names.DARTS_FIVE),
    CellFigure(8, "Cell found by CoNAS with λ = 5", "table4", names.PENALTIES[5.0]),
    CellFigure(9, "Cell found by CoNAS with λ = 10", "table4", names.PENALTIES[10.0]),
    CellFigure(10, "Randomly wired cell (1)", "table5", names.WIRED[0]),
    CellFigure(11, "Randomly wired cell (2)", "table5", names.WIRED[1]),
    CellFigure(12, "Randomly wired cell (3)", "table5", names.WIRED[2]),
    CellFigure(13, "Recurrent cell found by RSWS with CoNAS's search time", "table3", names.RSWS_EQUAL_TIME),
)
