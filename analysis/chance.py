"""What choosing at random would have given: the yardstick for every campaign.

Known values of the search space (the training set's, say) stand for it. Random draws from a space much larger than the
number of draws are independent, so the best of ``n`` draws is at most the ``i``-th smallest of ``N`` known values with
probability ``(i/N)**n``, and the number that reaches the threshold is binomial. Where the known values *are* the search
space and nothing is drawn twice, these become ``C(i, n) / C(N, n)`` and the hypergeometric distribution.
(H. A. David, H. N. Nagaraja, Order Statistics, 3rd ed., Wiley 2003, sections 2.1 and 3.7; N. L. Johnson, A. W. Kemp,
S. Kotz, Univariate Discrete Distributions, 3rd ed., Wiley 2005, chapters 3 and 6.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.candidates import Objective

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Chance:
    """What random choice gives, with the central interval of ``level``; all arrays have shape (draws,).

    Attributes:
        draws: Numbers of draws.
        level: Probability within the intervals.
        best_mean: Expected best value, in the objective's unit.
        best_low: Lower end of its interval.
        best_high: Upper end of its interval.
        found_mean: Expected number that reaches the threshold; zero where there is none.
        found_low: Lower end of its interval.
        found_high: Upper end of its interval.
    """

    draws: NDArray[np.int64]
    level: float
    best_mean: Floats
    best_low: Floats
    best_high: Floats
    found_mean: Floats
    found_low: Floats
    found_high: Floats


def random_choice(
    reference_values: Sequence[float],
    draws: Sequence[int],
    objective: Objective,
    *,
    level: float = 0.9,
    closed: bool = False,
) -> Chance:
    """What random choice gives after each number of draws.

    Args:
        reference_values: Known values, in the objective's unit; those that are not finite are left out.
        draws: Numbers of draws, each at least 1.
        objective: What is looked for.
        level: Probability within the intervals.
        closed: Whether the known values are the whole search space, and none is drawn twice.

    Raises:
        ValueError: If there are no known values, or a number of draws is impossible.
    """
    known = np.asarray(reference_values, dtype=np.float64)
    values = np.sort(objective.sign * known[np.isfinite(known)])
    counts = np.asarray(draws, dtype=np.int64)
    if not values.size:
        raise ValueError('Expected at least one finite known value to tell what random choice gives, found none.')
    if counts.size and (counts.min() < 1 or (closed and counts.max() > values.size)):
        most = f' and at most {values.size}, the size of the closed space' if closed else ''
        raise ValueError(f'Expected numbers of draws of at least 1{most}, found {counts.min()} to {counts.max()}.')
    tail = (1 - level) / 2
    best = _best(values, counts, tail, closed)
    found = _found(values, counts, tail, closed, objective)
    low, high = (1, 2) if objective.maximize else (2, 1)
    return Chance(
        draws=counts,
        level=level,
        best_mean=objective.sign * best[0],
        best_low=objective.sign * best[low],
        best_high=objective.sign * best[high],
        found_mean=found[0],
        found_low=found[1],
        found_high=found[2],
    )


def _best(values: Floats, counts: NDArray[np.int64], tail: float, closed: bool) -> Floats:
    """Mean, lower and upper quantile of the largest draw; shape (3, draws)."""
    ranks = np.arange(1, values.size + 1)
    out = np.empty((3, counts.size))
    for column, n in enumerate(counts):
        if closed:
            logs = np.where(ranks >= n, _log_choose(np.maximum(ranks, n), n) - _log_choose(values.size, n), -np.inf)
        else:
            logs = n * np.log(ranks / values.size)
        cdf = np.exp(logs)
        cdf[-1] = 1.0
        out[0, column] = np.diff(cdf, prepend=0.0) @ values
        out[1:, column] = values[np.searchsorted(cdf, [tail, 1 - tail])]
    return out


def _found(values: Floats, counts: NDArray[np.int64], tail: float, closed: bool, objective: Objective) -> Floats:
    """Mean, lower and upper quantile of how many draws reach the threshold; shape (3, draws)."""
    good = sum(objective.is_found(float(objective.sign * value)) for value in values)
    share = good / values.size
    out = np.empty((3, counts.size))
    for column, n in enumerate(counts):
        out[0, column] = n * share
        if good in (0, values.size):
            out[1:, column] = n * share
            continue
        hits = np.arange(n + 1)
        if closed:
            possible = (hits <= good) & (n - hits <= values.size - good)
            logs = np.full(n + 1, -np.inf)
            some = hits[possible]
            logs[possible] = _log_choose(good, some) + _log_choose(values.size - good, n - some)
            logs -= _log_choose(values.size, n)
        else:
            logs = _log_choose(n, hits) + hits * np.log(share) + (n - hits) * np.log1p(-share)
        cdf = np.cumsum(np.exp(logs))
        out[1:, column] = np.minimum(np.searchsorted(cdf, [tail, 1 - tail]), n)
    return out


def _log_choose(n: int | NDArray[np.int64], k: int | NDArray[np.int64]) -> Floats:
    """Natural logarithm of the binomial coefficient, elementwise, for ``0 <= k <= n``."""
    n_, k_ = np.asarray(n, dtype=np.int64), np.asarray(k, dtype=np.int64)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, int(n_.max()) + 1)))])
    return np.asarray(logs[n_] - logs[k_] - logs[n_ - k_], dtype=np.float64)


def _found_by_chance(chance: Chance, known: int) -> str:
    if chance.found_mean[0] == 0:
        return f'none of the {known:,} known values does'
    return (
        f'random picks: {chance.found_mean[0]:.2g} '
        f'({chance.level:.0%}: {chance.found_low[0]:.0f} to {chance.found_high[0]:.0f})'
    )


def verdict(values: Sequence[float], reference_values: Sequence[float], objective: Objective) -> str | None:
    """In a sentence or two: what was found, and what as many random picks would have given.

    Args:
        values: Values the campaign observed, in the objective's unit.
        reference_values: Known values that stand for the search space.
        objective: What is looked for.

    Returns:
        The text, or None where either side has no values.
    """
    mine = np.asarray([value for value in values if np.isfinite(value)], dtype=np.float64)
    known = int(np.isfinite(np.asarray(reference_values, dtype=np.float64)).sum())
    if not mine.size or not known:
        return None
    chance = random_choice(reference_values, [mine.size], objective)
    unit = f' {objective.unit}' if objective.unit else ''
    best = objective.sign * (objective.sign * mine).max()
    text = (
        f'Best {objective.name} {best:.4g}{unit}; as many random picks would give {chance.best_mean[0]:.4g}{unit} '
        f'({chance.level:.0%}: {chance.best_low[0]:.4g} to {chance.best_high[0]:.4g}).'
    )
    if objective.threshold is not None:
        found = sum(objective.is_found(float(value)) for value in mine)
        text = f'{found} of {mine.size} reach {objective.threshold:g}{unit}; {_found_by_chance(chance, known)}. {text}'
    return text
