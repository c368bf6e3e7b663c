from __future__ import annotations

from pathlib import Path

import pytest

from scoutbee.analysis.load import load
from scoutbee.analysis.summarize import build_summary
from scoutbee.contracts.candidates import Objective
from scoutbee.traces.errors import TraceError
from scoutbee.traces.summary import Summary
from scoutbee.traces.writer import TraceWriter


def summarize(run_dir: Path, objective: Objective) -> Summary:
    return build_summary(
        run_dir, campaign='molecules', site='local', status='completed', reason='Done.', seed=3, wall_seconds=80.0,
        objective=objective, workers={'simulate': 4, 'train': 1, 'infer': 1},
        proxies={'created': 3, 'evicted': 2, 'leaked': 1},
    )  # fmt: skip


def test_it_agrees_with_the_trace(synthetic, objective: Objective):
    run = synthetic()
    summary = summarize(run.write(), objective)
    counts = summary.simulations
    assert (counts.submitted, counts.succeeded, counts.failed) == (94, 90, 4)
    values = [record.value for record in load(run.run_dir).observed()]
    assert [best.value for best in summary.best] == sorted(values, reverse=True)[:10]
    assert summary.best[0].unit == 'eV'
    assert summary.target.found == sum(value >= 14 for value in values)
    assert summary.retrains == len(load(run.run_dir).selections)
    assert 0.5 < summary.slots['simulate'].utilization < 1
    assert 0.05 < summary.slots['simulate'].idle_seconds.median < 0.3
    extent = summary.makespan_seconds.retrain_to_rerank
    assert 8 < extent.median <= extent.max
    assert summary.proxies.leaked == 1
    assert list(summary.slots) == ['simulate', 'train', 'infer']


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
    assert len(load(tmp_path).sessions()) == 2
    assert summarize(tmp_path, objective).resumed == 1


def test_a_directory_that_is_not_there(tmp_path: Path, objective: Objective):
    with pytest.raises(TraceError, match='is not a run directory'):
        summarize(tmp_path / 'nowhere', objective)
