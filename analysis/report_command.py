"""``python -m scoutbee.analysis RUN [RUN …]``: writes the report of a run again, or of several side by side."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scoutbee.traces.errors import TraceError

from .inputs import ReportInputs
from .run import Run

DESCRIPTION = (
    'Write report.html and report-data.json: for one run into its directory, for several, compared side by side, into '
    'the current one. Other commands: export, watch (each explains itself with --help).'
)


def main(arguments: Sequence[str]) -> int:
    """Write the report.

    Args:
        arguments: Those of the command line, without the program's name.

    Returns:
        Exit status: 0, or 2 where a run could not be read or the report not written.
    """
    options = _parser().parse_args(arguments)
    try:
        print(_write([Run(path) for path in options.runs], options))
    except TraceError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _write(runs: Sequence[Run], options: argparse.Namespace) -> Path:
    from .report import report_of_several, write_report

    inputs = _inputs(runs[0].inputs, options)
    if len(runs) > 1:
        options.out.mkdir(parents=True, exist_ok=True)
        return report_of_several(runs, inputs.objective).write(options.out, options.figures)
    return write_report(
        runs[0].path,
        objective=inputs.objective,
        reference_values=inputs.reference_values,
        figures=options.figures,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m scoutbee.analysis', description=DESCRIPTION)
    parser.add_argument('runs', nargs='+', type=Path, metavar='RUN', help='run directory; several are compared')
    parser.add_argument(
        '--out', type=Path, default=Path(), metavar='DIR', help='where the report of several runs goes [here]'
    )
    parser.add_argument('--figures', type=Path, metavar='DIR', help='also save each figure there, as .svg and .png')
    what = parser.add_argument_group('what was looked for, where the (first) run does not say')
    what.add_argument('--name', help='name of the quantity')
    what.add_argument('--unit', help='its unit')
    what.add_argument('--threshold', type=float, help='value from which a candidate counts as found')
    what.add_argument('--minimize', action='store_true', help='smaller is better')
    return parser


def _inputs(inputs: ReportInputs, options: argparse.Namespace) -> ReportInputs:
    given = {name: getattr(options, name) for name in ('name', 'unit', 'threshold')}
    update = {name: value for name, value in given.items() if value is not None}
    if options.minimize:
        update['maximize'] = False
    return inputs.model_copy(update=update)
