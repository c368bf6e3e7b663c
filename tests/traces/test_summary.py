from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from scoutbee.traces.errors import TraceError
from scoutbee.traces.summary import Best, SimulationCounts, SlotUse, Spread, Summary, read_summary, write_summary


@pytest.fixture
def summary() -> Summary:
    return Summary(
        campaign='molecules', site='local', status='completed', reason='Done.', seed=3, wall_seconds=12.5,
        simulations=SimulationCounts(submitted=5, succeeded=4, failed=1),
        best=[Best(key='CCO', value=14.45, unit='eV')],
        slots={'simulate': SlotUse(workers=2, utilization=0.9, idle_seconds=Spread(median=0.1, p95=0.2))},
    )  # fmt: skip


def test_it_has_the_shape_that_others_rely_on(tmp_path: Path, summary: Summary):
    written = json.loads(write_summary(tmp_path, summary).read_text())
    assert written == {
        'schema_version': 1, 'campaign': 'molecules', 'site': 'local', 'status': 'completed', 'reason': 'Done.',
        'seed': 3, 'wall_seconds': 12.5,
        'simulations': {'submitted': 5, 'succeeded': 4, 'failed': 1, 'quarantined': 0, 'lost_and_resubmitted': 0},
        'best': [{'key': 'CCO', 'value': 14.45, 'unit': 'eV'}],
        'target': {'threshold': None, 'found': 0},
        'retrains': 0,
        'slots': {'simulate': {'workers': 2, 'utilization': 0.9, 'idle_seconds': {'median': 0.1, 'p95': 0.2}}},
        'makespan_seconds': {'retrain_to_rerank': {'median': None, 'max': None}},
        'proxies': {'created': 0, 'evicted': 0, 'leaked': 0},
        'resumed': 0,
    }  # fmt: skip
    assert read_summary(tmp_path) == summary


def test_writing_replaces_whole_files_only(tmp_path: Path, summary: Summary, monkeypatch: pytest.MonkeyPatch):
    write_summary(tmp_path, summary)

    def refuse(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(os, 'replace', refuse)
        with pytest.raises(TraceError, match='No space left'):
            write_summary(tmp_path, summary.model_copy(update={'reason': 'Other.'}))
    assert read_summary(tmp_path) == summary
    assert [path.name for path in tmp_path.iterdir()] == ['summary.json']


def test_a_directory_that_is_not_there(tmp_path: Path, summary: Summary):
    with pytest.raises(TraceError, match='Cannot write'):
        write_summary(tmp_path / 'nowhere', summary)


def test_what_cannot_be_read_says_why(tmp_path: Path):
    with pytest.raises(TraceError, match='has not ended'):
        read_summary(tmp_path)
    (tmp_path / 'summary.json').write_text('{"schema_version": 9}')
    with pytest.raises(TraceError, match='schema_version'):
        read_summary(tmp_path)
    (tmp_path / 'summary.json').unlink()
    (tmp_path / 'summary.json').mkdir()
    with pytest.raises(TraceError, match='Cannot read'):
        read_summary(tmp_path)
