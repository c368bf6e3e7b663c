"""What a worker keeps from one task for later ones."""

import pickle

import fabric_tasks
import numpy as np
import pytest
from colmena.models import Result
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.fabric.depots import make_depot, new_run_name
from scoutbee.fabric.methods import worker_methods
from scoutbee.fabric.object_cache import ObjectCache
from scoutbee.fabric.stores import Places, TopicStore
from scoutbee.fabric.worker_pool import WorkerPool
from scoutbee.fabric.workers import WorkerSettings

LARGE = np.arange(10_000)
KINDS = ('simulate', 'train', 'infer')

STEPS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60), st.booleans()), max_size=60)
"""Names and sizes of objects, and whether each is kept or looked for."""


@given(st.integers(0, 100), STEPS)
def test_the_objects_used_last_are_kept_as_far_as_they_fit(limit, steps):
    cache, model = ObjectCache(limit), {}
    for name, size, is_kept in steps:
        if not is_kept:
            assert cache.get(name) == (f'{name} of {model[name]}' if name in model else None)
            if name in model:
                model[name] = model.pop(name)
        elif size <= limit:
            cache.keep(name, f'{name} of {size}', size)
            model.pop(name, None)
            model[name] = size
            while sum(model.values()) > limit:
                del model[next(iter(model))]
        else:
            cache.keep(name, 'too large', size)
    assert {name for name in range(10) if cache.get(name) is not None} == set(model)


def test_the_one_not_used_for_longest_makes_room():
    cache = ObjectCache(100)
    for name in 'abc':
        cache.keep(name, name.upper(), 30)
    cache.get('a')
    cache.keep('d', 'D', 30)
    assert [cache.get(name) for name in 'abcd'] == ['A', None, 'C', 'D']


def test_what_is_larger_than_all_there_is_room_for_displaces_nothing():
    cache = ObjectCache(100)
    cache.keep('a', 'A', 100)
    cache.keep('b', 'B', 101)
    assert (cache.get('a'), cache.get('b')) == ('A', None)


def test_it_travels_empty():
    cache = ObjectCache(100)
    cache.keep('a', 'A', 50)
    copy = pickle.loads(pickle.dumps(cache))
    assert copy.get('a') is None
    copy.keep('b', 'B', 101)
    assert copy.get('b') is None
    copy.keep('b', 'B', 100)
    assert copy.get('b') == 'B'


@pytest.fixture
def depot(tmp_path):
    made = make_depot(Places(new_run_name(), directory=tmp_path), {kind: TopicStore('file', 1000) for kind in KINDS})
    yield made
    made.close()


@pytest.fixture
def run(request):
    """Runs a task in a worker process that keeps so many bytes; returns its value, and which inputs it still had."""
    methods = worker_methods(dict.fromkeys(KINDS, fabric_tasks.total), getattr(request, 'param', 10_000_000))
    pool = WorkerPool('test', 1, WorkerSettings(WorkerSettings.pack(methods)))

    def run_one(kind, *loans):
        task = Result((tuple(loan.ref for loan in loans), {}), method=kind, topic=kind, serialization_method='pickle')
        task.serialize()
        result = pool.submit(kind, task).result(timeout=120)
        result.deserialize()
        assert result.success, result.failure_info
        return result.value, [moves['in']['hit'] for moves in result.time.proxy.values()]

    yield run_one
    pool.close()


def test_a_worker_asks_the_store_once_for_what_it_will_use_again(depot, run):
    chunk, model = depot.lend('infer', LARGE), depot.lend('infer', np.float64(1) + np.zeros(1000))
    assert run('infer', chunk)[1] == [False]
    assert run('infer', chunk)[1] == [True]
    other = depot.lend('infer', LARGE + 1)
    assert run('infer', other) == (float((LARGE + 1).sum()), [False])
    assert run('infer', chunk) == (float(LARGE.sum()), [True])
    depot.reclaim(chunk)
    assert run('infer', chunk) == (float(LARGE.sum()), [True])  # which no store has any more
    assert run('infer', model)[1] == [False]


def test_kinds_of_one_executor_share_what_a_worker_keeps(depot, run):
    data = depot.lend('train', LARGE)
    assert run('train', data)[1] == [False]
    assert run('infer', data)[1] == [True]


def test_the_inputs_of_a_simulation_are_used_once_and_not_kept(depot, run):
    candidate = depot.lend('simulate', LARGE)
    assert [run('simulate', candidate)[1] for _ in range(2)] == [[False], [False]]


@pytest.mark.parametrize('run', [100_000, 0], indirect=True)
def test_a_worker_keeps_no_more_than_it_may(depot, run, request):
    limit = request.node.callspec.params['run']
    chunks = [depot.lend('infer', LARGE + number) for number in range(2)]
    assert all(50_000 < chunk.size < 100_000 for chunk in chunks)  # one fits, two do not
    for chunk in [*chunks, chunks[0]]:
        assert run('infer', chunk)[1] == [False]
    assert run('infer', chunks[0])[1] == [limit > 0]
