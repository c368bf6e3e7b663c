"""``python -m scoutbee.analysis export RUN``: writes the tables of a run for other programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scoutbee.traces.errors import TraceError

from .export import FORMATS
from .run import Run


def main(arguments: Sequence[str]) -> int:
    """Write the files and print their paths.

    Args:
        arguments: Those of the command line, without the command's name.

    Returns:
        Exit status: 0, or 2 where the run could not be read or the files not written.
    """
    options = _parser().parse_args(arguments)
    try:
        run = Run(options.run)
        paths = _export(run, options.format, options.to or run.path / 'export')
    except TraceError as error:
        print(error, file=sys.stderr)
        return 2
    for problem in run.skipped:
        print(f'left out: {problem}', file=sys.stderr)
    print(*paths, sep='\n')
    return 0


def _export(run: Run, format: str, folder: Path) -> list[Path]:
    if format != 'sdf':
        return run.export(folder, format)
    neutral, cation = folder / 'molecules.sdf', folder / 'molecules-cation.sdf'
    run.to_sdf(neutral)
    run.to_sdf(cation, 'cation')
    return [neutral, cation]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m scoutbee.analysis export', description='Write the tables of a run for other programs.'
    )
    parser.add_argument('run', type=Path, metavar='RUN', help='run directory')
    parser.add_argument(
        '--format',
        choices=[*FORMATS, 'sdf'],
        default='parquet',
        help='of the tables; sdf writes the observed molecules with values and geometries (default: parquet)',
    )
    parser.add_argument('--to', type=Path, metavar='DIR', help='folder for the files (default: RUN/export)')
    return parser
