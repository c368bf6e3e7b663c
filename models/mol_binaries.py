"""What RDKit's binary form of molecules says of their atoms and bonds, read for thousands of molecules at once.

Asking RDKit atom by atom takes several times as long as parsing a SMILES. Its binary form (``Mol.ToBinary``) holds the
same in records of varying length, one after another. Here the first records of all molecules are found at once, then
the second ones, and so on; numpy then reads each property of all records.

RDKit promises that later versions read this form, not that they write it. So every molecule is checked: its header,
the flags of each record, the marks between the sections, and its end. One with anything unforeseen is left to whoever
asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEADER = bytes.fromhex('efbeadde 00000000 10000000 04000000 00000000')
"""Marks of the byte order and of version 16.4 of the form."""

_COUNTS, _SECTIONS, _ATOMS = 20, 28, 30
"""Where the header tells the numbers of atoms and bonds, where its last bytes are, and where the atoms begin."""

_BEGIN = bytes((0x80, 0x01))
_BOND_MARK, _RING_MARK = 0x0B, 0x42
_END = bytes.fromhex('17 04 00000000 000000 16')

_SMALL = 256
"""Molecules of so many atoms or bonds number them in more than one byte; they are rare and left out."""

_WIDEST = 32
"""More bytes than any step of the walk looks ahead."""

# An atom: atomic number, flags, which of the fields below follow (four bytes), and these fields.
_AROMATIC, _PLAIN_ATOM = 0x40, 0x60
_CHARGE, _CHIRALITY, _HYBRIDIZATION, _EXPLICIT, _VALENCE, _IMPLICIT, _RADICALS = (1 << bit for bit in range(1, 8))
_ISOTOPE = 1
_SP3 = 4
"""Hybridization of an atom that does not tell one."""

# A bond: its two atoms, flags, and the fields that the flags name.
_CONJUGATED, _TYPE, _DIRECTION, _PLAIN_BOND = 0x20, 0x08, 0x04, 0x6C
_SINGLE = 1
"""Type of a bond that does not tell one."""

_FIELDS = np.array([bin(told).count('1') for told in range(256)], dtype=np.int64)
"""Bytes that an atom's fields take, by which of them there are; the isotope's four are not among them."""

_BOND_SIZES = np.array([3 + bool(told & _TYPE) + bool(told & _DIRECTION) for told in range(256)], dtype=np.int64)

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class MolTables:
    """Properties of ``a`` atoms and ``b`` bonds of ``n`` molecules, as RDKit numbers them.

    Attributes:
        is_read: Which of the binaries were read; the rest of this is about those; shape (binaries,), bool.
        atom_counts: Atoms of each molecule, shape (n,), int64.
        bond_counts: Bonds of each molecule, shape (n,), int64.
        atomic_numbers: Shape (a,), uint8.
        charges: Formal charges, shape (a,), int8.
        hydrogens: Hydrogens that are no atoms of their own, shape (a,), int64.
        degrees: Bonds to other atoms, shape (a,), int64.
        hybridizations: Values of ``HybridizationType``, shape (a,), uint8.
        ring_sizes: Atoms of the smallest ring it is in, 0 where in none, shape (a,), int64.
        is_aromatic: Shape (a,), bool.
        begins: First atom of each bond, counted within its molecule, shape (b,), uint8.
        ends: The other, shape (b,), uint8.
        bond_types: Values of ``BondType``, shape (b,), uint8.
        is_conjugated: Shape (b,), bool.
        is_in_ring: Shape (b,), bool.
    """

    is_read: NDArray[np.bool_]
    atom_counts: Places
    bond_counts: Places
    atomic_numbers: Bytes
    charges: NDArray[np.int8]
    hydrogens: Places
    degrees: Places
    hybridizations: Bytes
    ring_sizes: Places
    is_aromatic: NDArray[np.bool_]
    begins: Bytes
    ends: Bytes
    bond_types: Bytes
    is_conjugated: NDArray[np.bool_]
    is_in_ring: NDArray[np.bool_]


def read_binaries(binaries: Sequence[bytes]) -> MolTables:
    """Read what ``Mol.ToBinary`` returned, with no properties, for sanitized molecules."""
    walk = _Walk(binaries)
    at_atoms = walk.atoms()
    at_bonds = walk.bonds()
    at_rings = walk.rings()
    walk.finish()
    content, kept = walk.content, ~walk.is_odd
    atom_counts, bond_counts = walk.atom_counts[kept], walk.bond_counts[kept]
    at_atoms, at_bonds = at_atoms[np.repeat(kept, walk.atom_counts)], at_bonds[np.repeat(kept, walk.bond_counts)]
    at_rings = at_rings[np.repeat(kept, walk.ring_counts)]
    begins, ends = content[at_bonds], content[at_bonds + 1]
    first = _starts(atom_counts)
    bond_first = np.repeat(first, bond_counts)
    rings = _Rings(content, at_rings, np.repeat(first, walk.ring_counts[kept]))
    ends_of_bonds = np.concatenate([bond_first + begins, bond_first + ends])
    return MolTables(
        is_read=kept,
        atom_counts=atom_counts,
        bond_counts=bond_counts,
        degrees=np.bincount(ends_of_bonds, minlength=len(at_atoms)),
        ring_sizes=rings.smallest(len(at_atoms)),
        begins=begins,
        ends=ends,
        is_in_ring=rings.hold(bond_first + begins, bond_first + ends, len(at_atoms)),
        **_atom_fields(content, at_atoms),
        **_bond_fields(content, at_bonds),
    )


def _atom_fields(content: Bytes, at: Places) -> dict[str, Any]:
    flags, told = content[at + 1], content[at + 2]

    def field(which: int, missing: int) -> Bytes:
        """A field of one byte: it comes after those that have lower bits."""
        place = at + 6 + _FIELDS[told & (which - 1)]
        found: Bytes = np.where(told & which, content[place], np.uint8(missing))
        return found

    return {
        'atomic_numbers': content[at],
        'charges': field(_CHARGE, 0).view(np.int8),
        'hydrogens': field(_EXPLICIT, 0).astype(np.int64) + field(_IMPLICIT, 0),
        'hybridizations': field(_HYBRIDIZATION, _SP3),
        'is_aromatic': (flags & _AROMATIC) != 0,
    }


def _bond_fields(content: Bytes, at: Places) -> dict[str, Any]:
    flags = content[at + 2]
    return {
        'bond_types': np.where(flags & _TYPE, content[at + 3], np.uint8(_SINGLE)),
        'is_conjugated': (flags & _CONJUGATED) != 0,
    }


class _Walk:
    """Goes through the binaries of all molecules at once, record by record.

    Attributes:
        content: All binaries, one after another, and some bytes of nothing.
        is_odd: Molecules that hold something unforeseen; where their records are is meaningless.
        atom_counts: Atoms of each.
        bond_counts: Bonds of each.
        ring_counts: Rings of each; known after ``bonds``.
    """

    def __init__(self, binaries: Sequence[bytes]) -> None:
        sizes = np.array([len(binary) for binary in binaries], dtype=np.int64)
        self.content: Bytes = np.frombuffer(b''.join((*binaries, bytes(_ATOMS + _WIDEST))), dtype=np.uint8)
        starts = _starts(sizes)
        self._ends = starts + sizes
        self._last = len(self.content) - _WIDEST
        header = np.frombuffer(_HEADER, dtype=np.uint8)
        self.is_odd = (self._block(starts, len(header)) != header).any(axis=1)
        self.is_odd |= ~self._is(starts + _SECTIONS, _BEGIN)
        self.atom_counts = self._count(starts + _COUNTS)
        self.bond_counts = self._count(starts + _COUNTS + 4)
        self.ring_counts = np.zeros(len(sizes), dtype=np.int64)
        self._at = starts + _ATOMS

    def atoms(self) -> Places:
        """Where each atom's record is, molecule by molecule; the walk stands behind the last atoms."""
        content = self.content
        at = self._records(
            self.atom_counts, lambda here: 6 + _FIELDS[content[here + 2]] + 4 * (content[here + 3] & _ISOTOPE)
        )
        fine = ((content[at + 1] & ~np.uint8(_PLAIN_ATOM)) == 0) & ((content[at + 2] & 1) == 0)
        fine &= (content[at + 3] <= _ISOTOPE) & (content[at + 4] == 0) & (content[at + 5] == 0)
        self._blame(fine, self.atom_counts)
        self._pass(_BOND_MARK)
        return at

    def bonds(self) -> Places:
        """Where each bond's record is; the walk stands behind the number of rings, which is known then."""
        content = self.content
        at = self._records(self.bond_counts, lambda here: _BOND_SIZES[content[here + 2]])
        self._blame((content[at + 2] & ~np.uint8(_PLAIN_BOND)) == 0, self.bond_counts)
        self._pass(_RING_MARK)
        self.ring_counts = self._count(self._at)
        self._at = self._at + 4
        return at

    def rings(self) -> Places:
        """Where each ring's record is."""
        content = self.content
        return self._records(self.ring_counts, lambda here: 1 + content[here].astype(np.int64))

    def finish(self) -> None:
        """Check that the walk has come to the end of each molecule."""
        self.is_odd |= ~self._is(self._at, _END) | (self._at + len(_END) != self._ends)

    def _records(self, counts: Places, size: Any) -> Places:
        """Where ``counts`` records of each molecule are that begin here and have the size that a function tells."""
        found = np.empty(int(counts.sum()), dtype=np.int64)
        order = np.argsort(-counts, kind='stable')  # so that those with a record of some number come first
        left, first, here = -counts[order], _starts(counts)[order], self._at[order]
        for number in range(int(counts.max(initial=0))):
            count = int(np.searchsorted(left, -number))
            now = here[:count]
            found[first[:count] + number] = now
            now += size(now)
            np.minimum(now, self._last, out=now)  # an odd molecule may lead anywhere
        self._at = np.empty_like(here)
        self._at[order] = here
        return found

    def _count(self, at: Places) -> Places:
        """A number told in four bytes; 0 where it is larger than one byte can tell, which is odd."""
        low, *high = (self._block(at, 4)).T
        is_large = (high[0] | high[1] | high[2]) != 0
        self.is_odd |= is_large
        return np.where(self.is_odd, 0, low).astype(np.int64)

    def _pass(self, mark: int) -> None:
        self.is_odd |= self.content[self._at] != mark
        self._at = self._at + 1

    def _blame(self, fine: NDArray[np.bool_], counts: Places) -> None:
        owners = np.repeat(np.arange(len(counts)), counts)
        self.is_odd[owners[~fine]] = True

    def _is(self, at: Places, wanted: bytes) -> NDArray[np.bool_]:
        return np.asarray((self._block(at, len(wanted)) == np.frombuffer(wanted, dtype=np.uint8)).all(axis=1))

    def _block(self, at: Places, width: int) -> Bytes:
        return self.content[np.minimum(at, self._last)[:, np.newaxis] + np.arange(width)]


