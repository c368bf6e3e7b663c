"""What an ensemble predicts of millions of candidates, read in pieces that stay in a core's cache.

Axes: ``members`` models, ``n`` candidates. Predictions come chunk by chunk, and stay as they came: joining eight times
1.6 million of them into one array takes longer than everything that is then done with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

COLUMNS = 8_192
"""Candidates in a piece: what is computed of eight members' float32 fits into 256 KiB of cache."""


class Ensemble:
    """Predictions of an ensemble, in the direction of maximisation.

    Attributes:
        members: Number of models.
        size: Number of candidates, ``n``.
        dtype: Type of the pieces: float32, unless the predictions hold more.
    """

    def __init__(self, arrays: Sequence[Sequence[NDArray[Any]]], sign: float = 1.0) -> None:
        """Look at predictions; they are not copied.

        Args:
            arrays: ``arrays[i][c]``, shape (rows of the chunk,), is what member ``i`` predicts for chunk ``c``.
            sign: 1.0 where larger predictions are better, -1.0 where smaller are.

        Raises:
            ValueError: If there is no member, or the members do not agree about the chunks.
        """
        shapes = {tuple(np.shape(chunk) for chunk in member) for member in arrays}
        if len(shapes) != 1 or any(len(shape) != 1 for shape in next(iter(shapes))):
            raise ValueError(
                'Expected predictions of shape (n,), alike for at least one member, got '
                f'{sorted(shapes) if shapes else "none"}.'
            )
        self._arrays = arrays
        self._sign = sign
        self._ends = np.cumsum([len(chunk) for chunk in arrays[0]], dtype=np.int64)
        self.members = len(arrays)
        self.size = int(self._ends[-1]) if len(self._ends) else 0
        kinds = [chunk.dtype for member in arrays for chunk in member]
        self.dtype: np.dtype[Any] = np.result_type(np.float32, *kinds)

    def pieces(self) -> Iterator[tuple[slice, Floats]]:
        """Where each piece stands, and its predictions, shape (members, at most ``COLUMNS``).

        A piece may be written to, and holds until the next is asked for.
        """
        room = np.empty((self.members, COLUMNS), dtype=self.dtype)
        for chunk, end in enumerate(self._ends.tolist()):
            columns = [member[chunk] for member in self._arrays]
            start = end - len(columns[0])
            for first in range(0, len(columns[0]), COLUMNS):
                last = min(first + COLUMNS, len(columns[0]))
                piece = room[:, : last - first]
                for row, values in zip(piece, columns, strict=True):
                    np.multiply(values[first:last], self._sign, out=row)
                yield slice(start + first, start + last), piece

    def predicted(self, row: int) -> tuple[float, float]:
        """Mean and standard deviation of the members' predictions of one candidate, as they were predicted."""
        chunk = int(np.searchsorted(self._ends, row, side='right'))
        values = [float(member[chunk][row - int(self._ends[chunk])]) for member in self._arrays]
        mean = math.fsum(values) / len(values)
        return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))

    def constant_members(self, tolerance: float = 1e-6) -> list[int]:
        """Members that predict one and the same value for all candidates, so that they order nothing.

        Args:
            tolerance: Largest spread of a member's predictions that counts as none, relative to their largest
                magnitude. Predictions that are not finite are passed over.

        Returns:
            Their places; none where there are fewer than two candidates to compare.
        """
        if self.size < 2:
            return []
        return [place for place, chunks in enumerate(self._arrays) if _is_constant(chunks, tolerance)]


def moments(piece: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation over the members, each of shape (columns,), in the piece's type.

    The deviation is that of the members at hand (divided by ``members``, not ``members - 1``): 0 for a single one.

    Args:
        piece: Shape (members, columns); it is overwritten.
    """
    mean: Floats = piece.mean(axis=0)
    piece -= mean
    std: Floats = np.einsum('mn,mn->n', piece, piece)
    std /= len(piece)
    np.sqrt(std, out=std)
    return mean, std


def _is_constant(chunks: Sequence[Floats], tolerance: float) -> bool:
    """Whether values do not differ; the first of them that do tell, so that this hardly ever reads them all."""
    low, high = math.inf, -math.inf
    for chunk in chunks:
        for first in range(0, len(chunk), COLUMNS):
            values = chunk[first : first + COLUMNS]
            values = values[np.isfinite(values)]
            if values.size:
                low, high = min(low, float(values.min())), max(high, float(values.max()))
            if high - low > tolerance * max(abs(low), abs(high)):
                return False
    return True
