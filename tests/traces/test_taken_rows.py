"""Rows of the search space that were taken, in order."""

from hypothesis import given
from hypothesis import strategies as st

from scoutbee.traces.taken_rows import TakenRows


@given(st.lists(st.tuples(st.sampled_from(['take', 'free', 'look']), st.integers(0, 9)), max_size=200))
def test_rows_stand_in_the_order_taken_and_what_was_seen_stays_as_it_was(moves):
    rows, taken, seen = TakenRows(), [], []
    for move, row in moves:
        if move == 'take' and row not in taken:
            rows.append(row)
            taken.append(row)
        elif move == 'free' and row in taken:
            rows.remove(row)
            taken.remove(row)
        elif move == 'look':
            seen.append((rows.view(), list(taken)))
    seen.append((rows.view(), taken))
    assert all(view.tolist() == expected for view, expected in seen)
