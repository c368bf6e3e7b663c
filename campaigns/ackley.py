"""Random points of the Ackley function, re-prioritised while they wait: the workflow of the EMEWS EQ/SQL prototype."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.candidates import Objective
from scoutbee.models.registry import make_surrogate
from scoutbee.simulation.ackley import slow_ackley

from .ensemble_search import EnsembleSearch
from .options import AckleyOptions
from .search_space import SearchSpace

_POINTS = 2
"""First word of the seed of the points; see ``ensemble_search``."""


class Ackley(EnsembleSearch):
    """The smallest of random points, which are slow to evaluate and ordered by a Gaussian process."""

    name = 'ackley'
    value_field = 'value'

    def __init__(self, options: AckleyOptions) -> None:
        """Draw the points.

        Raises:
            ConfigurationError: If the surrogate or the acquisition function cannot be made.
        """
        learning = options.learning
        rng = np.random.default_rng((learning.seed, _POINTS))
        self.points: NDArray[np.float64] = rng.uniform(
            -options.bound, options.bound, (options.points, options.dimensions)
        )
        featurizer = make_surrogate(learning.surrogate, learning.surrogate_settings).featurizer
        space = SearchSpace(featurizer.featurize(self.points.tolist()), options.points)
        super().__init__(space, Objective('Ackley function', '', maximize=False, threshold=options.threshold), learning)
        self._options = options

    def key(self, row: int) -> str:
        """The number of the point: with the seed, it is the point."""
        return f'point-{row}'

    def args(self, row: int) -> tuple[Any, ...]:
        """The coordinates."""
        return (self.points[row].tolist(),)

    def simulate(self) -> Callable[..., Mapping[str, Any]]:
        """The function, with its delay."""
        options = self._options
        return partial(
            slow_ackley,
            delay_log_mean=options.delay_log_mean,
            delay_log_std=options.delay_log_std,
            seed=options.learning.seed,
            delay_scale=options.delay_scale,
        )


def make_ackley(options: AckleyOptions, cache_dir: Path, report: Callable[[str], None]) -> Ackley:
    """Draw the points and be ready; nothing is read, cached or worth reporting.

    Raises:
        ConfigurationError: If a setting cannot be used.
    """
    return Ackley(options)
