"""A faster linear algebra for tblite, where the machine has one.

tblite's wheel brings the reference BLAS and LAPACK, in which it spends about half of its time.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_OPENBLAS = 'libopenblas.so.0'
"""As distributions and module systems call it; numpy's and scipy's own have other names for their functions."""

_LIBRARY = 'tblite._libtblite'


@cache
def prefer_openblas() -> str | None:
    """Have tblite use the OpenBLAS of this machine, if there is one. To be called before tblite is imported.

    How many threads it uses is said by ``OPENBLAS_NUM_THREADS`` or ``OMP_NUM_THREADS``.

    Returns:
        Its name and version; None if there is none, or tblite has found another already.
    """
    if _LIBRARY in sys.modules:
        return None
    try:
        # What is visible to all libraries is found before what a library brings with it.
        library = ctypes.CDLL(_OPENBLAS, mode=ctypes.RTLD_GLOBAL)
        library.openblas_get_config.restype = ctypes.c_char_p
        return ' '.join(library.openblas_get_config().decode().split()[:2])
    except (OSError, AttributeError):
        return None
