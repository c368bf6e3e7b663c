"""Acquisition functions: which candidate is worth simulating next, given what an ensemble predicts.

Axes: ``members`` models of the ensemble, ``n`` candidates. Predictions come in the direction of maximisation, and a
higher score is better. The uncertainty of a prediction is its standard deviation over the members.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import ConfigurationError

from .ensemble import Ensemble, Floats, moments


@dataclass(frozen=True)
class AcquisitionContext:
    """What an acquisition function may use besides predictions.

    Attributes:
        rng: Source of what is drawn at random; the campaign seeds it from its seed and the ranking's number.
        best: Best value observed so far, in the direction of maximisation; None before the first.
    """

    rng: np.random.Generator
    best: float | None = None


class Acquisition(Protocol):
    """Scores candidates."""

    @property
    def name(self) -> str:
        """Name, as in ``--acquisition``."""
        ...

    def __call__(self, predictions: Ensemble, context: AcquisitionContext) -> Floats:
        """Scores, shape (n,), higher is better.

        A candidate with a prediction that is NaN gets a score that is NaN, and ``top_order`` never chooses it.
        """
        ...


@dataclass(frozen=True)
class UpperConfidenceBound:
    """Mean + beta x standard deviation (Srinivas et al., 2010; doi:10.1109/TIT.2011.2182033).

    Attributes:
        beta: Weight of the uncertainty, >= 0; 0 is greedy.
    """

    beta: float = 1.0
    name = 'ucb'

    def __call__(self, predictions: Ensemble, context: AcquisitionContext) -> Floats:
        """Scores in the objective's unit, shape (n,)."""
        scores: Floats = np.empty(predictions.size, dtype=predictions.dtype)
        for part, piece in predictions.pieces():
            mean, std = moments(piece)
            std *= self.beta
            np.add(mean, std, out=scores[part])
        return scores


@dataclass(frozen=True)
class Greedy:
    """The mean alone: simulate what looks best, learn nothing on purpose."""

    name = 'greedy'

    def __call__(self, predictions: Ensemble, context: AcquisitionContext) -> Floats:
        """Scores in the objective's unit, shape (n,)."""
        return _means(predictions)


@dataclass(frozen=True)
class ExpectedImprovement:
    """Expected improvement on the best so far, predictions taken as normal.

    From Jones et al., 1998 (doi:10.1023/A:1008306431147).

    With ``d = mean - best`` and ``z = d / std`` it is ``d * cdf(z) + std * pdf(z)``. Where that is zero (no
    uncertainty, or too far below the best for floating point) the score is ``d``, which is negative: candidates
    without a chance stay behind all others and ordered by their mean, not by chance.

    Before the first observation the best mean stands for the best value.
    """

    name = 'expected_improvement'

    def __call__(self, predictions: Ensemble, context: AcquisitionContext) -> Floats:
        """Scores in the objective's unit, shape (n,), float64."""
        best = _best_mean(predictions) if context.best is None else context.best
        scores = np.empty(predictions.size, dtype=np.float64)
        for part, piece in predictions.pieces():
            mean, std = moments(piece)
            scores[part] = _improvement(mean.astype(np.float64) - best, std.astype(np.float64))
        return scores


@dataclass(frozen=True)
class Thompson:
    """What one member predicts, the member drawn at random (Thompson, 1933).

    One member is drawn for a whole ranking, not one for each candidate: a member is one consistent guess at the truth,
    and similar candidates rise and fall together in it. Variety comes from ranking often.
    """

    name = 'thompson'

    def __call__(self, predictions: Ensemble, context: AcquisitionContext) -> Floats:
        """Scores in the objective's unit, shape (n,)."""
        followed = int(context.rng.integers(predictions.members))
        scores: Floats = np.empty(predictions.size, dtype=predictions.dtype)
        for part, piece in predictions.pieces():
            scores[part] = piece[followed]
            scores[part][np.isnan(piece).any(axis=0)] = np.nan
        return scores


