"""What is installed where tasks run, asked before any task runs there.

An endpoint imports this by name with no more than Scoutbee itself installed, so it needs nothing else.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass

_SAME = ('scoutbee',)
_NEEDED = ('numpy', 'colmena', 'proxystore')

INSTALL = "install the driver's Scoutbee there: pip install -c constraints.txt . in a copy of its folder"


def report() -> dict[str, str]:
    """Versions of Python and of the packages that tasks stand on, and whose they are; those not installed are left out.

    Returns:
        ``python`` and ``executable`` of this process, ``host``, and the version of each package by its name.
    """
    found = {'python': platform.python_version(), 'executable': sys.executable, 'host': platform.node()}
    for package in (*_SAME, *_NEEDED):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


@dataclass(frozen=True)
class Verdict:
    """What comes of comparing two reports.

    Attributes:
        refusal: Why tasks cannot run there, as sentences that say what to do; None if they can.
        warnings: What differs and may matter.
    """

    refusal: str | None
    warnings: tuple[str, ...] = ()


def compare(ours: Mapping[str, str], theirs: Mapping[str, str]) -> Verdict:
    """Whether workers can run the driver's tasks, and give results that it can read.

    Pickles pass between them. So the minor versions of Python and the versions of Scoutbee must be the same; of the
    other packages, other versions usually do.

    Args:
        ours: The driver's report.
        theirs: The workers' report.
    """
    problems = [*_python(ours, theirs), *_packages(ours, theirs)]
    if problems:
        where = f'{theirs["executable"]} on {theirs["host"]}'
        return Verdict(f'{"; ".join(problems)}. For {where}, {INSTALL}.')
    differing = [name for name in _NEEDED if theirs[name] != ours[name]]
    return Verdict(None, tuple(f'{name} is {theirs[name]} there and {ours[name]} here' for name in differing))


def _python(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    if _minor(theirs['python']) == _minor(ours['python']):
        return []
    return [f'Python is {theirs["python"]} there and {ours["python"]} here; pickles need the same minor version']


def _packages(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    missing = [name for name in (*_SAME, *_NEEDED) if name not in theirs]
    differing = [name for name in _SAME if name in theirs and theirs[name] != ours[name]]
    return [
        *(f'{name} is not installed there' for name in missing),
        *(f'{name} is {theirs[name]} there and {ours[name]} here; they must be the same' for name in differing),
    ]


def _minor(version: str) -> list[str]:
    return version.split('.')[:2]
