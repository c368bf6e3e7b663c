from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scoutbee.analysis import Run
from scoutbee.analysis.machine import slot_use
from scoutbee.analysis.outcome import best, reaches, valued
from scoutbee.analysis.rounds import extent, makespans
from scoutbee.analysis.summarize import build_summary
from scoutbee.contracts.candidates import Objective
from scoutbee.traces.errors import TraceError
from scoutbee.traces.reader import read
from scoutbee.traces.records import SelectionRecord, SimulationRecord
from scoutbee.traces.summary import Summary, read_summary, write_summary
from scoutbee.traces.writer import TraceWriter

RUN_PY = Path(__file__).parents[2] / 'run.py'


def summarize(run_dir: Path, objective: Objective) -> Summary:
    return build_summary(
        run_dir, campaign='molecules', site='local', status='completed', reason='Done.', seed=3, wall_seconds=80.0,
        objective=objective, workers={'simulate': 4, 'train': 1, 'infer': 1},
        proxies={'created': 3, 'evicted': 2, 'leaked': 1},
    )  # fmt: skip


def agrees(summary: Summary, run: Run) -> None:
    """What the tables say, as the report works it out, is what the summary says."""
    assert slot_use(run.spans, run.idle, run.sessions, run.workers) == summary.slots
    assert extent(makespans(run.selections)) == summary.makespan_seconds.retrain_to_rerank
    top = best(run.observations, run.objective, 10)
    assert list(zip(top['key'], top['value'], strict=True)) == [(found.key, found.value) for found in summary.best]
    values = valued(run.observations)['value'].to_numpy()
    assert reaches(values, run.objective).sum() == summary.target.found
    assert len(run.observations) == summary.simulations.succeeded


def test_it_agrees_with_the_trace(synthetic, objective: Objective):
    run = synthetic()
    summary = summarize(run.write(), objective)
    counts = summary.simulations
    assert (counts.submitted, counts.succeeded, counts.failed) == (94, 90, 4)
    records = list(read(run.run_dir, SimulationRecord))
    values = [record.value for record in records if record.value is not None]
    assert [best.value for best in summary.best] == sorted(values, reverse=True)[:10]
    assert summary.best[0].unit == 'eV'
    assert summary.target.found == sum(value >= 14 for value in values)
    assert summary.retrains == len(list(read(run.run_dir, SelectionRecord)))
    assert 0.5 < summary.slots['simulate'].utilization < 1
    assert 0.05 < summary.slots['simulate'].idle_seconds.median < 0.3
    extent = summary.makespan_seconds.retrain_to_rerank
    assert 8 < extent.median <= extent.max
    assert summary.proxies.leaked == 1
    assert list(summary.slots) == ['simulate', 'train', 'infer']


def test_the_tables_agree_with_it(synthetic, objective: Objective):
    run_dir = synthetic().write()
    write_summary(run_dir, summarize(run_dir, objective))
    run = Run(run_dir)
    run.inputs.maximize = objective.maximize
    agrees(read_summary(run_dir), run)


def test_a_run_in_which_nothing_happened(tmp_path: Path, objective: Objective):
    summary = summarize(tmp_path, objective)
    assert summary.best == []
    assert summary.simulations.submitted == summary.retrains == summary.target.found == 0
    assert summary.slots['simulate'].utilization is None
    assert summary.makespan_seconds.retrain_to_rerank.median is None


def test_any_beginning_of_a_run_can_be_summarized(synthetic, objective: Objective):
    for upto in (1, 2, 3, 10, 60, 150):
        run = synthetic(f'run{upto}')
        assert summarize(run.write(upto), objective).simulations.succeeded <= upto


def test_resumptions_make_sessions(tmp_path: Path, objective: Objective):
    with TraceWriter(tmp_path) as writer:
        writer.event('driver', 'started', 'm')
    with TraceWriter(tmp_path) as writer:
        writer.event('driver', 'resumed', 'm')
        writer.event('driver', 'ended', 'm')
    assert len(Run(tmp_path).sessions) == 2
    assert summarize(tmp_path, objective).resumed == 1


def test_a_directory_that_is_not_there(tmp_path: Path, objective: Objective):
    with pytest.raises(TraceError, match='is not a run directory'):
        summarize(tmp_path / 'nowhere', objective)


@pytest.mark.slow
def test_a_real_campaign_agrees_with_its_own_summary(tmp_path: Path):
    flags = '--campaign ackley --engine local --search-size 40 --retrain-frequency 15 --seed 2 --quiet --runs-dir'
    command = [sys.executable, str(RUN_PY), *flags.split(), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    (run_dir,) = tmp_path.iterdir()
    run = Run(run_dir)
    assert run.skipped == []
    agrees(read_summary(run_dir), run)
    spans = run.spans
    busy = (spans['busy_until'] - spans['busy_from']).sum()
    seats = run.idle[run.idle['position'].isin(['first', 'unused'])]
    length = (run.sessions['end'] - run.sessions['start']).to_numpy()[seats['session']].sum()
    assert busy + run.idle['seconds'].sum() == pytest.approx(length)
