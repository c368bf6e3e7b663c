from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scoutbee.analysis import Run
from scoutbee.analysis.__main__ import main
from scoutbee.analysis.report import write_report
from scoutbee.analysis.summarize import build_summary
from scoutbee.contracts.candidates import Objective
from scoutbee.traces.records import SimulationRecord
from scoutbee.traces.summary import write_summary
from scoutbee.traces.writer import TraceWriter


class Page(HTMLParser):
    """What a browser would see: visible text, elements, and anything that would be fetched."""

    VOID = frozenset({'meta', 'br', 'img', 'link', 'use', 'path', 'rect', 'stop'})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text()
        self.text: list[str] = []
        self.tags: dict[str, int] = {}
        self.labels: list[str] = []
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        found = dict(attrs)
        self.labels += [found['aria-label']] if 'aria-label' in found else []
        self.fetched += [
            found[name] for name in ('src', 'href', 'xlink:href') if name in found and found[name][0] != '#'
        ]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag, f'{tag} closes something else'

    def handle_data(self, data):
        if not self.open or self.open[-1] != 'style':
            self.text.append(data)

    def says(self, text: str) -> bool:
        return text in re.sub(r'\s+', ' ', ' '.join(self.text))


FIGURES = {
    'Best value against simulations and worker-hours.', 'Number found against simulations and worker-hours.',
    'Predicted value at choice against simulated value.', 'Model error by generation.',
    'Calibration of the stated uncertainty.', 'Change from each ranking to the next.',
    'Busy workers of each kind over time.', 'Idle time by cause.', 'Life of a task, stage by stage.',
    'Steps of each training round.', 'Bytes by kind of task and backend.', 'Objects in use over time.',
}  # fmt: skip


def finish(run_dir: Path, objective: Objective, status: str = 'completed') -> None:
    write_summary(run_dir, build_summary(
        run_dir, campaign='molecules', site='theta', status=status, reason='90 simulations succeeded.', seed=3,
        wall_seconds=241.3, objective=objective, workers={'simulate': 4, 'train': 1, 'infer': 1},
        proxies={'created': 31, 'evicted': 31, 'leaked': 0},
    ))  # fmt: skip


def test_a_finished_run(synthetic, objective, reference_values):
    run_dir = synthetic().write()
    finish(run_dir, objective)
    (run_dir / 'params.yaml').write_text('beta: 1.0 # <script>alert(1)</script>\n')
    path = write_report(run_dir, objective=objective, reference_values=reference_values)
    page = Page(path)
    assert page.open == []
    assert page.fetched == []
    assert not re.search(r'@import|url\((?!#)', page.source)
    assert page.tags.get('script') is None
    assert path.stat().st_size < 2_000_000
    for text in (
        'molecules', 'theta', 'completed', '90 simulations succeeded.', 'seed 3', '4 min 1 s', 'nid0',
        'random picks', 'ConvergenceTaskError', 'failed 4', '1 warning or error of the agents',
        '31 taken back, 0 leaked', 'Simulation workers were busy', 'Half of the simulations took at most',
        'No object leaked', f'4 of {len(Run(run_dir).tasks)} tasks failed', '4 candidates given up',
        'Predictions are nearly constant', 'g1m0 g1m1 g1m2 g1m3', 'beta: 1.0',
    ):  # fmt: skip
        assert page.says(text), text
    assert set(page.labels) >= FIGURES
    assert page.source.count('<div class="drawing"><svg role="img" aria-label=') == 10
    assert 'prefers-color-scheme: dark' in page.source
    assert '#0102' not in page.source, 'a colour of a figure was not replaced by one of the page'


def test_keys_that_are_no_molecules_make_a_table(synthetic, objective):
    path = write_report(synthetic(molecules=False).write(), objective=objective, reference_values=None)
    page = Page(path)
    assert 'class="drawing"' not in page.source
    assert re.search(r'<td class="key">point-\d{4}</td>', page.source)
    assert not page.says('random picks')


@pytest.mark.parametrize('upto', [0, 1, 3, 40])
def test_a_run_that_is_going_on_or_crashed(synthetic, objective, reference_values, upto: int):
    run_dir = synthetic().write(upto)
    (run_dir / 'events.jsonl').open('a').write('{"half')
    page = Page(write_report(run_dir, objective=objective, reference_values=reference_values))
    assert page.says('not ended')
    assert page.open == []


