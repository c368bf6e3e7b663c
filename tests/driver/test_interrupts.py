"""A signal that comes where Python cannot raise is not lost."""

import contextlib
import signal
import threading

import pytest

from scoutbee.driver.interrupts import Interrupts


class Dying:
    """Is told to stop while it is thrown away, where Python drops what is raised."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def throw_away_and_wait():
    Dying()
    threading.Event().wait(60)


def test_what_was_dropped_is_raised_again_and_counted_once():
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            throw_away_and_wait()
        assert interrupts.count == 1


def test_a_signal_that_somebody_swallowed_stops_the_start_of_the_campaign():
    with Interrupts() as interrupts:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            interrupts.tell(lambda: None)


def test_a_second_signal_does_not_disturb_the_taking_down():
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert interrupts.count == 2


def test_other_exceptions_that_cannot_be_raised_are_told_as_ever():
    class Failing:
        def __del__(self):
            raise ValueError('as it was thrown away')

    previous = signal.getsignal(signal.SIGINT)
    with pytest.MonkeyPatch.context() as patch:
        told = []
        patch.setattr('sys.unraisablehook', told.append)
        with Interrupts():
            Failing()
        Failing()
    assert [str(each.exc_value) for each in told] == ['as it was thrown away'] * 2
    assert signal.getsignal(signal.SIGINT) is previous
