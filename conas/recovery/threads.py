"""One thread for linear algebra on small matrices.

Small products gain nothing from more threads and lose much where cores are busy, as threads wait for each other.
And the last bits of a result then do not depend on the number of cores.
"""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import scipy.linalg  # noqa: F401 - brings in its own BLAS, which the controller must find
from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """From this call to the end of the context, or for good without one, numpy and scipy compute on one thread."""
    return _controller().limit(limits=1, user_api="blas")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
