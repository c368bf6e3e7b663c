"""SMILES to integer graphs, by RDKit, on as many processes as it pays."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import InputTaskError

from .featurizing import screen_pieces, screen_whole
from .graph_codes import graphs_of_mols, graphs_of_tables
from .graphs import MoleculeGraphs, join_graphs, restore_graphs
from .mol_binaries import read_binaries
from .surrogate import Progress, Screening, silent

MAX_ATOMS = 65_535
"""Heavy atoms that a graph can number."""

PARALLEL_FROM = 8_000
"""Molecules from which more processes pay: the first takes a second or two to start and import RDKit."""

_HAS_EXTRAS = re.compile(r'\s|\[\d*(?:H|#1\b)').search
"""Texts with a name or an extension after the SMILES, or with hydrogens that may be atoms of their own."""


@dataclass(frozen=True)
class GraphFeaturizer:
    """Makes ``MoleculeGraphs`` of SMILES.

    Attributes:
        processes: Processes to use for many molecules; as many as this process may use cores, if not given.
        piece: Molecules that are looked at together.
    """

    processes: int | None = None
    piece: ClassVar[int] = 2_000

    @property
    def name(self) -> str:
        """Name and version of the features."""
        return 'molecule-graphs-1'

    def screen(self, inputs: Sequence[Any], progress: Progress = silent) -> Screening[MoleculeGraphs]:
        """Graphs of those of ``n`` SMILES that can be parsed and have atoms, told every 2,000 or more often."""
        return screen_whole(self, inputs, progress)

    def screen_pieces(self, inputs: Sequence[Any], pieces: Sequence[slice]) -> Iterator[Screening[MoleculeGraphs]]:
        """``screen`` of some pieces, each in its turn."""
        return screen_pieces(screen_graphs, inputs, pieces, processes=self.processes, parallel_from=PARALLEL_FROM)

    def join(self, parts: Sequence[MoleculeGraphs]) -> MoleculeGraphs:
        """All molecules of all parts, in order."""
        return join_graphs(parts)

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

    binaries: list[bytes] = []
    sources: list[str] = []
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
            binaries.append(mol.ToBinary(0))
            sources.append(text)
        graphs = _graphs(binaries, sources)
    return Screening(graphs, np.asarray(unusable, dtype=np.int64), fault)


def _graphs(binaries: list[bytes], sources: list[str]) -> MoleculeGraphs:
    """Graphs from the binary form of molecules where it can be read, and from the molecules themselves elsewhere."""
    tables = read_binaries(binaries)
    read = graphs_of_tables(tables)
    rest = np.flatnonzero(~tables.is_read)
    if not len(rest):
        return read
    asked = graphs_of_mols([_parse(sources[index]) for index in rest])
    order = np.argsort(np.concatenate([np.flatnonzero(tables.is_read), rest]), kind='stable')
    return join_graphs([read, asked]).take(order)


def _parse(text: Any) -> Any:
    mol = _molecule(text) if isinstance(text, str) else None
    if mol is None:
        raise InputTaskError(f'Expected a molecule as SMILES that RDKit can parse, got {text!r:.200}; take it out.')
    if not 0 < mol.GetNumAtoms() <= MAX_ATOMS:
        raise InputTaskError(
            f'Expected a molecule of 1 to {MAX_ATOMS} heavy atoms, got {mol.GetNumAtoms()} in '
            f'{text[:80]!r}; take it out.'
        )
    return mol


def _molecule(text: str) -> Any:
    """What ``MolFromSmiles`` returns, but for stereochemistry, which graphs do not hold; None where it fails."""
    from rdkit.Chem import MolFromSmiles, MolSanitizeException, SanitizeMol

    if _HAS_EXTRAS(text) is not None:
        return MolFromSmiles(text)
    # A quarter faster: it takes no hydrogens out, as there are none, and looks for no stereochemistry.
    mol = MolFromSmiles(text, _as_it_stands())
    if mol is None:
        return None
    try:
        SanitizeMol(mol)
    except MolSanitizeException:
        return None
    return mol


@cache
def _as_it_stands() -> Any:
    """Parameters with which a SMILES is parsed and left as it is."""
    from rdkit.Chem import SmilesParserParams

    params: Any = SmilesParserParams()
    params.sanitize = False
    params.removeHs = False
    return params
