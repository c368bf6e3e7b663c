"""Graphs as the network takes them: molecules side by side as one big graph, made without a Python loop over them.

Axes of a batch: ``m`` molecules, ``a`` atoms, ``e`` directed bonds (each bond both ways), ``u`` and ``v`` distinct atom
and bond codes. Few codes are distinct, so the network embeds each of them once and looks the rest up.
"""

from __future__ import annotations

from collections.abc import Iterator
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


def make_batch(graphs: MoleculeGraphs) -> Batch:
    """The batch of all molecules of ``graphs``, in order."""
    sizes = np.diff(graphs.atom_offsets)
    shifts = np.repeat(graphs.atom_offsets[:-1], np.diff(graphs.bond_offsets))
    begins, ends = graphs.begins + shifts, graphs.ends + shifts
    # An atom without bonds is bonded to itself, by a bond of unknown kind, so that every atom is some bond's target.
    joined = np.zeros(len(graphs.atoms), dtype=bool)
    joined[begins] = joined[ends] = True
    alone = np.flatnonzero(~joined)
    targets = np.concatenate([ends, begins, alone])
    order = np.argsort(targets, kind='stable')
    codes = np.concatenate([graphs.bonds, graphs.bonds, np.zeros(len(alone), dtype=np.uint8)])[order]
    atom_codes, atoms = np.unique(graphs.atoms, return_inverse=True)
    bond_codes, bonds = np.unique(codes, return_inverse=True)
    return {
        'atom_codes': _table_indices(atom_codes, ATOM_COLUMNS),
        'bond_codes': _table_indices(bond_codes, BOND_COLUMNS),
        'atoms': atoms.astype(np.int32),
        'bonds': bonds.astype(np.int32),
        'sources': np.concatenate([begins, ends, alone])[order].astype(np.int32),
        'targets': targets[order].astype(np.int32),
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


def _table_indices(codes: NDArray[Any], columns: tuple[Column, ...]) -> NDArray[np.int32]:
    starts = np.cumsum([0, *(column.size for column in columns)])
    return np.stack([column.read(codes) + start for column, start in zip(columns, starts, strict=False)], 1).astype(
        np.int32
    )


def _bucket(length: int) -> int:
    size = 16
    while size < length:
        size += max(size // 4, 16)
    return size


def _grow(array: NDArray[Any], length: int, value: int = 0) -> NDArray[Any]:
    grown = np.full((length, *array.shape[1:]), value, dtype=array.dtype)
    grown[: len(array)] = array
    return grown
