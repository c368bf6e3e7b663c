from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scoutbee.analysis import Run
from scoutbee.analysis.learning import calibration, calibration_error, model_errors, predictions, ranking_changes
from scoutbee.analysis.rounds import learning_rounds, makespans
from scoutbee.traces.records import EventRecord, InferenceRecord, SelectionRecord, SimulationRecord, TrainingRecord
from scoutbee.traces.writer import TraceWriter


def simulation(key: str, value: float | None, **choice: float | None) -> SimulationRecord:
    return SimulationRecord(
        task_id=key, method='simulate', success=value is not None, timestamps={}, spans={}, key=key, args=[],
        outcome='failed' if value is None else 'observed', value=value, choice=choice,
    )  # fmt: skip


def run_of(folder: Path, *records) -> Run:
    with TraceWriter(folder) as writer:
        for record in records:
            writer.write(record)
    return Run(folder)


def test_errors_of_each_generation(tmp_path: Path):
    run = run_of(
        tmp_path,
        simulation('s', 9.0),
        simulation('a', 1.0, mean=2.0, std=1.0, generation=1),
        simulation('b', 5.0, mean=2.0, std=1.0, generation=1),
        simulation('c', 1.0, mean=1.5, std=None, generation=2),
        simulation('d', None, mean=1.5, generation=2),
        simulation('e', math.nan, mean=1.5, generation=2),
        simulation('f', 1.0, mean=0.5, std=0.0, generation=2),
    )
    made = predictions(run.observations)
    assert made[['key', 'error']].to_numpy().tolist() == [['a', 1.0], ['b', -3.0], ['c', 0.5], ['f', -0.5]]
    one, two = model_errors(made).to_dict('records')
    assert (one['generation'], one['count'], one['mae'], one['bias']) == (1, 2, 2.0, -1.0)
    assert one['rmse'] == pytest.approx(math.sqrt((1 + 9) / 2))
    assert (one['stated'], one['std'], one['covered_1'], one['covered_2']) == (2, 1.0, 0.5, 0.5)
    assert one['z_spread'] == pytest.approx(math.sqrt((1 + 9) / 2))
    assert one['nll'] == pytest.approx(0.5 * math.log(2 * math.pi) + 0.5 * (1 + 9) / 2)
    assert (two['count'], two['mae'], two['stated']) == (2, 0.5, 0)
    assert all(math.isnan(two[name]) for name in ('std', 'covered_1', 'covered_2', 'z_spread', 'nll'))


def test_calibration_counts_how_often_values_lie_within_the_stated_intervals():
    made = pd.DataFrame({'z': [0.1, -0.5, 0.9, -1.2, 3.0, math.nan]})
    # The central 50 % of a normal distribution reach 0.674 deviations to either side, 90 % reach 1.645.
    curve = calibration(made, levels=[0.5, 0.9])
    assert curve.to_numpy().tolist() == [[0.5, 2 / 5, 5], [0.9, 4 / 5, 5]]
    assert calibration_error(curve) == pytest.approx(0.1)


def test_a_model_that_is_right_about_itself_is_calibrated():
    z = np.random.default_rng(3).normal(size=20_000)
    assert calibration_error(calibration(pd.DataFrame({'z': z}))) < 0.01
    assert calibration_error(calibration(pd.DataFrame({'z': 2 * z}))) > 0.15


def test_without_stated_uncertainty_there_is_no_calibration():
    curve = calibration(pd.DataFrame({'z': [math.nan]}))
    assert len(curve) == 0
    assert math.isnan(calibration_error(curve))


def selection(ranking: int, time: float, keys: str = '', started: float | None = None, generation: int = 1):
    return SelectionRecord(
        time=time, ranking=ranking, models=[f'g{generation}m0'], scored=9, kept=9, observations=1, taken=1, seconds=0.1,
        started=started, top=[{'key': key} for key in keys],
    )  # fmt: skip


def sent(key: str) -> EventRecord:
    return EventRecord(agent='a', event='submitted', message='', facts={'key': key, 'attempt': 1})


def test_how_rankings_changed(tmp_path: Path):
    run = run_of(
        tmp_path,
        selection(1, 1.0, 'abcdef'), sent('a'), sent('b'),
        selection(2, 2.0, 'dcxye'), sent('d'),
        selection(3, 3.0, 'pq'),
    )  # fmt: skip
    first, second = ranking_changes(run.tops, run.selections, run.submissions).to_dict('records')
    assert (first['before'], first['ranking'], first['kept'], first['sent']) == (1, 2, 3, 2)
    assert first['overlap'] == 3 / 4, 'c, d and e of c, d, e and f; a and b had been sent'
    assert first['correlation'] == pytest.approx(0.5), 'places 1 2 3 became 2 1 3: 1 - 6*2/(3*8)'
    assert (second['kept'], second['overlap']) == (0, 0.0)
    assert math.isnan(second['correlation'])


def test_makespan_is_to_the_last_ranking_of_a_round(tmp_path: Path):
    run = run_of(
        tmp_path, selection(1, 5), selection(2, 30, '', 10), selection(3, 42, '', 10), selection(4, 70, '', 50)
    )
    assert makespans(run.selections).tolist() == [32, 20]


def test_each_step_of_a_round(tmp_path: Path):
    def learned(record_type, started: float, time: float, **fields):
        return record_type(
            time=time, task_id='t', method='m', success=True, timestamps={'compute_started': started}, spans={},
            generation=1, **fields,
        )  # fmt: skip

    facts = {'generation': 1, 'members': [0, 1], 'observations': 7, 'started': 9.5}
    run = run_of(
        tmp_path,
        EventRecord(time=10, agent='trainer', event='training_started', message='', facts=facts),
        learned(TrainingRecord, 11, 20, member=0, observations=7),
        learned(InferenceRecord, 22, 24, members=[0], chunk=0, rows=5),
        selection(1, 25, '', 9.5),
        learned(TrainingRecord, 21, 30, member=1, observations=7),
        learned(InferenceRecord, 34, 36, members=[0, 1], chunk=0, rows=5),
        selection(2, 37, '', 9.5),
    )
    (row,) = learning_rounds(run.tasks, run.events, run.models, run.selections).to_dict('records')
    assert (row['generation'], row['members'], row['observations'], row['started']) == (1, 2, 7, 9.5)
    assert (row['to_first_model'], row['to_first_inference']) == (10.5, 12.5)
    assert (row['to_first_ranking'], row['to_last_ranking']) == (15.5, 27.5)
    assert row['model_to_inference'] == 3.0, 'the median of 2 and 4'
    assert row['predictions_to_ranking'] == 1.0


def test_a_round_that_is_under_way(tmp_path: Path):
    facts = {'generation': 1, 'members': 3, 'observations': 7}
    started = EventRecord(time=10, agent='trainer', event='training_started', message='', facts=facts)
    run = run_of(tmp_path, started)
    (row,) = learning_rounds(run.tasks, run.events, run.models, run.selections).to_dict('records')
    assert (row['started'], row['members']) == (10.0, 3)
    assert math.isnan(row['to_first_ranking'])
