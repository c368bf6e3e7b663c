"""What the runs of ``paper_protocol.py`` found, and what it cost, read from their run directories alone."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import yaml
from common import print_table

from scoutbee import data
from scoutbee.analysis.chance import random_choice
from scoutbee.contracts.candidates import Objective
from scoutbee.traces.reader import read
from scoutbee.traces.records import InferenceRecord, SimulationRecord, TaskRecord, TrainingRecord
from scoutbee.traces.summary import SUMMARY_FILE, read_summary

THE_ORIGINAL = (137, 145)
"""Hits of its three published runs of about 250 simulations, the fewest and the most."""

_BEST = 10
_PARTS = 5
_DRAWS = 2_000


@dataclass(frozen=True)
class Figures:
    """What one run found and cost so far.

    Attributes:
        method: Its method.
        seed: Its seed.
        wanted: Simulations it is to make.
        values: Ionization potentials in eV, in the order they were known; shape (simulations,).
        threshold: Ionization potential in eV from which a molecule is a hit.
        simulating: CPU seconds of simulations, failed attempts included.
        learning: CPU seconds of trainings and predictions, likewise.
        wall: Seconds the program ran, without pauses before it was resumed; None before it has ended once.
    """

    method: str
    seed: int
    wanted: int
    values: Sequence[float]
    threshold: float
    simulating: float
    learning: float
    wall: float | None

    def hits(self, simulations: int) -> int | None:
        """Hits after so many simulations; None where there are not so many yet."""
        if simulations > len(self.values):
            return None
        return sum(value >= self.threshold for value in self.values[:simulations])

    @property
    def best(self) -> float:
        """Mean of the best ten, in eV."""
        return fmean(sorted(self.values)[-_BEST:])

    @property
    def hits_a_cpu_hour(self) -> float:
        """Hits for each CPU hour of simulating and learning."""
        return 3600 * sum(value >= self.threshold for value in self.values) / (self.simulating + self.learning)


def figures_of(directory: Path) -> Figures:
    """The figures of a run directory, finished or not.

    Args:
        directory: It, in a folder named ``<method>-<seed>``.

    Raises:
        TraceError: If its ledger cannot be read.
    """
    params: Mapping[str, Any] = yaml.safe_load((directory / 'params.yaml').read_text())
    simulations = list(read(directory, SimulationRecord))
    ended = (directory / SUMMARY_FILE).exists()
    return Figures(
        method=directory.parent.name.rpartition('-')[0],
        seed=params['seed'],
        wanted=params['search_size'],
        values=[r.value for r in simulations if r.outcome == 'observed' and r.value is not None],
        threshold=params['molecules']['threshold_ev'],
        simulating=_cpu_seconds(simulations),
        learning=_cpu_seconds([*read(directory, TrainingRecord), *read(directory, InferenceRecord)]),
        wall=read_summary(directory).wall_seconds if ended else None,
    )


def report(folder: Path) -> None:
    """Print the table of all runs in a folder, a line a run; nothing where no run has found anything yet."""
    found = [figures_of(path.parent) for path in sorted(folder.glob('*-*/*/params.yaml'))]
    found = sorted((run for run in found if run.values), key=lambda run: (run.method, run.seed))
    if not found:
        print(f'No run in {folder} has a result yet.')
        return
    wanted = max(run.wanted for run in found)
    threshold = found[0].threshold
    marks = sorted({max(1, part * wanted // _PARTS) for part in range(1, _PARTS + 1)})
    rows = [_row(run, marks) for run in found]
    rows += [_median(method, runs, marks) for method, runs in _by_method(found) if len(runs) > 1]
    known = _known_values()
    headers = ['method', 'seed', *(f'hits of {mark}' for mark in marks), 'best ten, eV']
    headers += ['simulating', 'learning', 'hits / CPU h', 'wall, min']
    print_table(
        f'Molecules of {threshold:g} eV or more among those simulated; CPU hours of simulating and of learning',
        headers,
        [*rows, _random(known, marks, threshold)],
    )
    reaching = sum(value >= threshold for value in known)
    print(
        f'random: not run, but told from the {len(known):,} random molecules whose values are known, of which '
        f'{reaching} reach {threshold:g} eV (95%: at most {_at_most(reaching, len(known)) * wanted:.1f} of {wanted}).\n'
        f'The original found {THE_ORIGINAL[0]} to {THE_ORIGINAL[1]} with about 250 simulations.\n'
        'CPU hours are those of the tasks, which the traces hold; the driver and the task server are not in them.'
    )


def _cpu_seconds(records: Sequence[TaskRecord]) -> float:
    # An attempt that was lost has no figure.
    return float(sum(record.worker_info.get('cpu_seconds', 0.0) for record in records))


def _by_method(found: Sequence[Figures]) -> Iterator[tuple[str, list[Figures]]]:
    for method in dict.fromkeys(run.method for run in found):
        yield method, [run for run in found if run.method == method and len(run.values) >= run.wanted]


def _row(run: Figures, marks: Sequence[int]) -> tuple[object, ...]:
    hits = [run.hits(mark) for mark in marks]
    return (
        run.method,
        run.seed,
        *('' if count is None else count for count in hits),
        f'{run.best:.2f}',
        f'{run.simulating / 3600:.2f}',
        f'{run.learning / 3600:.2f}',
        f'{run.hits_a_cpu_hour:.0f}',
        '' if run.wall is None else f'{run.wall / 60:.0f}',
    )


def _median(method: str, runs: Sequence[Figures], marks: Sequence[int]) -> tuple[object, ...]:
    """The line of a method with several finished runs."""
    return (
        method,
        'median',
        *(f'{median(run.hits(mark) or 0 for run in runs):g}' for mark in marks),
        f'{median(run.best for run in runs):.2f}',
        f'{median(run.simulating for run in runs) / 3600:.2f}',
        f'{median(run.learning for run in runs) / 3600:.2f}',
        f'{median(run.hits_a_cpu_hour for run in runs):.0f}',
        f'{median(run.wall or 0 for run in runs) / 60:.0f}',
    )


def _random(known: Sequence[float], marks: Sequence[int], threshold: float) -> tuple[object, ...]:
    """The line of random choice: its expectation."""
    chance = random_choice(known, marks, Objective('ionization potential', 'eV', threshold=threshold))
    rng = np.random.default_rng(0)
    draws = rng.choice(np.asarray(known), (_DRAWS, marks[-1]))
    best = np.sort(draws, axis=1)[:, -_BEST:].mean()
    return ('random', 'expected', *(f'{hits:.1f}' for hits in chance.found_mean), f'{best:.2f}', '', '', '0', '')


def _known_values() -> list[float]:
    """Ionization potentials in eV of random molecules of the search space."""
    with data.path('moses-ip-gfn2.csv').open(newline='') as file:
        return [float(row['ip_adiabatic_ev']) for row in csv.DictReader(file)]


def _at_most(hits: int, draws: int, confidence: float = 0.95) -> float:
    """Upper bound of a probability seen ``hits`` times in ``draws`` (Clopper and Pearson, Biometrika 1934)."""
    from scipy.stats import beta

    return float(beta.ppf(confidence, hits + 1, draws - hits))
