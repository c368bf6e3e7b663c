"""The report of a run, or of several: one HTML file that needs nothing else, and the same numbers as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2

from scoutbee.contracts.campaign import SIMULATE
from scoutbee.contracts.candidates import Objective
from scoutbee.traces.summary import replace_file

from .fates import Counts, count
from .figures.outcome import wanted
from .inputs import ReportInputs, write_inputs
from .machine import slot_use
from .run import Run
from .sections.comparison import comparison
from .sections.data import data
from .sections.elements import Picture, Section, plain
from .sections.formats import NUMERIC, number, percent, plural, seconds, written
from .sections.latency import latency
from .sections.learning import learning
from .sections.machine import machine
from .sections.outcome import outcome
from .sections.trouble import trouble
from .sessions import seconds_in
from .svg import PAGE, PAPER, inline_svg, save_files

REPORT_FILE = 'report.html'
DATA_FILE = 'report-data.json'
"""The numbers of the report; ``report.json`` holds what it is made from."""

SCHEMA_VERSION = 1
"""Of ``DATA_FILE``."""

SHOWN_FILE = 40_000
"""Most characters of a parameter file that are shown."""


@dataclass(frozen=True)
class Tile:
    """A key figure: its number as text, and what it is."""

    number: str
    text: str
    is_find: bool = False


@dataclass(frozen=True)
class Report:
    """A report before it is rendered.

    Attributes:
        title: Its heading.
        status: How the campaign ended; empty for several runs.
        lead: What it is about, in a sentence.
        facts: Further facts in small print.
        tiles: Key figures.
        sections: Its sections.
        files: Texts of the run that are shown at the end, by name.
        head: What the JSON file tells besides the sections.
    """

    title: str
    status: str
    lead: str
    facts: str
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    files: Mapping[str, str]
    head: Mapping[str, Any]

    def html(self) -> str:
        """The page."""
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / 'templates'),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        environment.filters.update(number=number, written=written)
        return environment.get_template('report.html').render(report=self, drawn=_drawn, numeric=NUMERIC)

    def json(self) -> str:
        """The numbers."""
        sections = {section.name: section.as_json() for section in self.sections}
        found = {'schema_version': SCHEMA_VERSION, **plain(dict(self.head)), **sections}
        return json.dumps(found, ensure_ascii=False, separators=(',', ':'), allow_nan=False) + '\n'

    def write(self, folder: Path, figures: Path | None = None) -> Path:
        """Write the page and its numbers; returns the path of the page.

        Args:
            folder: Where.
            figures: Folder for every figure as ``<section>-<figure>.svg`` and ``.png``, where they are wanted.

        Raises:
            TraceError: If a file cannot be written.
        """
        path = folder / REPORT_FILE
        replace_file(path, self.html())
        replace_file(folder / DATA_FILE, self.json())
        if figures is not None:
            _save_figures(self.sections, figures)
        return path


def write_report(
    run_dir: Path, *, objective: Objective, reference_values: Sequence[float] | None, figures: Path | None = None
) -> Path:
    """Write ``report.html`` from what a run directory holds, be the run finished, running or crashed.

    The same numbers go to ``report-data.json``. What was given is kept in ``report.json``, so that
    ``python -m scoutbee.analysis`` can write the report again.

    Args:
        run_dir: The run directory.
        objective: What was looked for.
        reference_values: Known values of the search space, in the objective's unit, to tell what random choice would
            have given; None where there are none.
        figures: Folder for the figures as files of their own, where they are wanted.

    Returns:
        Path of the report.

    Raises:
        TraceError: If the trace cannot be read or the report not written.
    """
    run_dir = Path(run_dir)
    reference = [float(value) for value in reference_values or () if math.isfinite(value)]
    report = report_of(Run(run_dir), objective, reference)
    write_inputs(run_dir, ReportInputs.of(objective, reference))
    return report.write(run_dir, figures)


def report_of(run: Run, objective: Objective, reference: Sequence[float]) -> Report:
    """The report of one run; arguments as :func:`write_report`."""
    counts = count(run.tasks, run.submissions, run.events)
    sections = [
        outcome(run, objective, reference),
        learning(run, objective),
        machine(run),
        latency(run),
        data(run),
        trouble(run, counts),
    ]
    summary = run.summary
    return Report(
        title=f'{summary.campaign} on {summary.site}' if summary else 'Campaign',
        status=summary.status if summary else 'not ended',
        lead=summary.reason if summary else
        'The run has written no summary: it is still going, or its driver was killed.',
        facts=_facts(run, counts),
        tiles=_tiles(run, counts, objective, sections[0].numbers),
        sections=sections,
        files={name: text for name in ('params.yaml', 'provenance.json') if (text := _text(run.path / name))},
        head={'run': run.name, 'status': summary.status if summary else None, 'objective': asdict(objective),
              'reference_values': len(reference), 'wall_seconds': seconds_in(run.sessions)},
    )  # fmt: skip


def report_of_several(runs: Sequence[Run], objective: Objective) -> Report:
    """The report that compares several runs by what is looked for in them."""
    return Report(
        title=f'{len(runs)} runs compared',
        status='',
        lead=f'Side by side: {", ".join(run.name for run in runs)}.',
        facts='Runs that differ in their seed alone are taken as replicates of each other.',
        tiles=[],
        sections=comparison(runs, objective),
        files={},
        head={'runs': [run.name for run in runs], 'objective': asdict(objective)},
    )


def _drawn(picture: Picture) -> str | None:
    figure = picture.draw(PAGE)
    return None if figure is None else inline_svg(figure, picture.label)


def _save_figures(sections: Sequence[Section], folder: Path) -> None:
    for section in sections:
        for picture in section.pictures:
            figure = picture.draw(PAPER)
            if figure is not None:
                save_files(figure, folder / f'{section.name}-{picture.name}')


def _facts(run: Run, counts: Counts) -> str:
    hosts = sorted(run.tasks['host'].dropna().unique())
    facts = [run.name]
    if run.summary and run.summary.seed is not None:
        facts.append(f'seed {run.summary.seed}')
    if hosts:
        facts.append(f'workers on {", ".join(hosts[:8])}{f" and {len(hosts) - 8} more" if len(hosts) > 8 else ""}')
    if counts.resumed:
        facts.append(f'resumed {plural(counts.resumed, "time")}')
    return ' · '.join(facts)


def _tiles(run: Run, counts: Counts, objective: Objective, numbers: Mapping[str, Any]) -> list[Tile]:
    given_up = counts.failed + counts.quarantined
    unit = f' {objective.unit}' if objective.unit else ''
    tiles = [Tile(f'{counts.succeeded:,}', f'simulations{f", {given_up:,} given up" if given_up else ""}')]
    if objective.threshold is not None:
        tiles.append(Tile(f'{numbers["found"]:,}', f'found, {wanted(objective)}', is_find=True))
    if numbers['best_value'] is not None:
        tiles.append(Tile(f'{number(numbers["best_value"], 4, True)}{unit}', f'best {objective.name}', is_find=True))
    rankings = plural(int(run.selections['ranking'].nunique()), 'ranking')
    tiles.append(Tile(f'{counts.retrains:,}', f'{"retraining" if counts.retrains == 1 else "retrainings"}, {rankings}'))
    wall = run.summary.wall_seconds if run.summary else seconds_in(run.sessions)
    tiles.append(Tile(seconds(wall), 'wall time'))
    use = slot_use(run.spans, run.idle, run.sessions, run.workers).get(SIMULATE)
    if use is not None:
        tiles.append(Tile(percent(use.utilization), f'of {plural(use.workers, "simulation worker")} used'))
    return tiles


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8', errors='replace')[:SHOWN_FILE]
    except OSError:
        return ''
