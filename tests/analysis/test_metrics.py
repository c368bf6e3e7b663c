from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.analysis.failures import group_failures
from scoutbee.analysis.metrics import (
    TaskSpan,
    best_records,
    best_so_far,
    busy_workers,
    forecasts,
    found_so_far,
    idle_gaps,
    makespans,
    model_errors,
    peak,
    slot_use,
    task_spans,
    values_of,
)
from scoutbee.contracts.candidates import Objective
from scoutbee.traces.records import FailureRecord, SelectionRecord, SimulationRecord

MORE = Objective('y', '', threshold=3.0)
LESS = Objective('y', '', maximize=False, threshold=1.0)


def simulation(key: str = 'a', value: float | None = None, **more) -> SimulationRecord:
    fields = {
        'task_id': key, 'method': 'simulate', 'success': value is not None, 'timestamps': {}, 'spans': {}, 'key': key,
        'args': [], 'outcome': 'failed' if value is None else 'observed', 'value': value,
    }  # fmt: skip
    return SimulationRecord(**(fields | more))


def spans(*rows: tuple[str, str | None, float, float]) -> list[TaskSpan]:
    return sorted((TaskSpan(*row) for row in rows), key=lambda span: span.started)


def test_a_hand_made_run_has_the_utilization_and_idle_time_worked_out_by_hand():
    # Two simulation workers for 10 s: w1 busy 0-4 and 5-9, w2 busy 1-7; one training 4-6 on its own worker.
    made = spans(('simulate', 'w1', 0, 4), ('simulate', 'w1', 5, 9), ('simulate', 'w2', 1, 7), ('train', 'g', 4, 6))
    use = slot_use(made, [(0, 10)], {'simulate': 2, 'train': 1, 'infer': 1})
    assert use['simulate'].utilization == pytest.approx(14 / 20)
    assert use['simulate'].idle_seconds.median == 1.0
    assert use['train'].utilization == pytest.approx(0.2)
    assert use['train'].idle_seconds.median is None
    assert (use['infer'].workers, use['infer'].utilization) == (1, 0.0)


def test_workers_added_later_count():
    made = spans(('simulate', 'a', 0, 10), ('simulate', 'b', 0, 10), ('simulate', 'c', 0, 10))
    use = slot_use(made, [(0, 10)], {'simulate': 1})['simulate']
    assert (use.workers, use.utilization) == (3, 1.0)


def test_time_without_a_driver_is_no_ones():
    made = spans(('simulate', 'w', 0, 10), ('simulate', 'w', 100, 110))
    sessions = [(0.0, 10.0), (95.0, 110.0)]
    assert idle_gaps(made, sessions) == {}
    assert slot_use(made, sessions, {'simulate': 1})['simulate'].utilization == pytest.approx(20 / 25)


def test_idle_time_belongs_to_the_task_that_ends_it_and_needs_a_known_worker():
    made = spans(('train', 'g', 0, 1), ('infer', 'g', 3, 4), ('simulate', None, 0, 1), ('simulate', None, 5, 6))
    assert idle_gaps(made, [(0, 6)]) == {'infer': [2.0]}


def test_tasks_that_do_not_say_when_they_ran_have_no_span():
    records = [
        simulation('a', timestamps={'compute_started': 1.0, 'compute_ended': 2.0}, worker='w'),
        simulation('b', timestamps={'compute_started': 1.0}),
        simulation('c', timestamps={'compute_started': math.nan, 'compute_ended': 2.0}),
        simulation('d', timestamps={'compute_started': 3.0, 'compute_ended': 2.0}),
    ]
    assert task_spans({'simulate': records}) == [TaskSpan('simulate', 'w', 1.0, 2.0)]


def test_nothing_ran():
    assert peak([]) == 0
    assert slot_use([], [], {'simulate': 2})['simulate'].utilization is None


times = st.floats(0, 100).flatmap(lambda start: st.floats(start, 100).map(lambda end: (start, end)))


@given(st.lists(times, max_size=15))
def test_busy_workers_add_up_to_busy_time(pairs: list[tuple[float, float]]):
    made = spans(*(('simulate', 'w', start, end) for start, end in pairs))
    edges, busy = busy_workers(made, 0, 100, bins=37)
    assert np.sum(busy * np.diff(edges)) == pytest.approx(sum(end - start for start, end in pairs), abs=1e-6)
    assert np.all(busy <= peak(made) + 1e-6)


def test_makespan_is_to_the_last_ranking_of_a_round():
    def ranked(number: int, at: float, started: float | None) -> SelectionRecord:
        return SelectionRecord(time=at, ranking=number, models=[], scored=1, kept=1, seconds=0, started=started)

    assert makespans([ranked(1, 5, None), ranked(2, 30, 10), ranked(3, 42, 10), ranked(4, 70, 50)]) == [32, 20]


def test_progress_in_both_directions():
    values = values_of([simulation('a', 2.0), simulation('b', 1.0), simulation('c', math.nan), simulation('d', 3.0)])
    assert values.tolist() == [2, 1, 3]
    assert best_so_far(values, MORE).tolist() == [2, 2, 3]
    assert best_so_far(values, LESS).tolist() == [2, 1, 1]
    assert found_so_far(values, MORE).tolist() == [0, 0, 1]
    assert found_so_far(values, LESS).tolist() == [0, 1, 1]


def test_the_best_come_first_and_ties_stay_in_order():
    records = [simulation('a', 2.0), simulation('b', 3.0), simulation('c', 3.0), simulation('d', None)]
    assert [record.key for record in best_records(records, MORE, 2)] == ['b', 'c']
    assert [record.key for record in best_records(records, LESS, 2)] == ['a', 'b']


def test_errors_of_each_generation():
    records = [
        simulation('s', 9.0),
        simulation('a', 1.0, choice={'mean': 2.0, 'std': 1.0, 'generation': 1}),
        simulation('b', 5.0, choice={'mean': 2.0, 'std': 1.0, 'generation': 1}),
        simulation('c', 1.0, choice={'mean': 1.5, 'std': None, 'generation': 2}),
        simulation('d', None, choice={'mean': 1.5, 'generation': 2}),
    ]
    one, two = model_errors(forecasts(records))
    assert (one.generation, one.count, one.mae, one.bias, one.std, one.covered) == (1, 2, 2.0, -1.0, 1.0, 0.5)
    assert one.rmse == pytest.approx(math.sqrt(5))
    assert (two.count, two.mae, two.std, two.covered) == (1, 0.5, None, None)


def test_failures_are_grouped_by_cause_whatever_the_candidate():
    def failed(key: str, error: str, message: str, outcome: str = 'failed') -> SimulationRecord:
        failure = FailureRecord(kind='input', error=error, message=message)
        return simulation(key, success=False, failure=failure, outcome=outcome)

    groups = group_failures({
        'simulate': [
            failed('CC', 'InputTaskError', 'Cannot embed CC after 10 tries.'),
            failed('CCO', 'InputTaskError', 'Cannot embed CCO after 20 tries.', 'retried'),
            failed('N', 'InputTaskError', 'N has an odd number of electrons.'),
            simulation('x', success=False),
            simulation('y', 1.0),
        ]
    })  # fmt: skip
    assert [(group.error, group.count, dict(group.outcomes), group.subject) for group in groups] == [
        ('InputTaskError', 2, {'failed': 1, 'retried': 1}, 'CC'),
        ('InputTaskError', 1, {'failed': 1}, 'N'),
        ('no reason given', 1, {'failed': 1}, 'x'),
    ]
