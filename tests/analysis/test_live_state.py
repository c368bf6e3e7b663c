"""The parts of what a watcher is shown: right by hand-made numbers, and small however long a campaign."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.analysis.live.busy import BINS, BusyBins
from scoutbee.analysis.live.discoveries import MOST_DOTS, MOST_ENTRANTS, TOP, Discoveries
from scoutbee.analysis.live.glimpses import GLIMPSES, Simulated
from scoutbee.analysis.live.sampled import Sampled
from scoutbee.analysis.live.state import CampaignState
from scoutbee.contracts.candidates import Objective
from scoutbee.testing.small_ledger import START, campaign, event, simulated, started, submitted
from scoutbee.traces.encoding import encode

ENERGY = Objective('energy', 'eV', threshold=2.5)


def glimpse(record):
    kind = next(kind for kind in GLIMPSES if kind.record is type(record))
    return kind.model_validate_json(encode(record))


def state_of(records, objective=ENERGY):
    state = CampaignState(objective)
    for seq, record in enumerate(records, start=1):
        record.seq = seq
        state.take(glimpse(record))
    return state


def test_latencies_are_those_of_the_timestamps():
    state = state_of(campaign())
    queue, dispatch, run, back, notice, record = state.latencies.percentiles()['simulate']
    assert queue == pytest.approx((0.01, 0.01), rel=1e-3)
    assert dispatch == pytest.approx((0.02, 0.02), rel=1e-3)
    assert run == pytest.approx((1.0, 1.0), rel=1e-3)
    assert back == pytest.approx((0.03, 0.03), rel=1e-3)
    assert notice == pytest.approx((0.04, 0.04), rel=1e-3)
    assert record == pytest.approx((0.05, 0.05), rel=1e-3)
    assert state.latencies.counts == {'simulate': 5, 'train': 2, 'infer': 4}


def test_a_clock_that_is_wrong_makes_no_stage_negative():
    record = simulated(5.0, 'a', 1.0)
    record.timestamps['input_received'] = START - 50
    state = state_of([started(0.0), record])
    assert state.latencies.percentiles()['simulate'][0] == (0.0, 0.0)


def test_found_is_counted_from_the_threshold_on():
    assert state_of(campaign()).tally.found == 2
    assert state_of(campaign(), Objective('energy', 'eV', maximize=False, threshold=2.0)).tally.found == 2


def test_what_was_called_back_was_never_sent():
    records = [started(0.0), submitted(0.1, 'a'), submitted(0.2, 'b'), event(0.3, 'withdrawn', key='b')]
    tally = state_of(records).tally
    assert (tally.submitted, tally.in_flight) == (1, 1)


def test_slots_move():
    records = [started(0.0, workers=2), event(1.0, 'slots_moved', source='reserve', target='simulate', count=3)]
    assert state_of(records).progress(START + 2).busy['simulate'] == (0, 5)


def test_loaded_models_are_an_update_from_the_start():
    asked = {'generation': 0, 'members': [0, 1], 'trained': [0, 1]}
    progress = state_of([started(0.0, asked=asked, chunks=3)]).progress(START + 1)
    assert (progress.updating, progress.trained, progress.inferred) == (True, (2, 2), (0, 6))


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(0, 800)), min_size=1, max_size=60))
def test_busy_time_is_neither_lost_nor_made(tasks):
    bins = BusyBins()
    for start, seconds in tasks:
        bins.add('simulate', start, start + seconds)
    end = max(start + seconds for start, seconds in tasks) + 1.0
    workers = bins.busy(end, {})['simulate']
    assert len(workers) <= BINS
    widths = [bins.width] * (len(workers) - 1) + [end - (len(workers) - 1) * bins.width]
    total = sum(busy * width for busy, width in zip(workers, widths, strict=True))
    assert total == pytest.approx(sum(seconds for _, seconds in tasks), abs=0.001 * end + 0.01)


def test_what_runs_is_busy_before_it_is_back():
    bins = BusyBins()
    bins.add('simulate', 0.0, 1.0)
    assert bins.busy(4.0, {'simulate': [2.0]})['simulate'][:8] == [1, 1, 0, 0, 1, 1, 1, 1]


@given(st.integers(1, 3000), st.integers(2, 50))
def test_a_selection_is_even_and_small(count, limit):
    sampled = Sampled(limit, 1.0)
    for position in range(count):
        if sampled.is_due(position):
            sampled.add(position, position)
    kept = [row for _, row in sampled.rows]
    assert 1 <= len(kept) <= limit
    assert kept[0] == 0
    steps = {b - a for a, b in itertools.pairwise(kept)}
    assert len(steps) <= 1
    assert count - 1 - kept[-1] < (steps.pop() if steps else count)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=200), st.booleans())
def test_the_best_are_the_best(values, maximize):
    discoveries = Discoveries(Objective('energy', '', maximize=maximize))
    for number, value in enumerate(values):
        record = simulated(1.0 + number, f'k{number}', value)
        discoveries.take(Simulated.model_validate_json(encode(record)), float(number))
    expected = sorted(values, reverse=maximize)[:TOP]
    assert [entry.value for entry in discoveries.top(TOP)] == expected
    running = [entry.value for entry in discoveries.entrants if entry.is_best]
    assert running == sorted(running, reverse=not maximize)
    assert running[-1] == expected[0]


def test_a_campaign_that_always_finds_better_stays_small():
    discoveries = Discoveries(ENERGY)
    for number in range(MOST_ENTRANTS + 500):
        record = Simulated.model_construct(
            seq=number, time=START, key=f'k{number}', value=float(number), outcome='observed', choice={}
        )
        discoveries.take(record, float(number))
    assert len(discoveries.entrants) <= MOST_ENTRANTS
    assert len(discoveries.dots.rows) <= MOST_DOTS
    assert [entry.value for entry in discoveries.top(3)] == [1999.0, 1998.0, 1997.0]


def test_trouble_does_not_push_out_the_rest_of_the_story():
    records = [started(0.0), simulated(1.0, 'good', 1.0)]
    records += [simulated(2.0 + number, f'bad{number}', None) for number in range(1000)]
    story = state_of(records).story
    assert story.count == 1002
    assert len(story.lines) < 400
    assert [line.text for line in story.lines][:2] == [
        'The agents set out.',
        'New best: 1.000 eV, good. It is simulation 1.',
    ]
    json.dumps([vars(line) for line in story.lines])
