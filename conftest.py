"""Comes before every import of the tests, and says what surroundings they have, wherever they run.

Triton reads once that kernels for GPUs run in its interpreter. That is slow, and what the tests compare are the bits of
a CPU, so they see no GPU. What a user exports for real work, the tests must not touch: a database, an account.
"""

import os

os.environ.setdefault("TRITON_INTERPRET", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
for name in ("CONAS_MONGO_URL", "ZENODO_TOKEN"):
    os.environ.pop(name, None)
