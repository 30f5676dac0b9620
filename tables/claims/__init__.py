"""Every numeric claim of the paper with its verdict."""
