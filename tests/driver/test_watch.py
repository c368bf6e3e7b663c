"""How many deaths of a server are too many."""

from hypothesis import given
from hypothesis import strategies as st

from scoutbee.driver.watch import RESTARTS, WINDOW_SECONDS, Deaths
from scoutbee.testing.clock import Clock


def test_a_server_that_dies_again_and_again_for_nothing_is_too_much():
    deaths = Deaths(now=Clock().monotonic)
    assert [deaths.count(received=7) for _ in range(RESTARTS + 1)][-1] > RESTARTS


@given(st.lists(st.tuples(st.floats(0, 2 * WINDOW_SECONDS), st.booleans()), max_size=60))
def test_only_deaths_of_late_and_since_the_last_result_count(story):
    clock, received = Clock(), 0
    deaths = Deaths(now=clock.monotonic)
    times = []
    for pause, came in story:
        clock.now += pause
        if came:
            received += 1
            times.clear()
        times.append(clock.now)
        assert deaths.count(received) == sum(time >= clock.now - WINDOW_SECONDS for time in times)
