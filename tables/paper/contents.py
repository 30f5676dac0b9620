"""Everything that is made from the runs: the paper's tables, its cells and the plots."""

from tables.paper import (
    figure4,
    figure_prediction,
    figure_searches,
    figure_stability,
    figure_tradeoff,
    table1,
    table2,
    table3,
    table4,
    table5,
)
from tables.paper.figure_cells import FIGURES

TABLES = (table1.TABLE, table2.TABLE, table3.TABLE, table4.TABLE, table5.TABLE)
PLOTS = (
    figure_searches.PLOT,
    figure4.PLOT,
    figure_prediction.PLOT,
    figure_stability.PLOT,
    figure_tradeoff.SIZE,
    figure_tradeoff.COST,
)
CELLS = FIGURES
