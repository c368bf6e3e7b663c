"""Keeps memory that was freed, for the next array of that size."""

from __future__ import annotations

from functools import cache

import numpy as np

_LARGEST = (32 << 20) - (64 << 10)


@cache
def keep_freed_memory() -> None:
    """Have this process keep what it frees, of arrays of up to 32 MB; at most 64 MB are kept.

    The C library of Linux gives larger blocks back to the system at once, and gets them anew, page by page, for the
    next array: nearly half of the time of training on small batches. What it takes for a large block it learns from
    the largest that it has seen freed (M_MMAP_THRESHOLD in mallopt(3)), which is up to 32 MB. Elsewhere this changes
    nothing.
    """
    block = np.empty(_LARGEST, dtype=np.uint8)
    del block
