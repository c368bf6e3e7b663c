"""The report of a run: one HTML file that needs nothing else, dark and light."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from matplotlib.figure import Figure

from scoutbee.contracts.campaign import KINDS
from scoutbee.contracts.candidates import Objective
from scoutbee.traces.errors import TraceError
from scoutbee.traces.summary import SUMMARY_FILE, Summary, read_summary, replace_file

from . import figures
from .chance import Chance, random_choice, verdict
from .failures import group_failures
from .inputs import ReportInputs, write_inputs
from .load import Records, load
from .metrics import best_records, forecasts, makespans, model_errors, slot_use, task_spans, values_of
from .molecules import draw_all
from .summarize import BEST_SHOWN
from .svg import inline_svg

REPORT_FILE = 'report.html'

CURVE_POINTS = 120
"""Numbers of draws at which random choice is worked out."""

EVENTS_SHOWN = 60
"""Newest warnings and errors that are listed."""

NOTHING = '\N{EN DASH}'
"""Stands where there is no number."""

NOTHING = '\N{EN DASH}'
"""Stands where there is no number."""

SHOWN_FILE = 40_000
"""Most characters of a parameter file that are shown."""


def write_report(run_dir: Path, *, objective: Objective, reference_values: Sequence[float] | None) -> Path:
    """Write ``report.html`` from what a run directory holds, be the run finished, running or crashed.

    What was given is kept in ``report.json``, so that ``python -m scoutbee.analysis`` can write the report again.

    Args:
        run_dir: The run directory.
        objective: What was looked for.
        reference_values: Known values of the search space, in the objective's unit, to tell what random choice would
            have given; None where there are none.

    Returns:
        Path of the report.

    Raises:
        TraceError: If the trace cannot be read or the report not written.
    """
    run_dir = Path(run_dir)
    reference = [float(value) for value in reference_values or () if math.isfinite(value)]
    page = render(run_dir, objective, reference)
    write_inputs(run_dir, ReportInputs.of(objective, reference))
    path = run_dir / REPORT_FILE
    replace_file(path, page)
    return path


def render(run_dir: Path, objective: Objective, reference: Sequence[float]) -> str:
    """The report as HTML; arguments as :func:`write_report`."""
    records = load(run_dir)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / 'templates'),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(number=_number, seconds=_seconds, percent=_percent)
    return environment.get_template('report.html').render(
        run=run_dir.resolve().name,
        objective=objective,
        **_header(run_dir, records),
        **_outcome(records, objective, reference),
        **_learning(records, objective),
        **_machine(records, run_dir),
        **_trouble(records),
    )


def _header(run_dir: Path, records: Records) -> dict[str, Any]:
    history = records.history()
    hosts = sorted({task.host for tasks in records.tasks().values() for task in tasks if task.host})
    span = (history.ended or 0.0) - (history.started or 0.0)
    return {
        'summary': _summary(run_dir),
        'history': history,
        'hosts': hosts,
        'wall_seconds': span,
        'files': [(name, text) for name in ('params.yaml', 'provenance.json') if (text := _text(run_dir / name))],
    }


def _outcome(records: Records, objective: Objective, reference: Sequence[float]) -> dict[str, Any]:
    observed = records.observed()
    values = values_of(observed)
    chance = _chance(values.size, objective, reference)
    best = best_records(observed, objective, BEST_SHOWN)
    drawings = draw_all([record.key for record in best])
    pictures: Sequence[str | None] = drawings or [None] * len(best)
    return {
        'values': values,
        'found': int(sum(objective.is_found(float(value)) for value in values)),
        'reference_count': len(reference),
        'verdict': verdict(values.tolist(), reference, objective),
        'progress': _inline(figures.progress(values, objective, chance), 'Best value against simulations.'),
        'found_figure': _inline(figures.found(values, objective, chance), 'Number found against simulations.'),
        'best': list(zip(best, pictures, strict=True)),
        'drawn': drawings is not None,
        'order': {record.key: number for number, record in enumerate(observed, start=1)},
    }


def _chance(count: int, objective: Objective, reference: Sequence[float]) -> Chance | None:
    if not count or not reference:
        return None
    draws = np.unique(np.geomspace(1, count, CURVE_POINTS).round().astype(int))
    return random_choice(reference, draws.tolist(), objective)


def _learning(records: Records, objective: Objective) -> dict[str, Any]:
    made = forecasts(records.observed())
    groups = model_errors(made)
    return {
        'forecasts': made,
        'parity': _inline(figures.parity(made, objective), 'Predicted value at choice against simulated value.'),
        'model_errors': groups,
        'errors_figure': _inline(figures.errors(groups, made, objective), 'Model error by generation.'),
        'selections': records.selections,
    }


def _machine(records: Records, run_dir: Path) -> dict[str, Any]:
    spans, sessions = task_spans(records.tasks()), records.sessions()
    summary = _summary(run_dir)
    workers = {kind: use.workers for kind, use in summary.slots.items()} if summary else {}
    kinds = [*KINDS, *sorted({span.kind for span in spans} - set(KINDS))]
    return {
        'use_figure': _inline(figures.use(spans, sessions, kinds), 'Busy workers of each kind over time.'),
        'slots': slot_use(spans, sessions, workers),
        'task_counts': {kind: len(tasks) for kind, tasks in records.tasks().items()},
        'makespans': makespans(records.selections),
    }


def _trouble(records: Records) -> dict[str, Any]:
    notable = [event for event in records.events if event.level != 'info']
    return {
        'failures': group_failures(records.tasks()),
        'notable': notable[-EVENTS_SHOWN:],
        'notable_count': len(notable),
        'skipped': records.skipped,
    }


def _summary(run_dir: Path) -> Summary | None:
    """The summary, or None where the run has not ended or its driver was killed."""
    if not (run_dir / SUMMARY_FILE).exists():
        return None
    try:
        return read_summary(run_dir)
    except TraceError:
        return None


def _inline(figure: Figure | None, label: str) -> str | None:
    return None if figure is None else inline_svg(figure, label)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8', errors='replace')[:SHOWN_FILE]
    except OSError:
        return ''


def _number(value: float | None, digits: int = 4, zeros: bool = False) -> str:
    """A number with so many digits that count, and with its trailing zeros where they stand below each other."""
    if value is None:
        return NOTHING
    return f'{value:#.{digits}g}' if zeros else f'{value:.{digits}g}'


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f'{share:.0%}'


def _seconds(seconds: float | None) -> str:
    """A time as people say it."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f'{seconds * 1000:.0f} ms'
    if seconds < 120:
        return f'{seconds:.3g} s'
    if seconds < 7200:
        return f'{seconds // 60:.0f} min {seconds % 60:.0f} s'
    return f'{seconds / 3600:.1f} h'
