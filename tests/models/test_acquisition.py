"""Acquisition functions, and the order of candidates that follows from them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.models.acquisition import ACQUISITIONS, AcquisitionContext, make_acquisition, top_order
from scoutbee.models.ensemble import Ensemble, moments

# Multiples of 1/8 add and scale without rounding, so that properties hold exactly.
eighths = st.integers(-800, 800).map(lambda number: number / 8)
ensembles = hnp.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 30)), elements=eighths)
scores_with_ties = hnp.arrays(
    np.float64,
    st.integers(0, 80),
    elements=st.one_of(st.integers(-4, 4).map(float), st.sampled_from([np.nan, np.inf, -np.inf])),
)


def score(name, predictions, beta=1.0, best=0.0, seed=0):
    context = AcquisitionContext(np.random.default_rng(seed), best)
    return make_acquisition(name, beta=beta)(in_chunks(predictions), context)


def in_chunks(predictions, sign=1.0, *ends):
    """An ensemble whose predictions came in a few chunks."""
    ends = ends or (predictions.shape[1] // 3,)
    return Ensemble([np.split(member, ends) for member in predictions], sign)


@pytest.fixture(params=sorted(ACQUISITIONS))
def name(request):
    return request.param


@given(predictions=ensembles)
def test_every_acquisition_scores_every_candidate(predictions):
    for name in ACQUISITIONS:
        before = predictions.copy()
        scores = score(name, predictions)
        assert scores.shape == (predictions.shape[1],)
        assert np.isfinite(scores).all()
        np.testing.assert_array_equal(predictions, before)


def test_is_called_by_its_name(name):
    assert make_acquisition(name).name == name


@pytest.mark.parametrize('kind', [np.float32, np.float64])
def test_same_random_state_gives_the_same_scores(name, kind):
    predictions = np.random.default_rng(1).normal(size=(4, 40_000)).astype(kind)
    np.testing.assert_array_equal(score(name, predictions, seed=3), score(name, predictions, seed=3))


def test_what_was_not_predicted_has_no_score(name):
    predictions = np.ones((3, 4))
    predictions[1, 2] = np.nan
    assert np.isnan(score(name, predictions)).tolist() == [False, False, True, False]


def test_an_unanimous_better_candidate_is_never_behind(name):
    if name == 'random':
        pytest.skip('random does not look')
    predictions = np.tile(np.array([1.0, 3.0, 2.0]), (4, 1))
    assert list(top_order(score(name, predictions, best=2.5), np.empty(0, dtype=np.int64))) == [1, 2, 0]


@given(predictions=ensembles, shift=eighths, factor=st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_units_and_offsets_do_not_change_the_order(predictions, shift, factor):
    for name in ('ucb', 'greedy', 'thompson', 'expected_improvement'):
        plain = score(name, predictions, best=1.0)
        moved = score(name, factor * predictions + shift, best=factor * 1.0 + shift)
        expected = factor * plain + (0.0 if name == 'expected_improvement' else shift)
        np.testing.assert_allclose(moved, expected, rtol=1e-9, atol=1e-9 * (1 + abs(shift)) * factor)


@given(predictions=ensembles, low=st.floats(0, 5), more=st.floats(0, 5))
def test_more_beta_never_lowers_a_score_and_zero_is_greedy(predictions, low, more):
    assert (score('ucb', predictions, beta=low + more) >= score('ucb', predictions, beta=low) - 1e-9).all()
    np.testing.assert_allclose(score('ucb', predictions, beta=0.0), score('greedy', predictions), atol=1e-12)


@given(predictions=ensembles)
def test_order_of_members_does_not_matter(predictions):
    for name in ('ucb', 'greedy', 'expected_improvement'):
        np.testing.assert_allclose(score(name, predictions[::-1]), score(name, predictions), atol=1e-9)


def test_moments_are_those_of_numpy():
    predictions = np.random.default_rng(0).normal(12, 0.4, (8, 50_001)).astype(np.float32)
    mean, std = moments(predictions.copy())
    np.testing.assert_allclose(mean, predictions.mean(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(std, predictions.std(axis=0, dtype=np.float64), rtol=1e-4)


def test_expected_improvement_is_the_integral_over_the_normal():
    rng = np.random.default_rng(0)
    predictions = rng.normal(0, 1, (6, 20))
    mean, std = predictions.mean(axis=0), predictions.std(axis=0)
    quantiles = norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    expected = [np.maximum(m + s * quantiles - 0.3, 0).mean() for m, s in zip(mean, std, strict=True)]
    np.testing.assert_allclose(score('expected_improvement', predictions, best=0.3), expected, rtol=2e-4)


@given(predictions=ensembles, best=eighths, raised=st.floats(0, 10))
def test_a_higher_best_never_promises_more(predictions, best, raised):
    lower = score('expected_improvement', predictions, best=best)
    higher = score('expected_improvement', predictions, best=best + raised)
    assert (higher <= lower + 1e-9).all()


def test_expected_improvement_keeps_the_hopeless_ordered_by_mean():
    predictions = np.array([[1.0, 3.0, 2.0, 9.0]])
    scores = score('expected_improvement', predictions, best=5.0)
    assert scores.tolist() == [-4.0, -2.0, -3.0, 4.0]


def test_expected_improvement_before_any_observation():
    scores = score('expected_improvement', np.array([[1.0, 3.0], [3.0, 3.0]]), best=None)
    assert np.isfinite(scores).all()


def test_thompson_follows_one_member_and_not_always_the_same():
    predictions = np.random.default_rng(0).normal(size=(4, 50))
    followed = {
        int(np.flatnonzero((predictions == score('thompson', predictions, seed=seed)).all(axis=1))[0])
        for seed in range(60)
    }
    assert followed == {0, 1, 2, 3}


def test_random_does_not_look_at_predictions():
    first, second = np.zeros((2, 100)), np.random.default_rng(0).normal(size=(3, 100))
    np.testing.assert_array_equal(score('random', first), score('random', second))


def test_an_unknown_name_lists_those_that_exist():
    with pytest.raises(ConfigurationError, match=r'ucb, greedy, .*thompson, random.*got .entropy.'):
        make_acquisition('entropy')


@pytest.mark.parametrize('beta', [-0.1, float('nan'), float('inf')])
def test_a_beta_without_meaning_is_refused(beta):
    with pytest.raises(ConfigurationError, match='beta'):
        make_acquisition('ucb', beta=beta)


@given(scores=scores_with_ties, taken=st.lists(st.integers(-3, 90), max_size=40), block=st.integers(1, 90))
def test_top_order_is_the_stable_sort_without_what_is_taken(scores, taken, block):
    free = [row for row in range(len(scores)) if row not in set(taken) and not np.isnan(scores[row])]
    expected = sorted(free, key=lambda row: (-scores[row], row))
    assert list(top_order(scores, np.array(taken, dtype=np.int64), block=block)) == expected


def test_top_order_gives_plain_numbers_as_they_are_asked_for():
    scores = np.random.default_rng(0).normal(size=300_000).astype(np.float32)
    before = scores.copy()
    first = list(itertools.islice(top_order(scores, np.empty(0, dtype=np.int64)), 5000))
    np.testing.assert_array_equal(first, np.argsort(-scores, kind='stable')[:5000])
    assert all(type(row) is int for row in first[:3])
    np.testing.assert_array_equal(scores, before)


@pytest.mark.parametrize(('scores', 'block'), [(np.zeros((2, 2)), 4), (np.zeros(3), 0)])
def test_top_order_refuses_what_has_no_order_at_once(scores, block):
    with pytest.raises(ValueError, match='block'):
        top_order(scores, np.empty(0, dtype=np.int64), block=block)
