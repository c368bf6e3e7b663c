"""SMILES to integer graphs, by RDKit, on as many processes as it pays."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import InputTaskError

from .featurizing import screen_in_pieces
from .graphs import ATOM_COLUMNS, BOND_COLUMNS, MoleculeGraphs, join_graphs, restore_graphs
from .surrogate import Progress, Screening, silent

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

    def screen(self, inputs: Sequence[Any], progress: Progress = silent) -> Screening[MoleculeGraphs]:
        """Graphs of those of ``n`` SMILES that can be parsed and have atoms, told of every 2,000 molecules."""
        return screen_in_pieces(
            screen_graphs,
            join_graphs,
            inputs,
            piece=_PIECE,
            processes=self.processes,
            parallel_from=PARALLEL_FROM,
            progress=progress,
        )

    def featurize(self, inputs: Sequence[Any], progress: Progress = silent) -> MoleculeGraphs:
        """Graphs of ``n`` SMILES, in order.

        Raises:
            InputTaskError: If one cannot be parsed or has no atoms; it names the first such.
        """
        return self.screen(inputs, progress).complete()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> MoleculeGraphs:
        """The inverse of ``MoleculeGraphs.arrays``, without copying.

        Raises:
            InputTaskError: If an array is missing, or they do not fit together.
        """
        return restore_graphs(arrays)


def screen_graphs(smiles: Sequence[Any]) -> Screening[MoleculeGraphs]:
    """Graphs of those of ``n`` SMILES that can be parsed and have atoms, made in this process."""
    from rdkit import rdBase

    atoms: list[int] = []
    bonds: list[int] = []
    begins: list[int] = []
    ends: list[int] = []
    atom_counts = [0]
    bond_counts = [0]
    unusable: list[int] = []
    fault: str | None = None
    with rdBase.BlockLogs():
        for row, text in enumerate(smiles):
            try:
                mol = _parse(text)
            except InputTaskError as error:
                unusable.append(row)
                fault = fault or str(error)
                continue
            _add_atoms(mol, atoms)
            _add_bonds(mol, bonds, begins, ends)
            atom_counts.append(len(atoms))
            bond_counts.append(len(bonds))
    graphs = MoleculeGraphs(
        np.asarray(atom_counts, dtype=np.int64),
        np.asarray(bond_counts, dtype=np.int64),
        np.asarray(atoms, dtype=np.uint32),
        np.asarray(bonds, dtype=np.uint8),
        np.asarray(begins, dtype=np.uint16),
        np.asarray(ends, dtype=np.uint16),
    )
    return Screening(graphs, np.asarray(unusable, dtype=np.int64), fault)


def _parse(text: Any) -> Any:
    from rdkit.Chem import MolFromSmiles

    mol = MolFromSmiles(text) if isinstance(text, str) else None
    if mol is None:
        raise InputTaskError(f'Expected a molecule as SMILES that RDKit can parse, got {text!r:.200}; take it out.')
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
