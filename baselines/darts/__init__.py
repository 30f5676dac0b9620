"""DARTS: the continuous relaxation of a space, trained with its architecture."""
