"""Roll calls: each task is asked about once a period, some at a time, and what is held by nobody is found."""

import pytest

from scoutbee.agents.roll_call import AT_ONCE, RollCall
from scoutbee.testing.clock import Clock
from scoutbee.testing.queues import ThreadQueues

PERIOD = 10.0


@pytest.fixture
def clock(monkeypatch):
    clock = Clock(100.0)
    monkeypatch.setattr('scoutbee.agents.roll_call.time', clock)
    return clock


@pytest.fixture
def queues():
    return ThreadQueues()


def question(queues):
    """What is asked about; None if nothing is."""
    if not queues._requests.qsize():
        return None
    _, task = queues.get_task(timeout=0)
    task.deserialize()
    return task


def answer(queues, task, held):
    """Play the task server; returns what the driver receives."""
    task.set_result(tuple(i for i in task.args[0] if i in held))
    task.serialize()
    queues.send_result(task)
    return queues.get_result('simulate', timeout=1)


def ids(count):
    return [f't{i}' for i in range(count)]


def whole_round(roll, queues, clock, out, held):
    """Ask until all were asked about; returns how many questions that took, how long, and what is missing."""
    began, asked, missing = clock.now, [], set()
    while len(asked) < len(out):
        roll.ask_if_due(lambda: out)
        task = question(queues)
        if task is None:
            clock.now += PERIOD / 50
            continue
        assert len(task.args[0]) <= AT_ONCE
        asked.extend(task.args[0])
        missing |= roll.missing(answer(queues, task, held))
    assert sorted(asked) == sorted(out)
    return missing, clock.now - began


def test_nothing_is_asked_before_its_time_or_without_need(clock, queues):
    roll = RollCall(queues, 'simulate', PERIOD)
    roll.ask_if_due(lambda: ids(3))
    assert question(queues) is None
    clock.now += PERIOD
    roll.ask_if_due(list)
    assert question(queues) is None


@pytest.mark.parametrize('count', [1, AT_ONCE, AT_ONCE + 1, 5 * AT_ONCE])
def test_all_are_asked_about_within_two_periods_and_what_nobody_holds_is_found(clock, queues, count):
    roll, out = RollCall(queues, 'simulate', PERIOD), ids(count)
    missing, seconds = whole_round(roll, queues, clock, out, held=set(out[1:]))
    assert missing == {'t0'}
    assert seconds <= 2.1 * PERIOD
    missing, seconds = whole_round(roll, queues, clock, out, held=set(out))
    assert missing == set()
    assert 0.5 * PERIOD <= seconds <= 1.1 * PERIOD


def test_after_a_death_all_are_asked_about_at_once(clock, queues):
    roll, out = RollCall(queues, 'simulate', PERIOD), ids(3 * AT_ONCE)
    roll.hurry()
    assert whole_round(roll, queues, clock, out, held=set()) == (set(out), 0.0)
    roll.ask_if_due(lambda: out)
    assert question(queues) is None


def test_an_answer_to_an_older_question_says_nothing(clock, queues):
    roll = RollCall(queues, 'simulate', PERIOD)
    roll.hurry()
    roll.ask_if_due(lambda: ids(2))
    older = question(queues)
    roll.hurry()
    roll.ask_if_due(lambda: ids(2))
    assert roll.missing(answer(queues, older, held=set())) == frozenset()
    assert roll.missing(answer(queues, question(queues), held={'t0'})) == {'t1'}


def test_a_question_without_an_answer_is_asked_again(clock, queues):
    roll = RollCall(queues, 'simulate', PERIOD)
    roll.hurry()
    roll.ask_if_due(lambda: ids(2))
    assert question(queues) is not None
    clock.now += 3.9 * PERIOD
    roll.ask_if_due(lambda: ids(2))
    assert question(queues) is None
    clock.now += 0.2 * PERIOD
    roll.ask_if_due(lambda: ids(3))
    assert set(question(queues).args[0]) == {'t0', 't1', 't2'}
