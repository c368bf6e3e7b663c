"""SMILES to fragments and descriptors, by RDKit, on as many processes as it pays."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import InputTaskError

from .fingerprint_features import HASH_SIZE, FingerprintFeatures, join_fingerprints, restore_fingerprints

PROPERTIES = (
    'NumHeavyAtoms',
    'CrippenClogP',
    'CrippenMR',
    'tpsa',
    'labuteASA',
    'lipinskiHBD',
    'NumHeteroatoms',
    'NumAmideBonds',
    'FractionCSP3',
    'NumAromaticRings',
    'NumAromaticHeterocycles',
    'amw',
    'kappa1',
    'chi0v',
    'chi1v',
    'hallKierAlpha',
)
"""Descriptors by their names in RDKit's ``Properties``; the first is the size that others are set in relation to."""

DESCRIPTORS = (*PROPERTIES, *(f'SlogP_VSA{bin_number}' for bin_number in range(1, 13)))
"""All descriptors, in the order of their columns. The surface by lipophilicity comes nearly free with the log P."""

PARALLEL_FROM = 4_000
"""Molecules from which more processes pay: they take a second or two to start and import RDKit."""

_PIECE = 1_000


@dataclass(frozen=True)
class FingerprintFeaturizer:
    """Makes ``FingerprintFeatures`` of SMILES.

    Attributes:
        radius: Bonds from its centre to which a fragment reaches.
        processes: Processes to use for many molecules; as many as this process may use cores, if not given.
    """

    radius: int = 2
    processes: int | None = None

    @property
    def name(self) -> str:
        """Name and version of the features."""
        return f'fingerprint-r{self.radius}-1'

    def featurize(self, inputs: Sequence[Any]) -> FingerprintFeatures:
        """Features of ``n`` SMILES, in order.

        Raises:
            InputTaskError: If one cannot be parsed or has no atoms; it names the first such.
        """
        work = partial(fingerprints_of, radius=self.radius)
        processes = self.processes or _cores()
        # A daemonic process (a worker of multiprocessing's pool) may not have children.
        if processes == 1 or len(inputs) < PARALLEL_FROM or multiprocessing.current_process().daemon:
            return work(inputs)
        pieces = [inputs[start : start + _PIECE] for start in range(0, len(inputs), _PIECE)]
        # Not forked: the caller may hold threads, and a forked child can deadlock on their locks.
        with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context('spawn')) as pool:
            return join_fingerprints(list(pool.map(work, pieces)))

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> FingerprintFeatures:
        """The inverse of ``FingerprintFeatures.arrays``, without copying.

        Raises:
            InputTaskError: If an array is missing, or they do not fit together.
        """
        features = restore_fingerprints(arrays)
        if features.descriptors.shape[1] != len(DESCRIPTORS):
            raise InputTaskError(
                f'Expected {len(DESCRIPTORS)} descriptors a molecule, got {features.descriptors.shape[1]}; '
                'make the features again.'
            )
        return features


def fingerprints_of(smiles: Sequence[Any], radius: int) -> FingerprintFeatures:
    """Features of ``n`` SMILES, in this process.

    Raises:
        InputTaskError: If one cannot be parsed or has no atoms; it names the first such.
    """
    from rdkit import rdBase

    offsets = np.zeros(len(smiles) + 1, dtype=np.int64)
    columns: list[int] = []
    counts: list[int] = []
    descriptors = np.empty((len(smiles), len(DESCRIPTORS)), dtype=np.float32)
    generator, properties, surfaces = _calculators(radius)
    with rdBase.BlockLogs():
        for row, text in enumerate(smiles):
            mol = _parse(text)
            fragments = generator.GetCountFingerprint(mol).GetNonzeroElements()
            columns.extend(fragments.keys())
            counts.extend(min(count, 255) for count in fragments.values())
            offsets[row + 1] = len(columns)
            descriptors[row] = (*properties.ComputeProperties(mol), *surfaces(mol))
    # Some indices of shape divide by zero for molecules of one or two atoms.
    np.nan_to_num(descriptors, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return FingerprintFeatures(
        offsets, np.asarray(columns, dtype=np.uint16), np.asarray(counts, dtype=np.uint8), descriptors
    )


def _parse(text: Any) -> Any:
    from rdkit.Chem import MolFromSmiles

    mol = MolFromSmiles(text) if isinstance(text, str) else None
    if mol is None or mol.GetNumAtoms() == 0:
        raise InputTaskError(
            f'Expected a molecule as SMILES that RDKit can parse, got {str(text)[:200]!r}; take it out.'
        )
    return mol


@lru_cache
def _calculators(radius: int) -> tuple[Any, Any, Any]:
    """RDKit's calculators: of fragments, of ``PROPERTIES``, of the surface by lipophilicity."""
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
    from rdkit.Chem.rdMolDescriptors import Properties, SlogP_VSA_

    return GetMorganGenerator(radius=radius, fpSize=HASH_SIZE), Properties(list(PROPERTIES)), SlogP_VSA_


def _cores() -> int:
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
