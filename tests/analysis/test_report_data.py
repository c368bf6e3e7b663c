from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scoutbee.analysis import Run
from scoutbee.analysis.compare import compare, curves, replicates
from scoutbee.analysis.idle import CAUSES, machine_use
from scoutbee.analysis.latency import stages, waterfall
from scoutbee.analysis.learning import model_errors, predictions, ranking_changes
from scoutbee.analysis.report import DATA_FILE, report_of, report_of_several
from scoutbee.analysis.summarize import build_summary
from scoutbee.analysis.traffic import inputs_at_hand, traffic
from scoutbee.contracts.candidates import Objective
from scoutbee.testing import small_ledger
from scoutbee.traces.summary import Summary, write_summary

WORKERS = {'simulate': 4, 'train': 1, 'infer': 1}
VALUE = Objective('value', '', threshold=3.0)


def finished(run_dir: Path, objective: Objective, workers: dict[str, int] = WORKERS, seed: int = 3) -> Run:
    """A run with its summary."""
    summary = build_summary(
        run_dir, campaign='molecules', site='theta', status='completed', reason='Done.', seed=seed, wall_seconds=9.0,
        objective=objective, workers=workers, proxies={'created': 3, 'evicted': 2, 'leaked': 1},
    )  # fmt: skip
    write_summary(run_dir, summary)
    (run_dir / 'params.yaml').write_text(f'campaign: molecules\nseed: {seed}\n')
    return Run(run_dir)


def data_of(run: Run, objective: Objective) -> dict[str, Any]:
    """What ``report-data.json`` would hold."""
    data: dict[str, Any] = json.loads(report_of(run, objective, [1.0, 2.0]).json())
    return data


def same(rows: list[dict[str, Any]], table: Any, *columns: str) -> None:
    """The rows are those of the table."""
    assert len(rows) == len(table)
    for column in columns:
        known = [None if value != value else value for value in table[column].tolist()]
        assert [row[column] for row in rows] == pytest.approx(known), column


def test_numbers_are_those_of_the_tables(synthetic, objective: Objective):
    run = finished(synthetic().write(), objective)
    data = data_of(run, objective)
    made = predictions(run.observations)
    same(data['learning']['model_errors'], model_errors(made), 'generation', 'mae', 'bias', 'covered_1', 'nll')
    changes = ranking_changes(run.tops, run.selections, run.submissions)
    same(data['learning']['ranking_changes'], changes, 'ranking', 'kept', 'overlap')
    known = waterfall(stages(run.tasks)).set_index(['kind', 'stage'])
    for row in data['latency']['stages']:
        assert row['median'] == pytest.approx(known.loc[(row['kind'], row['stage']), 'median'])
    same(data['data']['traffic'], traffic(run.tasks, run.objects, run.params), 'kind', 'way', 'bytes')
    same(data['data']['inputs'], inputs_at_hand(run.tasks), 'kind', 'part', 'at_hand', 'hit_share')
    use = machine_use(run.spans, run.idle).set_index('pool')
    causes = {row['cause']: row for row in data['machine']['idle']}
    for pool, idle in data['machine']['idle_seconds'].items():
        assert idle == pytest.approx(use.loc[pool, 'idle_seconds'])
        assert causes['all'][pool] == pytest.approx(idle), 'the causes add up'
        for cause in CAUSES:
            assert causes.get(cause.replace('_', ' '), {pool: 0.0})[pool] == pytest.approx(use.loc[pool, cause])


def agrees(data: dict[str, Any], summary: Summary) -> None:
    """The data of the report and the summary tell the same."""
    counts = data['trouble']['counts']
    for name, number in summary.simulations.model_dump().items():
        assert counts[name] == number, name
    assert counts['retrains'] == summary.retrains
    assert counts['resumed'] == summary.resumed
    assert data['outcome']['found'] == summary.target.found
    assert [(row['key'], row['value']) for row in data['outcome']['best']] == [
        (best.key, best.value) for best in summary.best
    ]
    for row in data['machine']['slots']:
        use = summary.slots[row['kind']]
        assert row['workers'] == use.workers
        assert row['utilization'] == pytest.approx(use.utilization)
        assert row['idle_median'] == pytest.approx(use.idle_seconds.median)
        assert row['idle_p95'] == pytest.approx(use.idle_seconds.p95)
    assert data['data']['proxies'] == summary.proxies.model_dump()


