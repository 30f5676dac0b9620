"""Drawings of cells and the style of plots."""