class _Rings:
    """The rings of all molecules.

    Args:
        content: All binaries.
        at: Where each ring's record is: its size, and its atoms around the ring, counted within the molecule.
        first: Number of the first atom of each ring's molecule among all atoms.
    """

    def __init__(self, content: Bytes, at: Places, first: Places) -> None:
        sizes = content[at].astype(np.int64)
        starts = _starts(sizes)
        place = np.arange(int(sizes.sum())) - np.repeat(starts, sizes)
        begin, size = np.repeat(at + 1, sizes), np.repeat(sizes, sizes)
        first = np.repeat(first, sizes)
        self._atoms: Places = first + content[begin + place]
        self._next: Places = first + content[begin + (place + 1) % np.maximum(size, 1)]
        self._size = size

    def smallest(self, atoms: int) -> Places:
        """Size of the smallest ring of each of all atoms; 0 where there is none."""
        order = np.argsort(-self._size, kind='stable')
        found = np.zeros(atoms, dtype=np.int64)
        found[self._atoms[order]] = self._size[order]  # of several sizes the last, which is the smallest, stays
        return found

    def hold(self, begins: Places, ends: Places, atoms: int) -> NDArray[np.bool_]:
        """Whether bonds between atoms, numbered among all ``atoms``, are part of a ring."""
        return np.isin(_edges(begins, ends, atoms), _edges(self._atoms, self._next, atoms))


def _edges(one: Places, other: Places, atoms: int) -> Places:
    return np.minimum(one, other) * atoms + np.maximum(one, other)


def _starts(counts: Places) -> Places:
    return np.cumsum(counts) - counts
