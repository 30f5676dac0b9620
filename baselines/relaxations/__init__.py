"""Continuous relaxations: searches that train a mixture of all operations together with its architecture."""
