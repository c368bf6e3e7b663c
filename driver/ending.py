"""What is left of a campaign when it has ended: the summary, the report, the table on the screen, the exit status."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from scoutbee.contracts.campaign import Campaign
from scoutbee.contracts.candidates import Objective
from scoutbee.traces.summary import Status, Summary, write_summary

from .exit_status import EXIT_STATUS
from .settings import Settings
from .terminal_outcome import Outcome, RandomSampling, print_outcome

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class End:
    """A campaign that has ended.

    Attributes:
        settings: Its settings.
        site: Name of the site it ran at.
        workers: Workers by kind of task.
        campaign: The campaign itself.
        run_dir: Its run directory.
        status: As in ``summary.json``.
        reason: Why, in one line.
        wall_seconds: How long it took, resumptions included.
        proxies: Objects lent to tasks: ``created``, ``evicted``, ``leaked``.
    """

    settings: Settings
    site: str
    workers: Mapping[str, int]
    campaign: Campaign
    run_dir: Path
    status: str
    reason: str
    wall_seconds: float
    proxies: Mapping[str, int]


def conclude(end: End) -> int:
    """Write the summary and the report, print what came of it; returns the exit status."""
    summary = _summarize(end)
    reference = reference_values(end.campaign)
    _report(end, reference)
    random = random_sampling(summary.simulations.succeeded, end.campaign.objective, reference)
    print_outcome(
        Outcome(
            campaign=end.settings.campaign,
            objective=end.campaign.objective,
            status=summary.status,
            reason=end.reason,
            simulations=summary.simulations.succeeded,
            found=summary.target.found,
            best=[(best.key, best.value, best.unit) for best in summary.best],
            run_directory=end.run_dir,
            wall_seconds=end.wall_seconds,
            random=random,
        )
    )
    return EXIT_STATUS[summary.status]


def reference_values(campaign: Campaign) -> Sequence[float]:
    """Values known before the campaign began, if the campaign has any."""
    known = getattr(campaign, 'reference_values', ())
    return [float(value) for value in np.asarray(known, dtype=np.float64)]


def random_sampling(simulations: int, objective: Objective, reference: Sequence[float]) -> RandomSampling | None:
    """What as many simulations of random candidates would be expected to give; None where nothing tells."""
    if simulations == 0 or len(reference) == 0:
        return None
    from scoutbee.analysis.chance import random_choice

    chance = random_choice(reference, [simulations], objective)
    return RandomSampling(
        best=float(chance.best_mean[0]),
        found=float(chance.found_mean[0]) if objective.threshold is not None else None,
        source=f'judging by {len(reference):,} known values',
    )


def _summarize(end: End) -> Summary:
    from scoutbee.analysis.summarize import build_summary

    summary = build_summary(
        end.run_dir,
        campaign=end.settings.campaign,
        site=end.site,
        status=cast('Status', end.status),
        reason=end.reason,
        seed=end.settings.seed,
        wall_seconds=end.wall_seconds,
        objective=end.campaign.objective,
        workers=end.workers,
        proxies=end.proxies,
    )
    write_summary(end.run_dir, summary)
    return summary


def _report(end: End, reference: Sequence[float]) -> None:
    try:
        from scoutbee.analysis.report import write_report

        write_report(end.run_dir, objective=end.campaign.objective, reference_values=reference)
    except Exception:  # a campaign that went well does not fail over its report
        logger.exception('The report could not be written; try: python -m scoutbee.analysis %s', end.run_dir)
