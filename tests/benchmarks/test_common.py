import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ('text', 'seeds'),
    [('0-3', (0, 1, 2, 3)), ('7', (7,)), ('1,4,9', (1, 4, 9)), ('0-2, 2,5', (0, 1, 2, 5)), ('3-3', (3,))],
)
def test_seeds_are_read_as_people_write_them(text, seeds):
    from common import seed_list

    assert seed_list(text) == seeds


@pytest.mark.parametrize('text', ['', 'a', '1,', '-3', '1-', '5-2', '1-2-3', '0.5'])
def test_what_are_no_seeds_is_refused_with_an_example(text):
    from common import seed_list

    with pytest.raises(argparse.ArgumentTypeError, match='such as 0-7'):
        seed_list(text)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_a_median_lies_in_its_interval_and_the_interval_in_the_data(values):
    from common import median_interval

    interval = median_interval(values)
    slack = 1e-9 * max(map(abs, values))
    assert min(values) - slack <= interval.low <= interval.median + slack
    assert interval.median - slack <= interval.high <= max(values) + slack
    assert median_interval(values) == interval


def test_more_seeds_make_a_narrower_interval():
    from common import median_interval

    few, many = median_interval(range(10)), median_interval([x / 10 for x in range(100)])
    assert many.high - many.low < few.high - few.low
    assert f'{median_interval([2.0, 2.0]):.1f}' == '2.0 [2.0, 2.0]'


def test_no_interval_of_nothing():
    from common import median_interval

    with pytest.raises(ValueError, match='values'):
        median_interval([])


def test_a_table_can_be_pasted_into_markdown(capsys):
    from common import print_table

    print_table('Title', ['method', 'found'], [('a', 1), ('b', 22)])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0] == 'Title'
    assert lines[1].split('|')[1:3] == [' method ', ' found ']
    assert set(lines[2]) <= set('|-: ')
    assert lines[4].split() == ['|', 'b', '|', '22', '|']
