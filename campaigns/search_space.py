"""What an ensemble chooses from: a fixed list of candidates as features, and what is known about some of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import ConfigurationError


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

    Raises:
        ConfigurationError: If nothing is left to choose from.
        ValueError: If the arrays do not fit together.
    """

    features: Any
    size: int
    known_rows: NDArray[np.int64] = field(default_factory=_no_rows)
    known_values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    unusable: NDArray[np.int64] = field(default_factory=_no_rows)

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

    @property
    def excluded(self) -> NDArray[np.int64]:
        """Candidates that must not be simulated: known already, or unusable; sorted, each once."""
        known = self.known_rows[self.known_rows < self.size]
        return np.union1d(known, self.unusable).astype(np.int64)
