"""What computes on a CUDA device beside torch's own calls. Each can be switched off by the environment, to compare."""

import os


def kernels() -> bool:
    """Whether this package's own kernels are used: unless CONAS_KERNELS is 0."""
    return os.environ.get("CONAS_KERNELS", "1") != "0"


def graphs() -> bool:
    """Whether steps become CUDA graphs: unless CONAS_GRAPHS is 0."""
    return os.environ.get("CONAS_GRAPHS", "1") != "0"
