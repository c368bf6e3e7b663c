"""From a SMILES to a first three-dimensional geometry, by RDKit.

Nothing is guessed: what is not one neutral closed-shell molecule of elements that the method has is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom

from scoutbee.contracts.errors import InputTaskError

from .errors import (
    ChargedMoleculeError,
    EmbeddingError,
    FragmentsError,
    OpenShellError,
    UnparsableSmilesError,
    UnsupportedElementError,
)
from .force_field import pre_relax, stiffness
from .records import EmbeddingRecord

MAX_ATOMIC_NUMBER = 86
"""GFN2-xTB and IPEA1-xTB have parameters for hydrogen to radon."""

EMBEDDING_ATTEMPTS = 10

_SEED_LIMIT = 2**31 - EMBEDDING_ATTEMPTS
_OPEN_D_SHELLS = frozenset((*range(21, 30), *range(39, 48), *range(57, 80)))


@dataclass(frozen=True)
class Molecule:
    """A molecule with a first geometry.

    Attributes:
        smiles: The SMILES as it was given.
        numbers: Atomic numbers, shape (atoms,), hydrogens last.
        coordinates: In angstrom, shape (atoms, 3).
        bonds: Bonds of the SMILES and to hydrogens, as pairs of atoms, the smaller first.
        embedding: How the geometry came about.
        stiffness: Second derivatives of the force field's energy, shape (3 atoms, 3 atoms), in eV per square
            angstrom; None where no force field knows the atoms.
    """

    smiles: str
    numbers: NDArray[np.int64]
    coordinates: NDArray[np.float64]
    bonds: frozenset[tuple[int, int]]
    embedding: EmbeddingRecord
    stiffness: NDArray[np.float64] | None


def build_molecule(smiles: str, seed: int = 1) -> Molecule:
    """Parse, check, embed and pre-relax a molecule.

    Stereo centres that the SMILES leaves open get the configuration that the embedding happens to draw: always the
    same one for the same seed.

    Args:
        smiles: SMILES of one neutral closed-shell molecule.
        seed: Seed of the embedding.

    Raises:
        MoleculeInputError: One of its kinds, see ``errors``.
        InputTaskError: If the seed is not between 0 and 2**31 - 11.
    """
    if not 0 <= seed < _SEED_LIMIT:
        # A negative seed would make RDKit draw another geometry each time.
        raise InputTaskError(f'Expected a seed from 0 to {_SEED_LIMIT - 1}, got {seed!r}.')
    with rdBase.BlockLogs():
        graph = Chem.AddHs(parse_smiles(smiles))
        embedding = _embed(smiles, graph, seed)
    return Molecule(
        smiles=smiles,
        numbers=np.array([atom.GetAtomicNum() for atom in graph.GetAtoms()], dtype=np.int64),
        coordinates=np.array(graph.GetConformer().GetPositions(), dtype=np.float64),
        bonds=frozenset(_pair(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in graph.GetBonds()),
        embedding=embedding,
        stiffness=stiffness(graph, embedding.forcefield),
    )


def parse_smiles(smiles: str) -> Any:
    """An RDKit molecule, checked to be one that can be computed; without explicit hydrogens.

    Raises:
        MoleculeInputError: One of its kinds, see ``errors``.
    """
    with rdBase.BlockLogs():
        graph = _read(smiles)
        _check_fragments(smiles, graph)
        _check_elements(smiles, graph)
        _check_electrons(smiles, graph)
    return graph


def _read(smiles: str) -> Any:
    if not isinstance(smiles, str) or not smiles.strip():
        raise UnparsableSmilesError(
            smiles, 'expected a SMILES, got ' + ('nothing' if isinstance(smiles, str) else type(smiles).__name__)
        )
    if len(smiles.split()) > 1:
        raise UnparsableSmilesError(smiles, 'expected a SMILES alone, got several words')
    graph = Chem.MolFromSmiles(smiles.strip(), sanitize=False)
    if graph is None:
        raise UnparsableSmilesError(smiles, 'not the syntax of SMILES')
    problems = Chem.DetectChemistryProblems(graph)
    if problems:
        raise UnparsableSmilesError(smiles, '; '.join(problem.Message() for problem in problems))
    # Parsed again, because sanitizing in place keeps hydrogens that an ordinary parse makes implicit.
    graph = Chem.MolFromSmiles(smiles.strip())
    if graph is None:
        raise UnparsableSmilesError(smiles, 'RDKit cannot make sense of it')
    return graph


def _check_fragments(smiles: str, graph: Any) -> None:
    count = len(Chem.GetMolFrags(graph))
    if count != 1:
        raise FragmentsError(smiles, f'expected one fragment, got {count}; give each as a SMILES of its own')


def _check_elements(smiles: str, graph: Any) -> None:
    for atom in graph.GetAtoms():
        number, symbol = atom.GetAtomicNum(), atom.GetSymbol()
        if not 1 <= number <= MAX_ATOMIC_NUMBER:
            raise UnsupportedElementError(
                smiles, f'expected hydrogen to radon (Z 1 to {MAX_ATOMIC_NUMBER}), got {symbol} (Z {number})'
            )
        if number in _OPEN_D_SHELLS:
            raise UnsupportedElementError(
                smiles, f'the spin state of {symbol}, with its open d or f shell, cannot be told from a SMILES'
            )


def _check_electrons(smiles: str, graph: Any) -> None:
    charge = Chem.GetFormalCharge(graph)
    if charge:
        raise ChargedMoleculeError(smiles, f'expected a total charge of 0, got {charge:+d}')
    radicals = sum(atom.GetNumRadicalElectrons() for atom in graph.GetAtoms())
    electrons = sum(atom.GetAtomicNum() + atom.GetTotalNumHs() for atom in graph.GetAtoms())
    if radicals:
        raise OpenShellError(smiles, f'expected no unpaired electrons, got {radicals}')
    if electrons % 2:
        raise OpenShellError(smiles, f'expected an even number of electrons, got {electrons}')


def _embed(smiles: str, graph: Any, seed: int) -> EmbeddingRecord:
    """Give the graph a conformer in place, starting from random coordinates if distance geometry alone fails."""
    for attempt in range(EMBEDDING_ATTEMPTS):
        try:
            conformer = rdDistGeom.EmbedMolecule(graph, randomSeed=seed + attempt, useRandomCoords=attempt > 0)
        except (RuntimeError, ValueError) as error:
            raise EmbeddingError(smiles, f'RDKit could not embed it: {error}') from error
        if conformer >= 0:
            forcefield, converged = pre_relax(graph)
            if np.isfinite(graph.GetConformer().GetPositions()).all():
                return EmbeddingRecord(seed + attempt, attempt + 1, attempt > 0, forcefield, converged)
    raise EmbeddingError(smiles, f'{EMBEDDING_ATTEMPTS} attempts failed, with seeds {seed} and up')


def _pair(first: int, second: int) -> tuple[int, int]:
    return (first, second) if first < second else (second, first)
