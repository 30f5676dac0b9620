"""Recurrent cells on CUDA: a node of a cell, whatever reads what, is one launch."""
