"""SMILES to fragments and descriptors, by RDKit, on as many processes as it pays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import InputTaskError

from .featurizing import screen_pieces, screen_whole
from .fingerprint_features import HASH_SIZE, FingerprintFeatures, join_fingerprints, restore_fingerprints
from .surrogate import Progress, Screening, silent

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


@dataclass(frozen=True)
class FingerprintFeaturizer:
    """Makes ``FingerprintFeatures`` of SMILES.

    Attributes:
        radius: Bonds from its centre to which a fragment reaches.
        processes: Processes to use for many molecules; as many as this process may use cores, if not given.
        piece: Molecules that are looked at together.
    """

    radius: int = 2
    processes: int | None = None
    piece: ClassVar[int] = 2_000

    @property
    def name(self) -> str:
        """Name and version of the features."""
        return f'fingerprint-r{self.radius}-1'

    def screen(self, inputs: Sequence[Any], progress: Progress = silent) -> Screening[FingerprintFeatures]:
        """Features of those of ``n`` SMILES that can be parsed and have atoms, told of every 2,000 molecules."""
        return screen_whole(self, inputs, progress)

    def screen_pieces(self, inputs: Sequence[Any], pieces: Sequence[slice]) -> Iterator[Screening[FingerprintFeatures]]:
        """``screen`` of some pieces, each in its turn."""
        screen = partial(screen_fingerprints, radius=self.radius)
        return screen_pieces(screen, inputs, pieces, processes=self.processes, parallel_from=PARALLEL_FROM)

    def join(self, parts: Sequence[FingerprintFeatures]) -> FingerprintFeatures:
        """All molecules of all parts, in order."""
        return join_fingerprints(list(parts))

    def featurize(self, inputs: Sequence[Any], progress: Progress = silent) -> FingerprintFeatures:
        """Features of ``n`` SMILES, in order.

        Raises:
            InputTaskError: If one cannot be parsed or has no atoms; it names the first such.
        """
        return self.screen(inputs, progress).complete()

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


def screen_fingerprints(smiles: Sequence[Any], radius: int) -> Screening[FingerprintFeatures]:
    """Features of those of ``n`` SMILES that can be parsed and have atoms, made in this process."""
    from rdkit import rdBase

    offsets = [0]
    columns: list[int] = []
    counts: list[int] = []
    descriptors = np.empty((len(smiles), len(DESCRIPTORS)), dtype=np.float32)
    unusable: list[int] = []
    fault: str | None = None
    generator, properties, surfaces = _calculators(radius)
    with rdBase.BlockLogs():
        for row, text in enumerate(smiles):
            try:
                mol = _parse(text)
            except InputTaskError as error:
                unusable.append(row)
                fault = fault or str(error)
                continue
            fragments = generator.GetCountFingerprint(mol).GetNonzeroElements()
            columns.extend(fragments.keys())
            counts.extend(min(count, 255) for count in fragments.values())
            descriptors[len(offsets) - 1] = (*properties.ComputeProperties(mol), *surfaces(mol))
            offsets.append(len(columns))
    descriptors = descriptors[: len(offsets) - 1]
    # Some indices of shape divide by zero for molecules of one or two atoms.
    np.nan_to_num(descriptors, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    features = FingerprintFeatures(
        np.asarray(offsets, dtype=np.int64),
        np.asarray(columns, dtype=np.uint16),
        np.asarray(counts, dtype=np.uint8),
        descriptors,
    )
    return Screening(features, np.asarray(unusable, dtype=np.int64), fault)


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
