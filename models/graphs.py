"""Molecules as compact integer graphs, many in a few arrays, without padding.

A molecule costs about 220 bytes for the drug-like molecules of MOSES. Hydrogens are counted on their heavy atoms. All
that is known of an atom or a bond is one small integer code; ``ATOM_COLUMNS`` and ``BOND_COLUMNS`` say how to read it.
The heavy atoms and bonds of all molecules stand one after another, and offsets say where each molecule begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import InputTaskError


@dataclass(frozen=True)
class Column:
    """One property inside a code: ``bits`` bits of it from bit ``shift`` on, so it has ``2**bits`` possible values."""

    name: str
    shift: int
    bits: int

    @property
    def size(self) -> int:
        """How many values it can take."""
        return 1 << self.bits

    def read(self, codes: NDArray[Any]) -> NDArray[np.int32]:
        """The property's value in each code, same shape."""
        return (codes.astype(np.int32) >> self.shift) & (self.size - 1)


def _columns(**bits: int) -> tuple[Column, ...]:
    shifts = np.cumsum([0, *bits.values()]).tolist()
    return tuple(Column(name, shift, size) for (name, size), shift in zip(bits.items(), shifts, strict=False))


ATOM_COLUMNS = _columns(element=4, degree=3, hydrogens=3, charge=3, hybridization=3, ring=3, aromatic=1)
"""Properties in an atom's code (uint32), lowest bits first. Value 0 of element, charge and hybridization is "other"."""

BOND_COLUMNS = _columns(order=3, conjugated=1, ring=1)
"""Properties in a bond's code (uint8), lowest bits first. Order 0 is "other"."""

_ARRAYS: Mapping[str, str] = {
    'atom_offsets': 'int64',
    'bond_offsets': 'int64',
    'atoms': 'uint32',
    'bonds': 'uint8',
    'begins': 'uint16',
    'ends': 'uint16',
}


@dataclass(frozen=True)
class MoleculeGraphs:
    """Graphs of ``n`` molecules with ``a`` heavy atoms and ``b`` bonds in all.

    Attributes:
        atom_offsets: Where each molecule's atoms begin, and ``a`` at the end; shape (n + 1,), int64, from 0.
        bond_offsets: Where each molecule's bonds begin, and ``b`` at the end; shape (n + 1,), int64, from 0.
        atoms: Codes of the atoms; shape (a,), uint32.
        bonds: Codes of the bonds, each bond once; shape (b,), uint8.
        begins: One atom of each bond, counted within its molecule; shape (b,), uint16.
        ends: The other; shape (b,), uint16.

    Raises:
        InputTaskError: If the arrays do not fit together.
    """

    atom_offsets: NDArray[np.int64]
    bond_offsets: NDArray[np.int64]
    atoms: NDArray[np.uint32]
    bonds: NDArray[np.uint8]
    begins: NDArray[np.uint16]
    ends: NDArray[np.uint16]

    def __post_init__(self) -> None:
        for name, dtype in _ARRAYS.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.ndim != 1:
                raise InputTaskError(
                    f'Expected {name} of graphs as one row of {dtype}, got {array.ndim} of {array.dtype}.'
                )
        sizes = (self.atom_offsets.shape, len(self.atoms), len(self.bonds), len(self.bonds), len(self.bonds))
        if len(self.atom_offsets) == 0 or len(self.bond_offsets) == 0:
            raise InputTaskError('Expected offsets of graphs with at least their beginning, got none.')
        told = (self.bond_offsets.shape, self.atom_offsets[-1], self.bond_offsets[-1], len(self.begins), len(self.ends))
        if sizes != told or self.atom_offsets[0] or self.bond_offsets[0]:
            raise InputTaskError(f'The arrays of graphs do not fit together: sizes {sizes} against {told}.')

    def __len__(self) -> int:
        return len(self.atom_offsets) - 1

    def take(self, rows: NDArray[np.int64] | slice) -> MoleculeGraphs:
        """The molecules in these rows, in this order. A slice without steps shares memory with this object."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self._span(start, max(start, stop))
            rows = np.arange(start, stop, step)
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64, copy=False)
        rows = np.where(rows < 0, rows + len(self), rows)
        atom_offsets, atom_rows = _ragged(self.atom_offsets, rows)
        bond_offsets, bond_rows = _ragged(self.bond_offsets, rows)
        return MoleculeGraphs(
            atom_offsets,
            bond_offsets,
            self.atoms[atom_rows],
            self.bonds[bond_rows],
            self.begins[bond_rows],
            self.ends[bond_rows],
        )

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Its content by name."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @property
    def nbytes(self) -> int:
        """Size in bytes of the arrays."""
        return sum(array.nbytes for array in self.arrays().values())

    def _span(self, start: int, stop: int) -> MoleculeGraphs:
        atom_offsets, bond_offsets = self.atom_offsets[start : stop + 1], self.bond_offsets[start : stop + 1]
        atoms = slice(atom_offsets[0], atom_offsets[-1])
        bonds = slice(bond_offsets[0], bond_offsets[-1])
        return MoleculeGraphs(
            atom_offsets - atom_offsets[0],
            bond_offsets - bond_offsets[0],
            self.atoms[atoms],
            self.bonds[bonds],
            self.begins[bonds],
            self.ends[bonds],
        )


def restore_graphs(arrays: Mapping[str, NDArray[Any]]) -> MoleculeGraphs:
    """The inverse of ``MoleculeGraphs.arrays``; memory-mapped arrays stay so.

    Raises:
        InputTaskError: If an array is missing, or they do not fit together.
    """
    missing = sorted(set(_ARRAYS) - set(arrays))
    if missing:
        raise InputTaskError(
            f'Expected the arrays {", ".join(_ARRAYS)} to make graphs of, {", ".join(missing)} missing.'
        )
    # A plain view of a memory map slices and pickles faster than numpy.memmap does, and shares its memory.
    return MoleculeGraphs(**{name: np.asarray(arrays[name]) for name in _ARRAYS})


def join_graphs(parts: Sequence[MoleculeGraphs]) -> MoleculeGraphs:
    """All molecules of all parts, in order; ``parts`` must not be empty."""
    if len(parts) == 1:
        return parts[0]
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in ('atoms', 'bonds', 'begins', 'ends')
    }
    for name in ('atom_offsets', 'bond_offsets'):
        counts = np.concatenate([np.diff(getattr(part, name)) for part in parts])
        joined[name] = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
    return MoleculeGraphs(**joined)


def _ragged(offsets: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """New offsets, and the old places of the elements, of the runs ``rows`` in that order."""
    starts = offsets[rows]
    counts = offsets[rows + 1] - starts
    new = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(counts, out=new[1:])
    return new, np.arange(new[-1]) + np.repeat(starts - new[:-1], counts)
