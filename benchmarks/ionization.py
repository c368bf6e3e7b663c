"""How long an ionization potential takes, against the plain recipe of ASE and tblite, and whether it is right.

    python benchmarks/ionization.py [--molecules 50] [--seed 8] [--at-once 2]
    python benchmarks/ionization.py --molecules 0        # one process against two at once, alone: about a minute

Molecules of ``data/moses-ip-gfn2.csv``, drawn by ``--seed`` among those that no setting was tried on, go one by one
through both recipes on one thread, after a warm-up. From beside either end the geometries are then relaxed on, to a
tenth of the plain recipe's force: both recipes were on the way to the same minimum where these energies agree in both
charge states. A recipe reached it where neither of its energies lies far above. At last a few molecules run in one
process, and in two at once.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from common import median_interval, print_table

from scoutbee.simulation.blas import prefer_openblas

if TYPE_CHECKING:
    from ionization_recipes import Cost, Ionization

MOLECULES = Path(__file__).parents[1] / 'data' / 'moses-ip-gfn2.csv'
TRIED_SEED, TRIED = 6, 50
"""Settings of the optimizer were tried on the first molecules of this draw."""
AGREEMENT, CLOSE = 0.02, 0.01
SAME_MINIMUM = 0.01
REACHED = 0.02
SPEEDUP, SHARE = 1.5, 0.95
ONE_THREAD = dict.fromkeys(('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'), '1')


@dataclass(frozen=True)
class Compared:
    """One molecule: costs and results of the plain recipe and of Scoutbee, and the minima below the two results."""

    smiles: str
    costs: tuple[Cost, Cost]
    found: tuple[Ionization, Ionization]
    below: tuple[Ionization, Ionization]

    @property
    def same_minimum(self) -> bool:
        """Whether both recipes were on the way to the same minimum of both charge states."""
        one, other = self.below
        if not all(state.converged for each in self.below for state in (each.neutral, each.cation)):
            return False
        gaps = one.neutral.energy - other.neutral.energy, one.cation.energy - other.cation.energy
        return max(map(abs, gaps)) < SAME_MINIMUM

    def reached(self, recipe: int) -> bool:
        """Whether a recipe (0 or 1) ended near the minimum below it, in both charge states."""
        return max(self.above(recipe)) < REACHED

    def above(self, recipe: int) -> tuple[float, float]:
        """How far neutral and cation of a recipe (0 or 1) are above the minima below them, in eV."""
        found, below = self.found[recipe], self.below[recipe]
        return found.neutral.energy - below.neutral.energy, found.cation.energy - below.cation.energy

    @property
    def difference(self) -> float:
        """Ionization potential of Scoutbee less that of the plain recipe, in eV."""
        return self.found[1].ip - self.found[0].ip

    @property
    def to_plain_minimum(self) -> float:
        """Ionization potential of Scoutbee less that at the minimum below the plain recipe's end, in eV."""
        return self.found[1].ip - self.below[0].ip

    def error(self, recipe: int) -> float:
        """How far a recipe (0 or 1) is from the ionization potential at the minimum below it, in eV."""
        return self.found[recipe].ip - self.below[recipe].ip


