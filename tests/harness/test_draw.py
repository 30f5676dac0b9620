"""Pictures of cells: nothing overlaps whatever the cell, and the same cell gives the same bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle
from matplotlib.path import Path as Polyline
from matplotlib.transforms import Bbox

from conas.genotype import Genotype
from conas.space import space
from harness.pictures import cells
from harness.pictures.arrows import arrow_picture
from harness.pictures.layout import Link, Spacing, arrange
from harness.pictures.looks import graph, operations
from harness.pictures.matrix import EMPTY, matrix_picture

CHAIN = Genotype.from_json(
    {
        "inputs": 2,
        "cells": {
            "normal": {
                "nodes": [["sep_conv_3x3@0", "sep_conv_5x5@0", "max_pool_3x3@0"], ["skip_connect@2"]],
                "concat": [2, 3],
            },
            "reduce": {"nodes": [["skip_connect@0"], ["avg_pool_3x3@1"]], "concat": [2, 3]},
        },
    }
)


def boxes(genotype: Genotype, cell: str) -> tuple[list[Bbox], list[Polyline], list[Bbox]]:
    """The boxes of the edge labels, the curves of the arrows and the boxes of the nodes, in pixels."""
    figure = arrow_picture(*graph(genotype, cell))
    figure.canvas.draw()
    axes = figure.axes[0]
    edge_labels = [text.get_window_extent() for text in axes.texts if text.get_bbox_patch()]
    arrows = [patch for patch in axes.patches if hasattr(patch, "get_arrowstyle")]
    nodes = [patch.get_window_extent() for patch in axes.patches if not hasattr(patch, "get_arrowstyle")]
    curves = [axes.transData.transform_path(arrow._path_original) for arrow in arrows]
    return edge_labels, curves, nodes


def drawn(name: str, seed: int, p: float) -> Genotype:
    """A cell of a space, each edge on with probability p."""
    cells = space(name)
    return cells.build(cells.sample(np.random.default_rng(seed), 1, p)[0])


@settings(max_examples=12)
@given(st.sampled_from(["cnn", "cnn-release", "rnn"]), st.integers(0, 10_000), st.floats(0.0, 0.3))
def test_no_label_touches_another_label_a_node_or_a_foreign_arrow(name: str, seed: int, p: float) -> None:
    genotype = drawn(name, seed, p)
    for cell in genotype.cells:
        edge_labels, curves, nodes = boxes(genotype, cell)
        assert len(edge_labels) == sum(len(node) for node in genotype.cells[cell].nodes)
        for i, label in enumerate(edge_labels):
            others = edge_labels[:i] + edge_labels[i + 1 :]
            assert label.count_overlaps([*others, *nodes]) == 0
            assert sum(curve.intersects_bbox(label, filled=False) for curve in curves) == 1


def test_every_edge_has_a_label_of_its_own_even_between_the_same_two_nodes() -> None:
    edge_labels, _, nodes = boxes(CHAIN, "normal")
    assert len(edge_labels) == 4
    assert len(nodes) == 5


@settings(max_examples=12)
@given(st.sampled_from(["cnn", "cnn-release", "rnn"]), st.integers(0, 10_000), st.floats(0.3, 1.0))
def test_the_filled_squares_of_a_matrix_are_the_edges_of_its_cell(name: str, seed: int, p: float) -> None:
    genotype = drawn(name, seed, p)
    for cell in genotype.cells:
        roles, links = graph(genotype, cell)
        columns = operations(genotype)
        figure = matrix_picture(roles, links, columns)
        squares = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
        lefts = sorted({square.get_x() for square in squares})
        pairs = [(source, target) for target in roles for source in roles if _leads(roles, links, source, target)]
        filled = [square.get_facecolor() != to_rgba(EMPTY) for square in squares]
        rows = [pairs[i // len(columns)] for i in range(len(squares))]
        names = [columns[lefts.index(square.get_x())] for square in squares]
        edges = {(*pair, name) for pair, name, full in zip(rows, names, filled, strict=True) if full}
        assert edges == {link for link in links if link[2]}


def _leads(roles, links, source: str, target: str) -> bool:
    """Whether a matrix has a row for the two: an earlier node with edges out, and a later one with edges in."""
    order = list(roles)
    return (
        order.index(source) < order.index(target)
        and any(link[0] == source and link[2] for link in links)
        and any(link[1] == target and link[2] for link in links)
    )


def test_a_cell_of_many_edges_is_a_matrix_and_one_of_few_has_arrows() -> None:
    cnn = space("cnn")
    genotype = cnn.build(np.full(cnn.n, 1))
    squares = [patch for patch in cells.picture(genotype, "normal").axes[0].patches if isinstance(patch, Rectangle)]
    assert len(squares) == 14 * 5
    assert all(square.get_facecolor() != to_rgba(EMPTY) for square in squares)
    assert not any(isinstance(patch, Rectangle) for patch in cells.picture(CHAIN, "normal").axes[0].patches)


def test_an_edge_that_a_cell_has_twice_is_counted() -> None:
    roles, links = {"in": "input", "0": "node", "out": "output"}, [("in", "0", "relu")] * 2 + [("0", "out", "")]
    texts = [text.get_text() for text in matrix_picture(roles, links, ["relu", "tanh"]).axes[0].texts]
    assert texts == ["from", "relu", "tanh", "to", "in", "2", "0", "0", "out"]


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_the_same_cell_gives_the_same_bytes(tmp_path, kind: str) -> None:
    first, second = (cells.draw_cells(CHAIN, tmp_path / folder, (kind,)) for folder in "ab")
    assert [path.name for path in first] == [f"cell_normal.{kind}", f"cell_reduce.{kind}"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_cell_that_does_not_exist_is_refused_with_the_nearest_name(tmp_path) -> None:
    with pytest.raises(ValueError, match="did you mean 'normal'"):
        cells.draw_cell(CHAIN, "norml", tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_the_recurrent_cell_has_the_papers_inputs_and_eight_nodes() -> None:
    rnn = space("rnn")
    roles, links = graph(rnn.build(np.full(rnn.n, -1)), "recurrent")
    assert list(roles.values()) == ["input", "input", *["node"] * 9, "output"]
    assert [link for link in links if link[2]] == [(str(i), str(i + 1), "relu") for i in range(8)]


def test_a_layout_separates_parallel_links_and_ranks_nodes_by_longest_path() -> None:
    size = (1.0, 0.5)
    nodes = dict.fromkeys("abc", size)
    links = [Link("a", "b", (2.0, 0.2)), Link("a", "b", (2.0, 0.2)), Link("b", "c"), Link("a", "c")]
    layout = arrange(nodes, links, Spacing(node=0.1, line=0.1, bend=0.5))
    assert layout.nodes["a"][0] < layout.nodes["b"][0] < layout.nodes["c"][0]
    first, second = (route.label for route in layout.routes[:2])
    assert first
    assert second
    assert first[0] == second[0]
    assert abs(first[1] - second[1]) >= 0.3 - 1e-3
    for route, link in zip(layout.routes, links, strict=True):
        assert [x for x, _ in route.points] == sorted(x for x, _ in route.points)
        assert route.points[0][0] == layout.nodes[link.source][0] + 0.5
