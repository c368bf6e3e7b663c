"""Libraries without what they bring along only because it is installed, which takes longer to import than they do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any


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


class Unchecked(ModuleType):
    """Stands for Typeguard, which rewrites each function that it is to check, and checks nothing."""

    @staticmethod
    def typechecked(function: Any) -> Any:
        """The function as it is."""
        return function


@contextmanager
def in_place_of(stand_in: ModuleType) -> Iterator[None]:
    """Inside, imports find this module under its name, unless the real one is imported already; afterwards that one."""
    name = stand_in.__name__
    if name in sys.modules:
        yield
        return
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        del sys.modules[name]


def import_bare(*packages: str) -> None:
    """Import packages without running them, so that their modules can be imported without all the others.

    For processes that run a few modules of a package which imports everything that it has.

    Args:
        packages: Names, a package before those in it; those that are imported already stay as they are.

    Raises:
        ModuleNotFoundError: If one is not installed.
    """
    for name in packages:
        if name in sys.modules:
            continue
        spec = find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
        sys.modules[name] = module_from_spec(spec)
        parent, _, last = name.rpartition('.')
        if parent:
            setattr(sys.modules[parent], last, sys.modules[name])
