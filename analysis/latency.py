"""The life of a task from its creation to the decision about its result."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .machine import input_seconds
from .sessions import Floats

STAGES = ('queue', 'dispatch', 'inputs', 'run', 'packing', 'notification', 'decision')
"""In the order of time, between these moments:

============  ==========================================================================================
queue         ``created`` by the thinker, ``input_received`` by the task server
dispatch      until ``compute_started`` on the worker
inputs        the worker unpacks and fetches the inputs (``machine.INPUT_SPANS``)
run           the rest until ``compute_ended``
packing       the worker packs and stores the value (``serialize_results_seconds``)
notification  until ``result_received`` by the thinker, unpacked
decision      until its record was written, which is the moment at which it counts
============  ==========================================================================================

So they add up to the time from ``created`` to ``time``, unless clocks disagree."""


def stages(tasks: pd.DataFrame) -> pd.DataFrame:
    """How long each stage of each task took.

    A stage between two clocks that disagree (two machines, or one that was set back) may come out negative. It is
    clipped to 0 and counted.

    Args:
        tasks: All tasks.

    Returns:
        Index as ``tasks``; ``kind``, ``seq``, one column of seconds for each of ``STAGES`` (missing where one of its
        ends is), ``total`` (``created`` to ``time``, clipped likewise) and ``clipped``, how many of the task's stages
        were.
    """
    moments = {name: tasks[name].to_numpy(np.float64) for name in (
        'created', 'input_received', 'compute_started', 'compute_ended', 'result_received', 'time',
    )}  # fmt: skip
    ready = np.minimum(moments['compute_started'] + input_seconds(tasks), moments['compute_ended'])
    packed = moments['compute_ended'] + np.nan_to_num(tasks['serialize_results_seconds'].to_numpy(np.float64))
    edges = [
        moments['created'], moments['input_received'], moments['compute_started'], ready, moments['compute_ended'],
        packed, moments['result_received'], moments['time'],
    ]  # fmt: skip
    widths = np.diff(np.vstack(edges), axis=0)
    made = tasks[['kind', 'seq']].copy()
    for name, seconds in zip(STAGES, widths, strict=True):
        made[name] = _clipped(seconds)
    made['total'] = _clipped(moments['time'] - moments['created'])
    made['clipped'] = (widths < 0).sum(axis=0)
    return made


def waterfall(made: pd.DataFrame) -> pd.DataFrame:
    """The stages of each kind of task in numbers.

    Args:
        made: What :func:`stages` returns.

    Returns:
        One row for each kind and stage, ``total`` last: ``kind``, ``stage``, ``count`` (tasks that have it),
        ``median``, ``p95`` and ``mean`` in seconds.
    """
    rows = []
    for kind, group in made.groupby('kind', sort=False):
        rows += [(kind, stage, *_figures(group[stage].to_numpy(np.float64))) for stage in (*STAGES, 'total')]
    return pd.DataFrame(rows, columns=['kind', 'stage', 'count', 'median', 'p95', 'mean'])


def _figures(seconds: Floats) -> tuple[int, float, float, float]:
    known = seconds[np.isfinite(seconds)]
    if not known.size:
        return 0, np.nan, np.nan, np.nan
    median, p95 = np.percentile(known, [50, 95])
    return known.size, float(median), float(p95), float(known.mean())


def _clipped(seconds: Floats) -> NDArray[np.float64]:
    return np.maximum(seconds, 0.0)  # a missing one stays missing