def test_numbers_are_those_of_the_summary(synthetic, objective: Objective):
    run = finished(synthetic().write(), objective)
    assert run.summary is not None
    agrees(data_of(run, objective), run.summary)


def test_a_ledger_made_by_hand(tmp_path: Path):
    run_dir = small_ledger.write(tmp_path, small_ledger.campaign())
    run = finished(run_dir, VALUE, {'simulate': 2, 'train': 1, 'infer': 1})
    data = data_of(run, VALUE)
    assert run.summary is not None
    agrees(data, run.summary)
    assert data['outcome']['valued'] == 4
    assert data['outcome']['found'] == 2
    assert data['outcome']['best_value'] == 4.0
    assert [row['best'] for row in data['outcome']['progress']] == [1.0, 3.0, 4.0]
    assert data['learning']['model_errors'][0]['mae'] == pytest.approx(0.5)
    assert data['learning']['model_errors'][0]['z_spread'] == pytest.approx(2.5)
    assert data['trouble']['failures'][0]['error'] == 'ConvergenceError'
    assert data['trouble']['counts']['lost_and_resubmitted'] == 1
    simulate = {row['stage']: row for row in data['latency']['stages'] if row['kind'] == 'simulate'}
    assert simulate['run']['median'] == pytest.approx(1.0)
    assert simulate['queue']['median'] == pytest.approx(0.01)
    assert simulate['dispatch']['p95'] == pytest.approx(0.02)
    (training,) = data['latency']['rounds']
    assert training['to_first_model'] == pytest.approx(2.3)
    assert training['to_last_ranking'] == pytest.approx(6.1)


@pytest.mark.parametrize('upto', [0, 1, 2, 3, 8, 20, 40, 120])
def test_any_beginning_of_a_run_has_numbers(synthetic, objective: Objective, upto: int):
    run_dir = synthetic().write(upto)
    (run_dir / 'simulation-results.jsonl').open('ab').write(b'{"half')
    data = data_of(Run(run_dir), objective)
    assert data['status'] is None
    assert data['trouble']['skipped_lines'] == 0
    assert all(data[name]['sentence'].endswith('.') for name in ('outcome', 'learning', 'machine', 'latency', 'data'))


def test_several_runs(synthetic, objective: Objective, tmp_path: Path):
    runs = [finished(synthetic(f'run{seed}', seed=seed).write(), objective, seed=seed) for seed in (1, 2)]
    report = report_of_several(runs, objective)
    data = json.loads(report.json())
    table = compare(runs)
    same(data['outcome']['runs'], table, 'run', 'best', 'found', 'utilization', 'makespan_median')
    same(data['outcome']['replicates'], replicates(table), 'mean', 'low', 'high')
    (name,) = [name for name in data['outcome'] if name.startswith('curve ')]
    assert '2 runs' in name
    same(data['outcome'][name], curves(runs), 'simulations', 'best', 'best_low', 'found_high')
    page = report.write(tmp_path).read_text()
    assert json.loads((tmp_path / DATA_FILE).read_text()) == data
    assert all(run.name in page for run in runs)
    assert 'Idle time by cause, run by run.' in page


def test_runs_of_which_nothing_is_known_can_be_compared(synthetic, objective: Objective):
    runs = [Run(synthetic('empty').write(0)), Run(synthetic('begun').write(30))]
    data = json.loads(report_of_several(runs, objective).json())
    assert [row['run'] for row in data['outcome']['runs']] == ['empty', 'begun']
    assert data['outcome']['runs'][0]['best'] is None


def test_what_several_runs_learned_and_moved(synthetic, objective: Objective):
    runs = [synthetic(f'run{seed}', seed=seed).write() for seed in (1, 2)]
    data = json.loads(report_of_several([Run(path) for path in runs], objective).json())
    for path, row in zip(runs, data['learning']['errors'], strict=True):
        run = Run(path)
        made = predictions(run.observations)
        assert row['count'] == len(made)
        assert row['mae'] == pytest.approx(made['error'].abs().mean())
        known = traffic(run.tasks, run.objects, run.params).groupby('way')['bytes'].sum()
        assert {way['way']: way['bytes'] for way in data['data']['traffic'] if way['run'] == run.name} == dict(known)
