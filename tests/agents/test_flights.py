"""What is out, and how it ends: each flight once, whatever comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.agents.buffer import Attempt
from scoutbee.agents.flights import Flights
from scoutbee.contracts.candidates import Candidate
from scoutbee.contracts.storage import Loan
from scoutbee.testing.clock import Clock


@pytest.fixture
def clock(monkeypatch):
    clock = Clock(0.0)
    monkeypatch.setattr('scoutbee.agents.flights.time', clock)
    return clock


def attempt(key, number=1, *args):
    return Attempt(Candidate(key, args), number)


def launch(flights, key, number=1, task_id=None, lease=100.0):
    flight = flights.add(attempt(key, number, number), Loan(None, None, 0), lease)
    flight.task_id = task_id or f'{key}-{number}'
    return flight


def test_attempts_at_one_candidate_are_out_side_by_side():
    flights = Flights()
    first, second = launch(flights, 'a'), launch(flights, 'a', 2)
    assert flights.of('a') == (first, second)
    assert flights.land('a', 2) is second
    assert flights.of('a') == (first,)
    assert flights.land('a', 2) is None
    assert flights.candidate('a', 2).args == (2,)
    assert flights.next_number(attempt('a')) == 3


def test_a_result_of_an_earlier_sending_is_not_the_flights(clock):
    flights = Flights()
    launch(flights, 'a', task_id='new')
    assert flights.land('a', 1, 'old') is None
    assert flights.land('a', 1, 'new') is not None


def test_a_result_may_come_before_the_queue_has_said_the_id():
    flights = Flights()
    flights.add(attempt('a'), Loan(None, None, 0), 1.0)
    assert flights.land('a', 1, 'any') is not None


def test_leases_run_out_oldest_first(clock):
    flights = Flights()
    for key in 'abc':
        launch(flights, key, lease=10.0)
        clock.now += 3
    assert flights.overdue() == []
    clock.now = 13.5
    assert [flight.key for flight in flights.overdue()] == ['a', 'b']
    assert [flight.key for flight in flights] == ['c']


def test_what_the_roll_misses_is_ended_once():
    flights = Flights()
    first, second = launch(flights, 'a'), launch(flights, 'b')
    called = flights.by_task()
    assert called == {'a-1': first, 'b-1': second}
    flights.land('b', 1)
    again = launch(flights, 'b')
    assert flights.cancel_all(called.values()) == [first]
    assert flights.cancel_all([first]) == []
    assert list(flights) == [again]


def test_what_is_unwanted_is_called_back_once_and_only_while_it_is_out():
    flights = Flights()
    launch(flights, 'a'), launch(flights, 'a', 2), launch(flights, 'b')
    flights.forget('a')
    flights.call_back(flights.of('a'))
    assert [flight.attempt.number for flight in flights.to_call_back()] == [1, 2]
    flights.land('a', 1)
    due = flights.to_call_back()
    assert [flight.attempt.number for flight in due] == [2]
    flights.called_back(due)
    assert flights.to_call_back() == []


def test_what_was_sent_last_is_beyond_the_workers():
    flights = Flights()
    for key in 'abcd':
        launch(flights, key)
    flights.land('a', 1)
    assert [flight.key for flight in flights.beyond(2)] == ['d']


@given(st.lists(st.tuples(st.sampled_from('abc'), st.integers(1, 3), st.booleans()), max_size=60))
def test_what_is_out_is_what_was_added_and_not_ended(moves):
    flights, out = Flights(), {}
    for key, number, lands in moves:
        if lands:
            assert flights.land(key, number) is out.pop((key, number), None)
        elif (key, number) not in out:
            out[key, number] = launch(flights, key, number)
        assert list(flights) == list(out.values())
        assert all(set(flights.of(k)) == {f for (key_, _), f in out.items() if key_ == k} for k in 'abc')
