"""Graphs as the network takes them: molecules side by side as one big graph, made without a Python loop over them.

Axes of a batch: ``m`` molecules, ``a`` atoms, ``e`` directed bonds (each bond both ways), ``u`` and ``v`` distinct atom
and bond codes. Few codes are distinct, so the network embeds each of them once and looks the rest up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graphs import ATOM_COLUMNS, BOND_COLUMNS, Column, MoleculeGraphs

BATCH_COLUMNS = {'atom_codes': len(ATOM_COLUMNS), 'bond_codes': len(BOND_COLUMNS)}
"""Columns of the arrays of a batch that have two axes."""

Batch = dict[str, NDArray[Any]]
"""One batch, by name.

* ``atom_codes`` (u, len(ATOM_COLUMNS)), ``bond_codes`` (v, len(BOND_COLUMNS)), int32: rows of the embedding tables
* ``atoms`` (a,), ``bonds`` (e,), int32: which of those codes each atom and directed bond has
* ``sources``, ``targets`` (e,), int32: atoms of each directed bond, counted over the batch; ``targets`` in rising
  order, and every atom among them
* ``molecules`` (a,), int32: molecule of each atom, in rising order
* ``sizes`` (m,), float32: atoms of each molecule
"""


def table_rows(columns: tuple[Column, ...]) -> int:
    """Rows of an embedding table that has one row for each value of each column."""
    return sum(column.size for column in columns)


def table_indices(codes: NDArray[Any], columns: tuple[Column, ...]) -> NDArray[np.int32]:
    """Rows of an embedding table that stand for each of ``u`` codes; shape (u, len(columns))."""
    starts = np.cumsum([0, *(column.size for column in columns)])
    return np.stack([column.read(codes) + start for column, start in zip(columns, starts, strict=False)], 1).astype(
        np.int32
    )


@dataclass(frozen=True)
class DirectedBonds:
    """Each bond of ``n`` molecules both ways, ``e`` in all, by the atom it leads to; atoms counted over all molecules.

    Attributes:
        sources: Atom that each comes from; shape (e,), int64.
        codes: Code of each; shape (e,), uint8.
        offsets: Where those that lead to each of ``a`` atoms begin, and ``e`` at the end; shape (a + 1,), int64.
    """

    sources: NDArray[np.int64]
    codes: NDArray[np.uint8]
    offsets: NDArray[np.int64]


def directed_bonds(graphs: MoleculeGraphs) -> DirectedBonds:
    """The directed bonds of all molecules of ``graphs``. Every atom is led to by at least one.

    An atom without bonds is bonded to itself, by a bond of unknown kind.
    """
    shifts = np.repeat(graphs.atom_offsets[:-1], np.diff(graphs.bond_offsets))
    begins, ends = graphs.begins + shifts, graphs.ends + shifts
    count = len(graphs.atoms)
    degrees = np.bincount(begins, minlength=count) + np.bincount(ends, minlength=count)
    alone = np.flatnonzero(degrees == 0)
    degrees[alone] = 1
    targets = np.concatenate([ends, begins, alone])
    # Sorting numbers that carry their row is several times faster than asking for the order of the targets.
    bits = len(targets).bit_length()
    order = np.sort((targets << bits) | np.arange(len(targets))) & ((1 << bits) - 1)
    offsets = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(degrees, out=offsets[1:])
    return DirectedBonds(
        np.concatenate([begins, ends, alone])[order],
        np.concatenate([graphs.bonds, graphs.bonds, np.zeros(len(alone), dtype=np.uint8)])[order],
        offsets,
    )


def make_batch(graphs: MoleculeGraphs) -> Batch:
    """The batch of all molecules of ``graphs``, in order."""
    sizes = np.diff(graphs.atom_offsets)
    directed = directed_bonds(graphs)
    atom_codes, atoms = np.unique(graphs.atoms, return_inverse=True)
    bond_codes, bonds = np.unique(directed.codes, return_inverse=True)
    return {
        'atom_codes': table_indices(atom_codes, ATOM_COLUMNS),
        'bond_codes': table_indices(bond_codes, BOND_COLUMNS),
        'atoms': atoms.astype(np.int32),
        'bonds': bonds.astype(np.int32),
        'sources': directed.sources.astype(np.int32),
        'targets': np.repeat(np.arange(len(graphs.atoms), dtype=np.int32), np.diff(directed.offsets)),
        'molecules': np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
        'sizes': sizes.astype(np.float32),
    }


def pad_batch(batch: Batch, molecules: int) -> Batch:
    """The same batch with molecules of idle atoms at its end, and arrays of few different lengths.

    For backends that compile for every shape. Lengths grow by steps of a quarter, so that only a handful occur.

    Args:
        batch: At most ``molecules`` molecules.
        molecules: Molecules of a full batch; the result has one more, so that there is always an idle one.
    """
    real, atoms, bonds = len(batch['sizes']), len(batch['atoms']), len(batch['bonds'])
    missing = molecules + 1 - real
    idle = _bucket(atoms + missing) - atoms
    padded = {name: _grow(batch[name], _bucket(len(batch[name]))) for name in ('atom_codes', 'bond_codes')}
    padded['atoms'] = _grow(batch['atoms'], atoms + idle)
    padded['bonds'] = _grow(batch['bonds'], _bucket(bonds + 1))
    # Idle bonds join the last idle atom to itself; every missing molecule has an idle atom, so that none is empty.
    for name in ('sources', 'targets'):
        padded[name] = _grow(batch[name], len(padded['bonds']), atoms + idle - 1)
    owners = np.minimum(real + np.arange(idle), molecules)
    padded['molecules'] = np.concatenate([batch['molecules'], owners]).astype(np.int32)
    padded['sizes'] = np.bincount(padded['molecules'], minlength=molecules + 1).astype(np.float32)
    return padded


def pieces(graphs: MoleculeGraphs, size: int) -> Iterator[MoleculeGraphs]:
    """The molecules in order, ``size`` at a time."""
    for start in range(0, len(graphs), size):
        yield graphs.take(slice(start, start + size))


def _bucket(length: int) -> int:
    size = 16
    while size < length:
        size += max(size // 4, 16)
    return size


def _grow(array: NDArray[Any], length: int, value: int = 0) -> NDArray[Any]:
    grown = np.full((length, *array.shape[1:]), value, dtype=array.dtype)
    grown[: len(array)] = array
    return grown
