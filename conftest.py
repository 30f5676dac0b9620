"""Comes before every import of the tests: Triton reads this once, so that kernels for GPUs run in its interpreter.

That is slow, so what trains on a GPU does without them, if the tests run beside one.
"""

import os

os.environ.setdefault("TRITON_INTERPRET", "1")
os.environ.setdefault("CONAS_KERNELS", "0")
