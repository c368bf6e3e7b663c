"""How well the models knew what they chose, and how much each ranking changed the one before.

Predictions are those made when a candidate was chosen, and errors are prediction minus value, in the objective's unit.
Chosen candidates are not a fair sample: a model looks worse on them than on the search space at large. A standard
deviation counts as stated where it is above 0; a single model states none.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pandas as pd

from .outcome import valued
from .sessions import Floats

LEVELS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Probabilities at which calibration is looked at: 5 % to 95 %."""

BEST_OF_TOP = 10
"""How many of a top count as its very best."""


def predictions(observations: pd.DataFrame) -> pd.DataFrame:
    """Prediction and outcome of every observation that was chosen by a prediction and has a value, in order.

    Returns:
        Columns ``order``, ``key``, ``ranking``, ``generation`` (newest among the models that predicted it), ``mean``,
        ``std`` (over the ensemble; missing where none was stated), ``value``, ``error`` and ``z``, the error in stated
        standard deviations.
    """
    made = valued(observations)
    made = made[np.isfinite(made['choice_mean'].to_numpy(np.float64))]
    std = made['choice_std'].to_numpy(np.float64)
    table = pd.DataFrame({
        'order': made['order'],
        'key': made['key'],
        'ranking': made['choice_ranking'].astype('Int64'),
        'generation': made['choice_generation'].astype('Int64').fillna(0).astype(np.int64),
        'mean': made['choice_mean'],
        'std': np.where(std > 0, std, np.nan),
        'value': made['value'],
    })  # fmt: skip
    table['error'] = table['mean'] - table['value']
    table['z'] = table['error'] / table['std']
    return table.reset_index(drop=True)


def model_errors(made: pd.DataFrame) -> pd.DataFrame:
    """How far each generation of models was off for the candidates it chose.

    Args:
        made: What :func:`predictions` returns.

    Returns:
        One row a ``generation``, oldest first: ``count`` (candidates it chose that came back), ``mae`` (mean absolute
        error), ``rmse`` (root of the mean squared error), ``bias`` (mean error); and, of those with a stated standard
        deviation, ``stated`` (how many), ``std`` (its mean), ``covered_1`` and ``covered_2`` (share of errors within
        one and two of them; 0.68 and 0.95 if they are right and normal), ``z_spread`` (root of the mean squared ``z``;
        1 if they are right, more if they are too small) and ``nll`` (mean negative logarithm of the normal density that
        was predicted, at the value; lower is better).
    """
    table = made[['generation', 'std', 'error', 'z']].copy()
    table['absolute'], table['squared'] = table['error'].abs(), table['error'] ** 2
    table['z_squared'] = table['z'] ** 2
    stated = table['z'].notna()
    for width in (1, 2):
        table[f'covered_{width}'] = (table['z'].abs() <= width).astype(np.float64).where(stated)
    table['nll'] = 0.5 * np.log(2 * np.pi * table['std'] ** 2) + 0.5 * table['z_squared']
    groups = table.groupby('generation', sort=True)
    errors = groups.agg(
        count=('error', 'size'), mae=('absolute', 'mean'), rmse=('squared', 'mean'), bias=('error', 'mean'),
        stated=('z', 'count'), std=('std', 'mean'), covered_1=('covered_1', 'mean'), covered_2=('covered_2', 'mean'),
        z_spread=('z_squared', 'mean'), nll=('nll', 'mean'),
    )  # fmt: skip
    errors[['rmse', 'z_spread']] = np.sqrt(errors[['rmse', 'z_spread']])
    return errors.reset_index()


def calibration(made: pd.DataFrame, levels: Sequence[float] = LEVELS) -> pd.DataFrame:
    """How often values lie within the central intervals that the models stated.

    Args:
        made: What :func:`predictions` returns, of one generation or all.
        levels: Probabilities of the intervals, each between 0 and 1.

    Returns:
        Columns ``level``, ``share`` (of values within the central interval of that probability under a normal
        distribution with the predicted mean and standard deviation) and ``count`` (predictions that stated one). No
        rows where none did. A share below its level means too much confidence.
    """
    z = np.sort(made['z'].dropna().abs().to_numpy(np.float64))
    if not z.size:
        return pd.DataFrame({'level': [], 'share': [], 'count': []})
    widths = np.array([NormalDist().inv_cdf((1 + level) / 2) for level in levels])
    share = np.searchsorted(z, widths, side='right') / z.size
    return pd.DataFrame({'level': list(levels), 'share': share, 'count': z.size})


def calibration_error(curve: pd.DataFrame) -> float:
    """Mean distance of share and level of a :func:`calibration`; 0 if the uncertainty is right, missing if unstated."""
    return float((curve['share'] - curve['level']).abs().mean())


def ranking_changes(tops: pd.DataFrame, selections: pd.DataFrame, submissions: pd.DataFrame) -> pd.DataFrame:
    """How much each ranking changed the one before, as far down as the trace keeps them.

    Args:
        tops: The best of each ranking.
        selections: All rankings.
        submissions: What was sent, and when.

    Returns:
        One row for each ranking after the first that has a top: ``ranking`` and the one ``before``; ``kept``, how many
        candidates of the older top stand in the newer; ``sent``, how many others of it were sent in the meantime;
        ``overlap``, the kept share of those that were not; ``best_overlap``, the same for the best ten of the older top
        in the newer one's best ten; ``correlation``, Spearman's, of the places of those kept (missing below three).
    """
    newest = tops.drop_duplicates(['ranking', 'place'], keep='last')
    places = {ranking: top.set_index('key')['place'] for ranking, top in newest.groupby('ranking')}
    made_at = selections.drop_duplicates('ranking', keep='last').set_index('ranking')['seq']
    sent_at = submissions.groupby('key')['seq'].min()
    rows = []
    for before, ranking in zip(list(places), list(places)[1:], strict=False):
        old, new = places[before], places[ranking]
        gone = old.index[sent_at.reindex(old.index).to_numpy(np.float64) < made_at[ranking]].difference(new.index)
        rows.append((ranking, before, *_change(old, new, gone)))
    return pd.DataFrame(rows, columns=['ranking', 'before', 'kept', 'sent', 'overlap', 'best_overlap', 'correlation'])


def _change(old: pd.Series, new: pd.Series, gone: pd.Index) -> tuple[int, int, float, float, float]:
    kept = old.index.intersection(new.index)
    best = old.index[old <= BEST_OF_TOP].difference(gone)
    best_kept = best.intersection(new.index[new <= BEST_OF_TOP])
    correlation = _rank_correlation(old[kept].to_numpy(np.float64), new[kept].to_numpy(np.float64))
    return len(kept), len(gone), _share(len(kept), len(old) - len(gone)), _share(len(best_kept), len(best)), correlation


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float('nan')


def _rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's: Pearson's of the ranks; places have no ties."""
    if first.size < 3:
        return float('nan')
    ranks = (np.argsort(np.argsort(places)) - (places.size - 1) / 2 for places in (first, second))
    one, other = ranks
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))
