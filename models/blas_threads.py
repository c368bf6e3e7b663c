"""How many threads linear algebra takes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any


def one_blas_thread() -> AbstractContextManager[Any]:
    """What small matrices are best worked with in.

    Where simulations, or workers that start, use the other cores, threads that wait for each other take many times as
    long as one.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api='blas')
    return limits
