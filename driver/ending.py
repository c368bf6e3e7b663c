"""What is left of a campaign when it has ended: the summary, the report, the table on the screen, the exit status."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from scoutbee.analysis.live.terminal_outcome import Outcome, print_outcome
from scoutbee.contracts.campaign import Campaign
from scoutbee.traces.reader import read
from scoutbee.traces.records import SimulationRecord
from scoutbee.traces.summary import Status, Summary, write_summary

from .exit_status import EXIT_STATUS
from .interrupts import Interrupts
from .settings import Settings

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


def conclude(end: End, interrupts: Interrupts) -> int:
    """Write the summary and the report, print what came of it; returns the exit status.

    An interrupt costs the report, which can be written again, and no more.
    """
    summary = _summarize(end)
    reference = reference_values(end.campaign)
    try:
        with interrupts.raising():
            _report(end, reference)
    except KeyboardInterrupt:
        with suppress(OSError):
            print(
                f'Interrupted: no report was written; python -m scoutbee.analysis {end.run_dir} writes it.', flush=True
            )
    print_outcome(
        Outcome(
            campaign=end.settings.campaign,
            objective=end.campaign.objective,
            status=summary.status,
            reason=end.reason,
            simulations=summary.simulations.succeeded,
            best=[(best.key, best.value, best.unit) for best in summary.best],
            run_directory=end.run_dir,
            wall_seconds=end.wall_seconds,
            verdict=_verdict(end, reference),
        )
    )
    return EXIT_STATUS[summary.status]


def reference_values(campaign: Campaign) -> Sequence[float]:
    """Finite values known before the campaign began, if the campaign has any."""
    known = np.asarray(getattr(campaign, 'reference_values', ()), dtype=np.float64)
    return [float(value) for value in known[np.isfinite(known)]]


def _verdict(end: End, reference: Sequence[float]) -> str | None:
    """What was found, beside what as many random picks would have given."""
    from scoutbee.analysis.chance import verdict

    records = read(end.run_dir, SimulationRecord)
    values = [record.value for record in records if record.outcome == 'observed' and record.value is not None]
    return verdict(values, reference, end.campaign.objective)


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
