"""The integer codes of atoms and bonds: what RDKit says of them, packed as ``graphs.ATOM_COLUMNS`` lays it out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graphs import ATOM_COLUMNS, BOND_COLUMNS, MoleculeGraphs
from .mol_binaries import MolTables

ELEMENTS = ('H', 'Li', 'B', 'C', 'N', 'O', 'F', 'Na', 'Si', 'P', 'S', 'Cl', 'Se', 'Br', 'I')
"""Elements with a code of their own, from 1; any other has code 0."""

_ORDERS = (1.0, 2.0, 3.0, 1.5)
"""Bond orders with a code of their own, from 1; 1.5 is aromatic."""

_ELEMENT, _DEGREE, _HYDROGENS, _CHARGE, _HYBRIDIZATION, _RING, _AROMATIC = (column.shift for column in ATOM_COLUMNS)
_ORDER, _CONJUGATED, _IN_RING = (column.shift for column in BOND_COLUMNS)


def graphs_of_tables(tables: MolTables) -> MoleculeGraphs:
    """The graphs of all molecules of some tables."""
    elements, hybridizations, orders = _lookups()
    charges = tables.charges.astype(np.int64)
    atoms = (
        elements[tables.atomic_numbers] << _ELEMENT
        | np.minimum(tables.degrees, 7) << _DEGREE
        | np.minimum(tables.hydrogens, 7) << _HYDROGENS
        | np.where(np.abs(charges) <= 3, charges + 4, 0) << _CHARGE
        | hybridizations[tables.hybridizations] << _HYBRIDIZATION
        | np.where(tables.ring_sizes, np.minimum(tables.ring_sizes, 9) - 2, 0) << _RING
        | tables.is_aromatic.astype(np.int64) << _AROMATIC
    )
    bonds = (
        orders[tables.bond_types] << _ORDER
        | tables.is_conjugated.astype(np.int64) << _CONJUGATED
        | tables.is_in_ring.astype(np.int64) << _IN_RING
    )
    return MoleculeGraphs(
        _offsets(tables.atom_counts),
        _offsets(tables.bond_counts),
        atoms.astype(np.uint32),
        bonds.astype(np.uint8),
        tables.begins.astype(np.uint16),
        tables.ends.astype(np.uint16),
    )


def graphs_of_mols(mols: Sequence[Any]) -> MoleculeGraphs:
    """The same by asking RDKit atom by atom: several times slower, for molecules of any size and kind."""
    atoms: list[int] = []
    bonds: list[tuple[int, int, int]] = []
    for mol in mols:
        _add_atoms(mol, atoms)
        _add_bonds(mol, bonds)
    codes, begins, ends = np.array(bonds, dtype=np.uint16).reshape(-1, 3).T
    return MoleculeGraphs(
        _offsets(np.array([mol.GetNumAtoms() for mol in mols], dtype=np.int64)),
        _offsets(np.array([mol.GetNumBonds() for mol in mols], dtype=np.int64)),
        np.array(atoms, dtype=np.uint32),
        codes.astype(np.uint8),
        np.ascontiguousarray(begins),
        np.ascontiguousarray(ends),
    )


def _add_atoms(mol: Any, atoms: list[int]) -> None:
    elements, hybridizations, _ = _vocabularies()
    smallest_ring = mol.GetRingInfo().MinAtomRingSize
    # By index: RDKit's iterators over atoms and bonds take twice as long.
    for index in range(mol.GetNumAtoms()):
        atom = mol.GetAtomWithIdx(index)
        size = smallest_ring(index)
        charge = atom.GetFormalCharge()
        atoms.append(
            elements.get(atom.GetAtomicNum(), 0) << _ELEMENT
            | min(atom.GetDegree(), 7) << _DEGREE
            | min(atom.GetTotalNumHs(), 7) << _HYDROGENS
            | (charge + 4 if -3 <= charge <= 3 else 0) << _CHARGE
            | hybridizations.get(atom.GetHybridization(), 0) << _HYBRIDIZATION
            | (min(size, 9) - 2 if size else 0) << _RING
            | atom.GetIsAromatic() << _AROMATIC
        )


def _add_bonds(mol: Any, bonds: list[tuple[int, int, int]]) -> None:
    _, _, orders = _vocabularies()
    for index in range(mol.GetNumBonds()):
        bond = mol.GetBondWithIdx(index)
        code = (
            orders.get(bond.GetBondTypeAsDouble(), 0) << _ORDER
            | bond.GetIsConjugated() << _CONJUGATED
            | bond.IsInRing() << _IN_RING
        )
        bonds.append((code, bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()))


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])


@cache
def _vocabularies() -> tuple[dict[int, int], dict[Any, int], dict[float, int]]:
    """Codes of elements by atomic number, of hybridizations, and of bond orders; what is not there has code 0."""
    from rdkit.Chem import GetPeriodicTable, HybridizationType

    table = GetPeriodicTable()
    elements = {table.GetAtomicNumber(symbol): code for symbol, code in zip(ELEMENTS, itertools.count(1))}
    kinds = ('S', 'SP', 'SP2', 'SP3', 'SP2D', 'SP3D', 'SP3D2')
    hybridizations = {getattr(HybridizationType, kind): code for code, kind in enumerate(kinds, 1)}
    return elements, hybridizations, {order: code for code, order in enumerate(_ORDERS, 1)}


@cache
def _lookups() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The vocabularies by RDKit's own numbers, as far as one byte goes; of bonds by their type."""
    from rdkit.Chem import BondType, MolFromSmiles

    elements, hybridizations, orders = _vocabularies()
    carrier = MolFromSmiles('CC')
    by_type = {}
    for number, kind in BondType.values.items():
        carrier.GetBondWithIdx(0).SetBondType(kind)
        with suppress(RuntimeError):  # some have no order, and no SMILES says them
            by_type[number] = orders.get(carrier.GetBondWithIdx(0).GetBondTypeAsDouble(), 0)
    by_hybridization = {int(kind): code for kind, code in hybridizations.items()}
    found = [np.zeros(256, dtype=np.int64) for _ in range(3)]
    for lookup, codes in zip(found, (elements, by_hybridization, by_type), strict=True):
        for number, code in codes.items():
            lookup[number] = code
    return found[0], found[1], found[2]