@dataclass(frozen=True)
class Random:
    """No steering: the baseline that every other one is compared with."""

    name = 'random'

    def __call__(self, predictions: Ensemble, context: AcquisitionContext) -> Floats:
        """Scores drawn evenly from 0 to 1, shape (n,), float64."""
        scores: Floats = context.rng.random((predictions.size,), dtype=np.float64)
        for part, piece in predictions.pieces():
            scores[part][np.isnan(piece).any(axis=0)] = np.nan
        return scores


ACQUISITIONS: Mapping[str, type[Any]] = MappingProxyType(
    {
        'ucb': UpperConfidenceBound,
        'greedy': Greedy,
        'expected_improvement': ExpectedImprovement,
        'thompson': Thompson,
        'random': Random,
    }
)
"""Acquisition functions by name, as in ``--acquisition``."""


def make_acquisition(name: str, beta: float = 1.0) -> Acquisition:
    """An acquisition function by name.

    Args:
        name: One of ``ACQUISITIONS``.
        beta: Weight of the uncertainty, for ``ucb``; the others do not look at it.

    Raises:
        ConfigurationError: If there is none of that name, or beta is negative or not finite.
    """
    if name not in ACQUISITIONS:
        raise ConfigurationError(
            f'Expected an acquisition function that exists ({", ".join(ACQUISITIONS)}), got {name!r}.'
        )
    if not (np.isfinite(beta) and beta >= 0):
        raise ConfigurationError(f'Expected beta to be a finite number of at least 0, got {beta}.')
    acquisition: Acquisition = UpperConfidenceBound(float(beta)) if name == 'ucb' else ACQUISITIONS[name]()
    return acquisition


def top_order(scores: Floats, taken_rows: NDArray[np.int64], block: int = 4096) -> Iterator[int]:
    """Rows from the best score down, found as they are asked for.

    Only blocks of the order are ever sorted, the first of ``block`` rows and each later one twice as long, so the top
    of millions costs a few passes over them. Memory is O(n). Rows of equal score come in the order of the rows.

    Args:
        scores: Shape (n,), higher is better; rows whose score is NaN never come.
        taken_rows: Rows to leave out; those outside the scores are passed over.
        block: Rows to find at first, at least 1.

    Raises:
        ValueError: If scores are not one-dimensional or block is less than 1.
    """
    if scores.ndim != 1 or block < 1:
        raise ValueError(f'Expected scores of shape (n,) and a block of 1 or more, got {scores.shape} and {block}.')
    free = ~np.isnan(scores)
    free[taken_rows[(taken_rows >= 0) & (taken_rows < len(scores))]] = False
    return _blocks(np.flatnonzero(free), -scores[free], block)


def _blocks(rows: NDArray[np.int64], costs: Floats, block: int) -> Iterator[int]:
    """Rows by rising cost; rows come in ascending order, which every step keeps, so that ties stay in it."""
    while len(rows):
        if len(rows) > block:
            limit = np.partition(costs, block - 1)[block - 1]
            chosen = costs < limit
            ties = np.flatnonzero(costs == limit)
            chosen[ties[: block - np.count_nonzero(chosen)]] = True
        else:
            chosen = np.ones(len(rows), dtype=bool)
        top, top_costs = rows[chosen], costs[chosen]
        yield from top[np.argsort(top_costs, kind='stable')].tolist()
        rows, costs = rows[~chosen], costs[~chosen]
        block *= 2


def _improvement(gain: NDArray[np.float64], std: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected improvement of normal predictions that lie ``gain`` above the best."""
    from scipy.special import ndtr

    certain = std <= 0
    z = np.divide(gain, std, out=np.zeros_like(gain), where=~certain)
    with np.errstate(under='ignore'):
        density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
        expected = np.where(certain, np.maximum(gain, 0.0), gain * ndtr(z) + std * density)
    # Far below the best the two terms cancel to rounding error of either sign.
    improvement: NDArray[np.float64] = np.where(expected <= 0, gain, expected)
    return improvement


def _means(predictions: Ensemble) -> Floats:
    means: Floats = np.empty(predictions.size, dtype=predictions.dtype)
    for part, piece in predictions.pieces():
        piece.mean(axis=0, out=means[part])
    return means


def _best_mean(predictions: Ensemble) -> float:
    means = _means(predictions)
    finite = means[np.isfinite(means)]
    return float(finite.max()) if finite.size else 0.0
