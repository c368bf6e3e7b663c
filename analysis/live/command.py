"""``python -m scoutbee.analysis watch RUN``: shows a run while it goes, on the terminal or on a local page."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

NICENESS = 10
"""A campaign on the same machine comes first."""

INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Watch a run.

    Args:
        arguments: Those of the command line, without the names of the program and the command.

    Returns:
        Exit status: 0, 2 where something cannot be used or read, or 130 where it was interrupted.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.serve and options.follow_speed is not None:
        parser.error('--follow-speed is for the terminal; the page has a control for it.')
    if not options.serve and options.port is not None:
        parser.error('--port needs --serve.')
    with suppress(OSError):
        os.nice(NICENESS)
    try:
        return _serve(options.run, options.port or 0) if options.serve else _watch(options.run, options.follow_speed)
    except KeyboardInterrupt:
        return INTERRUPTED


def _watch(run_dir: Path, speed: float | None) -> int:
    from .watch import watch

    return watch(run_dir, speed)


def _serve(run_dir: Path, port: int) -> int:
    from .server import PortTakenError, serve

    try:
        serve(run_dir, port, lambda address: print(f'The page is at {address}\nCtrl-C ends it.', flush=True))
    except PortTakenError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m scoutbee.analysis watch',
        description='Show a run while it goes, from its files alone: on this terminal, or on a local page.',
    )
    parser.add_argument('run', type=Path, metavar='RUN', help='run directory; waited for where it is not there yet')
    parser.add_argument('--serve', action='store_true', help='serve a page, on this machine only, instead')
    parser.add_argument('--port', type=_port, metavar='N', help='where the page is served; any port that is free')
    parser.add_argument(
        '--follow-speed',
        type=_speed,
        metavar='X',
        help='show the run from its beginning on, so many times faster than it went',
    )
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise argparse.ArgumentTypeError(f'expected a number from 1 to 65535, got {text}')
    return port


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed < float('inf'):
        raise argparse.ArgumentTypeError(f'expected a number above 0, got {text}')
    return speed
