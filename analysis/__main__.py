"""``python -m scoutbee.analysis RUN [RUN …]`` writes reports again; ``… export RUN`` and others do more."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence

COMMANDS: Mapping[str, str] = {'report': 'report_command', 'export': 'export_command', 'watch': 'live.command'}
"""Modules of this package whose ``main`` runs each command; ``report`` is meant where none is named."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Those of the command line, without the program's name; the process's own where None.

    Returns:
        Exit status.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = given.pop(0) if given and given[0] in COMMANDS else 'report'
    status: int = importlib.import_module(f'scoutbee.analysis.{COMMANDS[name]}').main(given)
    return status


if __name__ == '__main__':
    sys.exit(main())
