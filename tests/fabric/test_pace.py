"""Which tasks are handed to a worker that has others."""

from hypothesis import given
from hypothesis import strategies as st

from scoutbee.fabric.pace import Pace

KINDS = st.sampled_from(['quick', 'short', 'long'])
SECONDS = {'quick': 0.001, 'short': 0.5, 'long': 100.0}


def pace_of(*kinds):
    pace = Pace()
    for kind in kinds:
        pace.note(kind, SECONDS[kind])
    return pace


def test_what_is_not_known_or_long_neither_waits_nor_is_waited_for():
    pace = pace_of('short', 'long')
    assert pace.allows(['short'], 'short')
    for ahead_of, kind in (('short', 'long'), ('long', 'short'), ('quick', 'short'), ('short', 'quick')):
        assert not pace.allows([ahead_of], kind)


def test_one_waits_behind_a_short_one_and_several_behind_quick_ones():
    pace = pace_of('short', 'quick')
    assert not pace.allows(['short', 'quick'], 'quick')
    assert pace.allows(['quick', 'quick', 'quick'], 'quick')


def test_a_long_one_is_remembered_for_long():
    pace = pace_of('long')
    for _ in range(100):
        pace.note('long', 0.001)
    assert not pace.allows(['long'], 'long')


@given(st.lists(KINDS, min_size=1), KINDS)
def test_there_is_an_end_to_it(ahead_of, kind):
    pace = pace_of(*SECONDS)
    while pace.allows(ahead_of, kind):
        ahead_of.append(kind)
    assert len(ahead_of) < 1000
