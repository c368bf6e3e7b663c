"""The opening: an order to begin with, while the first model is still being trained.

Where enough is known before a campaign begins, its simulation workers could start at once, but the first real model
takes as long as its libraries take to import and its network to train. A surrogate may know a simpler model of the
same features that is fitted and asked within seconds; what it says is better than waiting, and is replaced by the
first ranking.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .blas_threads import one_blas_thread
from .surrogate import TrainingData

MOST_OBSERVATIONS = 3_000
"""An opening learns enough from so many; the time to fit grows with up to the cube of their number."""

MOST_CANDIDATES = 400_000
"""An opening looks at so many: the best of them stand far above the mean, and it takes a second or two."""

_RUN = 4_096
"""Most rows taken side by side, which costs less than as many far from each other."""

_RUNS = 16
"""Places that they are taken from at least, where there are so many."""


@runtime_checkable
class Opener(Protocol):
    """What a surrogate may do besides: predict in seconds, in the driver, before it has trained a model."""

    def opening(self, data: TrainingData[Any], features: Any) -> NDArray[np.float32]:
        """Predicted values, shape (n,), in the unit of the observations; imports nothing that takes seconds.

        Args:
            data: What is known.
            features: The candidates, ``n``.

        Raises:
            TaskError: If it comes to nothing usable.
        """
        ...


@dataclass(frozen=True)
class Opening:
    """What an opening says.

    Attributes:
        rows: The candidates it has looked at; shape (n,), int64, sorted.
        values: Their predicted values, in the unit of the observations; shape (n,), float32.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float32]


def make_opening(
    opener: Opener, features: Any, size: int, known_rows: NDArray[np.int64], known_values: NDArray[np.float64]
) -> Opening:
    """Fit to what is known and look at the candidates, or at 3,000 and 400,000 that are spread over them.

    Args:
        opener: The surrogate.
        features: Features of the candidates, ``size``, and after them of what else is known.
        size: How many candidates there are.
        known_rows: Rows of the features whose values are known; shape (known,), at least one.
        known_values: Those values; shape (known,).

    Raises:
        TaskError: If it comes to nothing usable.
    """
    some = spread_rows(len(known_rows), MOST_OBSERVATIONS)
    rows = spread_rows(size, MOST_CANDIDATES)
    data = TrainingData(features.take(known_rows[some]), known_values[some])
    # A slice shares memory with the features.
    candidates = features.take(slice(0, size) if len(rows) == size else rows)
    with one_blas_thread():
        return Opening(rows, opener.opening(data, candidates))


def spread_rows(size: int, most: int) -> NDArray[np.int64]:
    """At most so many of ``size`` rows, in runs spread evenly over all of them; sorted, shape (rows,).

    Args:
        size: How many rows there are.
        most: How many are wanted at most, at least 1.
    """
    if size <= most:
        return np.arange(size)
    run = max(1, min(_RUN, most // _RUNS))
    starts = np.linspace(0, size - run, most // run).astype(np.int64)
    return np.unique(starts[:, np.newaxis] + np.arange(run))
