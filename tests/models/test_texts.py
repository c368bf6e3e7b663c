"""Texts in two arrays are the same texts."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.models import texts as module
from scoutbee.models.texts import Texts

LISTS = st.lists(st.text(max_size=5) | st.sampled_from(['C', 'CC', '', '\ud800', 'Ångström']), max_size=40)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, '_BLOCK', 7)


@given(given=LISTS)
def test_they_come_back(given):
    texts = Texts.of(given)
    assert list(texts) == given
    assert len(texts) == len(given)
    assert [texts[row] for row in range(-len(given), len(given))] == given + given
    assert list(pickle.loads(pickle.dumps(texts))) == given
    assert Texts.of(texts) is texts


@given(given=LISTS, bounds=st.slices(40))
def test_slices_and_rows_are_those_texts(given, bounds):
    texts = Texts.of(given)
    assert list(texts[bounds]) == given[bounds]
    rows = np.arange(len(given))[::-1]
    assert list(texts.take(rows)) == given[::-1]
    assert list(texts.joined(texts[:2])) == given + given[:2]


@given(given=LISTS, wanted=LISTS)
def test_repetitions_and_places_are_found(given, wanted):
    texts = Texts.of(given)
    assert [texts[row] for row in texts.first_rows()] == list(dict.fromkeys(given))
    assert [given.index(text) if text in given else -1 for text in wanted] == texts.find(Texts.of(wanted)).tolist()


@given(given=LISTS, wanted=LISTS)
def test_hashes_that_say_nothing_cost_only_time(given, wanted):
    texts, others = Texts.of(given), Texts.of(wanted)
    for some in (texts, others):
        some.__dict__['hashes'] = np.zeros(len(some), dtype=np.uint64)  # all the same
    assert [texts[row] for row in texts.first_rows()] == list(dict.fromkeys(given))
    assert [given.index(text) if text in given else -1 for text in wanted] == texts.find(others).tolist()


def test_a_place_that_is_not_there_is_an_error():
    with pytest.raises(IndexError):
        Texts.of(['a'])[1]
    with pytest.raises(ValueError, match='3 bytes in all, got 2'):
        Texts(b'ab', np.array([1, 2]))
