from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scoutbee.analysis import Run
from scoutbee.analysis.traffic import inputs_at_hand, objects_alive, traffic
from scoutbee.traces.records import InferenceRecord, SimulationRecord
from scoutbee.traces.writer import TraceWriter


def moved(direction: str, size: int, at: float) -> dict[str, Any]:
    return {direction: {'bytes': size, 'seconds': 0.5, 'hit': False, 'time': at}}


def kept(size: int, at: float) -> dict[str, Any]:
    return {'in': {'bytes': size, 'seconds': 1e-6, 'hit': True, 'time': at}}


def inference(chunk: int, created: float, proxies: dict[str, Any], inputs: float) -> InferenceRecord:
    return InferenceRecord(
        task_id='i', method='infer', success=True, timestamps={'created': created, 'compute_started': created + 1},
        spans={'resolve_proxies': inputs}, time=created + 5, sizes={'inputs': 10, 'value': 70}, proxies=proxies,
        generation=1, members=[0], chunk=chunk, rows=3,
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Two inferences on one chunk with one model; the worker keeps both. The first value is stored, the second not."""
    with TraceWriter(tmp_path) as writer:
        first = {'model': moved('in', 100, 11.6), 'chunk': moved('in', 1000, 11.8)}
        writer.write(inference(0, 10.0, {**first, 'value': moved('out', 50, 14.0)}, inputs=0.8))
        again = {'model': kept(100, 21.1), 'chunk': kept(1000, 21.2)}
        writer.write(inference(0, 20.0, again, inputs=0.01))
        writer.write(SimulationRecord(
            task_id='s', method='simulate', success=True, timestamps={'created': 1, 'compute_started': 2}, spans={},
            sizes={'inputs': 7, 'value': 9}, key='a', args=[], outcome='observed', value=1.0,
        ))  # fmt: skip
    return Run(tmp_path)


def test_bytes_by_topic_and_way(run: Run):
    rows = traffic(run.tasks, run.objects, {'infer_ps_backend': 'redis'}).fillna({'seconds': 0.0})
    assert rows.to_numpy().tolist() == [
        ['infer', 'in', 'message', 2, 20, 0.0],
        ['infer', 'in', 'redis', 2, 1100, 1.0],
        ['infer', 'out', 'message', 1, 70, 0.0],
        ['infer', 'out', 'redis', 1, 50, 0.5],
        ['simulate', 'in', 'message', 1, 7, 0.0],
        ['simulate', 'out', 'message', 1, 9, 0.0],
    ]


def test_inputs_that_were_at_hand(run: Run):
    rows = inputs_at_hand(run.tasks).set_index(['kind', 'part'])
    assert rows.loc[('infer', 'first')].tolist() == [1, 0.0, 0.8, 0.0]
    assert rows.loc[('infer', 'later')].tolist() == [1, 1.0, 0.01, 1.0]
    assert rows.loc[('simulate', 'all'), 'count'] == 1


def test_objects_are_alive_from_first_use_to_last(run: Run):
    assert objects_alive(run.tasks, run.objects).to_numpy().tolist() == [
        [10.0, 2, 1100],  # model and chunk, for the first inference
        [14.0, 3, 1150],  # its value is stored
        [15.0, 2, 1100],  # and was read when its record was written
        [25.0, 0, 0],
    ]


def test_nothing_moved(tmp_path: Path):
    run = Run(tmp_path)
    assert len(traffic(run.tasks, run.objects, {})) == 0
    assert len(inputs_at_hand(run.tasks)) == 0
    assert len(objects_alive(run.tasks, run.objects)) == 0
