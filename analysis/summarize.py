"""The summary of a run, from its trace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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

from .load import load
from .metrics import best_records, extent, found_so_far, makespans, slot_use, task_spans, values_of

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
    records = load(run_dir)
    history, observed = records.history(), records.observed()
    found = found_so_far(values_of(observed), objective)
    return Summary(
        campaign=campaign,
        site=site,
        status=status,
        reason=reason,
        seed=seed,
        wall_seconds=wall_seconds,
        simulations=SimulationCounts(
            submitted=history.submitted,
            succeeded=len(history.observations),
            failed=len(history.failed),
            quarantined=len(history.quarantined),
            lost_and_resubmitted=history.lost_and_resubmitted,
        ),
        best=[
            Best(key=record.key, value=float(record.value or 0.0), unit=objective.unit)
            for record in best_records(observed, objective, BEST_SHOWN)
        ],
        target=Target(threshold=objective.threshold, found=int(found[-1]) if found.size else 0),
        retrains=history.retrains,
        slots=slot_use(task_spans(records.tasks()), records.sessions(), workers),
        makespan_seconds=Makespans(retrain_to_rerank=extent(makespans(records.selections))),
        proxies=ProxyCounts(**proxies),
        resumed=history.resumed,
    )
