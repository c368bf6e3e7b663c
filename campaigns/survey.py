"""What a search space holds, told without making its features: nothing is computed, cached or written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scoutbee.models.surrogate import Featurizer

from .lines import iterate_lines
from .molecule_space import stack
from .rejects import Rejects
from .screening import screened_bytes
from .smiles_files import read_molecules

READ_UP_TO = 200_000
"""Lines up to which a file is read; of a longer one they are only counted, because reading it takes seconds."""


@dataclass(frozen=True)
class Survey:
    """What a search space holds.

    Attributes:
        candidates: Candidates to choose from; those that turn out to have no features among them.
        known: Candidates and others whose values are known before the campaign.
        feature_bytes: Bytes of the features of a candidate, on average; None where nothing tells.
        is_read: Whether the search space was read; if not, ``candidates`` is its number of lines.
        coordinates: Coordinates of a candidate, where candidates are points.
    """

    candidates: int
    known: int
    feature_bytes: float | None
    is_read: bool = True
    coordinates: int = 0


def survey_molecules(
    search_space: Path, training_set: Path | None, value_column: str, featurizer: Featurizer, cache_dir: Path
) -> Survey:
    """Look at the files of a campaign over molecules.

    Args:
        search_space: The molecules to choose from.
        training_set: Molecules with values, if any.
        value_column: Column of the values.
        featurizer: What would make the features.
        cache_dir: Where features are cached.

    Raises:
        ConfigurationError: If a file cannot be used.
    """
    uncounted = Rejects(None)
    known = None if training_set is None else read_molecules(training_set, 'training_set', uncounted, value_column)
    count = 0 if known is None else len(known)
    lines = sum(1 for _ in iterate_lines(search_space, 'search_space'))
    if lines > READ_UP_TO:
        return Survey(lines, count, None, is_read=False)
    candidates = read_molecules(search_space, 'search_space', uncounted)
    inputs, _ = stack(candidates, known)
    cached = screened_bytes(featurizer, inputs, cache_dir)
    return Survey(len(candidates), count, None if cached is None else cached / len(inputs))
