"""What every connector promises, over every backend."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import backends
import pytest

from scoutbee.fabric.connectors.base import Key
from scoutbee.fabric.errors import OutOfReachError, TamperedObjectError
from scoutbee.fabric.stores import BACKENDS

SIZES = (1, 999, 1 << 20, (1 << 20) + 1, 20_000_000)

VISITOR = """
import importlib, json, os, sys
if 'SCOUTBEE_TRANSFER_STAND_IN' in os.environ:
    import scoutbee.testing.globus_transfer
from scoutbee.fabric.connectors.base import Key
module, kind, config, key = json.load(sys.stdin)
connector = getattr(importlib.import_module(module), kind).from_config(config)
found = connector.get(Key(*key[:3], tuple(key[3])))
left = connector.put(bytes(found)[::-1])
connector.close()
print(json.dumps(left))
"""


def elsewhere(connector, key, **environment):
    """Another process reads the object of a key and leaves its bytes backwards; returns the key of that."""
    kind = type(connector)
    told = json.dumps([kind.__module__, kind.__name__, connector.config(), key])
    done = subprocess.run(
        [sys.executable, '-c', VISITOR], input=told, stdout=subprocess.PIPE, text=True, check=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    name, digest, size, place = json.loads(done.stdout)
    return Key(name, digest, size, tuple(place))


EVERY_BACKEND = [pytest.param(name, marks=[pytest.mark.slow] if name == 'endpoint' else []) for name in BACKENDS]


@pytest.fixture(params=EVERY_BACKEND)
def ground(request, tmp_path):
    endpoints = request.getfixturevalue('endpoints') if request.param == 'endpoint' else None
    with backends.GROUNDS[request.param](tmp_path, endpoints) as made:
        yield made


@pytest.fixture
def connector(ground):
    made = ground.open()
    yield made
    made.close()


@pytest.fixture
def worker(connector):
    """The same store, as a worker has it."""
    made = type(connector).from_config(connector.config())
    yield made
    made.close()


def test_there_is_a_suite_for_every_backend():
    assert set(backends.GROUNDS) == set(BACKENDS)


@pytest.mark.parametrize('size', SIZES)
def test_what_one_side_puts_the_other_gets(connector, worker, size):
    data = os.urandom(size)
    for giver, taker in ((connector, worker), (worker, connector)):
        key = giver.put(data)
        assert key.size == size
        assert bytes(taker.get(key)) == data
        taker.evict(key)
        assert not giver.exists(key)
        assert giver.get(key) is None


def test_what_is_not_there_is_missing(connector, worker):
    key = connector.put(b'here')
    absent = key._replace(name='absent')
    assert worker.exists(key)
    assert not worker.exists(absent)
    assert worker.get(absent) is None
    worker.evict(absent)
    worker.evict(key)
    worker.evict(key)
    assert worker.get_batch([key, absent]) == [None, None]


def test_an_object_that_is_not_the_one_of_its_key_is_refused(ground, connector, worker):
    key = connector.put(b'ours')
    ground.forge(key, b'theirs')
    with pytest.raises(TamperedObjectError, match=key.name):
        worker.get(key)


def test_what_is_stored_can_be_listed_and_removed(connector):
    keys = connector.put_batch([b'a', b'b', b'c'])
    assert sorted(connector.names()) == sorted(key.name for key in keys)
    connector.evict(keys[0])
    assert sorted(connector.names()) == sorted(key.name for key in keys[1:])
    connector.clear()
    assert list(connector.names()) == []
    assert not any(connector.exists(key) for key in keys)


def test_another_process_reads_and_writes_too(connector):
    left = elsewhere(connector, connector.put(b'stressed'))
    assert bytes(connector.get(left)) == b'desserts'
    connector.evict(left)


def test_several_threads_may_use_it(worker):
    objects = [os.urandom(10_000 + number) for number in range(24)]
    with ThreadPoolExecutor(6) as pool:
        keys = list(pool.map(worker.put, objects))
        assert [bytes(data) for data in pool.map(worker.get, keys)] == objects
        list(pool.map(worker.evict, keys))
    assert not any(map(worker.exists, keys))


def test_secrets_are_shown_nowhere_but_in_the_config(connector):
    config = connector.config()
    shown = f'{connector!r} {connector.where(config)}'
    assert all(secret in config.values() and secret not in shown for secret in connector.secrets)


@pytest.mark.parametrize('backend', EVERY_BACKEND)
def test_a_store_that_is_gone_is_named(backend, tmp_path):
    with backends.GROUNDS[backend](tmp_path) as ground:
        connector = ground.open()
        worker = type(connector).from_config(connector.config())
        where = ground.lose()
        with pytest.raises(OutOfReachError, match=where):
            worker.put(b'nowhere')
        worker.close()
        connector.close()
