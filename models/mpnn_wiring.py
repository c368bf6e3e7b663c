"""Known molecules made ready to be learned from: a batch is cut out of what was found once.

The atoms of a batch stand in order of how many neighbours they have, and the bonds that lead to them neighbour by
neighbour: of all atoms with two, the first bonds of all, then the second ones. What an atom receives is then a sum of
whole blocks, and its slope is spread over blocks likewise; rows are gathered once on the way there and once on the way
back. After one round of messages an atom's state depends on its neighbours alone, and most atoms of a batch share
theirs with others: the first round is done once for each such *environment* (see ``mpnn_environments``).

Axes of a batch: ``m`` molecules, ``a`` atoms, ``e`` directed bonds (each bond both ways), ``u`` environments of one
round; ``c`` and ``v`` are the codes of atoms and bonds that occur in all known molecules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .graphs import ATOM_COLUMNS, BOND_COLUMNS, Column, MoleculeGraphs
from .mpnn_batches import directed_bonds, table_indices, table_rows
from .mpnn_environments import find_environments

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


class Group(NamedTuple):
    """Targets with equally many neighbours; they stand one after another.

    Attributes:
        targets: Where they stand.
        bonds: Where the bonds that lead to them stand: as many blocks as they have neighbours, each as long as they
            are many.
        neighbours: How many each has; at least one.
    """

    targets: slice
    bonds: slice
    neighbours: int

    def blocks(self, of_bonds: Floats) -> Floats:
        """Their part of an array with a row for each bond; shape (neighbours, targets, columns)."""
        return of_bonds[self.bonds].reshape(self.neighbours, -1, of_bonds.shape[1])


@dataclass(frozen=True)
class Wires:
    """Who receives messages from whom, and over which bonds; axis ``e`` as the groups lay it out.

    Attributes:
        groups: The targets by number of neighbours, rising.
        sources: Row that each bond comes from; shape (e,).
        kinds: Code of each bond; shape (e,), below v.
        kind_rows: Table rows of each code, as ones; shape (v, rows).
        bond_rows: The same for each bond; shape (e, rows).
    """

    groups: tuple[Group, ...]
    sources: Rows
    kinds: Rows
    kind_rows: Floats
    bond_rows: Floats


@dataclass(frozen=True)
class WiredBatch:
    """A batch of molecules.

    Attributes:
        codes: Code of each atom; shape (a,), below c.
        code_rows: Table rows of each code, as ones; shape (c, rows).
        environments: Environment of each atom, in rising order; shape (a,), below u.
        alike: Adds up the atoms of each environment; sparse, shape (u, a).
        environment_codes: Code of each environment's atom; shape (u,), below c.
        first: What leads to the environments, from codes.
        rest: What leads to the atoms, from atoms.
        leaving: Bonds that come from the atoms, laid out like those that lead to them; shape (e,).
        molecules: Molecule of each atom; shape (a,), below m.
        members: Adds up the atoms of each molecule; sparse, shape (m, a).
    """

    codes: Rows
    code_rows: Floats
    environments: Rows
    alike: Any
    environment_codes: Rows
    first: Wires
    rest: Wires
    leaving: Rows
    molecules: Rows
    members: Any


class WiredMolecules:
    """All molecules of a training. Not for several threads at once."""

    def __init__(self, graphs: MoleculeGraphs) -> None:
        """Find what batches are cut out of."""
        directed = directed_bonds(graphs)
        self._atom_offsets = graphs.atom_offsets
        self._begins, self._degrees = directed.offsets[:-1], np.diff(directed.offsets)
        self._sources = directed.sources
        # As many bonds lead from an atom as to it, so that what comes first in one order has room in the other.
        self._leaving = np.argsort(directed.sources, kind='stable')
        self._codes, self._code_rows = _occurring(graphs.atoms, ATOM_COLUMNS)
        self._kinds, self._kind_rows = _occurring(directed.codes, BOND_COLUMNS)
        labels = find_environments(graphs, 1).atoms.astype(np.int64)
        # By neighbours first, so that what stands in order of rank stands in order of groups.
        self._ranks = np.unique(self._degrees * (labels.max(initial=0) + 1) + labels, return_inverse=True)[1]
        self._atom_places = np.empty(len(graphs.atoms), dtype=np.int64)
        self._bond_places = np.empty(len(directed.sources), dtype=np.int64)

    def batch(self, rows: Rows) -> WiredBatch:
        """The molecules in these rows, each at most once."""
        starts = self._atom_offsets[rows]
        sizes = self._atom_offsets[rows + 1] - starts
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        atoms = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], sizes)
        order = np.argsort(self._ranks[atoms], kind='stable')
        atoms, owners = atoms[order], np.repeat(np.arange(len(rows)), sizes)[order]
        places = np.empty(len(order), dtype=np.int64)
        places[order] = np.arange(len(order))
        ranks = self._ranks[atoms]
        cuts = np.flatnonzero(np.concatenate([[True], ranks[1:] != ranks[:-1]]))
        bounds = np.append(cuts, len(atoms))
        self._atom_places[atoms] = np.arange(len(atoms))
        groups, bonds = self._leading_to(atoms)
        self._bond_places[bonds] = np.arange(len(bonds))
        return WiredBatch(
            self._codes[atoms],
            self._code_rows,
            np.repeat(np.arange(len(cuts)), np.diff(bounds)),
            _adder(np.arange(len(atoms)), bounds),
            self._codes[atoms[cuts]],
            self._wires(*self._leading_to(atoms[cuts]), self._codes),
            self._wires(groups, bonds, self._atom_places),
            self._bond_places[self._leaving[bonds]],
            owners,
            _adder(places, offsets),
        )

    def _wires(self, groups: tuple[Group, ...], bonds: Rows, rows: Rows) -> Wires:
        """Some bonds, whose sources stand in the given rows."""
        kinds = self._kinds[bonds]
        return Wires(groups, rows[self._sources[bonds]], kinds, self._kind_rows, self._kind_rows.take(kinds, axis=0))

    def _leading_to(self, atoms: Rows) -> tuple[tuple[Group, ...], Rows]:
        """Groups of atoms whose numbers of neighbours rise, and the bonds that lead to them as groups lay them out."""
        begins, counts = self._begins[atoms], np.bincount(self._degrees[atoms])
        groups, bonds, start, first = [], [], 0, 0
        for neighbours in np.flatnonzero(counts).tolist():
            stop = start + int(counts[neighbours])
            last = first + neighbours * (stop - start)
            groups.append(Group(slice(start, stop), slice(first, last), neighbours))
            bonds.append((begins[start:stop] + np.arange(neighbours)[:, None]).reshape(-1))
            start, first = stop, last
        return tuple(groups), np.concatenate(bonds)


def _occurring(codes: NDArray[np.integer], columns: tuple[Column, ...]) -> tuple[Rows, Floats]:
    """Which of the codes that occur each is, and their table rows, as ones; shapes (n,) and (codes, rows)."""
    different, places = np.unique(codes, return_inverse=True)
    rows = np.zeros((len(different), table_rows(columns)), dtype=np.float32)
    rows[np.arange(len(different))[:, None], table_indices(different, columns)] = 1
    return places, rows


def _adder(columns: Rows, offsets: Rows) -> Any:
    """Sparse matrix, shape (n, columns), that adds up runs of columns, each once in all."""
    from scipy.sparse import csr_array

    ones = np.ones(len(columns), dtype=np.float32)
    shape = (len(offsets) - 1, len(columns))
    return csr_array((ones, columns.astype(np.int32), offsets.astype(np.int32)), shape=shape)
