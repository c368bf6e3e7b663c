"""From two files a person wrote to a search space: read, joined, featurized, and all that was skipped accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.models.space_cache import NothingUsable
from scoutbee.models.surrogate import Featurizer
from scoutbee.models.texts import Texts

from .rejects import Rejects
from .screening import featurize_screened
from .search_space import SearchSpace
from .smiles_files import Molecules, nothing_left, read_molecules

Report = Callable[[str], None]

NOT_A_MOLECULE = 'not a molecule that can be featurized'

_STEM = 100
"""Characters of a file's name that go into the name of its rejects, which must not become too long for a file."""


def read_molecule_space(
    search_space: Path,
    training_set: Path | None,
    value_column: str,
    featurizer: Featurizer,
    cache_dir: Path,
    report: Report,
) -> tuple[SearchSpace, Sequence[str]]:
    """Read a search space and what is known.

    A training molecule written with the same SMILES as a candidate makes that candidate known.

    Args:
        search_space: The molecules to choose from.
        training_set: Molecules with values, if any.
        value_column: Column of the values.
        featurizer: Makes the features.
        cache_dir: Where features are cached and rejected lines written.
        report: Told what was read and skipped.

    Returns:
        The space, and the SMILES of its candidates by row.

    Raises:
        ConfigurationError: If a file cannot be used, or nothing is left to choose from.
    """
    with (
        Rejects(rejects_path(cache_dir, 'search_space', search_space)) as rejects,
        Rejects(rejects_path(cache_dir, 'training_set', training_set)) as training_rejects,
    ):
        candidates = read_molecules(search_space, 'search_space', rejects)
        known = None
        if training_set is not None:
            known = read_molecules(training_set, 'training_set', training_rejects, value_column)
        inputs, rows = stack(candidates, known)
        with nothing_usable(candidates, rejects, 'search_space'):
            screened = featurize_screened(featurizer, inputs, cache_dir, report)
        unusable = screened.unusable[screened.unusable < len(candidates)]
        reject_unusable(candidates, unusable, rejects, 'search_space')
        usable = ~np.isin(rows, screened.unusable)
        if known is not None:
            reject_unusable(known, np.flatnonzero(~usable), training_rejects, 'training_set')
    report_file(report, 'search_space', candidates, rejects)
    files = screened.files
    if known is None:
        return SearchSpace(screened.features, len(candidates), unusable=unusable, files=files), candidates.smiles
    report_file(report, 'training_set', known, training_rejects)
    values = known.values[usable]
    return SearchSpace(screened.features, len(candidates), rows[usable], values, unusable, files), candidates.smiles


@contextmanager
def nothing_usable(molecules: Molecules, rejects: Rejects, field: str) -> Iterator[None]:
    """Refuse a file in words if not one of its molecules can be featurized.

    Raises:
        ConfigurationError: Instead of ``NothingUsable``.
    """
    try:
        yield
    except NothingUsable:
        reject_unusable(molecules, np.arange(len(molecules)), rejects, field)
        raise


def reject_unusable(molecules: Molecules, indices: NDArray[np.int64], rejects: Rejects, field: str) -> None:
    """Reject the molecules that have no features.

    Raises:
        ConfigurationError: If those are all.
    """
    for index in indices:
        rejects.add(int(molecules.lines[index]), NOT_A_MOLECULE, molecules.smiles[index])
    if len(indices) == len(molecules):
        raise ConfigurationError(nothing_left(molecules, field, rejects))


def rejects_path(cache_dir: Path, field: str, path: Path | None) -> Path | None:
    """Where the rejected lines of a file are written."""
    return None if path is None else cache_dir / 'rejected' / f'{field}-{path.name.split(".")[0][:_STEM]}.csv'


def report_file(report: Report, field: str, molecules: Molecules, rejects: Rejects) -> None:
    """Tell what came of reading a file."""
    repeated = f'; {molecules.duplicates:,} repeated lines were skipped' if molecules.duplicates else ''
    usable = len(molecules) - rejects.reasons[NOT_A_MOLECULE]
    report(f'{field}: {usable:,} molecules in {molecules.path}{repeated}.')
    if rejects.count:
        report(
            f'{field}: {rejects.count:,} lines of {molecules.path} cannot be used and are skipped '
            f'({rejects.summary()}); they are listed in {rejects.path}.'
        )


def stack(candidates: Molecules, known: Molecules | None) -> tuple[Texts, NDArray[np.int64]]:
    """The candidates followed by what else is known, and the row of each known molecule among them."""
    if known is None:
        return candidates.smiles, np.empty(0, dtype=np.int64)
    rows = candidates.smiles.find(known.smiles)
    extra = np.flatnonzero(rows < 0)
    rows[extra] = len(candidates) + np.arange(len(extra))
    return candidates.smiles.joined(known.smiles.take(extra)) if len(extra) else candidates.smiles, rows
