"""Pictures of cells, as the paper's figures 3 and 5-13 draw them, and as a matrix where arrows would be a tangle.

Drawn by matplotlib alone, so no graph program has to be installed; the same genotype gives the same bytes.
"""

from pathlib import Path

from matplotlib.figure import Figure

from conas.genotype import Genotype
from conas.names import unknown
from harness.pictures.arrows import arrow_picture
from harness.pictures.looks import graph, operations
from harness.pictures.matrix import matrix_picture
from harness.pictures.style import rendered, styled
from harness.records.files import write_atomic

MOST_ARROWS = 16
"""Of cells with more edges than this, a reader can no longer follow the arrows."""


def draw_cells(genotype: Genotype, folder: Path, formats: tuple[str, ...] = ("svg", "png")) -> list[Path]:
    """Draw every cell of ``genotype`` to ``folder``/cell_NAME.FORMAT; the files written."""
    return [path for name in genotype.cells for path in draw_cell(genotype, name, folder / f"cell_{name}", formats)]


def draw_cell(genotype: Genotype, name: str, stem: Path, formats: tuple[str, ...] = ("svg", "png")) -> list[Path]:
    """Draw one cell to ``stem``.FORMAT for every format (svg, png, pdf); the files written.

    Raises:
        ValueError: the genotype has no such cell.
        OSError: the files cannot be written.
    """
    if name not in genotype.cells:
        raise ValueError(unknown("cell", name, genotype.cells))
    with styled():
        figure = picture(genotype, name)
        contents = {kind: rendered(figure, kind, dpi=160) for kind in formats}
    paths = {kind: stem.parent / f"{stem.name}.{kind}" for kind in formats}
    for kind, path in paths.items():
        write_atomic(path, contents[kind])
    return list(paths.values())


def picture(genotype: Genotype, name: str) -> Figure:
    """The picture of one cell: arrows, or a matrix of its edges if they are more than `MOST_ARROWS`."""
    roles, links = graph(genotype, name)
    if sum(len(node) for node in genotype.cells[name].nodes) > MOST_ARROWS:
        return matrix_picture(roles, links, operations(genotype))
    return arrow_picture(roles, links)
