"""The summary of a run, from its trace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from scoutbee.contracts.candidates import Objective
from scoutbee.traces.summary import (
    Best,
    Makespans,
    ProxyCounts,
    SimulationCounts,
    Status,
    Summary,
    Target,
)

from .fates import count
from .idle import idle_times
from .machine import busy_spans, slot_use
from .outcome import best, reaches, valued
from .rounds import extent, makespans
from .run import Run

BEST_SHOWN = 10


def build_summary(
    run_dir: Path,
    *,
    campaign: str,
    site: str,
    status: Status,
    reason: str,
    seed: int | None,
    wall_seconds: float,
    objective: Objective,
    workers: Mapping[str, int],
    proxies: Mapping[str, int],
) -> Summary:
    """Summarize a run. What the trace holds is counted from it; the rest is given.

    Args:
        run_dir: The run directory.
        campaign: Name of the campaign.
        site: Name of the site.
        status: How it ended.
        reason: Why, as a sentence.
        seed: Seed of everything random.
        wall_seconds: How long it took, resumptions included.
        objective: What was looked for.
        workers: Workers by kind of task.
        proxies: Objects lent: ``created``, ``evicted``, ``leaked``.

    Raises:
        TraceError: If the trace cannot be read.
    """
    run = Run(run_dir)
    counts = count(run.tasks, run.submissions, run.events)
    spans = busy_spans(run.tasks, run.sessions, workers)
    idle = idle_times(spans, run.sessions, workers, submissions=run.submissions, events=run.events, models=run.models)
    values = valued(run.observations)['value'].to_numpy(np.float64)
    top = best(run.observations, objective, BEST_SHOWN)
    return Summary(
        campaign=campaign,
        site=site,
        status=status,
        reason=reason,
        seed=seed,
        wall_seconds=wall_seconds,
        simulations=SimulationCounts(
            submitted=counts.submitted,
            succeeded=counts.succeeded,
            failed=counts.failed,
            quarantined=counts.quarantined,
            lost_and_resubmitted=counts.lost_and_resubmitted,
        ),
        best=[
            Best(key=key, value=value, unit=objective.unit) for key, value in zip(top['key'], top['value'], strict=True)
        ],
        target=Target(threshold=objective.threshold, found=int(reaches(values, objective).sum())),
        retrains=counts.retrains,
        slots=slot_use(spans, idle, run.sessions, workers),
        makespan_seconds=Makespans(retrain_to_rerank=extent(makespans(run.selections))),
        proxies=ProxyCounts(**proxies),
        resumed=counts.resumed,
    )
