"""From "retrain" to "new ranking" with the whole ensemble over a large search space, by the real program.

``run.py`` on this machine: an ensemble that learns what is known at the start, ranks, has a few molecules simulated,
learns again, and so on. While models are updated the buffer is not refilled, so that after a few simulations all cores
do what is measured.

    python benchmarks/rerank.py                     # 20,000 molecules
    python benchmarks/rerank.py --molecules 1584663 # all of MOSES
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from common import print_table
from rerank_rounds import PARTS, Round, read_rounds

from scoutbee import data
from scoutbee.data.molecule_files import read_molecules, write_molecules
from scoutbee.data.moses import default_path, fetch

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = """\
campaign: molecules
training_set: data:moses-ip-gfn2.csv
pause_during_update: refill
buffer_size: 2
policy:
  rerank: model
  prefetch: 0
"""

_AT_ONCE = 2
_BETWEEN = 8
"""Simulations between two rounds: more than are ready when one begins, so that none can end the campaign."""

_COMMITTED = 'moses-20k.smi.gz'
_COMMITTED_COUNT = 20_000
_ORIGINAL_SECONDS, _ORIGINAL_MOLECULES, _ORIGINAL_GPUS = 1_565, 1_100_000, 20
"""Median of the authors' published notebooks, with 8 models; see DESIGN.md."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix='scoutbee-rerank-') as name:
        folder = Path(name)
        space = options.space or _space(options.molecules, folder)
        runs = options.runs_dir or folder / 'runs'
        ended = subprocess.run(_command(options, space, folder, runs), check=False)
        if ended.returncode:
            print(f'run.py ended with status {ended.returncode}.', file=sys.stderr)
            return 2
        newest = max(runs.iterdir(), key=lambda path: path.stat().st_mtime)
        report(read_rounds(newest))
    return 0


def report(rounds: Sequence[Round]) -> None:
    """Print where the time of each round went."""
    rows = [
        (
            each.generation,
            f'{each.molecules:,} x {each.models}',
            f'{each.first_seconds:.1f}',
            f'{each.last_seconds:.1f}',
            *(f'{each.parts[part]:.1f}' for part in PARTS),
            f'{each.models * each.molecules / each.parts["inference"]:,.0f}',
        )
        for each in rounds
    ]
    print_table(
        'From the decision to learn to a new ranking, in seconds',
        ['round', 'molecules x models', 'first ranking', 'last ranking', *PARTS, 'molecules x models/s'],
        rows,
    )
    last = rounds[-1]
    print(
        '"transport" is what the workers of the learning tasks spent on messages and inputs; "waiting" is what is '
        'left of\nthe time to the last ranking. The workers of one machine do one thing at a time, so the parts add '
        'up.\n'
        f'The original: {_ORIGINAL_SECONDS:,} s (median) for {_ORIGINAL_MOLECULES:,} molecules x 8 models on '
        f'{_ORIGINAL_GPUS} T4 GPUs; here {last.last_seconds:,.0f} s for {last.molecules:,} x {last.models}.'
    )


def _command(options: argparse.Namespace, space: Path, folder: Path, runs: Path) -> list[str]:
    settings = folder / 'rerank.yaml'
    settings.write_text(SETTINGS)
    return [
        sys.executable, str(ROOT / 'run.py'), '--config', str(settings), '--site', options.site,
        '--search-space', str(space), '--surrogate', options.surrogate, '--model-count', str(options.models),
        '--molecules-per-ml-task', str(options.piece), '--search-size', str(_BETWEEN * options.rounds),
        '--retrain-frequency', str(_BETWEEN), '--num-qc-workers', str(_AT_ONCE), '--runs-dir', str(runs), '--quiet',
    ]  # fmt: skip


def _space(molecules: int, folder: Path) -> Path:
    """A file of so many molecules of MOSES: of the sample that comes along where that has as many."""
    if molecules == _COMMITTED_COUNT:
        return data.path(_COMMITTED)
    if molecules < _COMMITTED_COUNT:
        source = data.path(_COMMITTED)
    else:
        source = default_path()
        if not source.exists():
            fetch(source)
    path = folder / 'space.smi'
    written = write_molecules(path, islice(read_molecules(source), molecules))
    if written < molecules:
        print(f'There are only {written:,} molecules.', file=sys.stderr)
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--molecules', type=int, default=_COMMITTED_COUNT, help='size of the search space (20,000)')
    parser.add_argument('--space', type=Path, help='a file of molecules instead')
    parser.add_argument('--models', type=int, default=8, help='members of the ensemble (8)')
    parser.add_argument('--rounds', type=int, default=2, help='rounds of learning (2)')
    parser.add_argument('--piece', type=int, default=20_000, help='molecules in an inference task (20,000)')
    parser.add_argument('--surrogate', default='mpnn', help='what learns (mpnn)')
    parser.add_argument('--site', default='local', help='where (local)')
    parser.add_argument('--runs-dir', type=Path, help='keep the run directory here; it is thrown away if not given')
    return parser


if __name__ == '__main__':
    sys.exit(main())
