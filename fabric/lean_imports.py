"""Libraries without what they bring along only because it is installed, which takes longer to import than they do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_if_missing(*names: str) -> Iterator[None]:
    """Inside, these modules cannot be imported, as if they were not installed; those that are imported already stay.

    For libraries that import others if they can, to offer what we do not use. Afterwards all can be imported again.

    Args:
        names: Names of top-level modules.
    """
    hidden = [name for name in names if name not in sys.modules]
    # What Python documents for this: such an import raises ModuleNotFoundError.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
