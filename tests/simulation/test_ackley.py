"""The Ackley function and its delay."""

import math
import statistics
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.contracts.errors import FailureKind, InputTaskError
from scoutbee.simulation.ackley import BOUND, ackley, delay_seconds, slow_ackley

POINTS = st.lists(st.floats(-BOUND, BOUND), min_size=1, max_size=6)


@pytest.mark.parametrize('dimension', [1, 2, 4, 30])
def test_the_minimum_is_zero_at_the_origin(dimension):
    assert ackley([0.0] * dimension) == pytest.approx(0.0, abs=1e-12)


def test_known_values():
    # At integers every cosine is 1, so only the first term is left: 20 (1 - exp(-0.2 r / sqrt(d))).
    assert ackley([1.0]) == pytest.approx(20 * (1 - math.exp(-0.2)))
    assert ackley([3.0, 4.0]) == pytest.approx(20 * (1 - math.exp(-0.2 * 5 / math.sqrt(2))))
    # Half way between, every cosine is -1.
    assert ackley([0.5, 0.5]) == pytest.approx(20 * (1 - math.exp(-0.1)) + math.e - math.exp(-1))


@given(POINTS)
def test_it_is_positive_bounded_and_symmetric(point):
    value = ackley(point)
    assert -1e-12 <= value <= 20 + math.e
    assert ackley([-x for x in reversed(point)]) == pytest.approx(value, abs=1e-9)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_any_finite_point_has_a_finite_value(point):
    assert math.isfinite(ackley(point))


@pytest.mark.parametrize('point', [[], [math.nan], [0.0, math.inf], ['x'], None, 3.0, [None]])
def test_what_is_no_point_is_refused_as_input(point):
    for function in (ackley, delay_seconds, slow_ackley):
        with pytest.raises(InputTaskError) as caught:
            function(point)
        assert caught.value.kind is FailureKind.INPUT


def test_delays_are_lognormal_over_points():
    delays = [math.log(delay_seconds([float(i), 0.5], log_mean=2.0, log_std=1.0, seed=7)) for i in range(4000)]
    assert statistics.mean(delays) == pytest.approx(2.0, abs=0.06)
    assert statistics.stdev(delays) == pytest.approx(1.0, abs=0.05)


@given(POINTS, st.integers(0, 1000))
def test_a_point_takes_the_same_time_every_time(point, seed):
    delay = delay_seconds(point, seed=seed)
    assert delay == delay_seconds(tuple(point), seed=seed)
    assert delay > 0
    assert delay != delay_seconds(point, seed=seed + 1)


def test_delay_without_deviation_is_the_median():
    assert delay_seconds([1.0], log_mean=math.log(3), log_std=0.0) == pytest.approx(3.0)


@pytest.mark.parametrize('settings', [{'log_mean': math.nan}, {'log_std': -1.0}, {'log_mean': 1e6}])
def test_what_is_no_distribution_is_refused(settings):
    with pytest.raises(InputTaskError):
        delay_seconds([1.0], **settings)


def test_slow_ackley_reports_value_and_delay(monkeypatch):
    slept = []
    monkeypatch.setattr(time, 'sleep', slept.append)
    result = slow_ackley([1.0, -2.0], 2.0, 1.0, 5, 0.5)
    assert result['value'] == ackley([1.0, -2.0])
    assert result['point'] == [1.0, -2.0]
    assert result['delay_seconds'] == 0.5 * delay_seconds([1.0, -2.0], 2.0, 1.0, 5)
    assert slept == [result['delay_seconds']]


def test_scaled_to_zero_it_does_not_sleep(monkeypatch):
    def sleep(seconds):
        raise AssertionError(f'slept for {seconds} s')

    monkeypatch.setattr(time, 'sleep', sleep)
    assert slow_ackley([1.0], delay_scale=0)['delay_seconds'] == 0.0


@pytest.mark.parametrize('scale', [-1.0, math.nan, math.inf])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(InputTaskError):
        slow_ackley([1.0], delay_scale=scale)
