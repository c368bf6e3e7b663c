"""Candidates that are points of a real space: ``n`` points of ``d`` coordinates, as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import InputTaskError

from .surrogate import Progress, Screening, silent


@dataclass(frozen=True, eq=False)
class Vectors:
    """Points of a real space.

    Attributes:
        points: Coordinates, shape (n, d), float64.

    Raises:
        InputTaskError: If the shape or the type is another.
    """

    points: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.dtype != np.float64:
            raise InputTaskError(
                f'Expected points as float64 of shape (n, d), got {self.points.dtype} of shape {self.points.shape}.'
            )

    def __len__(self) -> int:
        """Number of points, ``n``."""
        return len(self.points)

    @property
    def dimension(self) -> int:
        """Coordinates a point, ``d``."""
        return int(self.points.shape[1])

    def take(self, rows: NDArray[np.int64] | slice) -> Vectors:
        """The points in these rows; a view where rows are a slice."""
        return Vectors(self.points[rows])

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The coordinates, as ``points``."""
        return {'points': self.points}


@dataclass(frozen=True)
class VectorFeaturizer:
    """Makes ``Vectors`` of sequences of numbers, all of one length.

    Attributes:
        piece: Points that are looked at together.
    """

    piece: ClassVar[int] = 100_000

    @property
    def name(self) -> str:
        """Name and version of the features."""
        return 'vectors-1'

    def screen(self, inputs: Sequence[Any], progress: Progress = silent) -> Screening[Vectors]:
        """Points from those of ``n`` inputs that are ``d`` finite numbers, ``d`` as in the first; (0, 0) from none."""
        rows: list[NDArray[np.float64]] = []
        unusable: list[int] = []
        fault: str | None = None
        for index, point in enumerate(inputs):
            row = _row(index, point, len(rows[0]) if rows else None)
            if isinstance(row, str):
                unusable.append(index)
                fault = fault or row
            else:
                rows.append(row)
        progress(len(inputs), len(inputs))
        points = Vectors(np.stack(rows) if rows else np.empty((0, 0)))
        return Screening(points, np.asarray(unusable, dtype=np.int64), fault)

    def screen_pieces(self, inputs: Sequence[Any], pieces: Sequence[slice]) -> Iterator[Screening[Vectors]]:
        """``screen`` of some pieces, each in its turn; ``d`` is as in the first of each."""
        return (self.screen(inputs[piece]) for piece in pieces)

    def join(self, parts: Sequence[Vectors]) -> Vectors:
        """The points of all parts, in order.

        Raises:
            InputTaskError: If they differ in ``d``.
        """
        points = [part.points for part in parts if len(part)] or [parts[0].points]
        if len({part.shape[1] for part in points}) > 1:
            raise InputTaskError(
                f'Expected points of one dimension, got {", ".join(str(part.shape[1]) for part in points)}.'
            )
        return Vectors(np.concatenate(points))

    def featurize(self, inputs: Sequence[Any], progress: Progress = silent) -> Vectors:
        """Points from ``n`` sequences of ``d`` numbers; none at all give shape (0, 0).

        Raises:
            InputTaskError: If one is not a sequence of numbers, has another length than the first, or holds a number
                that is not finite; it names the first such.
        """
        return self.screen(inputs, progress).complete()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> Vectors:
        """The inverse of ``Vectors.arrays``, without copying.

        Raises:
            InputTaskError: If the array is missing, or has another shape or type.
        """
        if 'points' not in arrays:
            raise InputTaskError(f"Expected an array 'points', got {sorted(arrays)}.")
        return Vectors(arrays['points'])


def _row(index: int, point: Any, width: int | None) -> NDArray[np.float64] | str:
    """The point as an array, or why it cannot be one."""
    try:
        row = np.asarray(point, dtype=np.float64)
    except (TypeError, ValueError):
        row = np.empty((0, 0))
    if row.ndim != 1 or len(row) == 0:
        return f'Expected a point as a sequence of numbers, got {point!r:.200} as point {index}.'
    if width is not None and len(row) != width:
        return (
            f'Expected every point to have {width} coordinates as the first has, got {len(row)} in point {index}: '
            f'{point!r:.200}.'
        )
    if not np.isfinite(row).all():
        return f'Expected finite coordinates, got {point!r:.200} in point {index}.'
    return row
