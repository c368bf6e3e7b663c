"""Predictions of an ensemble as they are read: in pieces, whatever the chunks they came in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scoutbee.models.ensemble import COLUMNS, Ensemble

matrices = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 4), st.integers(1, 30)), elements=st.floats(-100, 100, width=32)
)


def in_chunks(matrix, ends, sign=1.0):
    return Ensemble([np.split(member, ends) for member in matrix], sign)


def joined(ensemble):
    found = np.empty((ensemble.members, ensemble.size), dtype=ensemble.dtype)
    for part, piece in ensemble.pieces():
        found[:, part] = piece
    return found


@given(matrix=matrices, ends=st.lists(st.integers(0, 30), max_size=4).map(sorted), sign=st.sampled_from([1.0, -1.0]))
def test_pieces_are_the_predictions_whatever_the_chunks(matrix, ends, sign):
    ensemble = in_chunks(matrix, [min(end, matrix.shape[1]) for end in ends], sign)
    assert (ensemble.members, ensemble.size, ensemble.dtype) == (*matrix.shape, np.float32)
    np.testing.assert_array_equal(joined(ensemble), sign * matrix)


@given(matrix=matrices, ends=st.lists(st.integers(0, 30), max_size=4).map(sorted), data=st.data())
def test_what_is_predicted_of_one_candidate_is_in_its_own_direction(matrix, ends, data):
    ensemble = in_chunks(matrix, [min(end, matrix.shape[1]) for end in ends], -1.0)
    row = data.draw(st.integers(0, matrix.shape[1] - 1))
    mean, std = ensemble.predicted(row)
    column = matrix[:, row].astype(np.float64)
    np.testing.assert_allclose([mean, std], [column.mean(), column.std()], atol=1e-9)


def test_large_chunks_are_read_in_small_pieces_and_may_be_written_to():
    matrix = np.random.default_rng(0).random((2, 3 * COLUMNS + 5), dtype=np.float32)
    before = matrix.copy()
    ensemble = in_chunks(matrix, [COLUMNS + 1])
    for _, piece in ensemble.pieces():
        assert piece.shape[1] <= COLUMNS
        piece[:] = 0
    np.testing.assert_array_equal(joined(ensemble), before)


def test_predictions_of_more_digits_keep_them():
    matrix = np.array([[1.0, 1.0 + 1e-12]])
    assert in_chunks(matrix, []).dtype == np.float64


@pytest.mark.parametrize(
    'arrays', [[], [[np.zeros(3)], [np.zeros(4)]], [[np.zeros(2)], [np.zeros(1), np.zeros(1)]], [[np.zeros((2, 2))]]]
)
def test_members_that_do_not_agree_are_refused(arrays):
    with pytest.raises(ValueError, match=r'shape \(n,\), alike for at least one member'):
        Ensemble(arrays)


@pytest.mark.parametrize(
    ('predictions', 'constant'),
    [
        ([[5.0, 5.0, 5.0]], [0]),
        ([[5.0, 5.0, 5.0], [4.0, 4.0, 4.0]], [0, 1]),
        ([[5.0, 5.0, 5.000001]], [0]),
        ([[5.0, 5.0, 5.1]], []),
        ([[5.0, 5.0], [4.0, 4.5]], [0]),
        ([[0.0, 0.0]], [0]),
        ([[-1e-9, 1e-9]], []),
        ([[np.nan, np.nan]], [0]),
        ([[np.nan, 1.0, 2.0]], []),
        ([[5.0]], []),
    ],
)
def test_members_that_order_nothing_are_noticed(predictions, constant):
    predictions = np.array(predictions)
    assert in_chunks(predictions, []).constant_members() == constant
    assert in_chunks(predictions, [1]).constant_members() == constant
