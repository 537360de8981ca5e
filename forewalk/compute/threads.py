"""One thread for linear algebra: sums in another order are other bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS and OpenMP use one thread in here; a fit by GARCH moved by 2e-7 between one thread and two.

    `jobs` and OMP_NUM_THREADS then never change a result. What was set before is set again afterwards.
    """
    import scipy.linalg  # noqa: F401 - its own library has to be there to be limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
