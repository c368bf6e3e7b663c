"""What can still be done in the time allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.agents.horizon import Horizon, RunTimes
from scoutbee.testing.clock import Clock


@pytest.fixture
def clock(monkeypatch):
    clock = Clock(50.0)
    monkeypatch.setattr('scoutbee.agents.horizon.time', clock)
    return clock


def took(*seconds):
    run_times = RunTimes()
    for each in seconds:
        run_times.add(each)
    return run_times


def test_without_a_limit_everything_may_begin():
    assert Horizon(None).allows(took(1e9))
    assert not Horizon(None).is_reached


def test_where_nothing_is_known_it_may_begin_until_the_end(clock):
    horizon = Horizon(1.0)
    assert horizon.allows(took())
    clock.now += 3600
    assert not horizon.allows(took())
    assert horizon.is_reached


def test_what_would_not_be_done_may_not_begin(clock):
    horizon = Horizon(1.0)
    clock.now += 3600 - 30 - 100
    assert horizon.allows(took(60.0))
    assert not horizon.allows(took(70.0))  # of so few, half as much again is reckoned with
    assert horizon.allows(took(*[90.0] * 95, *[1000.0] * 5))


def test_a_reserve_is_kept_for_writing(clock):
    assert Horizon(1.0).reserve == 30.0
    assert Horizon(0.1).reserve == pytest.approx(18.0)
    assert Horizon(1.0).left() == 3570.0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_estimates_lie_where_they_should(seconds):
    run_times = took(*seconds)
    ordered = sorted(seconds)
    assert run_times.median() == ordered[(len(seconds) - 1) // 2]
    exceeding = sum(each > run_times.upper() for each in seconds)
    assert exceeding <= 0.05 * len(seconds)


def test_only_the_newest_count():
    run_times = took(*[1.0] * 1000, *[5.0] * 1000)
    assert (len(run_times), run_times.median()) == (1000, 5.0)