def test_a_campaign_without_a_single_number(tmp_path: Path):
    with TraceWriter(tmp_path) as writer:
        writer.write(SimulationRecord(
            task_id='s', method='simulate', success=True, timestamps={}, spans={}, key='replica 1', args=[],
            outcome='observed', value=None, output={'frames': 10},
        ))  # fmt: skip
    page = Page(write_report(tmp_path, objective=Objective('nothing', ''), reference_values=[1.0]))
    assert page.says('does not look for a single number')


def test_minimizing_without_unit_or_threshold(synthetic):
    objective = Objective('loss $x$', '', maximize=False)
    page = Page(write_report(synthetic(molecules=False).write(), objective=objective, reference_values=[10.0, 11.0]))
    assert page.says('Best loss $x$ so far')
    assert not any(label.startswith('Number found') for label in page.labels)


def test_damage_and_a_foreign_summary_are_survived_and_told(synthetic, objective):
    run_dir = synthetic().write(50)
    path = run_dir / 'simulation-results.jsonl'
    path.write_bytes(b'garbage <b>\n' + path.read_bytes())
    (run_dir / 'summary.json').write_text('{"schema_version": 7}')
    page = Page(write_report(run_dir, objective=objective, reference_values=None))
    assert page.says('1 line of the trace could not be read')
    assert page.says('garbage <b>')


def test_headings_tables_and_figures_can_be_told_apart_without_seeing_them(synthetic, objective):
    page = Page(write_report(synthetic().write(), objective=objective, reference_values=None))
    assert page.tags['h1'] == 1
    assert page.tags['table'] == page.tags['caption']
    assert page.source.count('<th ') == page.source.count('<th scope="col"')
    assert len(re.findall(r'<svg(?![^>]*aria-label)', page.source)) == 0
    targets = set(re.findall(r'<a href="#([a-z]+)"', page.source))
    assert targets == {'outcome', 'learning', 'machine', 'latency', 'data', 'trouble'}
    assert all(f'id="{target}"' in page.source for target in targets)


def test_figures_as_files(synthetic, objective, tmp_path: Path):
    figures = tmp_path / 'figures'
    write_report(synthetic().write(), objective=objective, reference_values=None, figures=figures)
    names = {path.stem for path in figures.glob('*.svg')}
    assert names == {path.stem for path in figures.glob('*.png')}
    assert len(names) == len(FIGURES)
    assert {'outcome-found', 'machine-idle', 'latency-waterfall'} <= names
    for path in figures.glob('*.svg'):
        assert 'var(--' not in path.read_text()


def test_the_command_writes_it_again(synthetic, objective, reference_values, capsys):
    run_dir = synthetic().write()
    path = write_report(run_dir, objective=objective, reference_values=reference_values)
    first = path.read_text()
    path.unlink()
    assert main([str(run_dir)]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    assert path.read_text() == first


def test_the_command_on_a_run_without_a_report(synthetic, objective):
    run_dir = synthetic(molecules=False).write()
    finish(run_dir, objective, status='interrupted')
    assert main([str(run_dir)]) == 0
    page = Page(run_dir / 'report.html')
    assert page.says('at least 14 eV')
    assert page.says('interrupted')
    assert main([str(run_dir), '--name', 'loss', '--unit', 'kT', '--threshold', '12', '--minimize']) == 0
    assert Page(run_dir / 'report.html').says('at most 12 kT')


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys):
    assert main([str(tmp_path / 'nowhere')]) == 2
    assert 'is not a run directory' in capsys.readouterr().err
    (tmp_path / 'report.json').write_text('[]')
    assert main([str(tmp_path)]) == 2
    assert 'delete it' in capsys.readouterr().err


def test_the_example_in_the_documents_is_small_and_tells_nothing_of_the_machine():
    path = Path(__file__).parents[2] / 'docs' / 'example-report' / 'report.html'
    page = Page(path)
    assert page.fetched == []
    assert page.open == []
    assert path.stat().st_size < 1_500_000
    assert not re.search(r'/(home|tmp|root|work|Users)/', page.source)