def main() -> int:
    """Print the figures; returns 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description='Time an ionization potential against the plain recipe.')
    parser.add_argument('--molecules', type=int, default=50)
    parser.add_argument('--seed', type=int, default=8, help='of the draw of molecules')
    parser.add_argument('--at-once', type=int, default=2, help='molecules for one process against two; 0: skip')
    parser.add_argument('--openblas', action='store_true', help="tblite on this machine's OpenBLAS, in both recipes")
    parser.add_argument('--run', nargs='+', metavar='SMILES', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.openblas and prefer_openblas() is None:
        parser.error('Expected OpenBLAS on this machine, found none; Debian has it as libopenblas0-serial.')
    if options.run:
        return _run(options.run)
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        # Too late for what is imported already.
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)
    molecules = _drawn(options.seed)
    reached = _report(_compare(molecules[: options.molecules])) if options.molecules else True
    if options.at_once:
        _report_at_once(molecules[: options.at_once])
    return 0 if reached else 1


def _drawn(seed: int) -> list[str]:
    """All molecules but those that settings were tried on, in the order of a draw."""
    with MOLECULES.open(encoding='utf-8') as stream:
        smiles = [row['smiles'] for row in csv.DictReader(stream)]
    tried = {smiles[i] for i in np.random.default_rng(TRIED_SEED).permutation(len(smiles))[:TRIED]}
    return [smiles[i] for i in np.random.default_rng(seed).permutation(len(smiles)) if smiles[i] not in tried]


def _compare(molecules: Sequence[str]) -> list[Compared]:
    from ionization_recipes import costed, plain, polished, scoutbee

    for recipe in (plain, scoutbee):
        recipe('CCO')
    compared = []
    for i, smiles in enumerate(molecules):
        recipes = (plain, scoutbee) if i % 2 else (scoutbee, plain)
        done = {recipe: costed(recipe, smiles) for recipe in recipes}
        (one, one_cost), (other, other_cost) = done[plain], done[scoutbee]
        each = Compared(smiles, (one_cost, other_cost), (one, other), (polished(smiles, one), polished(smiles, other)))
        compared.append(each)
        print(
            f'{i + 1:3d} {one_cost.cpu:6.2f} {other_cost.cpu:6.2f} s {one_cost.gradients:4d} {other_cost.gradients:4d} '
            f'gradients {one.ip:8.4f} {other.ip:8.4f} eV {"same" if each.same_minimum else "other"} minimum {smiles}',
            flush=True,
        )
    return compared


def _report(compared: Sequence[Compared]) -> bool:
    rows = []
    for name, attribute in (('CPU seconds', 'cpu'), ('wall seconds', 'wall'), ('gradients', 'gradients')):
        one, other = (np.array([getattr(each.costs[k], attribute) for each in compared], float) for k in (0, 1))
        digits = 0 if attribute == 'gradients' else 2
        ratio = median_interval(list(one / other))
        rows.append(
            (f'{name}, median', f'{np.median(one):.{digits}f}', f'{np.median(other):.{digits}f}', f'{ratio:.2f}')
        )
        total = one.sum() / other.sum()
        rows.append((f'{name}, total', f'{one.sum():.{digits}f}', f'{other.sum():.{digits}f}', f'{total:.2f}'))
    print_table(f'{len(compared)} molecules', ['', 'plain recipe', 'Scoutbee', 'times less'], rows)
    speedup = sum(each.costs[0].cpu for each in compared) / sum(each.costs[1].cpu for each in compared)
    return _report_agreement(compared) and speedup >= SPEEDUP


def _report_agreement(compared: Sequence[Compared]) -> bool:
    same = [each for each in compared if each.same_minimum]
    near = [each for each in same if each.reached(0)]
    rows = [
        _agreement('all: Scoutbee less its minimum', [each.error(1) for each in compared]),
        _agreement('all: plain less its minimum', [each.error(0) for each in compared]),
        _agreement('same minimum below both: Scoutbee less plain', [each.difference for each in same]),
        _agreement(
            'same minimum below both: Scoutbee less the one below plain', [each.to_plain_minimum for each in same]
        ),
        _agreement('and plain reached it: Scoutbee less plain', [each.difference for each in near]),
        _agreement('all: Scoutbee less plain', [each.difference for each in compared]),
    ]
    headers = ['ionization potential', 'molecules', *(f'within {limit} eV' for limit in (AGREEMENT, CLOSE))]
    print_table('Agreement', [*headers, 'median of size, meV', 'mean, meV'], rows)
    reached = [sum(each.reached(recipe) for each in compared) for recipe in (0, 1)]
    print(f'\nBoth states within {REACHED} eV of their minimum: plain {reached[0]}, Scoutbee {reached[1]}.')
    rest = [each for each in compared if not (each.same_minimum and each.reached(0))]
    if rest:
        apart = [(each.smiles, *(f'{value:.3f}' for value in _apart(each))) for each in rest]
        headers = ['the rest, eV', 'plain', 'Scoutbee', 'minimum', "Scoutbee's", '0 above', '+ above', '0', '+']
        print_table('IP by each, at the minimum of each; how far each state lies above it', headers, apart)
    return _share([each.error(1) for each in compared]) >= SHARE <= _share([each.difference for each in near])


def _agreement(name: str, errors: Sequence[float]) -> tuple[object, ...]:
    values = 1000 * np.array(errors or [np.nan])
    size, mean = f'{np.median(np.abs(values)):.1f}', f'{values.mean():+.1f}'
    return name, len(errors), f'{_share(errors):.0%}', f'{_share(errors, CLOSE):.0%}', size, mean


def _share(errors: Sequence[float], limit: float = AGREEMENT) -> float:
    """Share of errors within a limit, in eV; none are no share."""
    return float(np.mean(np.abs(errors) <= limit)) if errors else 0.0


def _apart(each: Compared) -> tuple[float, ...]:
    one, other = each.below
    return each.found[0].ip, each.found[1].ip, one.ip, other.ip, *each.above(0), *each.above(1)


def _report_at_once(molecules: Sequence[str]) -> None:
    """Seconds a molecule in one process, and in two at once, with one thread each and with the default of tblite."""
    rows = []
    for name, threads in (('one thread each', ONE_THREAD), ('threads not set', None)):
        alone, at_once = _timed(1, molecules, threads), _timed(2, molecules, threads)
        ratios = (at_once[k] / alone[k] for k in range(2))
        rows.append((name, *(f'{value:.2f}' for value in (*alone, *at_once, *ratios))))
        print(*rows[-1], flush=True)
    headers = ['', 'CPU s', 'wall s', 'CPU s of two', 'wall s of two', 'CPU ratio', 'wall ratio']
    print_table(f'One process against two at once, {len(molecules)} molecules each, per molecule', headers, rows)


def _timed(processes: int, molecules: Sequence[str], threads: dict[str, str] | None) -> tuple[float, float]:
    """Medians over the processes of the CPU and wall seconds of a molecule."""
    environment = {name: value for name, value in os.environ.items() if name not in ONE_THREAD} | (threads or {})
    command = [sys.executable, __file__, '--run', *molecules]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    told = [[float(word) for word in process.communicate()[0].split()] for process in running]
    cpu, wall = np.median(np.array(told), axis=0)
    return cpu / len(molecules), wall / len(molecules)


def _run(molecules: Sequence[str]) -> int:
    from ionization_recipes import scoutbee

    scoutbee('CCO')
    cpu, wall = time.process_time(), time.perf_counter()
    for smiles in molecules:
        scoutbee(smiles)
    print(time.process_time() - cpu, time.perf_counter() - wall)
    return 0


if __name__ == '__main__':
    sys.exit(main())
