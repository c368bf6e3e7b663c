"""A closed space whose values are all known: what would steering have found?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.candidates import Objective
from scoutbee.contracts.errors import ConfigurationError, InputTaskError, ResourceTaskError
from scoutbee.models.registry import make_surrogate

from .ensemble_search import EnsembleSearch
from .molecule_space import Report, nothing_usable, reject_unusable, rejects_path, report_file
from .options import LookupOptions
from .rejects import Rejects
from .screening import featurize_screened
from .search_space import SearchSpace
from .smiles_files import read_molecules

_KNOWN = 3
"""First word of the seed of what is known at the start; see ``ensemble_search``."""


def look_up(smiles: str, table: str, value_column: str) -> dict[str, Any]:
    """The value of a molecule in a table; a task function.

    Args:
        smiles: The molecule, as the table writes it.
        table: Path of the table, as this worker sees it.
        value_column: Column of the values.

    Returns:
        Plain data: ``smiles`` and ``value``.

    Raises:
        ResourceTaskError: If this worker cannot read the table.
        InputTaskError: If the table has no value of that molecule.
    """
    try:
        values = _table(table, value_column)
    except ConfigurationError as error:
        raise ResourceTaskError(f'{error} This worker needs the same path.') from error
    if smiles not in values:
        raise InputTaskError(f'Expected a molecule of {table} that has a value in {value_column}, got {smiles!r}.')
    return {'smiles': smiles, 'value': values[smiles]}


class Lookup(EnsembleSearch):
    """Molecules of a table; simulating one uncovers its value, and what belongs to the best of them counts as found.

    Attributes:
        top_rows: Rows of the best ``top`` molecules, best first; shape (top,), fewer where the table is smaller.
    """

    name = 'lookup'
    value_field = 'value'

    def __init__(
        self, space: SearchSpace, smiles: Sequence[str], values: NDArray[np.float64], options: LookupOptions
    ) -> None:
        """Begin with nothing uncovered.

        Args:
            space: The molecules, and which are known at the start.
            smiles: Their SMILES by row.
            values: Their values by row; NaN where they cannot be chosen. What is the best is seen from them, nothing
                else.
            options: What a person set.
        """
        order = np.argsort(-values if options.maximize else values, kind='stable')  # NaN comes last.
        self.top_rows: NDArray[np.int64] = order[: min(options.top, int(np.isfinite(values).sum()))].astype(np.int64)
        threshold = float(values[self.top_rows[-1]])
        objective = Objective(options.value_column, options.unit, options.maximize, threshold)
        super().__init__(space, objective, options.learning)
        self._smiles = smiles
        self._options = options

    def key(self, row: int) -> str:
        """The SMILES."""
        return self._smiles[row]

    def args(self, row: int) -> tuple[Any, ...]:
        """The SMILES."""
        return (self._smiles[row],)

    def simulate(self) -> Callable[..., Mapping[str, Any]]:
        """A look into the table."""
        options = self._options
        return partial(look_up, table=str(options.table.resolve()), value_column=options.value_column)


def make_lookup(options: LookupOptions, cache_dir: Path, report: Report) -> Lookup:
    """Read the table, draw what is known at the start, and be ready.

    Args:
        options: What a person set.
        cache_dir: Where features and rejected lines are kept.
        report: Told, in sentences, what came of reading and what takes long.

    Raises:
        ConfigurationError: If a setting or the file cannot be used.
    """
    learning = options.learning
    featurizer = make_surrogate(learning.surrogate, learning.surrogate_settings).featurizer
    with Rejects(rejects_path(cache_dir, 'table', options.table)) as rejects:
        found = read_molecules(options.table, 'table', rejects, options.value_column)
        with nothing_usable(found, rejects, 'table'):
            screened = featurize_screened(featurizer, found.smiles, cache_dir, report)
        reject_unusable(found, screened.unusable, rejects, 'table')
    report_file(report, 'table', found, rejects)
    values = found.values.copy()
    values[screened.unusable] = np.nan
    drawn = np.random.default_rng((learning.seed, _KNOWN)).permutation(np.flatnonzero(np.isfinite(values)))
    known = np.sort(drawn[: options.known])
    space = SearchSpace(screened.features, len(found), known, values[known], screened.unusable, screened.files)
    return Lookup(space, found.smiles, values, options)


@lru_cache(maxsize=4)
def _table(path: str, value_column: str) -> Mapping[str, float]:
    with Rejects(None) as rejects:
        found = read_molecules(Path(path), 'table', rejects, value_column)
    return dict(zip(found.smiles, found.values.tolist(), strict=True))
