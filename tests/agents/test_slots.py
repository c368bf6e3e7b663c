"""How many tasks of each kind may run, and how that changes."""

import threading
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.agents.slots import SlotMover, make_slots
from scoutbee.contracts.policy import Policy, SlotMove
from scoutbee.traces.history import MoveHistory
from scoutbee.traces.reader import read
from scoutbee.traces.records import EventRecord
from scoutbee.traces.writer import TraceWriter


@pytest.fixture
def slots_of(tmp_path):
    """Slots and their mover for some moves, with 2 simulate, 1 train, 2 infer and 3 in reserve."""
    done = threading.Event()
    with TraceWriter(tmp_path) as traces:

        def make(*moves):
            policy = Policy(slots={'simulate': 2, 'train': 1, 'infer': 2, 'reserve': 3}, slot_moves=moves)
            counter = make_slots(policy.slots, prefetch=0)
            return counter, SlotMover(policy, counter, traces, done)

        make.told = lambda: [e.facts for e in read(tmp_path, EventRecord) if e.event == 'slots_moved']
        yield make
        done.set()


def test_prefetched_simulations_have_slots_of_their_own():
    counter = make_slots(Policy(slots={'simulate': 3}).slots, prefetch=2)
    assert counter.allocated_slots('simulate') == 5


def test_all_or_none_are_reserved_and_none_is_lost():
    counter = make_slots(Policy(slots={'simulate': 2}).slots, prefetch=0)
    assert not counter.acquire('simulate', 3, timeout=0.01)
    assert counter.available_slots('simulate') == 2
    assert counter.acquire('simulate', 2, timeout=0)
    assert not counter.acquire('simulate', 1, timeout=0)
    ended = threading.Event()
    ended.set()
    assert not counter.acquire('simulate', 1, cancel_if=ended)
    counter.release('simulate', 2)
    assert counter.available_slots('simulate') == 2


def test_whoever_waits_gets_a_slot_that_comes_free():
    counter = make_slots(Policy(slots={'train': 1}).slots, prefetch=0)
    assert counter.acquire('train', 1, timeout=0)
    got = []
    waiting = threading.Thread(target=lambda: got.append(counter.acquire('train', 1, timeout=30)))
    waiting.start()
    counter.release('train', 1)
    waiting.join(30)
    assert got == [True]


def test_a_slot_tells_since_when_it_was_free(monkeypatch):
    now = SimpleNamespace(monotonic=lambda: now.time, time=10.0)
    monkeypatch.setattr('scoutbee.agents.slots.time', now)
    counter, ended = make_slots(Policy(slots={'simulate': 2, 'reserve': 1}).slots, prefetch=0), threading.Event()
    now.time = 11.0
    assert counter.acquire_oldest('simulate', 0, ended) == 10.0
    now.time = 12.0
    counter.release('simulate')
    now.time = 13.0
    assert counter.acquire_oldest('simulate', 0, ended) == 10.0
    assert counter.acquire_oldest('simulate', 0, ended) == 12.0
    assert counter.acquire_oldest('simulate', 0, ended) is None
    counter.reallocate(None, 'simulate', 1)
    assert counter.acquire_oldest('simulate', 0, ended) == 13.0  # moved here: from now on


def test_a_move_happens_at_its_time_and_only_then(slots_of):
    counter, mover = slots_of(SlotMove(on='ranking', nth=2, source='reserve', target='simulate', count=2))
    mover.happened('ranking')
    mover.happened('training')
    assert not slots_of.told()
    mover.happened('ranking')
    assert counter.acquire('simulate', 4, timeout=30)
    mover.happened('ranking')
    assert slots_of.told() == [
        {'source': 'reserve', 'target': 'simulate', 'count': 2, 'move': 0, 'on': 'ranking', 'times': 2}
    ]


def test_slots_in_use_move_when_they_come_free(slots_of):
    counter, mover = slots_of(SlotMove(on='training', source='simulate', target='train', count=2))
    assert counter.acquire('simulate', 2, timeout=0)
    mover.happened('training')
    assert counter.allocated_slots('train') == 1
    counter.release('simulate', 2)
    assert counter.acquire('train', 3, timeout=30)


def test_no_more_move_than_there_are(slots_of):
    counter, mover = slots_of(SlotMove(on='trained', source='infer', target='reserve', count=5))
    mover.happened('trained')
    assert counter.acquire(None, 5, timeout=30)
    mover.happened('trained')
    assert [told['count'] for told in slots_of.told()] == [2]


def test_a_resumed_campaign_makes_the_moves_of_before(slots_of):
    counter, mover = slots_of(
        SlotMove(on='ranking', nth=2, source='reserve', target='simulate', count=1),
        SlotMove(on='ranking', nth=4, source='reserve', target='simulate', count=2),
    )
    mover.resume([MoveHistory(0, 'ranking', 2, 'reserve', 'simulate', 1)], {'ranking': 3})
    assert counter.allocated_slots('simulate') == 3
    assert not slots_of.told()
    mover.happened('ranking')
    assert counter.acquire('simulate', 5, timeout=30)


def test_a_resumed_campaign_makes_the_move_that_was_due_and_not_made(slots_of):
    counter, mover = slots_of(
        SlotMove(on='ranking', source='reserve', target='simulate', count=1),
        SlotMove(on='training', source='reserve', target='train', count=1),
    )
    moved = [MoveHistory(0, 'ranking', times, 'reserve', 'simulate', 1) for times in (1, 2)]
    mover.resume(moved, {'ranking': 2, 'training': 1})
    assert counter.acquire('simulate', 4, timeout=30)
    assert counter.acquire('train', 2, timeout=30)
    assert [(told['on'], told['times']) for told in slots_of.told()] == [('training', 1)]


@given(
    st.lists(st.one_of(st.tuples(st.just('ahead'), st.integers(0, 6)), st.just('take'), st.just('give')), max_size=40)
)
def test_slots_ahead_come_at_once_and_go_as_they_come_free(steps):
    counter, used, ahead = make_slots(Policy(slots={'simulate': 2}).slots, None), 0, 0
    for step in steps:
        if step == 'take':
            used += counter.acquire_now('simulate') is not None
        elif step == 'give' and used:
            used -= 1
            counter.release('simulate')
        elif isinstance(step, tuple):
            ahead = step[1]
            counter.set_ahead('simulate', ahead)
        assert counter.available_slots('simulate') == max(0, 2 + ahead - used)
        assert counter.allocated_slots('simulate') == 2


def test_a_slot_that_is_put_back_was_free_all_along():
    counter = make_slots(Policy(slots={'simulate': 2}).slots, None)
    first = counter.acquire_now('simulate')
    counter.put_back('simulate', first)
    assert counter.acquire_now('simulate') == first
    assert counter.acquire_now('simulate') >= first
    assert counter.acquire_now('simulate') is None
