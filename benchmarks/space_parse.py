"""From SMILES to features on one core, beside what RDKit takes to parse them and do nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from rdkit import rdBase
from rdkit.Chem import MolFromSmiles

from scoutbee.models.fingerprint_featurizer import screen_fingerprints
from scoutbee.models.graph_codes import graphs_of_mols
from scoutbee.models.graph_featurizer import screen_graphs

RDKIT = 'RDKit alone: MolFromSmiles'


def _asked(smiles: Sequence[str]) -> object:
    return graphs_of_mols([MolFromSmiles(text) for text in smiles])


WAYS: Mapping[str, Callable[[Sequence[str]], Any]] = {
    RDKIT: lambda smiles: [MolFromSmiles(text) for text in smiles],
    'graphs, RDKit asked atom by atom': _asked,
    'graphs (mpnn)': screen_graphs,
    'fingerprints': lambda smiles: screen_fingerprints(smiles, radius=2),
}
"""What is timed, by name."""


def time_ways(smiles: Sequence[str], repeats: int) -> dict[str, float]:
    """Microseconds of one core a molecule, by way: the median of passes in which the ways take turns."""
    spent: dict[str, list[float]] = {name: [] for name in WAYS}
    with rdBase.BlockLogs():
        for _ in range(repeats):
            for name, way in WAYS.items():
                began = time.process_time()
                way(smiles)
                spent[name].append(1e6 * (time.process_time() - began) / len(smiles))
    return {name: median(times) for name, times in spent.items()}
