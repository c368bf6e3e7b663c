from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scoutbee.analysis import Run
from scoutbee.analysis.outcome import best, best_candidates, best_so_far, found_so_far, progress
from scoutbee.contracts.candidates import Objective
from scoutbee.traces.records import EventRecord, SelectionRecord, SimulationRecord
from scoutbee.traces.writer import TraceWriter

MORE = Objective('y', '', threshold=3.0)
LESS = Objective('y', '', maximize=False, threshold=1.0)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Values 2, 1, none, 3 and again 3 after 10, 20, 30, 40 and 50 s; the third by the first ranking."""
    chosen = {'ranking': 1, 'score': 2.5, 'mean': 2.0, 'std': 0.5, 'generation': 4}
    with TraceWriter(tmp_path) as writer:
        writer.write(EventRecord(time=0, agent='a', event='started', message=''))
        for number, (key, value) in enumerate([('a', 2.0), ('b', 1.0), ('c', math.nan)], start=1):
            writer.write(simulation(key, value, 10.0 * number))
        writer.write(SelectionRecord(
            time=31, ranking=1, models=['g4m0', 'g4m1'], scored=50, kept=5, observations=3, taken=3, seconds=0.1,
            top=[{'key': 'x', 'mean': 2.1}, {'key': 'd', 'mean': 2.0}],
        ))  # fmt: skip
        writer.write(simulation('d', 3.0, 40.0, choice=chosen))
        writer.write(simulation('d', 9.0, 45.0, outcome='duplicate'))
        writer.write(simulation('e', 3.0, 50.0))
        writer.write(simulation('d', 9.0, 51.0))
    return Run(tmp_path)


def simulation(key: str, value: float, time: float, **more) -> SimulationRecord:
    fields = {'task_id': key, 'method': 'simulate', 'success': True, 'timestamps': {}, 'spans': {}, 'args': []}
    return SimulationRecord(**{**fields, 'outcome': 'observed', 'key': key, 'value': value, 'time': time, **more})


def test_a_candidate_is_observed_once(run: Run):
    assert run.observations['key'].tolist() == ['a', 'b', 'c', 'd', 'e']
    assert run.observations['order'].tolist() == [1, 2, 3, 4, 5]


def test_progress_against_simulations_and_worker_hours(run: Run):
    made = progress(run.observations, MORE, run.sessions, workers=2)
    assert made['simulations'].tolist() == [1, 2, 3, 4]
    assert made['order'].tolist() == [1, 2, 4, 5]
    assert made['best'].tolist() == [2, 2, 3, 3]
    assert made['found'].tolist() == [0, 0, 1, 2]
    assert (made['worker_hours'] * 3600).tolist() == pytest.approx([20, 40, 80, 100])
    less = progress(run.observations, LESS, run.sessions, workers=1)
    assert less['best'].tolist() == [2, 1, 1, 1]
    assert less['found'].tolist() == [0, 1, 1, 1]


def test_progress_stands_still_between_sessions(tmp_path: Path):
    with TraceWriter(tmp_path) as writer:
        writer.write(simulation('a', 1.0, 0.0))
        writer.write(simulation('b', 1.0, 10.0))
        writer.write(EventRecord(time=1000, agent='a', event='resumed', message=''))
        writer.write(simulation('c', 1.0, 1005.0))
    run = Run(tmp_path)
    made = progress(run.observations, MORE, run.sessions, workers=3)
    assert (made['worker_hours'] * 3600).tolist() == pytest.approx([0, 30, 45])


def test_the_best_come_first_and_ties_stay_in_order(run: Run):
    assert best(run.observations, MORE, 2)['key'].tolist() == ['d', 'e']
    assert best(run.observations, LESS, 2)['key'].tolist() == ['b', 'a']


def test_the_best_say_why_they_were_chosen(run: Run):
    chosen, seed = best_candidates(run.observations, run.selections, run.tops, MORE, 2).to_dict('records')
    assert (chosen['key'], chosen['value'], chosen['order'], chosen['found']) == ('d', 3.0, 4, True)
    assert (chosen['mean'], chosen['std'], chosen['score']) == (2.0, 0.5, 2.5)
    assert (chosen['ranking'], chosen['generation'], chosen['models']) == (1, 4, 'g4m0 g4m1')
    assert (chosen['place'], chosen['scored'], chosen['observations']) == (2, 50, 3)
    assert seed['key'] == 'e'
    assert all(pd.isna(seed[name]) for name in ('mean', 'ranking', 'models', 'place'))


def test_no_threshold_none_found():
    assert found_so_far(np.array([1.0, 2.0]), Objective('y', '')).tolist() == [0, 0]
    assert best_so_far(np.array([]), MORE).size == 0
