"""How many of 250 simulated molecules have an ionization potential above 14 eV? The question of the original.

The search space is the full MOSES set, 1,584,663 molecules; 1,000 random ones are known at the start and none of them
reaches 14 eV (raw GFN2-xTB, adiabatic). Every run is the real program, ``run.py`` with GFN2-xTB, and its settings
are those of ``configs/moses.yaml`` with what its method changes.

    python -m scoutbee.data.moses
    python benchmarks/paper_protocol.py --runs DIR --methods environments greedy fingerprint mpnn --seeds 0-2

Ctrl-C (or a SIGTERM) ends the run at hand as it would end ``run.py``. Started again with the same folder, the script
resumes that run, passes over finished ones and makes the others; ``--report`` only prints the table.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any

import yaml
from common import seed_list
from paper_protocol_figures import report

from scoutbee.contracts.errors import ScoutbeeError
from scoutbee.data.moses import default_path
from scoutbee.traces.summary import SUMMARY_FILE, read_summary

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ROOT / 'configs' / 'moses.yaml'

METHODS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        'environments': {'surrogate': 'environments'},
        'greedy': {},
        'fingerprint': {'model_count': 5, 'acquisition': 'ucb', 'beta': 1.0},
        # Learns half as often: that is most of what it costs.
        'mpnn': {
            'surrogate': 'mpnn',
            'model_count': 4,
            'acquisition': 'ucb',
            'beta': 1.0,
            'retrain_frequency': 50,
        },
    }
)
"""What each method changes of the settings, which are those of the best mean of the fingerprint model."""

_ENDED = ('completed', 'exhausted')


@dataclass(frozen=True)
class Run:
    """One method and one seed, in a folder of its own.

    Attributes:
        method: One of ``METHODS``.
        seed: Seed of all that is drawn.
        folder: Holds ``settings.yaml`` and, once begun, one run directory.
    """

    method: str
    seed: int
    folder: Path

    @property
    def settings_file(self) -> Path:
        """What ``run.py`` is told."""
        return self.folder / 'settings.yaml'

    def directory(self) -> Path | None:
        """The run directory, where there is one."""
        return next((path.parent for path in sorted(self.folder.glob('*/params.yaml'))), None)

    def is_finished(self) -> bool:
        """Whether all its simulations are made, or nothing was left to choose."""
        directory = self.directory()
        if directory is None or not (directory / SUMMARY_FILE).exists():
            return False
        return read_summary(directory).status in _ENDED

    def prepare(self, settings: Mapping[str, Any]) -> None:
        """Write its settings down, or see that they are those of what is there.

        Raises:
            ValueError: If they are others.
        """
        text = yaml.safe_dump(dict(settings), sort_keys=True)
        if self.settings_file.exists():
            if self.settings_file.read_text() != text:
                raise ValueError(
                    f'Expected {self.settings_file} to hold the settings of today, got others: figures of both must '
                    'not be mixed. Give another folder as --runs, or take this one away.'
                )
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings_file.write_text(text)

    def command(self) -> list[str]:
        """How ``run.py`` begins it or goes on with it."""
        directory = self.directory()
        begin = ['--config', str(self.settings_file), '--runs-dir', str(self.folder)]
        return [sys.executable, str(ROOT / 'run.py'), *(begin if directory is None else ['--resume', str(directory)])]


def settings_of(method: str, seed: int, simulations: int, space: Path, workers: int | None) -> dict[str, Any]:
    """The settings file of a run.

    Args:
        method: One of ``METHODS``.
        seed: Seed of all that is drawn.
        simulations: How many to make.
        space: File of the molecules to choose from.
        workers: Simulations at once; as many as there are cores, if None.
    """
    shared = yaml.safe_load(SETTINGS.read_text())
    own = {'seed': seed, 'search_size': simulations, 'search_space': str(space.resolve())}
    return {**shared, **METHODS[method], **own, **({} if workers is None else {'num_qc_workers': workers})}


def make(run: Run) -> int:
    """Begin a run or go on with it; returns the exit status of ``run.py``."""
    print(f'{run.method}, seed {run.seed}: {"begun" if run.directory() is None else "resumed"}.', flush=True)
    # A session of its own: a Ctrl-C reaches it once, through this process, and a second one is the user's own.
    with subprocess.Popen(run.command(), start_new_session=True) as process, _passed_on(process):
        return process.wait()


@contextmanager
def _passed_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whoever interrupts this process interrupts that one."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the runs that are missing and print the table; return the exit status."""
    options = _parser().parse_args(arguments)
    if options.report:
        report(options.runs.resolve())
        return 0
    runs = [
        Run(method, seed, options.runs.resolve() / f'{method}-{seed}')
        for seed in options.seeds
        for method in options.methods
    ]
    try:
        status = _make_missing(runs, options)
    except (ValueError, ScoutbeeError) as error:
        print(error, file=sys.stderr)
        return 2
    report(options.runs.resolve())
    return status


def _make_missing(runs: Sequence[Run], options: argparse.Namespace) -> int:
    """Make the runs, one after the other; returns 0, or what ``run.py`` said when it ended a run before its end."""
    for run in runs:
        run.prepare(settings_of(run.method, run.seed, options.simulations, options.search_space, options.workers))
    for run in runs:
        if run.is_finished():
            continue
        status = make(run)
        if not run.is_finished():
            print(f'{run.method}, seed {run.seed}: run.py ended with status {status}.', file=sys.stderr)
            return status or 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument(
        '--runs', type=Path, default=Path('paper-protocol'), help='folder of all runs (paper-protocol); resumed'
    )
    parser.add_argument('--methods', nargs='+', choices=tuple(METHODS), default=list(METHODS))
    parser.add_argument('--seeds', type=seed_list, default=seed_list('0'), help='such as 0 (default), 0-2 or 1,4,9')
    parser.add_argument('--simulations', type=int, default=250, help='simulations of each run (250)')
    parser.add_argument(
        '--search-space', type=Path, default=default_path(), help='molecules (what scoutbee.data.moses fetched)'
    )
    parser.add_argument('--workers', type=int, help='simulations at once (as many as there are cores)')
    parser.add_argument('--report', action='store_true', help='only print the table of what is there')
    return parser


if __name__ == '__main__':
    sys.exit(main())
