"""Comes before every import of the tests: Triton reads this once, so that kernels for GPUs run in its interpreter."""

import os

os.environ.setdefault("TRITON_INTERPRET", "1")
