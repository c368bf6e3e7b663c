from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.analysis.chance import random_choice, verdict
from scoutbee.contracts.candidates import Objective

UP = Objective('y', 'eV', threshold=2.5)
DOWN = Objective('y', '', maximize=False, threshold=1.5)
VALUES = [1.0, 2.0, 3.0, 4.0, 2.0]


@pytest.mark.parametrize('objective', [UP, DOWN])
@pytest.mark.parametrize('draws', [1, 2, 3])
@pytest.mark.parametrize('closed', [False, True])
def test_it_equals_counting_every_way_to_draw(objective: Objective, draws: int, closed: bool):
    ways = list(combinations(VALUES, draws) if closed else product(VALUES, repeat=draws))
    pick = max if objective.maximize else min
    best = [pick(way) for way in ways]
    found = [sum(objective.is_found(value) for value in way) for way in ways]
    chance = random_choice(VALUES, [draws], objective, closed=closed, level=0.5)
    assert chance.best_mean[0] == pytest.approx(np.mean(best))
    assert chance.found_mean[0] == pytest.approx(np.mean(found))
    for low, high, outcomes in (
        (chance.best_low[0], chance.best_high[0], best),
        (chance.found_low[0], chance.found_high[0], found),
    ):
        assert low in outcomes
        assert high in outcomes
        assert np.mean([low <= outcome <= high for outcome in outcomes]) >= 0.5 - 1e-12


def test_many_draws_from_a_closed_space_find_all_of_it():
    chance = random_choice(VALUES, [5], UP, closed=True)
    assert (chance.best_low[0], chance.best_mean[0], chance.best_high[0]) == (4.0, 4.0, 4.0)
    assert (chance.found_low[0], chance.found_mean[0], chance.found_high[0]) == (2.0, 2.0, 2.0)


def test_large_numbers_stay_exact():
    rng = np.random.default_rng(0)
    values = rng.normal(size=2000)
    objective = Objective('y', '', threshold=2.0)
    share = np.mean(values >= 2.0)
    chance = random_choice(values.tolist(), [100, 20_000], objective)
    assert chance.found_mean == pytest.approx(share * np.array([100, 20_000]))
    deviation = np.sqrt(20_000 * share * (1 - share))
    assert chance.found_high[1] - chance.found_low[1] == pytest.approx(2 * 1.645 * deviation, rel=0.02)
    assert chance.best_mean[1] == pytest.approx(values.max(), abs=0.01)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
    st.booleans(),
)
def test_the_expectation_is_within_the_known_values_and_intervals_are_ordered(values, draws, maximize):
    objective = Objective('y', '', maximize=maximize, threshold=0.0)
    chance = random_choice(values, draws, objective)
    assert np.all(chance.best_low <= chance.best_high)
    assert np.all(chance.found_low <= chance.found_high)
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert np.all((min(values) - slack <= chance.best_mean) & (chance.best_mean <= max(values) + slack))


def test_no_threshold_finds_nothing():
    assert random_choice(VALUES, [3], Objective('y', '')).found_mean.tolist() == [0.0]


def test_impossible_questions_are_refused():
    with pytest.raises(ValueError, match='at least one finite known value'):
        random_choice([float('nan')], [1], UP)
    with pytest.raises(ValueError, match='at least 1, found 0'):
        random_choice(VALUES, [0], UP)
    with pytest.raises(ValueError, match='at most 5'):
        random_choice(VALUES, [6], UP, closed=True)


def test_the_verdict_reads_as_a_sentence():
    text = verdict([1.0, 3.0, 5.0], VALUES, UP)
    assert text == (
        '2 of 3 reach 2.5 eV; random picks: 1.2 (90%: 0 to 3). '
        'Best y 5 eV; as many random picks would give 3.264 eV (90%: 2 to 4).'
    )
    assert verdict([5.0], VALUES, Objective('loss', '', maximize=False)) == (
        'Best loss 5; as many random picks would give 2.4 (90%: 1 to 4).'
    )
    assert verdict([99.0], VALUES, Objective('y', 'eV', threshold=50.0)).startswith(
        f'1 of 1 reach 50 eV; none of the {len(VALUES)} known values does. '
    )
    assert verdict([], VALUES, UP) is None
    assert verdict([1.0], [], UP) is None
