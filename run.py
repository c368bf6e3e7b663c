"""Runs one campaign: `python run.py --help`."""

from __future__ import annotations

import sys
from pathlib import Path


def _main() -> int:
    # Python puts this folder first on its path, where `models`, `data` and the rest would shadow other packages' names.
    sys.path[:] = [entry for entry in sys.path if Path(entry or '.').resolve() != Path(__file__).resolve().parent]
    try:
        from scoutbee.driver.cli import main
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        print(
            f'run.py: {error.name} is not installed for {sys.executable}. Use ./run_local.sh, which sets everything '
            'up, or run `pip install -c constraints.txt -e .` in this folder.',
            file=sys.stderr,
        )
        return 2
    return main(sys.argv[1:])


if __name__ == '__main__':
    sys.exit(_main())
