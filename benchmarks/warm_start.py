"""Start a network from the last model or from scratch? By the error on molecules that none of them saw, and by time.

As a campaign does: a first model of 500 molecules with known ionization potentials, and one more with every hundred
that comes. ``warm`` goes on from its last model with the usual schedule, ``warm, third`` with a third of the epochs,
``scratch`` forgets. All are asked about the same molecules, held out from all.

    python benchmarks/warm_start.py
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from common import print_table, seed_list
from numpy.typing import NDArray

from scoutbee import data
from scoutbee.contracts.learning import ModelArtifact
from scoutbee.models.graph_featurizer import GraphFeaturizer
from scoutbee.models.graphs import MoleculeGraphs
from scoutbee.models.mpnn import Mpnn
from scoutbee.models.surrogate import TrainingData

WAYS = ('scratch', 'warm', 'warm, third')


@dataclass(frozen=True)
class Trained:
    """What came of one training.

    Attributes:
        seed: What shuffled the molecules.
        way: One of ``WAYS``.
        count: Molecules it was trained on.
        rmse_ev: Root-mean-square error on the held-out molecules, in eV.
        cpu_seconds: Processor time of the training.
    """

    seed: int
    way: str
    count: int
    rmse_ev: float
    cpu_seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    with data.path('moses-ip-gfn2.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    graphs = GraphFeaturizer().featurize([row['smiles'] for row in rows])
    values = np.array([float(row['ip_adiabatic_ev']) for row in rows])
    model = Mpnn(num_epochs=options.epochs)
    found = [one for seed in options.seeds for one in _campaign(model, graphs, values, options.sizes, seed)]
    table = []
    for count in options.sizes[1:]:
        for way in WAYS:
            alike = [one for one in found if (one.count, one.way) == (count, way)]
            rmse, cpu = median(one.rmse_ev for one in alike), median(one.cpu_seconds for one in alike)
            table.append((count, way, f'{rmse:.4f}', f'{cpu:.1f}'))
    headers = ['molecules', 'start', 'RMSE eV', 'CPU s']
    print_table(f'Held-out error; medians of {len(options.seeds)} seeds', headers, table)
    _compare(found, options.sizes[1:])
    return 0


def _campaign(
    model: Mpnn, graphs: MoleculeGraphs, values: NDArray[np.float64], sizes: Sequence[int], seed: int
) -> list[Trained]:
    """Models of growing data, each way, from the same first one."""
    order = np.random.default_rng(seed).permutation(len(values))
    held = order[max(sizes) :]
    found: list[Trained] = []
    last: dict[str, ModelArtifact] = {}
    for count in sizes:
        seen = TrainingData(graphs.take(order[:count]), values[order[:count]])
        third = model.model_copy(update={'num_epochs': _third(model, seen)})
        for way in WAYS if last else WAYS[:1]:
            trainer = third if way == WAYS[2] else model
            previous = None if way == 'scratch' else last[way]
            cpu = time.process_time()
            made = trainer.train(seen, member=0, seed=seed, previous=previous)
            cpu = time.process_time() - cpu
            missed = model.predict([made], graphs.take(held))[0] - values[held]
            one = Trained(seed, way, count, float(np.sqrt(np.mean(missed**2))), cpu)
            print(f'seed {seed}, {count}, {way}: RMSE {one.rmse_ev:.4f} eV, {cpu:.1f} s of processor time', flush=True)
            found.append(one)
            last = {**last, way: made} if last else dict.fromkeys(WAYS, made)
    return found


def _third(model: Mpnn, seen: TrainingData[MoleculeGraphs]) -> int:
    """A third of the epochs that the model's own schedule has for this much data."""
    return max(1, math.ceil(model.schedule(len(seen.values)).num_epochs / 3))


def _compare(found: Sequence[Trained], sizes: Sequence[int]) -> None:
    """Print each way's error over that of scratch, pair by pair of seed and size."""
    error = {(one.seed, one.count, one.way): one.rmse_ev for one in found}
    for way in WAYS[1:]:
        ratios = [error[s, c, way] / error[s, c, 'scratch'] for s, c, w in error if w == way and c in sizes]
        better = sum(ratio < 1 for ratio in ratios)
        print(f'{way} / scratch: median ratio {median(ratios):.3f}, better in {better} of {len(ratios)}')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--seeds', type=seed_list, default=(0, 1, 2), help='such as 0-4 or 1,7 (0-2)')
    parser.add_argument('--sizes', type=int, nargs='+', default=[500, 600, 700, 800, 900], help='molecules known')
    parser.add_argument('--epochs', type=int, help="epochs, if not the model's own")
    return parser


if __name__ == '__main__':
    sys.exit(main())
