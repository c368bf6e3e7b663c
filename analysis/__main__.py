"""``python -m scoutbee.analysis RUN [RUN …]``: writes ``report.html`` of each run again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scoutbee.traces.errors import TraceError

from .inputs import ReportInputs, guessed_inputs, read_inputs
from .report import write_report


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the reports.

    Args:
        arguments: Those of the command line, without the program's name; the process's own where None.

    Returns:
        Exit status: 0, or 2 where a run could not be read.
    """
    options = _parser().parse_args(arguments)
    return max(_write(run_dir, options) for run_dir in options.runs)


def _write(run_dir: Path, options: argparse.Namespace) -> int:
    try:
        inputs = _inputs(run_dir, options)
        path = write_report(run_dir, objective=inputs.objective, reference_values=inputs.reference_values)
    except TraceError as error:
        print(error, file=sys.stderr)
        return 2
    print(path)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m scoutbee.analysis', description='Write report.html of one or more run directories again.'
    )
    parser.add_argument('runs', nargs='+', type=Path, metavar='RUN', help='run directory')
    what = parser.add_argument_group('what was looked for, where the run does not say')
    what.add_argument('--name', help='name of the quantity')
    what.add_argument('--unit', help='its unit')
    what.add_argument('--threshold', type=float, help='value from which a candidate counts as found')
    what.add_argument('--minimize', action='store_true', help='smaller is better')
    return parser


def _inputs(run_dir: Path, options: argparse.Namespace) -> ReportInputs:
    inputs = read_inputs(run_dir) or guessed_inputs(run_dir)
    given = {name: getattr(options, name) for name in ('name', 'unit', 'threshold')}
    update = {name: value for name, value in given.items() if value is not None}
    if options.minimize:
        update['maximize'] = False
    return inputs.model_copy(update=update)


if __name__ == '__main__':
    sys.exit(main())
