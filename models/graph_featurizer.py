"""SMILES to integer graphs, by RDKit, on as many processes as it pays."""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import InputTaskError

from .graphs import ATOM_COLUMNS, BOND_COLUMNS, MoleculeGraphs, join_graphs, restore_graphs

ELEMENTS = ('H', 'Li', 'B', 'C', 'N', 'O', 'F', 'Na', 'Si', 'P', 'S', 'Cl', 'Se', 'Br', 'I')
"""Elements with a code of their own, from 1; any other has code 0."""

MAX_ATOMS = 65_535
"""Heavy atoms that a graph can number."""

PARALLEL_FROM = 8_000
"""Molecules from which more processes pay: they take a second or two to start and import RDKit."""

_PIECE = 2_000


@dataclass(frozen=True)
class GraphFeaturizer:
    """Makes ``MoleculeGraphs`` of SMILES.

    Attributes:
        processes: Processes to use for many molecules; as many as this process may use cores, if not given.
    """

    processes: int | None = None

    @property
    def name(self) -> str:
        """Name and version of the features."""
        return 'molecule-graphs-1'

    def featurize(self, inputs: Sequence[Any]) -> MoleculeGraphs:
        """Graphs of ``n`` SMILES, in order.

        Raises:
            InputTaskError: If one cannot be parsed or has no atoms; it names the first such.
        """
        return self.featurize_with_progress(inputs, lambda done, total: None)

    def featurize_with_progress(self, inputs: Sequence[Any], progress: Callable[[int, int], None]) -> MoleculeGraphs:
        """Like ``featurize``, calling ``progress(done, total)`` every 2,000 molecules.

        Raises:
            InputTaskError: If one cannot be parsed or has no atoms; it names the first such.
        """
        pieces = [list(inputs[i : i + _PIECE]) for i in range(0, len(inputs), _PIECE)] or [[]]
        processes = min(self.processes or usable_cores(), len(pieces))
        if processes == 1 or len(inputs) < PARALLEL_FROM or multiprocessing.current_process().daemon:
            return _join(map(graphs_of, pieces), len(inputs), progress)
        # Not forked: the caller may hold threads (Parsl, TensorFlow), and a forked child can deadlock on their locks.
        context = multiprocessing.get_context('spawn')
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            try:
                return _join(pool.map(graphs_of, pieces), len(inputs), progress)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> MoleculeGraphs:
        """The inverse of ``MoleculeGraphs.arrays``, without copying.

        Raises:
            InputTaskError: If an array is missing, or they do not fit together.
        """
        return restore_graphs(arrays)


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _join(parts: Iterable[MoleculeGraphs], total: int, progress: Callable[[int, int], None]) -> MoleculeGraphs:
    done: list[MoleculeGraphs] = []
    count = 0
    for part in parts:
        done.append(part)
        count += len(part)
        progress(count, total)
    return join_graphs(done)


def graphs_of(smiles: Sequence[str]) -> MoleculeGraphs:
    """Graphs of ``n`` SMILES, in this process.

    Raises:
        InputTaskError: If one cannot be parsed or has no atoms; it names the first such.
    """
    from rdkit import rdBase

    atoms: list[int] = []
    bonds: list[int] = []
    begins: list[int] = []
    ends: list[int] = []
    atom_counts = [0]
    bond_counts = [0]
    with rdBase.BlockLogs():
        for text in smiles:
            mol = _parse(text)
            _add_atoms(mol, atoms)
            _add_bonds(mol, bonds, begins, ends)
            atom_counts.append(len(atoms))
            bond_counts.append(len(bonds))
    return MoleculeGraphs(
        np.asarray(atom_counts, dtype=np.int64),
        np.asarray(bond_counts, dtype=np.int64),
        np.asarray(atoms, dtype=np.uint32),
        np.asarray(bonds, dtype=np.uint8),
        np.asarray(begins, dtype=np.uint16),
        np.asarray(ends, dtype=np.uint16),
    )


def _parse(text: str) -> Any:
    from rdkit.Chem import MolFromSmiles

    mol = MolFromSmiles(text) if isinstance(text, str) else None
    if mol is None:
        raise InputTaskError(f'Expected a molecule as SMILES that RDKit can parse, got {text!r}; take it out.')
    if not 0 < mol.GetNumAtoms() <= MAX_ATOMS:
        raise InputTaskError(
            f'Expected a molecule of 1 to {MAX_ATOMS} heavy atoms, got {mol.GetNumAtoms()} in '
            f'{text[:80]!r}; take it out.'
        )
    return mol


def _add_atoms(mol: Any, atoms: list[int]) -> None:
    """Append the codes of a molecule's atoms, as ``ATOM_COLUMNS`` says."""
    elements, hybridizations, _ = _vocabularies()
    element, degree, hydrogens, charge, hybridization, ring, aromatic = (column.shift for column in ATOM_COLUMNS)
    smallest_ring = mol.GetRingInfo().MinAtomRingSize
    # By index: RDKit's iterators over atoms and bonds take twice as long.
    for index in range(mol.GetNumAtoms()):
        atom = mol.GetAtomWithIdx(index)
        size = smallest_ring(index)
        charged = atom.GetFormalCharge()
        atoms.append(
            elements.get(atom.GetAtomicNum(), 0) << element
            | min(atom.GetDegree(), 7) << degree
            | min(atom.GetTotalNumHs(), 7) << hydrogens
            | (charged + 4 if -3 <= charged <= 3 else 0) << charge
            | hybridizations.get(atom.GetHybridization(), 0) << hybridization
            | (min(size, 9) - 2 if size else 0) << ring
            | atom.GetIsAromatic() << aromatic
        )


def _add_bonds(mol: Any, bonds: list[int], begins: list[int], ends: list[int]) -> None:
    """Append the codes of a molecule's bonds, as ``BOND_COLUMNS`` says, and their atoms."""
    _, _, orders = _vocabularies()
    order, conjugated, ring = (column.shift for column in BOND_COLUMNS)
    for index in range(mol.GetNumBonds()):
        bond = mol.GetBondWithIdx(index)
        bonds.append(
            orders.get(bond.GetBondTypeAsDouble(), 0) << order
            | bond.GetIsConjugated() << conjugated
            | bond.IsInRing() << ring
        )
        begins.append(bond.GetBeginAtomIdx())
        ends.append(bond.GetEndAtomIdx())


@cache
def _vocabularies() -> tuple[dict[int, int], dict[Any, int], dict[float, int]]:
    """Codes of elements by atomic number, of hybridizations, and of bond orders; what is not there has code 0."""
    from rdkit.Chem import GetPeriodicTable, HybridizationType

    table = GetPeriodicTable()
    elements = {table.GetAtomicNumber(symbol): code for symbol, code in zip(ELEMENTS, itertools.count(1))}
    kinds = ('S', 'SP', 'SP2', 'SP3', 'SP2D', 'SP3D', 'SP3D2')
    hybridizations = {getattr(HybridizationType, kind): code for code, kind in enumerate(kinds, 1)}
    orders = {order: code for code, order in enumerate((1.0, 2.0, 3.0, 1.5), 1)}  # 1.5 is aromatic
    return elements, hybridizations, orders
