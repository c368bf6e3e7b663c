"""What an ensemble chooses from: a fixed list of candidates as features, and what is known about some of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.models.space_files import SpaceFiles, SpaceRows


def _no_rows() -> NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class SearchSpace:
    """A fixed search space.

    Attributes:
        features: Features (``models.surrogate.Features``) of all ``size`` candidates, row by row, and after them of
            what is known but cannot be chosen.
        size: Number of candidates.
        known_rows: Rows of the features whose values were known before the campaign; shape (known,), int64.
        known_values: Those values, in the objective's unit; shape (known,), float64.
        unusable: Candidates that have no features (their rows hold a stand-in's); shape (unusable,), int64.
        files: Where the features are kept, if they are kept in files.

    Raises:
        ConfigurationError: If nothing is left to choose from.
        ValueError: If the arrays do not fit together.
    """

    features: Any
    size: int
    known_rows: NDArray[np.int64] = field(default_factory=_no_rows)
    known_values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    unusable: NDArray[np.int64] = field(default_factory=_no_rows)
    files: SpaceFiles | None = None

    def __post_init__(self) -> None:
        if len(self.known_rows) != len(self.known_values) or len(self.features) < self.size:
            raise ValueError(
                f'A search space of {self.size} candidates does not fit {len(self.features)} features, '
                f'{len(self.known_rows)} known rows and {len(self.known_values)} known values.'
            )
        if len(self.excluded) == self.size:
            raise ConfigurationError(
                f'search_space: expected at least one candidate that is not known yet, got {self.size:,}, of which '
                f'{len(self.unusable):,} cannot be used and all others are in the training set; '
                'give a larger search space.'
            )

    def piece(self, start: int, stop: int, *, by_file: bool) -> Any:
        """What an inference task is sent of the candidates from ``start`` up to ``stop``.

        Args:
            start: The first row.
            stop: The row after the last.
            by_file: Send the name of the files rather than what is in them, if they are kept in files.
        """
        if by_file and self.files is not None:
            return SpaceRows(self.files, start, stop)
        return self.features.take(slice(start, stop))

    @property
    def excluded(self) -> NDArray[np.int64]:
        """Candidates that must not be simulated: known already, or unusable; sorted, each once."""
        known = self.known_rows[self.known_rows < self.size]
        return np.union1d(known, self.unusable).astype(np.int64)
