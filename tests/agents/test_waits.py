"""Why slots stood empty."""

import pytest

from scoutbee.agents.waits import WaitLog


def test_time_is_told_by_cause_and_only_from_when_the_slot_was_free():
    log = WaitLog()
    log.note('buffer', 0.0, 2.0)
    log.note('paused', 3.0, 5.0)
    log.note('buffer', 5.0, 6.0)
    assert log.since(1.0) == {'buffer': 2.0, 'paused': 2.0}
    assert log.since(4.0) == {'buffer': 1.0, 'paused': 1.0}
    assert log.since(6.0) == {}


def test_a_long_wait_is_one_span():
    log = WaitLog()
    for i in range(100_000):
        log.note('complete', i * 0.25, (i + 1) * 0.25)
    assert log.since(1.0)['complete'] == pytest.approx(25_000 - 1)
